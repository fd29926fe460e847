//! One client's connection, by blocking reads and writes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use greenroom_protocol::capability::{self, Capabilities};
use greenroom_protocol::command::{Command, Expect};
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::PAYLOAD_LIMIT;
use greenroom_protocol::login::attributes::Attributes;
use greenroom_protocol::login::client::{BackendSecret, Identity, NodeLogin, NodeStep};
use greenroom_protocol::login::greeting::{Greeting, Opening};
use greenroom_protocol::packet;
use greenroom_protocol::reply::{Boundary, Legs, Reply, Summary};
use greenroom_protocol::secret::Secret;
use greenroom_protocol::track::ClientTrackers;
use rustls::ClientConfig;
use socket2::{Domain, Socket, Type};

use crate::tls::{Channel, config};

/// No answer for so long is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// utf8mb4_general_ci, which every server knows.
const COLLATION: u16 = 45;

/// Where to log in on 127.0.0.1, and as whom.
#[derive(Args)]
pub(crate) struct Target {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    #[arg(long)]
    database: String,
    /// In TLS, with somebody whom this file's authority has certified
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// Goes on from earlier connections' handshakes
    #[arg(long, requires = "tls_ca")]
    resume: bool,
    /// Made of these once.
    #[arg(skip)]
    tls: OnceLock<Arc<ClientConfig>>,
}

/// A connection. Its buffer is lent: thousands that are idle need none.
pub(crate) struct Wire<'a> {
    stream: Channel,
    buffer: &'a mut [u8],
    held: usize,
    /// The sequence id of what is sent next.
    seq: u8,
    capabilities: CapabilityFlags,
}

/// A connection that waits for nothing, or for a reply of which nothing has been read.
pub(crate) struct Line {
    stream: Channel,
    capabilities: CapabilityFlags,
}

/// A connection whose login has been sent.
pub(crate) struct Entrance {
    line: Line,
    machine: NodeLogin,
    seq: u8,
}

/// What a statement gave.
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    /// Of the whole reply.
    pub(crate) bytes: u64,
}

impl<'a> Wire<'a> {
    /// Connects, from this address and port if there is one, and logs in. The buffer must hold any packet of a login.
    pub(crate) fn open(target: &Target, source: Option<SocketAddrV4>, buffer: &'a mut [u8]) -> anyhow::Result<Self> {
        Line::dial(target, source)?.log_in(target, buffer)?.enter(buffer)
    }

    /// Runs a statement and reads its reply to the end.
    pub(crate) fn run(&mut self, sql: &str) -> anyhow::Result<Outcome> {
        self.ask(sql)?;
        self.hear()
    }

    /// Sends a statement.
    pub(crate) fn ask(&mut self, sql: &str) -> anyhow::Result<()> {
        self.command(Command::Query, sql.as_bytes())
    }

    /// Reads the reply to a statement to its end.
    pub(crate) fn hear(&mut self) -> anyhow::Result<Outcome> {
        let legs = Legs { server: self.capabilities, client: self.capabilities, flavor: Flavor::MariaDb };
        let mut reply = Reply::new(Expect::Results, legs, 1, StatusFlags::empty());
        let (wants, mut summary, mut out) = (ClientTrackers::everything(), Summary::default(), Vec::new());
        let mut bytes = 0;
        loop {
            self.fill()?;
            let seen = self.buffer.get_mut(..self.held).unwrap_or_default();
            let progress = reply.advance(seen, &wants, &mut summary, &mut out)?;
            bytes += progress.used as u64;
            self.consume(progress.used);
            if progress.boundary == Boundary::Done {
                break;
            }
        }
        ensure!(self.held == 0, "{} bytes after the reply's end", self.held);
        if let Some(error) = summary.error {
            bail!("error {}", error.code);
        }
        Ok(Outcome { rows: summary.rows, bytes })
    }

    /// Says good-bye and waits for the other side to close, so that no port here lingers.
    pub(crate) fn quit(mut self) -> anyhow::Result<()> {
        self.command(Command::Quit, &[])?;
        match self.stream.read(self.buffer) {
            Ok(0) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Ok(_) => bail!("bytes after the good-bye"),
            Err(error) => Err(error).context("waiting for the end"),
        }
    }

    /// Whether its TLS has gone on from an earlier connection's.
    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.is_resumed()
    }

    /// Without the buffer, while nothing is read.
    pub(crate) fn into_line(self) -> Line {
        Line { stream: self.stream, capabilities: self.capabilities }
    }

    fn command(&mut self, command: Command, body: &[u8]) -> anyhow::Result<()> {
        self.seq = 0;
        self.send(&[&[command as u8], body].concat())
    }

    fn send(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        let mut framed = Vec::with_capacity(packet::HEADER + payload.len());
        packet::frame(&mut framed, self.seq, payload);
        self.stream.write_all(&framed).context("sending")
    }

    /// A login's next packet.
    fn packet(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            let seen = self.buffer.get(..self.held).unwrap_or_default();
            if let Some(taken) = packet::take(seen, PAYLOAD_LIMIT)? {
                let payload = seen.get(taken.payload).unwrap_or_default().to_vec();
                self.seq = taken.seq.wrapping_add(1);
                self.consume(taken.used);
                return Ok(payload);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let room = self.buffer.get_mut(self.held..).unwrap_or_default();
        ensure!(!room.is_empty(), "a packet is longer than the buffer");
        let read = self.stream.read(room).context("waiting for an answer")?;
        ensure!(read > 0, "the connection was closed");
        self.held += read;
        Ok(())
    }

    fn consume(&mut self, used: usize) {
        self.buffer.copy_within(used..self.held, 0);
        self.held -= used;
    }
}

impl Line {
    /// Connects, from this address and port if there is one.
    pub(crate) fn dial(target: &Target, source: Option<SocketAddrV4>) -> anyhow::Result<Self> {
        let stream = dial(target.port, source).context("connecting")?;
        Ok(Self { stream: Channel::Plain(stream), capabilities: CapabilityFlags::empty() })
    }

    /// Waits for the greeting and answers it.
    pub(crate) fn log_in(self, target: &Target, buffer: &mut [u8]) -> anyhow::Result<Entrance> {
        let mut wire = self.take_up(buffer);
        let greeting = match Opening::parse(&wire.packet().context("waiting for a greeting")?)? {
            Opening::Greeting(greeting) => greeting,
            Opening::Refused(error) => bail!(error),
        };
        let mut identity = target.identity(&greeting);
        if let Some(config) = target.config()? {
            identity.capabilities.flags.insert(CapabilityFlags::CLIENT_SSL);
            wire.send(&NodeLogin::tls_request(&identity))?;
            (wire.stream, wire.seq) = (wire.stream.encrypt(&config)?, wire.seq.wrapping_add(1));
        }
        wire.capabilities = identity.capabilities.flags;
        let (machine, request) = NodeLogin::new(&greeting, identity, target.is_encrypted(), None);
        wire.send(&request)?;
        Ok(Entrance { machine, seq: wire.seq, line: wire.into_line() })
    }

    /// With a buffer again.
    pub(crate) fn take_up(self, buffer: &mut [u8]) -> Wire<'_> {
        Wire { stream: self.stream, buffer, held: 0, seq: 0, capabilities: self.capabilities }
    }

    /// What to look at for whether there is something to read.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// The socket alone, for a connection that is to be idle.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_socket()
    }
}

impl Entrance {
    /// Comes to the login's end.
    pub(crate) fn enter(mut self, buffer: &mut [u8]) -> anyhow::Result<Wire<'_>> {
        let mut wire = self.line.take_up(buffer);
        wire.seq = self.seq;
        loop {
            match self.machine.step(&wire.packet().context("logging in")?) {
                NodeStep::Send(answer) => wire.send(answer.expose())?,
                NodeStep::Wait => {}
                NodeStep::Done(_) => return Ok(wire),
                NodeStep::Failed(error) => bail!(error),
            }
        }
    }
}

impl Target {
    /// Whether it is reached in TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls_ca.is_some()
    }

    fn config(&self) -> anyhow::Result<Option<Arc<ClientConfig>>> {
        let Some(authority) = &self.tls_ca else { return Ok(None) };
        if let Some(made) = self.tls.get() {
            return Ok(Some(Arc::clone(made)));
        }
        let made = config(authority, self.resume)?;
        Ok(Some(Arc::clone(self.tls.get_or_init(|| made))))
    }

    fn identity(&self, greeting: &Greeting) -> Identity {
        Identity {
            user: self.user.as_bytes().to_vec(),
            secret: BackendSecret::Password(Secret::new(self.password.as_bytes())),
            database: Some(self.database.as_bytes().to_vec()),
            charset: COLLATION,
            capabilities: capability::backend(greeting.capabilities, Capabilities::NONE),
            attributes: Attributes::default(),
            clear_text: false,
        }
    }
}

fn dial(port: u16, source: Option<SocketAddrV4>) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(source) = source {
        // One that an earlier run has used may linger.
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
    }
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}
