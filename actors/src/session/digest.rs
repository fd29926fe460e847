//! What a statement has done to its session: state, pins, debts.

use std::sync::Arc;

use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::sql::named::Named;
use greenroom_protocol::sql::{Facts, Kind, PinReason, PinSet, Verdict};
use greenroom_protocol::state::{SessionState, Unfit, absorb, restore};
use greenroom_protocol::track::Changes;

use super::belongings::{BY_NAME, Belongings};
use super::conversation::Conversation;

/// What a command does when it is executed, as far as its text says.
pub(super) type Effects = Verdict;

/// Pins that explain the server's "state changed" flag: what they stand for is what has changed.
const EXPLAINS: [PinReason; 5] = [
    PinReason::UserVariable,
    PinReason::TemporaryTable,
    PinReason::SqlPrepare,
    PinReason::Role,
    PinReason::UntrackedState,
];

/// Status flags that follow from `sql_mode`.
const MODES: StatusFlags =
    StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES.union(StatusFlags::SERVER_STATUS_ANSI_QUOTES);

/// What a statement may have done before it failed: a function that it called for one row has done its work, whatever
/// became of the next (measured).
const HALF_DONE: PinSet = PinSet::of(&[PinReason::UserVariable, PinReason::UserLock, PinReason::Sequence]);

/// Server error: a text that can not be read. Nothing of it has run.
const UNREADABLE: u16 = 1064;

/// What pins in strict mode only, because the vendors' proxies do.
const HARMLESS: PinSet = PinSet::of(&[PinReason::LargePacket, PinReason::MultiStatement]);

/// What a statement pins for, by its text and how it ended (with an error of this number, if with one), and whether it has done
/// its work.
pub(super) fn begun(effects: &Effects, error: Option<u16>, large_row: bool, strict: bool) -> (PinSet, bool) {
    // Of several statements the first may have done its work although a later one failed; so may a routine.
    let done = error.is_none() || effects.facts.intersects(Facts::MULTI | Facts::MAY_RUN_ROUTINE | Facts::COMPOUND);
    let mut pins = match done {
        true => effects.pins,
        false if error != Some(UNREADABLE) => effects.pins.intersection(HALF_DONE),
        false => PinSet::EMPTY,
    };
    if large_row {
        pins.insert(PinReason::LargePacket);
    }
    (if strict { pins } else { pins.difference(HARMLESS) }, done)
}

/// With it `id IS NULL` finds the row inserted last.
const AUTO_IS_NULL: &[u8] = b"sql_auto_is_null";

impl Conversation {
    /// Takes in what the reply to a command said, all of it relayed by now.
    pub(super) fn digest(&mut self, effects: Effects, named: Option<&Named>) {
        let changes = std::mem::take(&mut self.summary.changes);
        let failed = self.summary.error.is_some();
        let before = self.hold.pins;
        // No flag at all is a status too (nothing open, autocommit off), but an error that came first has none.
        let told = !failed && self.summary.results > 0;
        let status = Some(self.summary.status).filter(|status| told || !status.is_empty());
        self.note_status(status, effects);
        self.hold.heed(status, &changes);
        self.hold.note_savepoints(status, &effects, failed);
        // Neither is undone by a reset (measured).
        if (effects.facts.contains(Facts::SETS_ROLE) || effects.pins.contains(PinReason::SessionOption))
            && let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire())
        {
            wire.card.tainted = true;
        }
        if self.shares() {
            self.absorb(effects, &changes);
            self.judge(effects, named, &changes, failed);
            if before != self.hold.pins {
                self.tell_pins(before);
            }
        }
        // Its memory serves the next command.
        self.summary.changes = changes;
    }

    fn note_status(&mut self, status: Option<StatusFlags>, effects: Effects) {
        // MariaDB's SET STATEMENT tells of the SQL mode that ends with it (measured).
        let passing = if effects.facts.contains(Facts::TEMPORARY_VALUES) { MODES } else { StatusFlags::empty() };
        let before = self.status & passing;
        self.status = status.map_or(self.status, |status| (status - passing) | before);
    }

    fn absorb(&mut self, effects: Effects, changes: &Changes) {
        if changes.variables.is_empty() && changes.schema.is_none() {
            return;
        }
        // MariaDB reports the values of SET STATEMENT as if they stayed (measured).
        let passing = self.flavor == Flavor::MariaDb && effects.facts.contains(Facts::TEMPORARY_VALUES);
        // Where something else ran beside it, nobody can tell which of them do stay.
        let others = Facts::MULTI | Facts::MAY_RUN_ROUTINE | Facts::COMPOUND;
        let mixed = passing && effects.facts.intersects(others) && !changes.variables.is_empty();
        let variables = changes.variables.iter().filter(|_| !passing).map(|(name, value)| (&**name, &**value));
        let mut state = SessionState::clone(&self.state);
        let absorbed = absorb(&mut state, variables, changes.schema.as_deref());
        self.debts.charset |= absorbed.charset;
        self.debts.insert_id |= absorbed.last_insert_id;
        self.debts.server_collation |= absorbed.server_collation;
        self.debts.join_limits |= absorbed.join_limits;
        self.hold.set(PinReason::InsertId, self.hold.pins.contains(PinReason::InsertId) || absorbed.insert_id);
        // There it goes by what the connection itself has inserted, which no statement gives to another (measured).
        let by_itself =
            self.flavor == Flavor::MariaDb && state.variable(AUTO_IS_NULL).is_some_and(|value| value != b"OFF");
        let mut untracked = absorbed.unrestorable || mixed || by_itself;
        if absorbed.changed {
            self.state = Arc::new(state);
            self.local.share(&mut self.state);
            if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
                untracked |= restore(&self.state, &wire.card.birth.state, &[], wire.card.capabilities, None)
                    == Err(Unfit::Value);
                wire.card.state = Arc::clone(&self.state);
            }
        }
        if untracked {
            self.hold.pins.insert(PinReason::UntrackedState);
        }
    }

    fn judge(&mut self, effects: Effects, named: Option<&Named>, changes: &Changes, failed: bool) {
        let error = self.summary.error.map(|error| error.code);
        let (mut pins, done) = begun(&effects, error, self.summary.large_row, self.is_strict());
        let known = effects.facts.contains(Facts::ROUTINES_ARE_KNOWN);
        if !self.is_strict() && known {
            pins.remove(PinReason::Call);
        }
        if !failed {
            self.hold.end(effects.unpins.difference(BY_NAME));
            if effects.kind == Kind::Select {
                self.hold.pins.remove(PinReason::FoundRows);
            }
        }
        self.hold.begin(pins, effects.facts.intersects(Facts::MULTI | Facts::COMPOUND));
        self.prepared_asks |= effects.facts.contains(Facts::MAY_ASK) && effects.pins.contains(PinReason::SqlPrepare);
        match effects.kind {
            Kind::Prepare => {
                let texts = PinSet::of(&[PinReason::SqlPrepare]);
                self.prepared = self.prepared.union(effects.pins.difference(texts));
            }
            // A text prepared once may be executed any number of times, and its name does not tell which it is.
            Kind::Execute if done => self.hold.begin(self.prepared, true),
            _ => {}
        }
        if Belongings::concern(self.hold.pins, &effects) {
            self.note_belongings(effects, named, failed);
        }
        // Locks, variables assigned by SELECT and tables made by it are reported by nobody when a routine makes them.
        let unknown = effects.facts.contains(Facts::MAY_RUN_ROUTINE) && !known;
        // What an EXECUTE runs is known since its text was prepared.
        let prepared = effects.kind == Kind::Execute && !effects.facts.contains(Facts::MULTI);
        if done && unknown && !prepared {
            self.hold.pins.insert(PinReason::UntrackedState);
        }
        // What one statement does explains nothing that another one or a routine does.
        let alone = !effects.facts.intersects(Facts::MULTI | Facts::MAY_RUN_ROUTINE);
        let explained = EXPLAINS.iter().any(|reason| pins.contains(*reason))
            || alone && (!effects.unpins.is_empty() || effects.kind == Kind::Use)
            || effects.facts.intersects(Facts::SETS_ONLY_VARIABLES | Facts::TEMPORARY_VALUES)
            // MariaDB goes to the database of a prepared statement and back, and tells so (measured).
            || alone && effects.facts.contains(Facts::READ_ONLY) && changes.schema.is_some();
        // Nor does it explain what MySQL still has to say of a trigger in the failed statement before.
        let belated = !failed && std::mem::take(&mut self.debts.failed_dml);
        if changes.unknown || changes.state_changed && (!explained || belated) {
            self.hold.pins.insert(PinReason::UntrackedState);
        }
        self.soiled |= effects.facts.contains(Facts::MAY_LEAK);
        self.note_diagnostics(effects, failed);
        self.note_debts(effects, failed);
        self.stick();
    }

    fn note_belongings(&mut self, effects: Effects, named: Option<&Named>, failed: bool) {
        let all = self.belongings.get_or_insert_default();
        let database = self.state.database().unwrap_or_default();
        let over = all.note(self.hold.pins, &effects, named, database, failed);
        // All locks are, when the statement says so and nothing else.
        let over = over.union(effects.unpins.intersection(PinSet::of(&[PinReason::UserLock])));
        self.hold.pins = self.hold.pins.difference(over);
        if over.contains(PinReason::SqlPrepare) {
            (self.prepared, self.prepared_asks) = (PinSet::EMPTY, false);
        }
        if self.hold.pins.intersection(BY_NAME).is_empty() {
            self.belongings = None;
        }
    }

    /// The warnings and errors of a statement are there until the next one, on its connection alone.
    fn note_diagnostics(&mut self, effects: Effects, failed: bool) {
        let had = self.hold.pins.contains(PinReason::Diagnostics);
        let read = effects.facts.contains(Facts::READS_DIAGNOSTICS) && had;
        let has = failed || self.summary.warnings > 0 || read;
        // On MySQL every statement empties the list that does not read it; on MariaDB those with a table do.
        let emptied = match self.flavor {
            Flavor::MySql => !effects.facts.contains(Facts::READS_DIAGNOSTICS),
            Flavor::MariaDb => effects.facts.contains(Facts::IS_DML),
        };
        self.warnings_lost &= !has && !emptied;
        self.hold.set(PinReason::Diagnostics, has);
        // MariaDB keeps them while no statement with a table comes, also those of an earlier one in the same string.
        let left = had || self.summary.warned || self.debts.warnings;
        self.debts.warnings = !has && left && self.flavor == Flavor::MariaDb;
    }

    fn note_debts(&mut self, effects: Effects, failed: bool) {
        let facts = effects.facts;
        self.debts.insert_id |=
            self.summary.generated_insert_id.is_some() || facts.contains(Facts::SETS_LAST_INSERT_ID);
        if facts.contains(Facts::SETS_UNREPORTED) {
            self.debts.unreported = true;
            // Every one of these may be among them.
            (self.debts.charset, self.debts.server_collation, self.debts.join_limits) = (true, true, true);
            self.debts.sql_mode |= facts.contains(Facts::SETS_SQL_MODE);
            self.debts.client |= facts.contains(Facts::SETS_CHARSET);
        }
        if !failed {
            return;
        }
        if facts.contains(Facts::MAY_RUN_ROUTINE) {
            self.hold.pins.insert(PinReason::SuspectAfterError);
        }
        match self.flavor {
            Flavor::MySql => {
                self.debts.suspicion = true;
                self.debts.failed_dml |= facts.contains(Facts::IS_DML);
            }
            Flavor::MariaDb => self.debts.triggers |= facts.contains(Facts::IS_DML),
        }
    }

    /// In strict mode what the vendors' proxies pin for stays pinned to the end.
    pub(super) fn stick(&mut self) {
        if self.is_strict() {
            for reason in self.hold.pins.iter().filter(|reason| reason.strict_trigger()) {
                self.sticky.insert(reason);
            }
            self.hold.pins = self.hold.pins.union(self.sticky);
        }
    }
}
