//! `SHOW PROCESSLIST` and `COM_PROCESS_INFO`: the servers' lists, with sessions in place of the connections that these
//! have on lease, and with the sessions that have none.

use std::sync::Arc;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::command::Command;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::processes::{ProcessList, Progress};
use greenroom_protocol::sql::{Facts, Kind};
use greenroom_protocol::state::Charset;
use rustc_hash::FxHashMap;

use super::census::{Census, Guest};
use super::control::Place;
use super::conversation::Conversation;
use super::pump::Fault;
use super::turn::Turn;
use crate::backend::{Aside, aside};
use crate::buffer::Buffer;
use crate::node::Node;

/// Whoever lacks the privilege PROCESS gets error 1227 (measured on both servers); few rows, and no lock.
const SEES_ALL: &[u8] = b"SELECT 1 FROM information_schema.INNODB_CMP LIMIT 1";

/// Sessions by node and server connection.
type Leases<'a> = FxHashMap<(u16, u32), &'a Guest>;

impl Conversation {
    /// Whether the command asks for a list that Greenroom has something to say about.
    pub(super) fn lists_processes(turn: &Turn) -> bool {
        let several = turn.effects.facts.intersects(Facts::MULTI | Facts::COMPOUND);
        match turn.command {
            Command::ProcessInfo => true,
            Command::Query | Command::StmtExecute => {
                matches!(turn.effects.kind, Kind::ShowProcesslist { .. }) && !several
            }
            _ => false,
        }
    }

    /// Waits for the server's list, and gives it as the client is to have it.
    pub(super) async fn processes(&mut self, turn: &Turn) -> Result<Option<Buffer>, Fault> {
        let (mut slot, mut look) = (None, true);
        let prepared = turn.command == Command::StmtExecute;
        let mut list = if prepared { ProcessList::prepared() } else { ProcessList::default() };
        let progress = loop {
            self.hear(&mut slot, &mut look, false).await?;
            let Some(buffer) = slot.as_mut() else { continue };
            match list.advance(buffer.filled()) {
                Progress::More if buffer.is_full() => buffer.reserve(buffer.filled().len() * 2),
                Progress::More => {}
                progress => break progress,
            }
        };
        if let (Progress::Whole, Some(buffer)) = (progress, &slot)
            && list.is_ascii(buffer.filled())
        {
            slot = Some(Buffer::holding(self.revise(&list, buffer.filled(), turn).await));
        }
        if list.counts() {
            self.previous.lists();
        }
        Ok(slot)
    }

    async fn revise(&self, list: &ProcessList, bytes: &[u8], turn: &Turn) -> Vec<u8> {
        let Some(here) = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node()) else {
            return bytes.to_vec();
        };
        let guests = self.census().await;
        let leases: Leases<'_> = guests.iter().filter_map(|guest| Some((guest.place.lease()?, guest))).collect();
        let mut further = Vec::new();
        for node in self.endpoint.nodes.iter().filter(|node| node.index != here.index && node.is_up()) {
            let mut rows = self.list_of(node, turn).await;
            rows.iter_mut().for_each(|row| name(row, node.index, &leases));
            further.append(&mut rows);
        }
        let bare: Vec<_> = guests.iter().filter(|guest| guest.place.lease().is_none()).collect();
        let user = self.account.as_ref().map(|account| &account.backend_user);
        let all = bare.iter().all(|guest| Some(&guest.user) == user)
            || list.has_several_users(bytes)
            || self.sees_all(here).await;
        further.extend(bare.iter().filter(|guest| all || Some(&guest.user) == user).map(|guest| self.row(guest)));
        list.rewrite(bytes, |row| name(row, here.index, &leases), further)
    }

    /// Every session that could show up in the list, in the order of their ids.
    async fn census(&self) -> Vec<Guest> {
        let nodes: Arc<[u16]> = self.endpoint.nodes.iter().map(|node| node.index).collect();
        let mut guests = Vec::new();
        for shard in self.stage.shards() {
            guests.extend(shard.send(Census { nodes: Arc::clone(&nodes) }).await.unwrap_or_default());
        }
        guests.sort_unstable_by_key(|guest| guest.id);
        guests
    }

    /// The list of a node that the session has no connection to; empty where none can be had.
    async fn list_of(&self, node: &Arc<Node>, turn: &Turn) -> Vec<Row> {
        let ask: (_, &[u8]) = match turn.effects.kind {
            Kind::ShowProcesslist { full: true } => (Command::Query, b"SHOW FULL PROCESSLIST"),
            Kind::ShowProcesslist { full: false } => (Command::Query, b"SHOW PROCESSLIST"),
            _ => (Command::ProcessInfo, b""),
        };
        let set = self.results().map(|name| [b"SET character_set_results=", name].concat());
        let mut commands: Vec<_> = set.iter().map(|set| (Command::Query, &**set)).collect();
        commands.push(ask);
        let Some(Aside { thread_id, mut answers }) = self.beside(node, &commands).await else { return Vec::new() };
        let Some(Answer::Rows(mut rows)) = answers.pop() else { return Vec::new() };
        rows.retain(|row| number(row) != Some(u64::from(thread_id)));
        rows
    }

    async fn sees_all(&self, node: &Arc<Node>) -> bool {
        let told = self.beside(node, &[(Command::Query, SEES_ALL)]).await;
        told.is_some_and(|told| matches!(told.answers.as_slice(), [Answer::Rows(_)]))
    }

    pub(super) async fn beside(&self, node: &Arc<Node>, commands: &[(Command, &[u8])]) -> Option<Aside> {
        let (permit, account) = (node.admit()?, self.account.clone()?);
        aside(permit, account, commands).await.ok()
    }

    /// `character_set_results`, where its name is known and it is not NULL.
    fn results(&self) -> Option<&[u8]> {
        match self.state.charset() {
            Charset::Named(names) => names.results.as_deref(),
            Charset::Handshake(_) => None,
        }
    }

    /// A session without a server connection, as a server shows one.
    fn row(&self, guest: &Guest) -> Row {
        let (command, state) = match guest.place {
            Place::Waiting => ("Query", "Waiting for a server connection"),
            Place::Idle | Place::Leased(..) => ("Sleep", ""),
        };
        let text = |text: &str| Some(Box::from(text.as_bytes()));
        let mut row = vec![
            text(&guest.id.to_string()),
            Some(self.encoded(&guest.user)),
            text(&guest.host),
            guest.database.as_deref().map(|name| self.encoded(name)),
            text(command),
            text(&guest.seconds.to_string()),
            text(state),
            None,
        ];
        if self.flavor == Flavor::MariaDb {
            row.push(text("0.000"));
        }
        row
    }

    /// A name in the character set of the session's results; what that may not have is `?`, as servers write it.
    fn encoded(&self, name: &[u8]) -> Box<[u8]> {
        let utf8 = self.results().is_none_or(|results| results.starts_with(b"utf8"));
        match std::str::from_utf8(name) {
            Ok(text) if !utf8 => {
                text.chars().map(|char| if char.is_ascii() { char as u8 } else { b'?' }).collect::<Vec<_>>().into()
            }
            _ => Box::from(name),
        }
    }
}

/// Puts a session's id and address in place of its server connection's.
fn name(row: &mut Row, node: u16, leases: &Leases<'_>) {
    let thread = number(row).and_then(|id| u32::try_from(id).ok());
    let Some(guest) = thread.and_then(|thread| leases.get(&(node, thread))) else { return };
    if let [id, _, host, ..] = row.as_mut_slice() {
        *id = Some(Box::from(guest.id.to_string().as_bytes()));
        *host = Some(Box::from(guest.host.as_bytes()));
    }
}

fn number(row: &Row) -> Option<u64> {
    std::str::from_utf8(row.first()?.as_deref()?).ok()?.parse().ok()
}
