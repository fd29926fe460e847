//! Statements of the binary protocol in a transaction pool: whichever connection the session gets, its statements are
//! there, under the ids that its client knows.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::constants::{CapabilityFlags, MariadbCapabilities, StatusFlags};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet::HEADER;
use greenroom_protocol::reply::Prepared;
use greenroom_protocol::sql::{Facts, Kind, PinReason};
use greenroom_protocol::statement::Source;
use greenroom_protocol::statement::bindings::Bindings;

use super::beforehand::ASKS_FOUND;
use super::belongings::Belongings;
use super::command::Incoming;
use super::conversation::Conversation;
use super::digest::Effects;
use super::kill;
use super::previous::CountOut;
use super::statements::{OPEN, Statement};
use super::turn::Turn;
use crate::end::SessionEnd;

/// A text that is being prepared.
#[derive(Debug)]
pub(super) struct Draft {
    /// The id that its client is told.
    pub(super) id: u32,
    /// What the text does when it is executed, by itself.
    pub(super) effects: Effects,
    /// `None` where it is too long to be kept.
    text: Option<Box<[u8]>>,
}

impl Draft {
    /// It is to be nowhere but on this connection: nobody knows the state in which it is prepared.
    pub(super) fn stay(&mut self) {
        self.text = None;
    }
}

impl Conversation {
    /// A statement is to be prepared. `text`: as the server gets it, if it is there whole.
    pub(super) fn draft_of(&self, command: Command, effects: Effects, text: Option<&[u8]>) -> Option<Box<Draft>> {
        let id = self.statements.next_id();
        (self.shares() && command == Command::StmtPrepare)
            .then(|| Box::new(Draft { id, effects, text: text.map(Box::from) }))
    }

    /// As a server that has no room for another: 1461.
    pub(super) fn too_many_statements(&self) -> Option<SqlError> {
        let limit = self.endpoint.choose().map(|node| node.statement_limit())?;
        (self.shares() && self.statements.len() >= limit).then(|| SqlError::too_many_statements(limit))
    }

    /// Runs a command about a prepared statement.
    pub(super) async fn about_statement(&mut self, command: Command, incoming: Incoming) -> Result<(), SessionEnd> {
        let mut effects = Self::plain_effects(command);
        let argument = self.argument(&incoming);
        let has_id = argument.len() >= size_of::<u32>();
        let id = self.statement_id(argument);
        if self.shares()
            && let Some(statement) = id.and_then(|id| self.statements.get_mut(id)).filter(|statement| statement.cut)
        {
            // More of it would be a part, too; what had come before went with its connection.
            statement.cut = command == Command::StmtSendLongData;
            if command != Command::StmtReset {
                return self.refuse(incoming, &SqlError::needs_prepare()).await;
            }
        }
        match id.map(|id| self.statements.get(id)) {
            Some(Some(known)) if self.shares() && command == Command::StmtFetch && !known.cursor => {
                let error = SqlError::no_open_cursor(id.unwrap_or_default(), self.flavor);
                return self.refuse(incoming, &error).await;
            }
            // Nothing is there to be reset.
            Some(Some(known))
                if self.shares() && command == Command::StmtReset && !known.is_open() && self.grant.is_none() =>
            {
                let mut incoming = incoming;
                self.skip(&mut incoming).await?;
                self.previous.answered(0);
                return self.send_ok(incoming.seq()).await;
            }
            Some(Some(known)) if executes(command) => {
                let pins = effects.pins;
                effects = known.effects;
                effects.pins = effects.pins.union(pins);
            }
            // MySQL adds the error to the warnings that are there (measured).
            Some(None) if executes(command) || command == Command::StmtReset => {
                effects.facts.insert(Facts::READS_DIAGNOSTICS)
            }
            // MariaDB's "the last one", where there is none; to a server it would be that of somebody else. Whom it has not
            // agreed with on bulk operations it tells so first.
            None if has_id && self.shares() && (command != Command::StmtBulkExecute || self.sends_bulk()) => {
                let error = SqlError::unknown_statement(u32::MAX, command);
                return self.refuse(incoming, &error).await;
            }
            _ => {}
        }
        if self.previous.is_in_doubt() && effects.facts.intersection(ASKS_FOUND) == Facts::READS_FOUND_ROWS {
            Box::pin(self.resolve_found_rows()).await;
        }
        let (stand_in, count_out) =
            match id.filter(|_| matches!(command, Command::StmtExecute | Command::StmtBulkExecute)) {
                Some(id) => match self.stand_in(id, effects) {
                    Ok(stand_in) => stand_in,
                    Err(error) => return self.refuse(incoming, &error).await,
                },
                None => (None, CountOut::default()),
            };
        if command == Command::StmtExecute
            && let Some((id, query)) = id.and_then(|id| self.prepared_kill(id, self.argument(&incoming)))
        {
            return Box::pin(self.kill_statement(command, incoming, id, query)).await;
        }
        let statement = id.filter(|_| self.shares());
        let known = statement.filter(|_| executes(command)).and_then(|id| self.statements.get(id));
        let named = known.filter(|_| Belongings::concern(self.hold.pins, &effects)).and_then(Statement::named);
        let named = named.map(Box::new);
        if matches!(effects.kind, Kind::ShowProcesslist { .. }) {
            self.without_cursor(&incoming);
        }
        self.run(Turn { effects, statement, stand_in, count_out, named, ..Turn::new(command, incoming) }).await
    }

    /// A list of processes comes whole, since Greenroom adds to it: servers, too, open no cursor where they need none.
    fn without_cursor(&mut self, incoming: &Incoming) {
        let used = incoming.scanned.used;
        let bytes = self.client.inlet.as_mut().and_then(|inlet| inlet.filled_mut().get_mut(..used));
        if let Some(flags) = bytes.and_then(|bytes| bytes.get_mut(HEADER + 5)) {
            *flags &= !CURSORS;
        }
    }

    /// Whom a prepared `KILL` is for, where only Greenroom knows, and whether it is for the statement alone.
    fn prepared_kill(&self, own: u32, argument: &[u8]) -> Option<(u32, bool)> {
        let statement = self.statements.get(own)?;
        let Kind::Kill { query, id } = statement.effects.kind else { return None };
        if statement.source.as_ref().is_some_and(|source| kill::is_own(source.text())) {
            return Some((self.id, query));
        }
        let bound = || {
            let attributed = self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
            let bindings = Bindings::of_execute(argument, statement.params, attributed)??;
            let types = bindings.types(argument).or(statement.types.as_deref())?;
            bindings.first_number(argument, types)
        };
        let id = if statement.params == 1 { bound() } else { id };
        Some((kill::virtual_id(id?)?, query))
    }

    fn sends_bulk(&self) -> bool {
        self.client.further.contains(MariadbCapabilities::MARIADB_CLIENT_STMT_BULK_OPERATIONS)
    }

    async fn refuse(&mut self, mut incoming: Incoming, error: &SqlError) -> Result<(), SessionEnd> {
        self.skip(&mut incoming).await?;
        if incoming.inbound.first() == Some(Command::StmtSendLongData.byte()) {
            return Ok(());
        }
        self.send_error(incoming.seq(), error).await
    }

    /// Takes note of what has become of statements by a command that was answered.
    pub(super) fn note_statements(&mut self, turn: &mut Turn) -> Option<PinReason> {
        if turn.command == Command::StmtPrepare {
            let pin = self.note_prepared(turn);
            self.keep_drafted();
            return pin;
        }
        let own = turn.statement?;
        let failed = self.summary.error.is_some();
        let status = self.summary.status;
        let statement = self.statements.get_mut(own)?;
        let before = (statement.is_open(), statement.cursor, statement.long);
        match turn.command {
            Command::StmtSendLongData => statement.long |= !failed,
            Command::StmtReset if !failed => (statement.cursor, statement.long) = (false, false),
            Command::StmtFetch => statement.cursor &= !status.contains(StatusFlags::SERVER_STATUS_LAST_ROW_SENT),
            Command::StmtExecute | Command::StmtBulkExecute => {
                statement.cursor = !failed && status.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS);
                statement.long &= failed;
            }
            _ => {}
        }
        let now = (statement.is_open(), statement.cursor, statement.long);
        let (types, source) = (statement.types.clone(), statement.source.clone());
        let is_open = now.0;
        if let Some(cache) = self.cache() {
            match (before.0, is_open) {
                (false, true) => cache.keep(own, source.as_ref()),
                (true, false) => cache.release(own),
                _ => {}
            }
            // A command that failed may have done so before the server took its types in.
            if failed
                && types.is_some()
                && let Some(entry) = cache.find(own, source.as_ref())
            {
                entry.types = None;
            }
        }
        if before != now || is_open && self.hold.pins.difference(OPEN) == self.hold.pins {
            self.count_statements();
            self.pin_for_statements();
        }
        None
    }

    fn note_prepared(&mut self, turn: &mut Turn) -> Option<PinReason> {
        let Some(prepared) = self.summary.prepare else {
            self.statements.prepared(self.statements.next_id(), None);
            return None;
        };
        let Some(draft) = turn.draft.take() else {
            let statement = Statement::new(turn.effects, turn.effects, self.mode_and_doubt(), 0, prepared);
            self.statements.prepared(prepared.id, Some(statement));
            return None;
        };
        Some(self.enlist(*draft, turn.effects, prepared)).flatten()
    }

    fn enlist(&mut self, draft: Draft, effects: Effects, prepared: Prepared) -> Option<PinReason> {
        let mut statement =
            Statement::new(draft.effects, effects, self.mode_and_doubt(), self.insight.stamp(), prepared);
        statement.stays |= draft.text.is_none();
        statement.source = draft.text.map(|text| Arc::new(Source::new(text, &self.state)));
        let (stays, source) = (statement.stays, statement.source.clone());
        self.statements.prepared(draft.id, Some(statement));
        self.make_room();
        self.enter(draft.id, source.as_ref(), prepared.id);
        (stays || self.is_strict()).then_some(PinReason::PreparedStatement)
    }

    /// The pins that statements need, and no more of these.
    fn pin_for_statements(&mut self) {
        let before = self.hold.pins;
        self.hold.pins = self.hold.pins.difference(OPEN).union(self.statements.pins());
        self.stick();
        self.tell_pins(before);
    }

    /// Closing a statement has no reply. On the server it is closed only where nobody else could use it.
    pub(super) async fn close_statement(&mut self, incoming: Incoming) -> Result<(), SessionEnd> {
        let id = self.statement_id(self.argument(&incoming));
        let known = id.and_then(|id| self.statements.remove(id));
        let mut incoming = incoming;
        if !self.shares() {
            if known.is_some_and(|known| known.cursor) {
                self.close_shadow_cursor();
            }
            return match self.grant {
                Some(_) => self.run(Turn::new(Command::StmtClose, incoming)).await,
                None => self.skip(&mut incoming).await,
            };
        }
        let (Some(id), Some(known)) = (id, known) else { return self.skip(&mut incoming).await };
        if self.statements.latest == Some(id) {
            self.statements.latest = None;
        }
        self.dismiss_stand_in(id);
        if !known.is_open() {
            return self.skip(&mut incoming).await;
        }
        let there = self.cache().and_then(|cache| cache.discard(id));
        self.count_statements();
        self.pin_for_statements();
        let Some(there) = there else { return self.skip(&mut incoming).await };
        let turn = Turn::new(Command::StmtClose, incoming);
        self.name_statement(&turn, there);
        self.run(turn).await
    }

    /// What a statement's text does not show may have changed since it was prepared.
    pub(super) fn reveal_statement(&mut self, turn: &mut Turn) {
        let Some(own) = turn.statement.filter(|_| executes(turn.command)) else { return };
        let stamp = self.insight.stamp();
        // What was known of another server says nothing of this one.
        let splits = self.split.is_some();
        let Some(statement) = self.statements.get_mut(own).filter(|statement| splits || statement.stamp != stamp)
        else {
            return;
        };
        statement.forget_hidden(stamp);
        let (way, source, mut effects) = (statement.way, statement.source.clone(), statement.effects);
        match &source {
            Some(source) => self.add_hidden(&mut effects, source.text(), way),
            None => effects.facts.insert(Facts::MAY_LEAK),
        }
        let pins = turn.effects.pins;
        turn.effects = effects;
        turn.effects.pins = effects.pins.union(pins);
        if let Some(statement) = self.statements.get_mut(own) {
            statement.effects = effects;
        }
    }

    /// Which prepared statement a command is about. MariaDB's clients may mean the one prepared last.
    pub(super) fn statement_id(&self, argument: &[u8]) -> Option<u32> {
        match argument.first_chunk::<4>().map(|id| u32::from_le_bytes(*id)) {
            Some(LATEST) if self.flavor == Flavor::MariaDb => self.statements.latest,
            id => id,
        }
    }
}

/// The id by which a client of MariaDB's means the statement that it has prepared last, without waiting for its id.
const LATEST: u32 = u32::MAX;

/// The kinds of cursors, of the flags of `COM_STMT_EXECUTE`.
const CURSORS: u8 = 7;

/// Whether a command runs a prepared statement.
pub(super) fn executes(command: Command) -> bool {
    matches!(command, Command::StmtExecute | Command::StmtBulkExecute | Command::StmtFetch)
}
