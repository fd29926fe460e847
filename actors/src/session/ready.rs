//! Seeing to it that a prepared statement is on the connection that its session has got.

use std::sync::Arc;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet::{self, HEADER, MAX_PAYLOAD, Repack};
use greenroom_protocol::sql::PinReason;
use greenroom_protocol::state::{Restore, SessionState, restore};
use greenroom_protocol::statement::bindings::Bindings;
use greenroom_protocol::statement::{Cache, Source};

use super::conversation::Conversation;
use super::prepared::executes;
use super::pump::Fault;
use super::statements::Statement;
use super::turn::Turn;
use crate::backend::exchange::Batch;
use crate::buffer::Buffer;
use crate::end::SessionEnd;

/// Server error: all statements that all clients together may prepare are.
const TOO_MANY: u16 = 1461;

/// What an execution says of its parameters' types.
enum Types {
    /// Nothing: there are no parameters.
    None,
    /// These.
    Named(Arc<[u8]>),
    /// That they are those of the last time; where they would stand.
    Kept(Bindings),
    /// Nobody can tell.
    Unclear,
}

impl Conversation {
    /// The statement that a command is about is on the connection at hand, and the command names it as the server does.
    pub(super) async fn make_ready(&mut self, turn: &mut Turn, own: u32) -> Result<(), Fault> {
        (turn.rewritten, turn.repack) = (None, None);
        let types = self.types(turn, own);
        if executes(turn.command) && turn.command != Command::StmtFetch {
            self.set_stand_in(turn, own);
        }
        let Some(statement) = self.statements.get_mut(own) else { return self.step_aside(turn, own) };
        let unclear = matches!(types, Types::Unclear);
        let fresh = unclear && !statement.stays;
        statement.stays |= unclear;
        let (stays, long) = (statement.stays, statement.long);
        let aside =
            turn.command == Command::StmtSendLongData || turn.command == Command::StmtReset && !statement.cursor;
        let (key, source) = if aside { (own, statement.source.as_ref()) } else { statement.executed(own) };
        let (known, source) = (statement.types.clone(), source.cloned());
        // A MariaDB that was never told any crashes (measured, 10.11.14).
        if matches!(types, Types::Kept(_)) && known.is_none() && self.flavor == Flavor::MariaDb {
            return Err(Fault::Refused(SqlError::wrong_arguments()));
        }
        let entry = self.cache().and_then(|cache| cache.find(key, source.as_ref()));
        // Types of somebody else's earlier execution must not stand in for those that were never given.
        let strange = fresh || matches!(types, Types::Kept(_)) && known.is_none();
        let usable = entry.is_some_and(|entry| !(strange && entry.bound));
        if !usable {
            // What it was sent for a parameter went with it, or never came.
            if long && executes(turn.command) {
                return Err(Fault::Refused(SqlError::needs_prepare()));
            }
            self.prepare_here(own, key, source.as_ref()).await?;
        }
        if stays && let Some(cache) = self.cache() {
            cache.keep(key, source.as_ref());
        }
        let Some(entry) = self.cache().and_then(|cache| cache.find(key, source.as_ref())) else {
            return Err(Fault::Unsent("the statement is not prepared".to_owned()));
        };
        let id = entry.id;
        let mut insert = None;
        match (types, known) {
            (Types::Named(types), _) => {
                (entry.bound, entry.types) = (true, Some(Arc::clone(&types)));
                if let Some(statement) = self.statements.get_mut(own) {
                    statement.types = Some(types);
                }
            }
            (Types::Kept(bindings), Some(types)) if entry.types.as_ref() != Some(&types) => {
                (entry.bound, entry.types) = (true, Some(Arc::clone(&types)));
                insert = Some((bindings, types));
            }
            _ => {}
        }
        self.name_statement(turn, id);
        if let Some((bindings, types)) = insert {
            self.insert_types(turn, &bindings, &types);
        }
        Ok(())
    }

    /// The client means a statement that it does not have, and so must the server.
    fn step_aside(&mut self, turn: &Turn, id: u32) -> Result<(), Fault> {
        let Some(cache) = self.cache() else { return Ok(()) };
        if cache.keeps_id(id) {
            return Err(Fault::Refused(SqlError::unknown_statement(id, turn.command)));
        }
        cache.evict_id(id);
        self.count_statements();
        Ok(())
    }

    fn types(&self, turn: &Turn, own: u32) -> Types {
        let Some(statement) = self.statements.get(own) else { return Types::None };
        let argument = self.argument(&turn.incoming);
        let attributed = self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
        let bindings = match turn.command {
            Command::StmtExecute => Bindings::of_execute(argument, statement.params, attributed),
            Command::StmtBulkExecute => Bindings::of_bulk(argument, statement.params),
            _ => return Types::None,
        };
        match bindings {
            None => Types::Unclear,
            Some(None) => Types::None,
            Some(Some(bindings)) => match bindings.types(argument) {
                None => Types::Kept(bindings),
                // The same as before, as most clients send them, cost no memory.
                Some(types) => match &statement.types {
                    Some(known) if **known == *types => Types::Named(Arc::clone(known)),
                    _ => Types::Named(Arc::from(types)),
                },
            },
        }
    }

    /// Prepares a statement on the connection at hand, in the state in which the client has prepared it. `key`: by which id
    /// the connection's cache is to know it.
    async fn prepare_here(&mut self, own: u32, key: u32, source: Option<&Arc<Source>>) -> Result<(), Fault> {
        let gone = || Fault::Unsent("the statement went with its connection".to_owned());
        let source = source.ok_or_else(gone)?;
        self.local.tally.prepared();
        let prepared = match self.prepare_source(source).await? {
            Answer::Failed(error) if error.code == TOO_MANY && self.evict_all() => {
                match self.prepare_source(source).await? {
                    Answer::Prepared(prepared) => prepared,
                    Answer::Failed(error) => return Err(Fault::Refused(error)),
                    _ => return Err(gone()),
                }
            }
            Answer::Prepared(prepared) => prepared,
            Answer::Failed(error) => return Err(Fault::Refused(error)),
            _ => return Err(gone()),
        };
        let params = self.statements.get(own).map(|statement| statement.params);
        if params != Some(prepared.params) {
            // What the client has bound would mean something else.
            self.close_unused(prepared.id);
            return Err(Fault::Refused(SqlError::needs_prepare()));
        }
        self.enter(key, Some(source), prepared.id);
        Ok(())
    }

    /// One write: what leads to the statement's own state, the statement, and what leads back.
    async fn prepare_source(&mut self, source: &Source) -> Result<Answer, Fault> {
        let lost = |reason: &str| Fault::Unsent(reason.to_owned());
        self.know_state().await?;
        let state = Arc::clone(&self.state);
        let mut steps = vec![(Command::StmtPrepare, source.text().to_vec())];
        let mut at = 0;
        if !source.is_at_home_in(&state) {
            let home = source.home(&state);
            let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) else {
                return Err(lost("it is gone"));
            };
            let agreed = card.capabilities;
            // "What it was before" is not the server's default.
            if card.birth.init_connect && source.differs_by_usual(&state) {
                return Err(Fault::Refused(SqlError::needs_prepare()));
            }
            let plan = |want: &SessionState, have: &SessionState| restore(want, have, &[], agreed, None);
            let (Ok(there), Ok(back)) = (plan(&home, &state), plan(&state, &home)) else {
                return Err(Fault::Refused(SqlError::needs_prepare()));
            };
            let commands = |plan: Restore| {
                let database = plan.database.map(|name| (Command::InitDb, name.into_vec()));
                database.into_iter().chain(plan.set.map(|set| (Command::Query, set)))
            };
            steps.splice(0..0, commands(there));
            at = steps.len() - 1;
            steps.extend(commands(back));
            self.previous.lose_sight(None);
        }
        self.make_room();
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return Err(lost("it is gone")) };
        let mut batch = Batch::new(wire.card.capabilities);
        wire.card.statements.close_into(batch.silent());
        for (command, argument) in &steps {
            batch.add(*command, argument);
        }
        let outcome = batch.run(&mut wire.stream).await.map_err(|error| lost(&error.to_string()))?;
        let mut answers = outcome.answers.into_iter();
        let before = answers.by_ref().take(at).find(|answer| matches!(answer, Answer::Failed(_)));
        let prepared = answers.next();
        match (before, answers.any(|answer| matches!(answer, Answer::Failed(_)))) {
            // The way back failed, or, being refused half-way there, it is not known where this is.
            (_, true) => Err(lost("the session's state could not be restored")),
            (Some(Answer::Failed(error)), _) => {
                if let Some(Answer::Prepared(elsewhere)) = prepared {
                    self.close_unused(elsewhere.id);
                }
                Err(Fault::Refused(error))
            }
            _ => prepared.ok_or_else(|| lost("the server did not answer")),
        }
    }

    /// What the session has set is known: a text means the same wherever it is prepared in that state, and whoever leaves
    /// the state finds back.
    pub(super) async fn know_state(&mut self) -> Result<(), Fault> {
        if !self.debts.hide_state() {
            return Ok(());
        }
        let warnings = self.debts.warnings;
        if !Box::pin(self.pay()).await {
            return Err(Fault::Client(SessionEnd::BackendLost));
        }
        self.debts.warnings = warnings;
        Ok(())
    }

    /// On MariaDB a preparation leaves the warnings of the statement before it where they are (measured); to ask for what
    /// the session has set would take them away.
    pub(super) fn must_not_ask(&self) -> bool {
        let warned = self.debts.warnings || self.hold.pins.contains(PinReason::Diagnostics);
        self.flavor == Flavor::MariaDb && warned && self.debts.hide_state()
    }

    fn close_unused(&mut self, id: u32) {
        if let Some(cache) = self.cache() {
            cache.close(id);
        }
    }

    /// Notes that the server has prepared a statement under that id.
    pub(super) fn enter(&mut self, own: u32, source: Option<&Arc<Source>>, id: u32) {
        let stays = self.statements.get(own).is_none_or(Statement::is_open);
        let Some(cache) = self.cache() else { return };
        match source {
            Some(source) if !stays => cache.share(Arc::clone(source), id),
            source => cache.own(own, source.cloned(), id),
        }
        self.count_statements();
    }

    pub(super) fn make_room(&mut self) {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return };
        if wire.card.permit.node().is_full_of_statements() && wire.card.statements.evict() {
            self.count_statements();
        }
    }

    /// `false`: there was none.
    fn evict_all(&mut self) -> bool {
        let mut any = false;
        while self.cache().is_some_and(Cache::evict) {
            any = true;
        }
        self.count_statements();
        any
    }

    pub(super) fn cache(&mut self) -> Option<&mut Cache> {
        self.grant.as_mut().and_then(|grant| grant.wire()).map(|wire| &mut wire.card.statements)
    }

    pub(super) fn count_statements(&mut self) {
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.permit.count_statements(wire.card.statements.len());
        }
    }

    pub(super) fn name_statement(&mut self, turn: &Turn, id: u32) {
        let used = turn.incoming.scanned.used;
        let bytes = self.client.inlet.as_mut().map(|inlet| inlet.filled_mut()).and_then(|bytes| bytes.get_mut(..used));
        if let Some(slot) = bytes.and_then(|bytes| bytes.get_mut(HEADER + 1..HEADER + 5)) {
            slot.copy_from_slice(&id.to_le_bytes());
        }
    }

    /// The server at hand has not seen the types: they are put into the first packet.
    fn insert_types(&self, turn: &mut Turn, bindings: &Bindings, types: &[u8]) {
        let filled = self.client.inlet.as_ref().map_or(&[][..], Buffer::filled);
        let head = filled.get(..turn.incoming.scanned.used).unwrap_or_default();
        let (Some(header), Some(argument)) = (packet::header(head), head.get(HEADER + 1..)) else { return };
        let mut put_in = vec![turn.command.byte()];
        bindings.insert(argument, types, &mut put_in);
        let mut bytes = Vec::with_capacity(put_in.len() + HEADER);
        if header.len + types.len() < MAX_PAYLOAD {
            bytes.extend_from_slice(&packet::header_bytes(header.len + types.len(), header.seq));
            bytes.extend_from_slice(&put_in);
        } else {
            turn.repack = Some(Box::new(Repack::new(header.len, &put_in, argument.len() + 1, &mut bytes)));
        }
        turn.rewritten = Some(bytes);
    }
}
