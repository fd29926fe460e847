//! Answers of Greenroom's own, written into the statements that ask for them.

use greenroom_protocol::command::Command;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet::{self, HEADER};
use greenroom_protocol::sql::{self, Facts, FoundRows, Kind, PinReason};

use super::conversation::Conversation;
use super::digest::Effects;

impl Conversation {
    /// Puts values that only Greenroom knows into a statement that asks for them.
    ///
    /// # Errors
    /// Where that can not be done without a doubt, and the server at hand would answer for somebody else's statement.
    pub(super) fn rewrite(
        &self,
        command: Command,
        effects: Effects,
        head: &[u8],
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let previous = Facts::READS_ROW_COUNT | Facts::READS_FOUND_ROWS;
        if !effects.facts.intersects(previous | Facts::READS_CONNECTION_ID) {
            return Ok(None);
        }
        // On the connection that ran the previous statement the server knows best.
        let told = command == Command::Query;
        let (row_count, found_rows) = self.previous.known(self.grant.is_some());
        // A connection that is the session's own lacks only what Greenroom has answered itself.
        let found_rows = if told && self.shares() { found_rows } else { FoundRows::Server };
        let elsewhere = told && self.shares() && (row_count.is_some() || found_rows != FoundRows::Server);
        let connection_id = Some(u64::from(self.id));
        let known = sql::Known { row_count: row_count.filter(|_| told), found_rows, connection_id };
        let mut payload = vec![command.byte()];
        payload.extend_from_slice(head);
        let (mode, doubt) = self.mode_and_doubt();
        if effects.facts.contains(Facts::MULTI) {
            let several = sql::substitute_several_in_doubt(text, mode, doubt, &known, &mut payload);
            return if several.open && elsewhere && effects.facts.intersects(previous) {
                Err(not_answered())
            } else {
                Ok(several.changed.then(|| framed(&payload)))
            };
        }
        if sql::substitute_in_doubt(text, mode, doubt, &known, &mut payload) {
            return Ok(Some(framed(&payload)));
        }
        if elsewhere && effects.facts.intersects(previous) { Err(not_answered()) } else { Ok(None) }
    }

    /// A text that prepares or executes what a user variable holds, with that in its place where it is known.
    pub(super) fn resolved(&self, effects: Effects, text: &[u8]) -> Option<Vec<u8>> {
        let prepares = matches!(effects.kind, Kind::Prepare | Kind::Execute) && !effects.facts.contains(Facts::MULTI);
        let known = self.shares() && !self.debts.user_variables && !self.hold.pins.contains(PinReason::UserVariable);
        if !prepares || !known || !effects.facts.contains(Facts::USES_USER_VARIABLES) {
            return None;
        }
        let (mode, doubt) = self.mode_and_doubt();
        // Which quotes a literal needs must be known, too.
        let value = |name: &[u8]| self.state.user_variables().text(name).filter(|_| doubt.is_none());
        sql::with_literal(text, mode, value)
    }
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(payload.len() + HEADER);
    packet::frame(&mut framed, 0, payload);
    framed
}

/// 1235: what the function would give here belongs to a connection that somebody else may have by now.
pub(super) fn not_answered() -> SqlError {
    let text = "Greenroom cannot answer ROW_COUNT() or FOUND_ROWS() in a statement of this form after its connection \
        was given back; ask within the transaction, or in a plain SELECT";
    SqlError::new(1235, *b"42000", text)
}
