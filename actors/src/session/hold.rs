//! Whether a session keeps its connection after a statement, and why. Pure.
//!
//! ```text
//!            statement ends            nothing holds
//!   leased ────────────────> judge ────────────────────> release
//!      ^                       │ in a transaction, or a pin is in force
//!      └───────────────────────┘
//! ```

use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::sql::{Facts, Kind, PinReason, PinSet, Verdict};
use greenroom_protocol::track::Changes;

/// The characters of a transaction state in which nothing is open.
const NOTHING_OPEN: [u8; 8] = *b"________";

/// What a session has by name, several at a time.
const COUNTED: [PinReason; 2] = [PinReason::Handler, PinReason::InstanceLock];

/// What holds the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hold {
    /// Pins in force.
    pub(super) pins: PinSet,
    /// The server says that a transaction is open.
    in_transaction: bool,
    /// The transaction state names something open: a transaction, locked tables, reads of an `autocommit=0` session.
    state_open: bool,
    /// There may be a savepoint, which servers keep without a word before there is a transaction (measured).
    savepoint: bool,
    /// How many there may be of what a session has by name and a statement ends one of, as [`COUNTED`].
    counts: [u32; 2],
    /// Characteristics for the next transaction are pending (one-shot `SET TRANSACTION`), or those of this one.
    characteristics: bool,
}

impl Hold {
    /// Takes note of what the server said with a statement's end. `None` status: an error, which says nothing.
    pub(super) fn heed(&mut self, status: Option<StatusFlags>, changes: &Changes) {
        if let Some(status) = status {
            let before = self.in_transaction;
            self.in_transaction = status.contains(StatusFlags::SERVER_STATUS_IN_TRANS);
            self.savepoint &= !before || self.in_transaction;
        }
        if let Some(state) = &changes.transaction_state {
            self.state_open = *state != NOTHING_OPEN;
        }
        if let Some(characteristics) = &changes.transaction_characteristics {
            self.characteristics = !characteristics.is_empty();
        }
        let one_shot = self.characteristics && !self.in_transaction && !self.state_open;
        self.set(PinReason::OneShotIsolation, one_shot);
        if !self.is_open() {
            self.pins.remove(PinReason::XaTransaction);
        }
    }

    /// Takes note of savepoints that the statement may have made, or has ended with their transaction.
    pub(super) fn note_savepoints(&mut self, status: Option<StatusFlags>, effects: &Verdict, failed: bool) {
        let several = effects.facts.intersects(Facts::MULTI | Facts::COMPOUND);
        let made = effects.facts.contains(Facts::MAKES_SAVEPOINT) && (!failed || several);
        let is_end = matches!(effects.kind, Kind::Begin | Kind::Commit | Kind::Rollback);
        let committed = status.is_some_and(|status| status.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT));
        let over = is_end && !failed && !several || committed && !self.in_transaction;
        self.savepoint = (self.savepoint || made) && !over;
    }

    /// Whether a transaction, or what is like one, is open.
    pub(super) fn is_open(&self) -> bool {
        self.in_transaction || self.state_open || self.savepoint
    }

    /// Whether the connection must be kept.
    pub(super) fn holds(&self) -> bool {
        self.is_open() || self.characteristics || !self.pins.is_empty()
    }

    /// Whether it must be kept for this reason alone.
    pub(super) fn holds_for(&self, reason: PinReason) -> bool {
        !self.is_open() && !self.characteristics && self.pins == PinSet::from(reason)
    }

    /// Puts pins on. `several`: nobody counted how many of each the statements made.
    pub(super) fn begin(&mut self, pins: PinSet, several: bool) {
        for (reason, count) in COUNTED.iter().zip(&mut self.counts) {
            if pins.contains(*reason) {
                *count = if several { u32::MAX } else { count.saturating_add(1) };
            }
        }
        self.pins = self.pins.union(pins);
    }

    /// Takes pins off by a statement that ended one of each: of what is counted, the last must have gone.
    pub(super) fn end(&mut self, unpins: PinSet) {
        let mut unpins = unpins;
        for (reason, count) in COUNTED.iter().zip(&mut self.counts) {
            if unpins.contains(*reason) && *count != u32::MAX {
                *count = count.saturating_sub(1);
            }
            if *count > 0 {
                unpins.remove(*reason);
            }
        }
        self.pins = self.pins.difference(unpins);
    }

    /// Puts a pin on or takes it off.
    pub(super) fn set(&mut self, reason: PinReason, on: bool) {
        if on {
            self.pins.insert(reason);
        } else {
            self.pins.remove(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::constants::StatusFlags;
    use greenroom_protocol::flavor::Flavor;
    use greenroom_protocol::sql::{Mode, PinReason, PinSet, classify};
    use greenroom_protocol::track::Changes;

    use super::Hold;

    fn changes(state: Option<&[u8; 8]>, characteristics: Option<&[u8]>) -> Changes {
        Changes {
            transaction_state: state.copied(),
            transaction_characteristics: characteristics.map(Box::from),
            ..Changes::default()
        }
    }

    const IN: Option<StatusFlags> = Some(StatusFlags::SERVER_STATUS_IN_TRANS);
    const OUT: Option<StatusFlags> = Some(StatusFlags::SERVER_STATUS_AUTOCOMMIT);

    #[test]
    fn a_transaction_holds_until_its_end() {
        let mut hold = Hold::default();
        hold.heed(IN, &changes(Some(b"T_______"), Some(b"START TRANSACTION;")));
        assert!(hold.holds() && hold.pins.is_empty());
        hold.heed(OUT, &changes(Some(b"________"), Some(b"")));
        assert!(!hold.holds());
    }

    #[test]
    fn a_temporary_table_inside_a_transaction_hides_it_from_the_tracker_only() {
        let mut hold = Hold::default();
        hold.heed(IN, &changes(Some(b"T_______"), None));
        hold.heed(IN, &changes(Some(b"________"), Some(b"")));
        assert!(hold.holds());
        hold.heed(OUT, &changes(None, None));
        assert!(!hold.holds());
    }

    #[test]
    fn locked_tables_and_reads_without_autocommit_hold() {
        let mut hold = Hold::default();
        hold.heed(OUT, &changes(Some(b"_______L"), None));
        assert!(hold.holds());
        hold.heed(Some(StatusFlags::empty()), &changes(Some(b"I_R___S_"), None));
        assert!(hold.holds());
    }

    #[test]
    fn a_one_shot_isolation_level_pins_by_name_until_used() {
        let mut hold = Hold::default();
        hold.heed(OUT, &changes(None, Some(b"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;")));
        assert!(hold.pins.contains(PinReason::OneShotIsolation));
        hold.heed(OUT, &changes(None, Some(b"")));
        assert!(!hold.holds());
    }

    #[test]
    fn the_last_of_several_ends_a_pin() {
        let (mut hold, handler) = (Hold::default(), PinSet::from(PinReason::Handler));
        hold.begin(handler, false);
        hold.begin(handler, false);
        hold.end(handler);
        assert!(hold.holds());
        hold.end(handler);
        assert!(!hold.holds());
        hold.begin(handler, true);
        hold.end(handler);
        assert!(hold.holds());
    }

    /// A statement that went well while `autocommit` was off, if not `status` says otherwise.
    fn after(hold: &mut Hold, sql: &str, status: StatusFlags) -> bool {
        hold.heed(Some(status), &changes(None, None));
        hold.note_savepoints(Some(status), &classify(sql.as_bytes(), Mode::new(Flavor::MySql, 90_700)), false);
        hold.holds()
    }

    #[test]
    fn a_savepoint_holds_before_there_is_a_transaction() {
        let (none, open, auto) =
            (StatusFlags::empty(), StatusFlags::SERVER_STATUS_IN_TRANS, StatusFlags::SERVER_STATUS_AUTOCOMMIT);
        let mut hold = Hold::default();
        assert!(!after(&mut hold, "SAVEPOINT a", auto));
        assert!(after(&mut hold, "SAVEPOINT a", none));
        assert!(after(&mut hold, "ROLLBACK TO a", none));
        assert!(!after(&mut hold, "ROLLBACK", none));
        assert!(after(&mut hold, "SET autocommit = 0; SAVEPOINT a", none));
        assert!(after(&mut hold, "SELECT 1; ROLLBACK", none));
        assert!(after(&mut hold, "SELECT a FROM t", open));
        assert!(!after(&mut hold, "CREATE TABLE x (a INT)", none));
        assert!(after(&mut hold, "SAVEPOINT a", none));
        assert!(!after(&mut hold, "SET autocommit = 1", auto));
    }

    #[test]
    fn an_error_ends_no_transaction() {
        let mut hold = Hold::default();
        hold.heed(IN, &changes(None, None));
        hold.heed(None, &changes(None, None));
        assert!(hold.holds());
    }
}
