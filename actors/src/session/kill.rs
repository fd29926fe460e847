//! KILL of a session by the id that its client knows.

use std::sync::Arc;

use greenroom_protocol::command::{Command, attributes};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet;

use super::claim::Claim;
use super::command::Incoming;
use super::conversation::Conversation;
use super::turn::Turn;
use super::{Kill, Killed, What};
use crate::backend::kill;
use crate::directory::{FIRST_ID, Find};
use crate::end::SessionEnd;

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
        match self.ask(id, what).await {
            Killed::Busy { node, thread_id, claim } => self.kill_running(node, thread_id, &claim, incoming).await,
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
                self.send_ok(incoming.seq()).await
            }
            // 1094, as servers say where an id is nobody's, or nobody's that the asker may know of. The server says it
            // itself, and so remembers it for SHOW WARNINGS.
            Killed::Denied if command == Command::Query => self.run(Turn::new(command, incoming)).await,
            Killed::Denied => {
                self.skip(&mut incoming).await?;
                let error = SqlError::new(1094, greenroom_protocol::error::GENERAL, format!("Unknown thread id: {id}"));
                self.send_error(incoming.seq(), &error).await
            }
        }
    }

    /// `KILL QUERY` of what runs on a server.
    async fn kill_running(
        &mut self,
        node: u16,
        thread_id: u32,
        claim: &Arc<Claim>,
        mut incoming: Incoming,
    ) -> Result<(), SessionEnd> {
        let statement = format!("KILL QUERY {thread_id}");
        // A lease of our own might lead to another server, where the id is somebody else's.
        if let [_, _, ..] = &*self.endpoint.nodes {
            return self.kill_on(node, statement, claim, incoming).await;
        }
        // First the lease, which may take its time, then the question whether the statement still runs.
        if !self.acquire_or_refuse(&mut incoming).await? {
            return Ok(());
        }
        let Some(shot) = claim.fire() else {
            self.skip(&mut incoming).await?;
            self.settle().await?;
            return self.send_ok(incoming.seq()).await;
        };
        let mut payload = vec![Command::Query.byte()];
        if self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES) {
            payload.extend_from_slice(&attributes::NONE);
        }
        payload.extend_from_slice(statement.as_bytes());
        let mut framed = Vec::new();
        packet::frame(&mut framed, 0, &payload);
        let done = self.run(Turn { rewritten: Some(framed), ..Turn::new(Command::Query, incoming) }).await;
        match done {
            Ok(()) if self.summary.error.is_some() => shot.refused(),
            Ok(()) => shot.answered(),
            Err(_) => {}
        }
        done
    }

    async fn kill_on(
        &mut self,
        node: u16,
        statement: String,
        claim: &Arc<Claim>,
        mut incoming: Incoming,
    ) -> Result<(), SessionEnd> {
        self.skip(&mut incoming).await?;
        let node = self.endpoint.nodes.iter().find(|known| known.index == node).cloned();
        let done = match (node.and_then(|node| node.admit()), self.account.clone()) {
            (Some(permit), Some(account)) => {
                let Some(shot) = claim.fire() else { return self.send_ok(incoming.seq()).await };
                let done = kill(permit, account, statement, self.stage.log.clone()).await;
                if done {
                    shot.answered();
                }
                done
            }
            _ => false,
        };
        if done {
            return self.send_ok(incoming.seq()).await;
        }
        let name = self.endpoint.settings.name.clone();
        self.send_error(incoming.seq(), &SqlError::node_down(&name, "the statement could not be killed")).await
    }

    async fn ask(&self, id: u32, what: What) -> Killed {
        let by: Box<[u8]> = self.account.as_ref().map_or_else(Box::default, |account| account.user.clone());
        if id == self.id {
            return self.control.kill(&Kill { what, by });
        }
        let Some(main) = self.stage.main() else { return Killed::Denied };
        match main.directory.send(Find { id }).await {
            Ok(Some(session)) => session.send(Kill { what, by }).await.unwrap_or(Killed::Denied),
            _ => Killed::Denied,
        }
    }
}
