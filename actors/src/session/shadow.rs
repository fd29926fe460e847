//! A transaction pool that is not there: what it would have pinned for, of a session that has a connection of its own.
//!
//! It goes by statements' texts and by what servers say with every reply. Nothing is asked of a server or set there, so what
//! only its trackers or `information_schema` would tell is not known: a routine may leave anything.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::reply::Summary;
use greenroom_protocol::sql::named::{Named, named};
use greenroom_protocol::sql::shape::shape;
use greenroom_protocol::sql::{Doubt, Facts, Kind, PinReason, PinSet, carries};

use super::belongings::{BY_NAME, Belongings};
use super::conversation::Conversation;
use super::digest::{Effects, begun};
use super::hold::Hold;
use super::prepared::executes;
use super::shape::UnderWay;
use super::turn::{Turn, is_statement};
use crate::settings::PoolMode;

/// What would hold a session's connection.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    hold: Hold,
    /// In strict mode, pins that would stay to the end.
    sticky: PinSet,
    belongings: Option<Box<Belongings>>,
    /// What the texts that it has prepared by SQL may pin when they are executed.
    prepared: PinSet,
    /// The prepared statement that the command under way is about.
    about: Option<u32>,
}

impl Shadow {
    /// Whether it would be kept.
    pub(super) fn holds(&self) -> bool {
        self.hold.holds()
    }

    /// Takes note of what a reply said of a command; all of it was relayed.
    fn note(&mut self, effects: &Effects, named: Option<&Named>, summary: &Summary, strict: bool) {
        let failed = summary.error.is_some();
        let told = !failed && summary.results > 0;
        let status = Some(summary.status).filter(|status| told || !status.is_empty());
        self.hold.heed(status, &summary.changes);
        self.hold.note_savepoints(status, effects, failed);
        let (pins, done) = begun(effects, summary.error.map(|error| error.code), summary.large_row, strict);
        if !failed {
            self.hold.end(effects.unpins.difference(BY_NAME));
            if effects.kind == Kind::Select {
                self.hold.pins.remove(PinReason::FoundRows);
            }
        }
        let several = effects.facts.intersects(Facts::MULTI | Facts::COMPOUND);
        self.hold.begin(pins, several);
        match effects.kind {
            Kind::Prepare => self.prepared = self.prepared.union(effects.pins.difference(PinReason::SqlPrepare.into())),
            Kind::Execute if done => self.hold.begin(self.prepared, true),
            _ => {}
        }
        if Belongings::concern(self.hold.pins, effects) {
            self.note_belongings(effects, named, failed);
        }
        let prepared = effects.kind == Kind::Execute && !effects.facts.contains(Facts::MULTI);
        if effects.facts.contains(Facts::MAY_RUN_ROUTINE) {
            if done && !prepared {
                self.hold.pins.insert(PinReason::UntrackedState);
            }
            if failed {
                self.hold.pins.insert(PinReason::SuspectAfterError);
            }
        }
        let had = self.hold.pins.contains(PinReason::Diagnostics);
        let reads = effects.facts.contains(Facts::READS_DIAGNOSTICS) && had;
        self.hold.set(PinReason::Diagnostics, failed || summary.warnings > 0 || reads);
        if strict {
            let sticky: PinSet = self.hold.pins.iter().filter(|reason| reason.strict_trigger()).collect();
            self.sticky = self.sticky.union(sticky);
            self.hold.pins = self.hold.pins.union(self.sticky);
        }
    }

    fn note_belongings(&mut self, effects: &Effects, named: Option<&Named>, failed: bool) {
        let all = self.belongings.get_or_insert_default();
        // Names without a database are of one and the same as long as nobody says otherwise.
        let over = all.note(self.hold.pins, effects, named, b"", failed);
        let over = over.union(effects.unpins.intersection(PinReason::UserLock.into()));
        self.hold.pins = self.hold.pins.difference(over);
        if over.contains(PinReason::SqlPrepare) {
            self.prepared = PinSet::EMPTY;
        }
        if self.hold.pins.intersection(BY_NAME).is_empty() {
            self.belongings = None;
        }
    }
}

impl Conversation {
    /// One for an endpoint that wants it.
    pub(super) fn new_shadow(wanted: bool, mode: PoolMode) -> Option<Box<Shadow>> {
        (wanted && mode != PoolMode::Transaction).then(Box::default)
    }

    /// A command is over: what it would have done in a transaction pool.
    pub(super) fn cast_shadow(&mut self, turn: &Turn, effects: Effects) {
        let Some(mut shadow) = self.shadow.take() else { return };
        let before = shadow.hold.pins;
        self.note_cursor(&mut shadow, turn.command);
        let (mut effects, strict) = (effects, self.is_strict());
        let text = self.text_in_hand(turn);
        if !strict
            && turn.command == Command::Query
            && effects.pins.contains(PinReason::UserVariable)
            && text.is_some_and(|text| carries(text, self.sql_mode(), &effects))
        {
            effects.pins.remove(PinReason::UserVariable);
        }
        if turn.command == Command::StmtPrepare {
            effects = Effects::default();
            if strict && self.summary.error.is_none() {
                effects.pins.insert(PinReason::PreparedStatement);
            }
        }
        let concern = Belongings::concern(shadow.hold.pins, &effects);
        let named = text.filter(|_| concern).and_then(|text| named(text, self.sql_mode()));
        if is_statement(turn.command) || matches!(turn.command, Command::InitDb | Command::SetOption) {
            shadow.note(&effects, named.as_ref(), &self.summary, strict);
        }
        let begun = shadow.hold.pins.difference(before);
        if let Some(presence) = self.presence.as_ref().filter(|_| shadow.hold.pins != before) {
            presence.held_by(shadow.hold.pins);
            // Which of several ways to read it is the server's is not known here.
            let shown = || text.and_then(|text| shape(text, self.sql_mode(), Doubt::ALL));
            presence.pins_begun(begun, || shown().map(Arc::from).unwrap_or_default());
            self.tally.shadow_pinned(begun);
        }
        self.shadow = Some(shadow);
    }

    /// A command is about to run: its bytes may be gone when it has.
    pub(super) fn note_about(&mut self, turn: &Turn) {
        if self.shadow.is_some() {
            let about = self.executed(turn).filter(|_| executes(turn.command) || turn.command == Command::StmtReset);
            if let Some(shadow) = &mut self.shadow {
                shadow.about = about;
            }
        }
    }

    /// Takes note of a cursor that is open, or is so no more.
    fn note_cursor(&mut self, shadow: &mut Shadow, command: Command) {
        let Some(statement) = shadow.about.take().and_then(|id| self.statements.get_mut(id)) else { return };
        let has = |flag| self.summary.error.is_none() && self.summary.status.contains(flag);
        let before = statement.cursor;
        match command {
            Command::StmtExecute | Command::StmtBulkExecute => {
                statement.cursor = has(StatusFlags::SERVER_STATUS_CURSOR_EXISTS);
            }
            Command::StmtFetch => statement.cursor &= !has(StatusFlags::SERVER_STATUS_LAST_ROW_SENT),
            Command::StmtReset => statement.cursor &= self.summary.error.is_some(),
            _ => {}
        }
        if statement.cursor != before {
            shadow.hold.set(PinReason::Cursor, self.statements.have_cursor());
        }
    }

    /// A statement was closed while its cursor was open.
    pub(super) fn close_shadow_cursor(&mut self) {
        let Some(shadow) = &mut self.shadow else { return };
        shadow.hold.set(PinReason::Cursor, self.statements.have_cursor());
        if let Some(presence) = &self.presence {
            presence.held_by(shadow.hold.pins);
        }
    }

    /// The session's state is that of a fresh one.
    pub(super) fn lift_shadow(&mut self) {
        if let Some(shadow) = &mut self.shadow {
            **shadow = Shadow::default();
            self.activity = None;
            self.held_no_more();
        }
    }

    /// The text of a command that lies in the inlet whole: of one that was longer, the last piece may.
    fn text_in_hand(&self, turn: &Turn) -> Option<&[u8]> {
        let has = matches!(self.under_way, UnderWay::Text(..)) && turn.rewritten.is_none();
        let argument = has.then(|| self.argument(&turn.incoming))?;
        self.split_text(turn.command, argument).map(|(_, text)| text)
    }
}
