//! What a pool shard may be told.

use std::sync::Arc;
use std::time::Instant;

use actix::{Addr, Message};
use greenroom_protocol::login::attributes::Attributes;
use greenroom_protocol::proxy_header::Route;
use greenroom_protocol::sql::PinReason;
use greenroom_protocol::state::{Charset, SessionState};
use tokio::sync::oneshot;

use super::idle::Shelf;
use super::{PoolShard, Refusal};
use crate::account::{Account, PoolKey};
use crate::end::BackendEnd;
use crate::endpoint::{Endpoint, Side};
use crate::gate::Standing;
use crate::grant::Grant;
use crate::node::Permit;
use crate::stream::Crated;
use crate::wire::Card;

/// A backend connection's name: its shard, its place there, and which of those that had the place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BackendId {
    pub(crate) shard: u16,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What a session needs of a connection.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) account: Arc<Account>,
    /// What it is for.
    pub(crate) side: Side,
    /// The key, but for the node, which the shard chooses.
    pub(crate) key: PoolKey,
    /// The state that the session is in.
    pub(crate) state: Arc<SessionState>,
    /// The collation id of the session's handshake, for a connection opened for it.
    pub(crate) collation: u16,
    /// The connection that it had last.
    pub(crate) last: Option<BackendId>,
    /// Only a newly opened connection will do.
    pub(crate) fresh: bool,
    /// The client's connection attributes, where the connection will be its own to the end.
    pub(crate) attributes: Option<Arc<Attributes>>,
    /// From where the client comes, where the server is told it.
    pub(crate) route: Option<Route>,
}

impl Ticket {
    /// The endpoint's name and the user's, for people to read.
    pub(crate) fn who(&self) -> (String, String) {
        (self.endpoint.settings.name.clone(), self.account.name().into_owned())
    }
}

/// A session asks for a connection. The answer is the lease itself, sent by the connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Lease {
    pub(crate) ticket: Ticket,
    pub(crate) reply: oneshot::Sender<Result<Grant, Refusal>>,
    /// When the session began to wait, if it has.
    pub(crate) since: Option<Instant>,
    /// It is counted among those who wait.
    pub(crate) standing: Option<Standing>,
}

/// In what state a connection rests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    pub(crate) print: u64,
    pub(crate) has_database: bool,
    pub(crate) has_user_variables: bool,
}

impl Rest {
    /// In this one.
    pub(crate) fn of(state: &SessionState) -> Self {
        let (database, variables) = (state.database(), state.user_variables());
        Self { print: state.print(), has_database: database.is_some(), has_user_variables: !variables.is_empty() }
    }

    /// Where it stands among those of its key.
    pub(super) fn shelf(self, key: u32) -> Shelf {
        Shelf { key, has_database: self.has_database, has_user_variables: self.has_user_variables }
    }
}

/// A session has given a connection back; `rest` is `None` where it must be cleaned or closed first.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Release {
    pub(crate) backend: BackendId,
    pub(crate) rest: Option<Rest>,
    /// When that was.
    pub(crate) at: Instant,
}

/// A connection has been opened, or cleaned, and may be lent.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Ready {
    pub(crate) backend: BackendId,
    pub(crate) rest: Rest,
    /// The server's id of it.
    pub(crate) thread_id: u32,
    /// The collation id of its login, where it has just been opened.
    pub(crate) opened: Option<u16>,
    /// When it should be retired.
    pub(crate) retire: Option<Instant>,
}

/// A connection is no more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Gone {
    pub(crate) backend: BackendId,
    pub(crate) end: BackendEnd,
    /// What the server or the network said, where it could not be opened.
    pub(crate) refusal: Option<Refusal>,
    /// Its place under the node's limit. It goes to whoever the connection made way for: left to the first comer,
    /// those who ask without a pause would take it again and again.
    pub(crate) permit: Option<Permit>,
}

/// A session keeps its connection past its transaction.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Pinned {
    pub(crate) reason: PinReason,
}

/// The reason for a pin is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Unpinned {
    pub(crate) reason: PinReason,
}

/// The supervisor's clock: expire what lay idle too long, refuse who waited too long.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Tick {
    pub(crate) now: Instant,
}

/// A node is up or down, or may be tried again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct NodeChanged {
    pub(crate) node: u16,
    pub(crate) health: Health,
}

/// What has changed of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Up,
    /// It has another role.
    Role,
    /// It does not, and who waits for it is told so.
    Down,
    /// The supervisor's backoff is over: connections may be opened again.
    Retry,
}

/// An administrator has paused, resumed, drained or enabled something: the sluices say what.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Regate;

/// Another shard starves: give it an idle connection of this key, or close one to make room.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct Transfer {
    pub(crate) to: Addr<PoolShard>,
    /// The index of the shard that asks.
    pub(crate) from: usize,
    /// When its longest waiter came.
    pub(crate) since: Instant,
    /// Since when it is somebody's turn there ([`super::line::Line::due`]).
    pub(crate) due: Instant,
    pub(crate) key: PoolKey,
    pub(crate) has_database: bool,
    /// Only one of this user's is of use: it is he who may have no more.
    pub(crate) of: Option<u32>,
}

/// A connection comes from another shard.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt {
    pub(crate) key: PoolKey,
    pub(crate) crated: Crated,
    pub(crate) card: Card,
}

/// Room was made on a node: whoever waits may open a connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Room {
    pub(crate) node: u16,
    /// The place that was made.
    pub(crate) permit: Option<Permit>,
}

/// The process is stopping: idle connections are closed, and so is what comes back.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

/// Asks for a shard's counts.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "ShardView")]
pub(crate) struct Snapshot;

/// A shard's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardView {
    pub(crate) opening: usize,
    pub(crate) idle: usize,
    pub(crate) leased: usize,
    pub(crate) cleaning: usize,
    pub(crate) waiting: usize,
}

impl Ticket {
    /// Whether it may get a connection to a server that has not yet what the session has written.
    pub(crate) fn may_be_behind(&self) -> bool {
        self.key.gtids && self.side == Side::Replica
    }

    /// Whether a connection will do that rests so, or was `opened` just now with this collation. `is_named`: whether
    /// some login has shown what the server makes of a collation.
    pub(crate) fn suits(&self, rest: Rest, opened: Option<u16>, is_named: impl Fn(u16) -> bool) -> bool {
        // A database can be selected, but never taken away.
        if rest.has_database && self.state.database().is_none() {
            return false;
        }
        if self.fresh && opened.is_none() {
            return false;
        }
        match self.state.charset() {
            Charset::Handshake(id) => opened == Some(*id) || is_named(*id),
            Charset::Named(_) => true,
        }
    }
}

impl<A, M> actix::dev::MessageResponse<A, M> for ShardView
where
    A: actix::Actor,
    M: Message<Result = Self>,
{
    fn handle(self, _: &mut A::Context, reply: Option<actix::dev::OneshotSender<Self>>) {
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            let _ = reply.send(self);
        }
    }
}
