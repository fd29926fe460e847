//! owns: the listening sockets of an endpoint, on one worker.
//! is told: `Peers`, `Accepted`, `Rearm`, `Cease`, `Drain`.
//! tells: the listeners of the same endpoint on other workers `Accepted`.
//! ends when: the process drains, or a reload takes its endpoint away.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet;

use crate::endpoint::Endpoint;
use crate::inherited::Bound;
use crate::local::Local;
use crate::session::{Arrival, ClientSession};
use crate::settings::Address;
use crate::stage::{Seat, Stage};
use crate::stream::{self, Crated, Stream};

/// Pause after an accept that failed, for want of file descriptors for one.
const PAUSE: Duration = Duration::from_millis(50);

enum Socketed {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// A worker's listening sockets of one endpoint. Mostly one; none where clients come from the peers alone; several where
/// somebody handed over more than there are workers.
pub(crate) struct Listener {
    bound: Vec<Bound>,
    accepting: Vec<SpawnHandle>,
    door: Rc<Door>,
}

/// What the accepting needs.
struct Door {
    endpoint: RefCell<Arc<Endpoint>>,
    peers: RefCell<Vec<Addr<Listener>>>,
    stage: Arc<Stage>,
    worker: usize,
}

/// The listeners of the same endpoint, by worker.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Peers(pub(crate) Vec<Addr<Listener>>);

/// A client accepted on another worker, which had more than its share.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Accepted {
    crated: Crated,
    peer: Option<SocketAddr>,
    seat: Seat,
}

/// Sessions from now on are of this endpoint.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rearm(pub(crate) Arc<Endpoint>);

/// No more clients.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

/// Somebody else listens on the sockets from now on: accept nobody any more, but keep those who were accepted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Cease;

/// Binds an address for a number of workers: as many sockets where the kernel shares connections out among them,
/// else one.
pub(crate) fn bind(address: &Address, workers: usize) -> io::Result<Vec<Bound>> {
    let sockets = match address {
        Address::Tcp { .. } => workers,
        Address::Unix(_) => 1,
    };
    (0..sockets).map(|_| Bound::open(address)).collect()
}

impl Listener {
    pub(crate) fn new(bound: Vec<Bound>, endpoint: Arc<Endpoint>, worker: usize, stage: Arc<Stage>) -> Self {
        let door = Door { endpoint: RefCell::new(endpoint), peers: RefCell::default(), stage, worker };
        Self { bound, accepting: Vec::new(), door: Rc::new(door) }
    }
}

impl Socketed {
    fn new(bound: Bound) -> io::Result<Self> {
        match bound {
            Bound::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Self::Tcp),
            Bound::Unix(listener) => tokio::net::UnixListener::from_std(listener).map(Self::Unix),
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(socket, peer)| (stream::Socket::Tcp(socket).into(), Some(peer)))
            }
            Self::Unix(listener) => {
                listener.accept().await.map(|(socket, _)| (stream::Socket::Unix(socket).into(), None))
            }
        }
    }
}

impl Door {
    async fn accept_all(self: Rc<Self>, listener: Socketed) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer).await,
                Err(error) => {
                    slog::warn!(self.stage.log, "a client could not be accepted"; "reason" => %error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn admit(&self, mut stream: Stream, peer: Option<SocketAddr>) {
        // The first clients may come before the other listeners are known: they stay here. So do those for one that has panicked.
        let alone = self.peers.borrow().is_empty();
        let placed = if alone { self.worker } else { self.stage.place(self.worker) };
        let other = self.peers.borrow().get(placed).filter(|other| placed != self.worker && other.connected()).cloned();
        let worker = if other.is_some() { placed } else { self.worker };
        let gate = Arc::clone(&self.endpoint.borrow().gate);
        let seat = match self.stage.seat(worker, &gate) {
            Ok(seat) => seat,
            Err(full) => {
                Local::here().tally.error(1040);
                let error = SqlError::no_place(&full.whose, full.key, full.limit);
                let mut refusal = Vec::new();
                // Before the greeting there is no SQLSTATE in an error (measured on both servers).
                packet::frame(&mut refusal, 0, &error.encode(CapabilityFlags::empty()));
                // A fresh socket's buffer takes it at once; a client that has gone does not need it.
                let _ = stream.write_all(&refusal).await;
                return;
            }
        };
        let Some(other) = other else { return self.seat(stream, peer, seat) };
        match stream.pack() {
            Ok(crated) => other.do_send(Accepted { crated, peer, seat }),
            Err(error) => slog::warn!(self.stage.log, "a client could not be handed over"; "reason" => %error),
        }
    }

    fn seat(&self, stream: Stream, peer: Option<SocketAddr>, seat: Seat) {
        let endpoint = Arc::clone(&self.endpoint.borrow());
        ClientSession::new(Arrival { stream, peer, seat, endpoint, stage: Arc::clone(&self.stage) }).start();
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for bound in std::mem::take(&mut self.bound) {
            match Socketed::new(bound) {
                Ok(listener) => {
                    let accepting = ctx.spawn(Rc::clone(&self.door).accept_all(listener).into_actor(self));
                    self.accepting.push(accepting);
                }
                Err(error) => {
                    slog::error!(self.door.stage.log, "a listener could not be started"; "reason" => %error);
                    ctx.stop();
                }
            }
        }
    }
}

impl Handler<Peers> for Listener {
    type Result = ();

    fn handle(&mut self, peers: Peers, _: &mut Context<Self>) {
        *self.door.peers.borrow_mut() = peers.0;
    }
}

impl Handler<Accepted> for Listener {
    type Result = ();

    fn handle(&mut self, accepted: Accepted, _: &mut Context<Self>) {
        match accepted.crated.unpack() {
            Ok(stream) => self.door.seat(stream, accepted.peer, accepted.seat),
            Err(error) => slog::warn!(self.door.stage.log, "a client could not be taken over"; "reason" => %error),
        }
    }
}

impl Handler<Rearm> for Listener {
    type Result = ();

    fn handle(&mut self, rearm: Rearm, _: &mut Context<Self>) {
        *self.door.endpoint.borrow_mut() = rearm.0;
    }
}

impl Handler<Drain> for Listener {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Context<Self>) {
        self.door.peers.borrow_mut().clear();
        ctx.stop();
    }
}

impl Handler<Cease> for Listener {
    type Result = ();

    fn handle(&mut self, _: Cease, ctx: &mut Context<Self>) {
        for accepting in self.accepting.drain(..) {
            ctx.cancel_future(accepting);
        }
    }
}
