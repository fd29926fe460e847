//! owns: one client's socket, session state, statements and, while it has one, the lease of a backend connection.
//! is told: `Kill`, `Drain`.
//! tells: its shard `Lease`, `Release`; every shard `Census`, `Find`; backend connections `Return`, `Pin`, `Unpin`.
//! ends when: the client leaves, breaks the protocol, is killed, or the process drains.

mod afar;
mod beforehand;
mod behind_pause;
mod belongings;
mod census;
mod claim;
mod closing;
mod command;
mod control;
mod conversation;
mod digest;
mod enquiry;
mod entrance;
mod foreign;
mod gates;
mod hearing;
mod hold;
mod ids;
mod insight;
mod introduction;
mod kill;
mod lease;
mod locks;
mod login;
mod loss;
mod observe;
mod operator;
mod own;
mod prepared;
mod presence;
mod previous;
mod processes;
mod pump;
mod reader;
mod reading;
mod ready;
mod replication;
mod reset;
mod rewrite;
mod send;
mod shadow;
mod shape;
mod shown;
mod split;
mod stand_in;
mod statements;
mod statistics;
mod trace;
mod turn;
mod variables;
mod wait;
mod work;
mod written;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture};

pub(crate) use self::afar::{Bystanders, heed};
pub(crate) use self::census::{SendAway, Sessions};
use self::claim::Claim;
use self::control::Control;
pub(crate) use self::control::Place;
use self::conversation::Conversation;
pub(crate) use self::ids::Plan;
pub(crate) use self::operator::{Felled, fell};
pub(crate) use self::shown::{Attendee, CountClients, Counts, Headcount, Noise, ShowClients, Unrest};
use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::stage::{Seat, Stage};
use crate::stream::Stream;

/// A client that has just connected.
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    /// Its address; `None` on a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) seat: Seat,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) stage: Arc<Stage>,
}

/// One authenticated application connection, from accept to close.
pub(crate) struct ClientSession {
    arrival: Option<Arrival>,
    control: Rc<Control>,
}

/// What is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The statement that is running.
    Query,
    /// The session.
    Connection,
}

/// Somebody wants the session's statement, or the session itself, ended.
#[derive(Debug, Message)]
#[rtype(result = "Killed")]
pub(crate) struct Kill {
    pub(crate) what: What,
    /// The user who wants it; `None` where a server has allowed it.
    pub(crate) by: Option<Box<[u8]>>,
}

/// A statement that runs on a server: that must be told to end it, under the claim.
#[derive(Debug, Clone)]
pub(crate) struct Busy {
    pub(crate) node: u16,
    pub(crate) thread_id: u32,
    pub(crate) claim: Arc<Claim>,
    /// As whom it runs there.
    pub(crate) account: Arc<Account>,
}

/// What a kill came to.
#[derive(Debug, Clone)]
pub(crate) enum Killed {
    /// Its statement runs.
    Busy(Busy),
    /// The session ends, and kills what it runs on a server.
    Ending,
    /// Nothing of it runs on a server; a kill of the connection has been heeded.
    Idle,
    /// It is somebody else's: a server that both use must judge.
    Foreign { account: Arc<Account>, endpoint: Arc<Endpoint>, busy: Option<Busy> },
    /// There is no such session.
    Denied,
}

/// The process is stopping: end when no transaction is open.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

impl ClientSession {
    pub(crate) fn new(arrival: Arrival) -> Self {
        let control = Rc::new(Control::new(Arc::clone(&arrival.endpoint)));
        Self { arrival: Some(arrival), control }
    }
}

impl Actor for ClientSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(arrival) = self.arrival.take() else { return };
        let stage = Arc::clone(&arrival.stage);
        let (control, me) = (Rc::clone(&self.control), ctx.address());
        // The socket and all state live in this one future: the actor's mailbox stays free for Kill and Drain.
        let talk = async move { Conversation::hold(arrival, control, me).await };
        ctx.spawn(talk.into_actor(self).map(move |end, _, ctx| {
            slog::debug!(stage.log, "client session ended"; "reason" => end.name());
            Local::here().tally.session_ended(end);
            ctx.stop();
        }));
    }
}

impl Handler<Kill> for ClientSession {
    type Result = MessageResult<Kill>;

    fn handle(&mut self, kill: Kill, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.control.kill(&kill))
    }
}

impl Handler<Drain> for ClientSession {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.control.drain();
    }
}
