//! KILL of a session by the id that its client knows.

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::{Command, attributes};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet;
use greenroom_protocol::sql::PinReason;

use super::census::Find;
use super::command::Incoming;
use super::conversation::Conversation;
use super::foreign::Victim;
use super::ids::FIRST_ID;
use super::turn::Turn;
use super::{Busy, Kill, Killed, What};
use crate::backend::exchange::Batch;
use crate::end::SessionEnd;

/// Why nothing came of it.
const NOT_KILLED: &str = "the statement could not be killed";

/// What came of an attempt to end a statement.
pub(super) enum Shooting {
    /// It had ended by itself.
    Over,
    /// The server has said this.
    Answered(Answer),
    /// Nobody could be asked.
    Unsent,
    /// Nobody answered.
    Astray,
}

/// The id as a virtual one, if it can be.
pub(super) fn virtual_id(id: u64) -> Option<u32> {
    u32::try_from(id).ok().filter(|id| *id >= FIRST_ID)
}

/// Whether a text is `KILL [CONNECTION] CONNECTION_ID()`.
pub(super) fn is_own(text: &[u8]) -> bool {
    // Longer ones are something else; most statements are dismissed by their first letter.
    if text.len() > 64 || !text.trim_ascii_start().first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'k')) {
        return false;
    }
    let words: Vec<u8> = text.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
    let words = words.strip_suffix(b";").unwrap_or(&words);
    matches!(words, b"killconnection_id()" | b"killconnectionconnection_id()")
}

impl Conversation {
    /// `COM_PROCESS_KILL`.
    pub(super) async fn kill_process(&mut self, incoming: Incoming) -> Result<(), SessionEnd> {
        let id = self.argument(&incoming).first_chunk::<4>().map(|id| u32::from_le_bytes(*id));
        match id.and_then(|id| virtual_id(u64::from(id))) {
            Some(id) => self.kill_statement(Command::ProcessKill, incoming, id, false).await,
            None => self.statement(Command::ProcessKill, incoming).await,
        }
    }

    /// `KILL [QUERY] id`.
    pub(super) async fn kill_statement(
        &mut self,
        command: Command,
        mut incoming: Incoming,
        id: u32,
        query: bool,
    ) -> Result<(), SessionEnd> {
        let what = if query { What::Query } else { What::Connection };
        let by = self.account.as_ref().map(|account| account.user.clone());
        match self.tell(id, what, Some(by.unwrap_or_default())).await {
            Killed::Busy(busy) => self.kill_query(busy, id, incoming).await,
            Killed::Foreign { account, endpoint, busy } => {
                let victim = Victim { id, account, endpoint, busy };
                self.kill_foreign(command, victim, what, incoming).await
            }
            // Whoever kills itself is told so in place of an OK, by each server in its own words (measured).
            Killed::Idle | Killed::Ending if id == self.id => {
                self.skip(&mut incoming).await?;
                let error = match self.flavor {
                    Flavor::MariaDb if !query => SqlError::new(1927, *b"70100", "Connection was killed"),
                    Flavor::MariaDb | Flavor::MySql => SqlError::query_interrupted(),
                };
                self.send_error(incoming.seq(), &error).await?;
                if query { Ok(()) } else { Err(SessionEnd::Killed) }
            }
            // What a session that ends was running, it kills itself.
            Killed::Idle | Killed::Ending => {
                self.skip(&mut incoming).await?;
                self.previous.answered(0);
                self.send_ok(incoming.seq()).await
            }
            Killed::Denied => match self.stage.id_plan().another(id) {
                Some(instance) => Box::pin(self.kill_afar(command, incoming, (instance, id), what)).await,
                None => self.unknown(command, incoming, id).await,
            },
        }
    }

    /// 1094, as servers say where an id is nobody's. The server says it itself, and so remembers it for SHOW WARNINGS.
    pub(super) async fn unknown(
        &mut self,
        command: Command,
        mut incoming: Incoming,
        id: u32,
    ) -> Result<(), SessionEnd> {
        if command == Command::Query {
            return self.run(Turn::new(command, incoming)).await;
        }
        self.skip(&mut incoming).await?;
        let error = SqlError::new(1094, greenroom_protocol::error::GENERAL, format!("Unknown thread id: {id}"));
        self.send_error(incoming.seq(), &error).await
    }

    /// Ends what runs of a session of one's own user.
    async fn kill_query(&mut self, busy: Busy, id: u32, mut incoming: Incoming) -> Result<(), SessionEnd> {
        // First the lease, which may take its time, then the question whether the statement still runs.
        if !self.acquire_or_refuse(&mut incoming).await? {
            return Ok(());
        }
        let answer = match self.shoot(&busy).await? {
            Shooting::Over => Answer::Ok,
            Shooting::Answered(answer) => answer,
            Shooting::Unsent | Shooting::Astray => {
                self.skip(&mut incoming).await?;
                let name = self.endpoint.settings.name.clone();
                return self.send_error(incoming.seq(), &SqlError::node_down(&name, NOT_KILLED)).await;
            }
        };
        self.relay(answer, busy.thread_id, id, incoming).await
    }

    /// Has the server end what runs, if it still does.
    pub(super) async fn shoot(&mut self, busy: &Busy) -> Result<Shooting, SessionEnd> {
        let Some(shot) = busy.claim.fire() else { return Ok(Shooting::Over) };
        let shooting = self.say_kill(busy.node, busy.thread_id).await?;
        match &shooting {
            Shooting::Unsent | Shooting::Answered(Answer::Failed(_)) => shot.refused(),
            Shooting::Answered(_) => shot.answered(),
            Shooting::Over | Shooting::Astray => {}
        }
        Ok(shooting)
    }

    /// `KILL QUERY` of a server connection: over the session's own, by the rights that it has there, if that leads to this
    /// node for certain.
    pub(super) async fn say_kill(&mut self, node: u16, thread_id: u32) -> Result<Shooting, SessionEnd> {
        let statement = format!("KILL QUERY {thread_id}");
        if !self.is_only(node) {
            let node = self.endpoint.nodes.iter().find(|known| known.index == node).cloned();
            let Some(node) = node else { return Ok(Shooting::Unsent) };
            let told = self.beside(&node, &[(Command::Query, statement.as_bytes())]).await;
            let Some(mut told) = told else { return Ok(Shooting::Unsent) };
            return Ok(told.answers.pop().map_or(Shooting::Astray, Shooting::Answered));
        }
        self.previous.lose_sight(None);
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return Ok(Shooting::Unsent) };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, statement.as_bytes());
        let Ok(mut outcome) = batch.run(&mut wire.stream).await else {
            let held = self.hold.holds() || self.debts.insert_id || self.debts.hide_state();
            self.lose();
            return if held { Err(SessionEnd::BackendLost) } else { Ok(Shooting::Astray) };
        };
        let changes = &outcome.changes;
        // What MySQL still had to say of a failed statement before, it has said here.
        if changes.state_changed || changes.unknown || !changes.variables.is_empty() || changes.schema.is_some() {
            let before = self.hold.pins;
            self.hold.pins.insert(PinReason::UntrackedState);
            self.tell_pins(before);
        }
        Ok(outcome.answers.pop().map_or(Shooting::Astray, Shooting::Answered))
    }

    /// Whether every connection that the session may get leads to this node.
    pub(super) fn is_only(&self, node: u16) -> bool {
        matches!(&*self.endpoint.nodes, [only] if only.index == node)
    }

    /// Tells the client what a server has said of one of its connections, by the id that the client knows. The server says
    /// it once more, so that it is what warnings and row counts are about.
    pub(super) async fn relay(
        &mut self,
        answer: Answer,
        thread_id: u32,
        id: u32,
        mut incoming: Incoming,
    ) -> Result<(), SessionEnd> {
        let statement = match answer {
            Answer::Failed(mut error) => {
                error.message = error.message.replace(&thread_id.to_string(), &id.to_string());
                let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\'' && byte != b'\\';
                if !error.message.bytes().all(plain) {
                    self.skip(&mut incoming).await?;
                    return self.send_error(incoming.seq(), &error).await;
                }
                let SqlError { code, message, .. } = &error;
                format!("SIGNAL SQLSTATE '{}' SET MYSQL_ERRNO={code}, MESSAGE_TEXT='{message}'", error.state_text())
            }
            _ => "DO 0".to_owned(),
        };
        let mut payload = vec![Command::Query.byte()];
        if self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES) {
            payload.extend_from_slice(&attributes::NONE);
        }
        payload.extend_from_slice(statement.as_bytes());
        let mut framed = Vec::new();
        packet::frame(&mut framed, 0, &payload);
        self.run(Turn { rewritten: Some(framed), ..Turn::new(Command::Query, incoming) }).await
    }

    /// Asks a session to end, or where its statement runs. `by`: the user who wants it, `None` where a server allows it.
    pub(super) async fn tell(&self, id: u32, what: What, by: Option<Box<[u8]>>) -> Killed {
        if id == self.id {
            return self.control.kill(&Kill { what, by });
        }
        let worker = self.stage.id_plan().worker_of(id);
        let Some(shard) = worker.and_then(|worker| self.stage.shard(worker)) else { return Killed::Denied };
        match shard.send(Find { id }).await {
            Ok(Some(session)) => session.send(Kill { what, by }).await.unwrap_or(Killed::Denied),
            _ => Killed::Denied,
        }
    }
}
