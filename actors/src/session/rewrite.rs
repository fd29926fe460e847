//! Answers of Greenroom's own, written into the statements that ask for them.

use greenroom_protocol::command::Command;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet::{self, HEADER};
use greenroom_protocol::sql::{self, Facts, FoundRows, Kind, PinReason};

use super::conversation::Conversation;
use super::digest::Effects;
use super::previous::CountOut;

/// Asks about the statement before.
const PREVIOUS: Facts = Facts::READS_ROW_COUNT.union(Facts::READS_FOUND_ROWS);

/// What becomes of a statement that asks for such values.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// What to send in place of what the client sent.
    pub(super) framed: Option<Vec<u8>>,
    /// What the server is to be told before.
    pub(super) count_out: CountOut,
}

impl Conversation {
    /// Puts values that only Greenroom knows into a statement that asks for them, or has the server know them.
    ///
    /// # Errors
    /// Where neither can be done without a doubt, and the server at hand would answer for somebody else's statement.
    pub(super) fn rewrite(
        &self,
        command: Command,
        effects: Effects,
        head: &[u8],
        text: &[u8],
    ) -> Result<Rewritten, SqlError> {
        if !effects.facts.intersects(PREVIOUS | Facts::READS_CONNECTION_ID) {
            return Ok(Rewritten::default());
        }
        // On the connection that ran the previous statement the server knows best.
        let (told, held) = (command == Command::Query, self.grant.is_some());
        let (row_count, found_rows) = self.previous.known(held);
        let found_rows = if told { found_rows } else { FoundRows::Server };
        let known =
            sql::Known { row_count: row_count.filter(|_| told), found_rows, connection_id: Some(u64::from(self.id)) };
        let served = sql::Known { row_count: None, found_rows: FoundRows::Server, ..known };
        let row_count = Some(self.previous.row_count());
        let mut ways = [
            (Some(CountOut::default()), known),
            (self.count_out(held), served),
            (self.count_out_found(held), sql::Known { row_count, ..served }),
        ];
        if found_rows != FoundRows::Server && effects.facts.contains(Facts::READS_FOUND_ROWS) && may_count_itself(text)
        {
            ways.rotate_left(1);
        }
        let found = ways.into_iter().find_map(|(count_out, known)| {
            let (framed, open) = count_out.map(|_| self.written(command, effects, head, text, known))?;
            count_out.filter(|_| !open).map(|count_out| Rewritten { framed, count_out })
        });
        found.ok_or_else(not_answered)
    }

    /// The statement with those values in it, where any are put in; and whether it then still asks for one that the server
    /// at hand does not know.
    fn written(
        &self,
        command: Command,
        effects: Effects,
        head: &[u8],
        text: &[u8],
        known: sql::Known,
    ) -> (Option<Vec<u8>>, bool) {
        let mut payload = vec![command.byte()];
        payload.extend_from_slice(head);
        let (mode, doubt) = self.mode_and_doubt();
        let asks = effects.facts.intersects(PREVIOUS);
        if effects.facts.contains(Facts::MULTI) {
            let several = sql::substitute_several_in_doubt(text, mode, doubt, &known, &mut payload);
            let vain = known.row_count.is_some() || known.found_rows != FoundRows::Server;
            return (several.changed.then(|| framed(&payload)), asks && vain && several.open);
        }
        let written = sql::substitute_in_doubt(text, mode, doubt, &known, &mut payload);
        let vain = known.row_count.is_some() && effects.facts.contains(Facts::READS_ROW_COUNT)
            || known.found_rows != FoundRows::Server && effects.facts.contains(Facts::READS_FOUND_ROWS);
        (written.then(|| framed(&payload)), vain && !written)
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

/// Whether `FOUND_ROWS()` may give what a part of its own statement has found, which only servers know: a subquery, or a view
/// (measured on MariaDB).
pub(super) fn may_count_itself(text: &[u8]) -> bool {
    text.windows(4).any(|word| word.eq_ignore_ascii_case(b"from"))
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
