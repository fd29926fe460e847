//! What Greenroom has the server do before a client's statement.

use std::sync::Arc;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::sql::{Facts, PinReason};
use greenroom_protocol::track::ClientTrackers;

use super::command::Incoming;
use super::conversation::Conversation;
use super::own::number;
use super::prepared::executes;
use super::previous::{CountOut, may_leave};
use super::pump::Fault;
use super::rewrite::not_answered;
use super::turn::Turn;
use crate::backend::exchange::Batch;

/// Gives the trackers back to the client, who wants to set them: back to what a login finds.
const HAND_OVER: &[u8] =
    b"SET @@SESSION.session_track_system_variables=DEFAULT, @@SESSION.session_track_schema=DEFAULT, \
    @@SESSION.session_track_state_change=DEFAULT, @@SESSION.session_track_transaction_info=DEFAULT";

/// The same of the tracker that only MySQL has.
const HAND_OVER_GTIDS: &[u8] = b"SET @@SESSION.session_track_gtids=DEFAULT";

/// Empties the list of warnings. On MariaDB only a statement with a table does (measured).
const CLEAR: &[u8] = b"SELECT 0 FROM (SELECT 0) nothing";

/// Of a text that asks how many rows were found, and for warnings.
pub(super) const ASKS_FOUND: Facts = Facts::READS_FOUND_ROWS.union(Facts::READS_DIAGNOSTICS);

const FOUND: &[u8] = b"SELECT CAST(FOUND_ROWS() AS BINARY) LIMIT 1";

/// So many rows are sent. More are only counted, of which MySQL warns: that is deprecated.
const SENT: u64 = 1_000;

impl Conversation {
    /// The session's last statement left no warnings, else it would have kept its connection; but restoring its state
    /// on this one may have (a deprecated character set).
    pub(super) async fn clear_diagnostics(&mut self) -> Result<(), Fault> {
        self.previous.lose_sight(None);
        self.ask_beforehand(CLEAR).await
    }

    /// Whether a text is about to ask that, and not for warnings, which asking might take away.
    pub(super) fn asks_found_rows(&self, command: Command, incoming: &Incoming) -> bool {
        let text = self.split_text(command, self.argument(incoming)).map(|(_, text)| text);
        let facts = text.filter(|_| command == Command::Query).map(|text| self.read(text).verdict.facts);
        facts.is_some_and(|facts| facts.intersection(ASKS_FOUND) == Facts::READS_FOUND_ROWS)
    }

    /// Asks what nobody knows of the rows that were found last, where the client is about to ask that.
    pub(super) async fn resolve_found_rows(&mut self) {
        self.previous.ask();
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, FOUND);
        // The statement itself will tell of a connection that is lost.
        let Ok(outcome) = batch.run(&mut wire.stream).await else { return };
        if let Some(Answer::Rows(rows)) = outcome.answers.first()
            && let Some(found_rows) = rows.first().and_then(number)
        {
            self.previous.told(found_rows);
        }
    }

    /// Has the server do something before the client's statement, which has not been sent then.
    async fn ask_beforehand(&mut self, sql: &[u8]) -> Result<(), Fault> {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
            return Err(Fault::Unsent("there is no connection".to_owned()));
        };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, sql);
        batch.run(&mut wire.stream).await.map(drop).map_err(|error| Fault::Unsent(error.to_string()))
    }

    /// The connection is there: what it knows of the rows that others have found.
    pub(super) fn take_sight(&mut self) {
        let wire = self.grant.as_mut().and_then(|grant| grant.wire());
        self.previous.lose_sight(wire.and_then(|wire| wire.card.found_rows.take()));
    }

    /// The connection goes back: the same to whoever is next.
    pub(super) fn leave_sight(&mut self) {
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.found_rows = self.previous.left();
        }
    }

    /// What the server is to be told before a statement: for one that asks, and before one that may or may not count, so
    /// that what it gives afterwards is the session's own in either case.
    pub(super) fn counts_to_tell(&self, turn: &Turn) -> Option<CountOut> {
        if turn.count_out != CountOut::default() {
            return Some(turn.count_out);
        }
        let effects = turn.effects;
        let counts = effects.facts.contains(Facts::COUNTS_ROWS) && may_leave(effects);
        let runs = turn.command == Command::Query || executes(turn.command);
        if !runs {
            return None;
        }
        if !self.shares() {
            return self.counts_to_begin_with(turn, counts);
        }
        // A SELECT of Greenroom's own would take away what is read.
        let reads = effects.facts.intersects(Facts::READS_DIAGNOSTICS | Facts::READS_ROW_COUNT);
        if !counts || reads || self.hold.pins.contains(PinReason::OneShotIsolation) {
            return None;
        }
        self.previous.count_out_unasked().filter(|_| self.may_tell())
    }

    /// The same where the connection is the session's own, until it has counted there: a reset and Greenroom's own login leave
    /// what others have counted.
    fn counts_to_begin_with(&self, turn: &Turn, counts: bool) -> Option<CountOut> {
        let facts = turn.effects.facts;
        let reads = Facts::READS_FOUND_ROWS | Facts::READS_ROW_COUNT | Facts::MAY_ASK;
        // On MariaDB, which leaves it from one login to the next itself, not where that might take warnings away (measured).
        let safe = self.flavor == Flavor::MySql || !self.previous.has_warned();
        if !safe
            || !(counts || facts.intersects(reads))
            || facts.contains(Facts::READS_DIAGNOSTICS)
            || turn.rewritten.is_some()
        {
            return None;
        }
        let found_alone = || {
            let asks = facts.intersection(reads) == Facts::READS_FOUND_ROWS && !counts;
            self.previous.count_out_found(true).filter(|_| asks)
        };
        self.previous.count_out(true).or_else(found_alone).filter(|counts| *counts != CountOut::default())
    }

    /// How the server comes to give what the session's last statement left; `None` where it cannot.
    pub(super) fn count_out(&self, held: bool) -> Option<CountOut> {
        self.previous.count_out(held).filter(|counts| *counts == CountOut::default() || self.may_tell())
    }

    /// The same of `FOUND_ROWS()` alone.
    pub(super) fn count_out_found(&self, held: bool) -> Option<CountOut> {
        self.previous.count_out_found(held).filter(|counts| *counts == CountOut::default() || self.may_tell())
    }

    /// Whether a SELECT takes no warnings away that the next statement might leave: on MariaDB one without tables does.
    fn may_tell(&self) -> bool {
        self.flavor == Flavor::MySql || !self.hold.pins.contains(PinReason::Diagnostics)
    }

    /// Has the server give `FOUND_ROWS()` and `ROW_COUNT()` as the session's last statement left them elsewhere.
    pub(super) async fn tell_counts(&mut self, turn: &Turn, counts: CountOut) -> Result<(), Fault> {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
            return Err(Fault::Unsent("there is no connection".to_owned()));
        };
        let mut batch = Batch::new(wire.card.capabilities);
        if let Some(rows) = counts.found_rows {
            batch.add(Command::Query, finding(rows).as_bytes());
        }
        if counts.ping {
            batch.add(Command::Ping, b"");
        }
        let outcome = batch.run(&mut wire.stream).await.map_err(|error| Fault::Unsent(error.to_string()))?;
        if !outcome.answers.iter().any(|answer| matches!(answer, Answer::Failed(_))) {
            self.previous.counted_out();
            return Ok(());
        }
        self.previous.lose_sight(None);
        // Where nobody has asked, nobody is answered wrongly.
        if turn.count_out == CountOut::default() { Ok(()) } else { Err(Fault::Refused(not_answered())) }
    }

    /// The client sets trackers itself: from now on they are its own, and so is the connection.
    pub(super) async fn hand_over(&mut self) -> Result<(), Fault> {
        if self.hold.pins.contains(PinReason::TrackerSettings) {
            return Ok(());
        }
        self.ask_beforehand(HAND_OVER).await?;
        if self.grant.as_ref().and_then(|grant| grant.card()).is_some_and(|card| card.gtids) {
            self.ask_beforehand(HAND_OVER_GTIDS).await?;
            self.lose_track();
        }
        let before = self.hold.pins;
        self.hold.pins.insert(PinReason::TrackerSettings);
        self.tell_pins(before);
        (self.client.trackers, self.client.trackers_presumed) = (Arc::new(ClientTrackers::everything()), false);
        Ok(())
    }
}

/// A SELECT that finds so many rows, and uses no table of anybody's.
fn finding(rows: u64) -> String {
    const DIGIT: &str = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 \
        UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let (count, limit) = if rows <= SENT { ("", rows) } else { ("SQL_CALC_FOUND_ROWS ", 1) };
    let (mut tables, mut number, mut place) = (String::new(), String::new(), 1_u64);
    while place == 1 || place < rows {
        let (comma, plus) = if place == 1 { ("", "") } else { (",", "+") };
        tables.push_str(&format!("{comma}{DIGIT} d{place}"));
        number.push_str(&format!("{plus}{place}*d{place}.n"));
        place *= 10;
    }
    format!("SELECT {count}1 FROM {tables} WHERE {number}<{rows} LIMIT {limit}")
}
