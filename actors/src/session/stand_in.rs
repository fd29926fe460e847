//! Prepared statements about the statement before: where the server at hand would answer for somebody else's, a text with
//! the answer in it is prepared and executed in the statement's place, this once.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::sql::{self, Facts, FoundRows, Kind};
use greenroom_protocol::statement::Source;

use super::conversation::Conversation;
use super::digest::Effects;
use super::previous::CountOut;
use super::rewrite::{may_count_itself, not_answered};
use super::statements::Statement;
use super::turn::Turn;
use crate::end::SessionEnd;

/// A text to execute, and what the server is to be told before.
type Instead = (Option<Box<[u8]>>, CountOut);

/// Tells a stand-in from the statement itself. No client prepares so many that its ids get there.
const MARK: u32 = 1 << 31;

impl Conversation {
    /// The text to execute in place of a prepared statement; `None` where the statement itself will do, if the server is
    /// told what comes with it.
    ///
    /// # Errors
    /// Where there is no such text, and the server cannot be told.
    pub(super) fn stand_in(&self, own: u32, effects: Effects) -> Result<Instead, SqlError> {
        let held = self.grant.is_some();
        let (row_count, found_rows) = self.previous.known(held);
        let asks = |fact| effects.facts.contains(fact);
        let vain = asks(Facts::READS_ROW_COUNT) && row_count.is_some()
            || asks(Facts::READS_FOUND_ROWS) && found_rows != FoundRows::Server;
        if !self.shares() || !vain {
            return Ok((None, CountOut::default()));
        }
        let known = sql::Known { row_count, found_rows, connection_id: None };
        let text = || self.text_instead(own, known).map(|text| (Some(text), CountOut::default()));
        let counted = || self.count_out(held).map(|counts| (None, counts));
        let source = self.statements.get(own).and_then(|statement| statement.source.as_ref());
        let itself = asks(Facts::READS_FOUND_ROWS) && source.is_some_and(|source| may_count_itself(source.text()));
        let found = if itself { counted().or_else(text) } else { text().or_else(counted) };
        found.ok_or_else(not_answered)
    }

    fn text_instead(&self, own: u32, known: sql::Known) -> Option<Box<[u8]>> {
        let statement = self.statements.get(own).filter(|statement| !statement.long)?;
        let ((mode, doubt), mut text) = (statement.way, Vec::new());
        let source = statement.source.as_ref()?;
        sql::substitute_in_doubt(source.text(), mode, doubt, &known, &mut text).then(|| text.into())
    }

    /// The statement's next execution is of that text, or of its own again.
    pub(super) fn set_stand_in(&mut self, turn: &Turn, own: u32) {
        let Some(statement) = self.statements.get(own) else { return };
        if statement.stand_in.is_none() && turn.stand_in.is_none() {
            return;
        }
        self.dismiss_stand_in(own);
        let Some(statement) = self.statements.get_mut(own) else { return };
        let source = statement.source.as_ref();
        statement.stand_in =
            turn.stand_in.as_ref().zip(source).map(|(text, source)| Arc::new(source.with_text(text.clone())));
    }

    /// The server may forget it.
    pub(super) fn dismiss_stand_in(&mut self, own: u32) {
        if let Some(cache) = self.cache()
            && let Some(id) = cache.discard(own | MARK)
        {
            cache.close(id);
            self.count_statements();
        }
    }

    /// The statement does not run; the connection that was leased for it goes back.
    pub(super) async fn leave_unanswered(&mut self, turn: &mut Turn) -> Result<(), SessionEnd> {
        self.note_ended(turn);
        self.skip(&mut turn.incoming).await?;
        self.send_error(turn.incoming.seq(), &not_answered()).await?;
        self.settle().await
    }

    /// The same of one of which a part is on its way already: its connection goes.
    pub(super) async fn refuse_answer(&mut self, turn: &mut Turn) -> Result<(), SessionEnd> {
        self.note_ended(turn);
        self.lose();
        self.skip(&mut turn.incoming).await?;
        self.send_error(turn.incoming.seq(), &not_answered()).await
    }

    /// Whether a statement may ask about the one before in a way that its own text does not show.
    pub(super) fn may_ask(&self, turn: &Turn) -> bool {
        let effects = turn.effects;
        // The text was prepared earlier; which one it is, a name need not tell.
        let executes = effects.kind == Kind::Execute
            || effects.facts.contains(Facts::MULTI | Facts::SETS_SQL_MODE | Facts::SETS_CHARSET);
        let prepares = effects.kind == Kind::Prepare;
        turn.command != Command::StmtPrepare
            && (effects.facts.contains(Facts::MAY_ASK) && !prepares || executes && self.prepared_asks)
    }
}

impl Statement {
    /// By which id a connection's cache knows what is executed for it, and from what that was prepared.
    pub(super) fn executed(&self, own: u32) -> (u32, Option<&Arc<Source>>) {
        match &self.stand_in {
            Some(source) => (own | MARK, Some(source)),
            None => (own, self.source.as_ref()),
        }
    }
}
