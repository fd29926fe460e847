//! owns: one listening socket of an endpoint, on one worker.
//! is told: `Peers`, `Accepted`, `Rearm`, `Drain`.
//! tells: the listeners of the same endpoint on other workers `Accepted`.
//! ends when: the process drains, or a reload takes its endpoint away.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::session::{Arrival, ClientSession};
use crate::settings::Address;
use crate::stage::{Seat, Stage};
use crate::stream::{self, Crated, Stream};

/// Connections that the kernel holds until they are accepted; it takes the smaller of this and its own limit.
const BACKLOG: i32 = 4096;

/// Pause after an accept that failed, for want of file descriptors for one.
const PAUSE: Duration = Duration::from_millis(50);

/// A bound socket that listens.
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

enum Socketed {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// One listening socket.
pub(crate) struct Listener {
    bound: Option<Bound>,
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

/// Binds an address for a number of workers: as many sockets where the kernel shares connections out among them,
/// else one.
pub(crate) fn bind(address: &Address, workers: usize) -> io::Result<Vec<Bound>> {
    match address {
        Address::Tcp { host, port } => {
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), *port))?.next();
            let address = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))?;
            (0..workers).map(|_| bind_tcp(&address.into())).collect()
        }
        Address::Unix(path) => {
            // A socket file that nobody listens on is left over from a crash.
            if std::os::unix::net::UnixStream::connect(path).is_err() {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            let listener = std::os::unix::net::UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            Ok(vec![Bound::Unix(listener)])
        }
    }
}

fn bind_tcp(address: &SockAddr) -> io::Result<Bound> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // What is accepted inherits it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(Bound::Tcp(socket.into()))
}

impl Listener {
    pub(crate) fn new(bound: Bound, endpoint: Arc<Endpoint>, worker: usize, stage: Arc<Stage>) -> Self {
        let door = Door { endpoint: RefCell::new(endpoint), peers: RefCell::default(), stage, worker };
        Self { bound: Some(bound), door: Rc::new(door) }
    }

    /// A listener without a socket: clients come to it from its peers only.
    pub(crate) fn deaf(endpoint: Arc<Endpoint>, worker: usize, stage: Arc<Stage>) -> Self {
        let door = Door { endpoint: RefCell::new(endpoint), peers: RefCell::default(), stage, worker };
        Self { bound: None, door: Rc::new(door) }
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
        // The first clients may come before the other listeners are known: they stay here.
        let alone = self.peers.borrow().is_empty();
        let worker = if alone { self.worker } else { self.stage.place(self.worker) };
        let Some(seat) = self.stage.seat(worker) else {
            Local::here().tally.error(1040);
            let mut refusal = Vec::new();
            // Before the greeting there is no SQLSTATE in an error (measured on both servers).
            packet::frame(&mut refusal, 0, &SqlError::too_many_connections().encode(CapabilityFlags::empty()));
            // A fresh socket's buffer takes it at once; a client that has gone does not need it.
            let _ = stream.write_all(&refusal).await;
            return;
        };
        if worker == self.worker {
            return self.seat(stream, peer, seat);
        }
        let other = self.peers.borrow().get(worker).cloned();
        match (other, stream.pack()) {
            (Some(other), Ok(crated)) => other.do_send(Accepted { crated, peer, seat }),
            (_, Err(error)) => slog::warn!(self.stage.log, "a client could not be handed over"; "reason" => %error),
            (None, _) => {}
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
        let Some(bound) = self.bound.take() else { return };
        match Socketed::new(bound) {
            Ok(listener) => {
                ctx.spawn(Rc::clone(&self.door).accept_all(listener).into_actor(self));
            }
            Err(error) => {
                slog::error!(self.door.stage.log, "a listener could not be started"; "reason" => %error);
                ctx.stop();
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
