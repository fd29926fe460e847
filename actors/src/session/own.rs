//! Before a connection goes to somebody else: asking the server what it did not report.

use std::sync::Arc;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::sql::PinReason;
use greenroom_protocol::sql::read_back::question;
use greenroom_protocol::state::{Charset, Names, SessionState, absorb};

use super::conversation::{Conversation, Debts};
use crate::backend::exchange::{Batch, Outcome};
use crate::backend::names;
use crate::end::SessionEnd;

/// What a session may have changed that no report gives exactly. A LIMIT of one's own, here and below, goes before
/// the session's `sql_select_limit`, and only what is binary does not come in its `character_set_results`, which need
/// not have ASCII in it (`ucs2`; measured).
const READ_BACK: &[u8] = b"SELECT CAST(LAST_INSERT_ID() AS BINARY), CAST(@@character_set_client AS BINARY), \
    CAST(@@character_set_results AS BINARY), CAST(@@collation_connection AS BINARY) LIMIT 1";

/// The same, and `FOUND_ROWS()`, which is still that of the statement before while it runs.
const READ_BACK_FOUND: &[u8] = b"SELECT CAST(LAST_INSERT_ID() AS BINARY), CAST(FOUND_ROWS() AS BINARY), \
    CAST(@@character_set_client AS BINARY), CAST(@@character_set_results AS BINARY), \
    CAST(@@collation_connection AS BINARY) LIMIT 1";

/// Whether there are warnings.
const WARNINGS: &[u8] = b"SELECT CAST(@@warning_count AS BINARY) LIMIT 1";

/// The same, and `FOUND_ROWS()`, which the first would take away.
const WARNINGS_FOUND: &[u8] = b"SELECT CAST(@@warning_count AS BINARY), CAST(FOUND_ROWS() AS BINARY) LIMIT 1";

/// Variables that change each other unreported; the server's character set follows its collation.
const PARTNERS: &[u8] = b"SELECT CAST(@@SESSION.collation_server AS BINARY), \
    CAST(@@SESSION.max_join_size AS BINARY), CAST(@@SESSION.sql_big_selects AS BINARY) LIMIT 1";

/// MariaDB: every variable that this session has set to something of its own, those that a login may have set
/// (`AT_LOGIN`), of which the global value is one's own, and those that only sessions have. In parentheses, since the
/// session's SQL mode may have NOT bind first (`HIGH_NOT_PRECEDENCE`).
const SET_HERE: &[u8] = b"SELECT CAST(LOWER(VARIABLE_NAME) AS BINARY), CAST(SESSION_VALUE AS BINARY), \
    CAST(VARIABLE_SCOPE AS BINARY) FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_SCOPE='SESSION ONLY' OR \
    (VARIABLE_SCOPE='SESSION' AND (NOT (BINARY SESSION_VALUE<=>BINARY GLOBAL_VALUE) \
    OR VARIABLE_NAME IN ('SQL_MODE','WAIT_TIMEOUT'))) LIMIT 10000";

/// MariaDB counts the triggers that ran in a session; one that ran in a failed statement left no other trace (measured).
const TRIGGERS: &[u8] = b"SELECT CAST(VARIABLE_VALUE AS BINARY) FROM information_schema.SESSION_STATUS \
    WHERE VARIABLE_NAME='EXECUTED_TRIGGERS' LIMIT 1";

/// What a connection has written last; MySQL tells of it only with all that the server has.
const fn position(flavor: Flavor) -> &'static [u8] {
    match flavor {
        Flavor::MySql => b"SELECT CAST(@@GLOBAL.gtid_executed AS BINARY) LIMIT 1",
        Flavor::MariaDb => b"SELECT CAST(@@last_gtid AS BINARY) LIMIT 1",
    }
}

impl Conversation {
    /// Gives the connection back if nothing holds it.
    ///
    /// # Errors
    /// Where it is lost, and with it what the session's state had become: to go on as before would give wrong results.
    pub(super) async fn settle(&mut self) -> Result<(), SessionEnd> {
        if !self.shares() || self.grant.is_none() {
            return Ok(());
        }
        if self.hold.holds_for(PinReason::UserLock) && !self.look_for_locks().await {
            self.sever();
        }
        if self.hold.holds() {
            return Ok(());
        }
        let debts = self.debts;
        if self.debts.warnings && !self.look_for_warnings().await {
            self.warnings_lost = true;
            return self.write_off(debts);
        }
        if self.hold.holds() {
            return Ok(());
        }
        if (self.debts != Debts::default() || self.previous.owes()) && !self.pay().await {
            return self.write_off(debts);
        }
        if !self.hold.holds() {
            let condition = self.condition();
            self.leave_sight();
            self.release(condition);
        }
        Ok(())
    }

    /// The connection is lost, and with it locks that a client counts on: the next statement is told so.
    fn sever(&mut self) {
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.stream.sever();
        }
    }

    /// What was owed will never be known.
    fn write_off(&mut self, debts: Debts) -> Result<(), SessionEnd> {
        if debts.position {
            self.lose_track();
        }
        self.lose();
        if debts.insert_id || debts.hide_state() { Err(SessionEnd::BackendLost) } else { Ok(()) }
    }

    /// Asks whether there still are warnings, before anything else, which might take them away.
    async fn look_for_warnings(&mut self) -> bool {
        self.debts.warnings = false;
        let counts = self.previous.owes();
        self.previous.ask();
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return false };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, if counts { WARNINGS_FOUND } else { WARNINGS });
        let Ok(outcome) = batch.run(&mut wire.stream).await else { return false };
        let Some(Answer::Rows(rows)) = outcome.answers.first() else { return false };
        if let Some([_, Some(found_rows)]) = rows.first().map(Vec::as_slice)
            && let Some(found_rows) = number_in(found_rows)
        {
            self.previous.told(found_rows);
        }
        if rows.first().and_then(number) != Some(0) {
            let before = self.hold.pins;
            self.hold.pins.insert(PinReason::Diagnostics);
            self.tell_pins(before);
        }
        true
    }

    /// A session keeps its connection for the warnings of its last statement, for as long as it idles. Where the server
    /// has closed it meanwhile, by a timeout for one, nothing else is lost, and its next statement runs on another.
    pub(super) fn look_after_warnings(&mut self, command: Command) {
        let only_warnings = self.shares() && self.hold.holds_for(PinReason::Diagnostics);
        // The answers to other commands tell of the warnings.
        let replaces = matches!(command, Command::Query | Command::StmtPrepare | Command::StmtExecute);
        // Without autocommit a failed statement may have begun a transaction, of which an error says nothing; and a failed
        // change of rows may have changed the insert id.
        let begun = !self.status.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT);
        let changed = self.debts.insert_id || self.debts.failed_dml || self.debts.triggers || self.debts.position;
        if !only_warnings || !replaces || begun || changed || self.debts.hide_state() {
            return;
        }
        let left = self.has_left_its_primary();
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire())
            && (left || !wire.stream.is_silent())
        {
            self.lose();
            self.warnings_lost = true;
        }
    }

    /// Asks; `false` where the connection is lost.
    pub(super) async fn pay(&mut self) -> bool {
        let debts = std::mem::take(&mut self.debts);
        let counts = self.previous.owes();
        self.previous.ask();
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return false };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, if counts { READ_BACK_FOUND } else { READ_BACK });
        if debts.triggers {
            batch.add(Command::Query, TRIGGERS);
        }
        if debts.server_collation || debts.join_limits {
            batch.add(Command::Query, PARTNERS);
        }
        if debts.unreported {
            batch.add(Command::Query, SET_HERE);
        }
        if debts.user_variables {
            batch.add(Command::Query, &question(&self.computed, self.flavor));
        }
        if debts.position {
            batch.add(Command::Query, position(self.flavor));
        }
        match batch.run(&mut wire.stream).await {
            Ok(outcome) => {
                // An error that was not the client's is none of its business, should it keep the connection.
                let failed = outcome.answers.iter().any(|answer| matches!(answer, Answer::Failed(_)));
                self.take_back(debts, &outcome) && (!failed || self.clear_diagnostics().await.is_ok())
            }
            Err(fault) => {
                slog::debug!(self.stage.log, "reading a session's state back failed"; "session" => self.id, "reason" => %fault);
                false
            }
        }
    }

    /// MariaDB's count of triggers that ran; `true` where some have since it was last read, or nobody knows.
    fn note_triggers(&mut self, ran: Option<u64>) -> bool {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return true };
        let before = wire.card.triggers;
        wire.card.triggers = ran.unwrap_or(before);
        ran != Some(before)
    }

    fn note_charset(&mut self, names: Names) {
        let same = matches!(self.state.charset(), Charset::Named(before) if before.connection == names.connection);
        if self.flavor == Flavor::MySql && !same && self.state.user_variables().has_numbers() {
            self.hold.pins.insert(PinReason::UserVariable);
        }
        Arc::make_mut(&mut self.state).set_charset(Charset::Named(names));
    }

    fn take_back(&mut self, debts: Debts, outcome: &Outcome) -> bool {
        let Some(Answer::Rows(rows)) = outcome.answers.first() else { return false };
        let Some(row) = rows.first() else { return false };
        let (Some(insert_id), Some(names)) = (number(row), names(row)) else { return false };
        let before = self.hold.pins;
        let mut answers = outcome.answers.iter().skip(1);
        let mut suspect = debts.suspicion && (outcome.changes.state_changed || !outcome.changes.variables.is_empty());
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return false };
        (self.last_insert_id, wire.card.last_insert_id) = (insert_id, insert_id);
        if let [_, Some(found_rows), _, _, _] = row.as_slice()
            && let Some(found_rows) = number_in(found_rows)
        {
            self.previous.told(found_rows);
        }
        let ran = debts.triggers.then(|| triggers(answers.next()));
        let partners = (debts.server_collation || debts.join_limits).then(|| answers.next()).flatten();
        if debts.unreported {
            match set_here(answers.next(), &self.state) {
                Some(state) => self.state = Arc::new(state),
                // It may not tell: by max_join_size, say.
                None => self.hold.pins.insert(PinReason::UntrackedState),
            }
        }
        if debts.charset {
            self.note_charset(names);
        }
        if debts.server_collation || debts.join_limits {
            let Some(()) = note_partners(debts, partners, Arc::make_mut(&mut self.state)) else { return false };
        }
        if let Some(ran) = ran {
            suspect |= self.note_triggers(ran);
        }
        if debts.user_variables {
            self.note_computed(answers.next());
        }
        let last = answers.next().filter(|_| debts.position);
        self.note_told(&outcome.changes, last.and_then(text));
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.state = Arc::clone(&self.state);
        }
        if suspect {
            self.hold.pins.insert(PinReason::SuspectAfterError);
        }
        if self.hold.pins != before {
            self.tell_pins(before);
        }
        true
    }
}

/// The session's state by what MariaDB says is not as everybody's; `None` where it did not tell.
fn set_here(answer: Option<&Answer>, before: &SessionState) -> Option<SessionState> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    let mut state = SessionState::new(before.database(), before.charset().clone());
    state.set_user_variables(before.user_variables().clone());
    // A NULL can not be restored.
    if rows.iter().any(|row| row.contains(&None)) {
        return None;
    }
    let variables = rows.iter().filter_map(|row| match row.as_slice() {
        [Some(name), ..] if name.starts_with(b"session_track_") => None,
        // Most of these are the moment's; one that was reported is the session's.
        [Some(name), Some(_), Some(scope)] if **scope != *b"SESSION" && before.variable(name).is_none() => None,
        [Some(name), Some(value), _] => Some((&**name, &**value)),
        _ => None,
    });
    // What it says to be owed has been asked along with this; the database, named as if new, explains its own two.
    absorb(&mut state, variables, Some(before.database().unwrap_or_default()));
    Some(state)
}

/// Notes the true values of variables that change each other; `None` where the server did not tell.
fn note_partners(debts: Debts, answer: Option<&Answer>, state: &mut SessionState) -> Option<()> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    let [Some(collation), Some(limit), Some(big)] = rows.first()?.as_slice() else { return None };
    if debts.server_collation {
        state.set_variable(b"collation_server", collation);
    }
    if debts.join_limits {
        // Restored in the order of their names, which is the order that counts.
        state.set_variable(b"max_join_size", limit);
        state.set_variable(b"sql_big_selects", big);
    }
    Some(())
}

pub(super) fn number(row: &Row) -> Option<u64> {
    number_in(row.first()?.as_deref()?)
}

fn number_in(cell: &[u8]) -> Option<u64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn text(answer: &Answer) -> Option<&[u8]> {
    let Answer::Rows(rows) = answer else { return None };
    rows.first()?.first()?.as_deref()
}

fn triggers(answer: Option<&Answer>) -> Option<u64> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    rows.first().and_then(number)
}
