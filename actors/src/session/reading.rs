//! How a session's statements are read: by what the server has been told, and with doubt where that is not certain.

use std::borrow::Cow;

use greenroom_protocol::command::Command;
use greenroom_protocol::sql::named::named;
use greenroom_protocol::sql::{self, Doubt, Facts, Kind, Mode, PinReason, Reading, Verdict};

use super::belongings::Belongings;
use super::command::Incoming;
use super::conversation::Conversation;
use super::turn::Turn;
use crate::end::SessionEnd;
use crate::sql_modes::Seen;

impl Conversation {
    /// How the client's statements are read, as far as that is known.
    pub(super) fn sql_mode(&self) -> Mode {
        self.mode_and_doubt().0
    }

    /// Reads a text. Where sessions share no connections nothing hangs on it that would be worth a doubt.
    pub(super) fn read(&self, text: &[u8]) -> Reading {
        let (mode, doubt) = self.mode_and_doubt();
        if !self.shares() {
            return Reading { verdict: sql::classify(text, mode), sure: true };
        }
        let mut reading = sql::read(text, mode, doubt);
        if reading.verdict.unpins.contains(PinReason::UserLock) && !releases_all(text) {
            reading.verdict.unpins.remove(PinReason::UserLock);
        }
        reading
    }

    /// The same, of what a text prepares from a user variable too, where that is known. What was read comes back.
    pub(super) fn read_through<'a>(&self, text: &'a [u8]) -> (Reading, Cow<'a, [u8]>) {
        let reading = self.read(text);
        let Some(written) = self.resolved(reading.verdict, text) else { return (reading, Cow::Borrowed(text)) };
        (self.read(&written), Cow::Owned(written))
    }

    /// How they are read, and what of it is not certain.
    pub(super) fn mode_and_doubt(&self) -> (Mode, Doubt) {
        let mut mode = Mode::new(self.flavor, self.version);
        let quotes = self.state.quotes().map_or_else(|| self.usual_modes(), Seen::of);
        let mut doubt = quotes.put_into(&mut mode);
        // Where no server has named the character sets of the session's login, they may be any.
        match self.state.client_charset() {
            Some(charset) => mode.charset = charset,
            None => doubt.charset = true,
        }
        // The server was told of another in a way that it does not report, or reports to the client alone.
        doubt.sql_mode |= self.debts.sql_mode;
        doubt.charset |= self.debts.client;
        if !self.shares() || self.hold.pins.contains(PinReason::TrackerSettings) {
            doubt = Doubt::ALL;
        }
        (mode, doubt)
    }

    /// The SQL modes that the server at hand gives at login, or else those that may serve the next statement.
    fn usual_modes(&self) -> Seen {
        if let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) {
            return card.permit.node().sql_modes().seen();
        }
        let seen = self.endpoint.nodes.iter().map(|node| node.sql_modes().seen());
        seen.reduce(Seen::or).unwrap_or_default()
    }

    /// Whether a text is read once, or has to be written anew by what it is read as: one that comes in pieces, or asks for
    /// what Greenroom writes into it.
    pub(super) fn must_be_sure(&self, command: Command, incoming: &Incoming) -> bool {
        if !incoming.scanned.complete {
            return true;
        }
        if !self.shares() || self.grant.is_some() || self.mode_and_doubt().1.is_none() {
            return false;
        }
        let asks = Facts::READS_ROW_COUNT | Facts::READS_FOUND_ROWS | Facts::READS_CONNECTION_ID;
        self.split_text(command, self.argument(incoming)).is_some_and(|(_, text)| {
            let verdict = self.read(text).verdict;
            verdict.facts.intersects(asks) || matches!(verdict.kind, Kind::Prepare | Kind::Execute)
        })
    }

    /// Where such a text can not be read without a doubt, its connection is got first, and with it what was missing.
    /// `false`: there is none, and the client has been told.
    pub(super) async fn is_ready_to_read(&mut self, incoming: &mut Incoming) -> Result<bool, SessionEnd> {
        if !self.shares() || self.grant.is_some() || self.mode_and_doubt().1.is_none() {
            return Ok(true);
        }
        let got = self.acquire_or_refuse(incoming).await?;
        // That it is there already does not mean that it ran the session's last statement.
        self.take_sight();
        Ok(got)
    }

    /// The connection is there, and with it what was missing to read the text without a doubt.
    pub(super) fn read_again(&self, turn: &mut Turn) {
        let argument = self.argument(&turn.incoming);
        let Some((_, text)) = self.split_text(turn.command, argument) else { return };
        let reading = self.read(text);
        if !reading.sure {
            return;
        }
        turn.unsure = false;
        turn.effects = reading.verdict;
        match turn.draft.as_mut() {
            Some(draft) => draft.effects = reading.verdict,
            None => turn.named = self.named(reading.verdict, text),
        }
        turn.assigns = self.assigns(turn.command, reading.verdict, text);
    }

    /// What a statement names, where that matters.
    pub(super) fn named(&self, effects: Verdict, text: &[u8]) -> Option<Box<sql::named::Named>> {
        Belongings::concern(self.hold.pins, &effects).then(|| named(text, self.sql_mode()).map(Box::new)).flatten()
    }

    /// Whether a text is to be read again once its connection is there.
    pub(super) fn may_be_read_again(turn: &Turn) -> bool {
        turn.unsure && turn.reader.is_none() && matches!(turn.command, Command::Query | Command::StmtPrepare)
    }
}

/// Whether the text is a bare call of `RELEASE_ALL_LOCKS()`: in any other place it may not have been made.
fn releases_all(text: &[u8]) -> bool {
    let bare: Vec<u8> = text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_uppercase).collect();
    matches!(bare.strip_suffix(b";").unwrap_or(&bare), b"SELECTRELEASE_ALL_LOCKS()" | b"DORELEASE_ALL_LOCKS()")
}
