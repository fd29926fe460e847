//! A MySQL client that shows what is on the wire: capabilities, sequence ids, status flags and trackers as they came.

mod login;
mod packet;
mod rows;
mod statement;
mod tls;

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use mysql_common::constants::{CapabilityFlags, Command};
use socket2::{Domain, Socket, Type};

pub(crate) use login::{AuthPath, Greeting, Login};
pub(crate) use packet::{ErrPacket, OkPacket, Packet, Reader, Tracked};
pub(crate) use rows::{Column, Rows};
pub(crate) use statement::{Param, Prepared, execute_body};
use tls::Channel;
pub(crate) use tls::{Identity, Tls};

/// Nothing a test waits for takes longer; [`Wire::set_timeout`] is for those that want to see silence.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A packet of this length is continued by the next.
const LONGEST: usize = 0xFF_FFFF;

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Channel,
    /// What the next packet from the server must carry.
    sequence: u8,
    /// What the first packet of the answer to the last command must carry: more than 1 after a long one.
    first: u8,
    /// What both sides agreed on.
    pub(crate) capabilities: CapabilityFlags,
    /// How the server introduced itself.
    pub(crate) greeting: Greeting,
    /// How the password was proven.
    pub(crate) auth: AuthPath,
    /// The OK that ended the login.
    pub(crate) welcome: OkPacket,
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The server refused with this, where that is not one of the answers asked for.
    Refused(ErrPacket),
    /// The socket: closed, reset, or silent for too long.
    Io(io::Error),
    /// What came is not MySQL.
    Malformed(String),
}

/// One answer of the one or several that a command gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Ok(OkPacket),
    Err(ErrPacket),
    Rows(Rows),
    /// The server asks for this file.
    Infile(String),
}

impl Wire {
    /// Connects and logs in.
    pub(crate) fn connect(address: SocketAddr, login: &Login) -> Result<Self, WireError> {
        login::log_in(Self::open(address)?, login)
    }

    /// Connects and reads the greeting, for tests that go on by hand.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        Self::greeted(stream)
    }

    /// Connects to a Unix socket and logs in.
    pub(crate) fn connect_unix(path: &Path, login: &Login) -> Result<Self, WireError> {
        let stream = UnixStream::connect(path)?;
        // What is asked of it, a socket of either kind can do.
        login::log_in(Self::greeted(OwnedFd::from(stream).into())?, login)
    }

    /// Connects from this address of loopback's, and logs in.
    pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr, login: &Login) -> Result<Self, WireError> {
        login::log_in(Self::greeted(Self::reach(source, address)?)?, login)
    }

    /// Connects from this address of loopback's, says this ahead of everything else, and logs in.
    pub(crate) fn connect_saying(
        source: Ipv4Addr,
        address: SocketAddr,
        ahead: &[u8],
        login: &Login,
    ) -> Result<Self, WireError> {
        let mut stream = Self::reach(source, address)?;
        stream.write_all(ahead)?;
        login::log_in(Self::greeted(stream)?, login)
    }

    /// Goes on from the greeting.
    pub(crate) fn log_in(self, login: &Login) -> Result<Self, WireError> {
        login::log_in(self, login)
    }

    fn reach(source: Ipv4Addr, address: SocketAddr) -> Result<TcpStream, WireError> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect_timeout(&address.into(), TIMEOUT)?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket.into())
    }

    /// Connects, asks for TLS, and logs in inside it.
    pub(crate) fn connect_tls(address: SocketAddr, login: &Login, tls: &Tls) -> Result<Self, WireError> {
        login::log_in(Self::open(address)?.encrypt(login, tls)?, login)
    }

    fn greeted(stream: TcpStream) -> Result<Self, WireError> {
        let capabilities = CapabilityFlags::empty();
        let (greeting, welcome) = (Greeting::default(), OkPacket::default());
        let stream = Channel::Plain(stream);
        let mut wire = Self { stream, sequence: 0, first: 1, capabilities, greeting, auth: AuthPath::None, welcome };
        wire.set_timeout(TIMEOUT);
        let packet = wire.packet()?;
        if packet.payload.first() == Some(&0xFF) {
            return Err(WireError::Refused(ErrPacket::parse(&packet.payload)?));
        }
        wire.greeting = Greeting::parse(&packet.payload)?;
        Ok(wire)
    }

    /// How long a read or write may take from now on.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.stream().set_read_timeout(Some(timeout)).unwrap();
        self.stream().set_write_timeout(Some(timeout)).unwrap();
    }

    /// The socket, for tests that abuse it.
    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// Sends one command and reads nothing.
    pub(crate) fn send(&mut self, command: Command, body: &[u8]) -> Result<(), WireError> {
        let payload = [&[command as u8], body].concat();
        let sent = self.send_payload(0, &payload);
        self.first = self.sequence;
        sent
    }

    /// Sends a payload in as many packets as it needs, the first with this sequence id.
    pub(crate) fn send_payload(&mut self, sequence: u8, payload: &[u8]) -> Result<(), WireError> {
        let mut bytes = Vec::with_capacity(payload.len() + 4);
        let mut sequence = sequence;
        let mut rest = payload;
        loop {
            let (chunk, after) = rest.split_at(rest.len().min(LONGEST));
            bytes.extend(&(chunk.len() as u32).to_le_bytes()[..3]);
            bytes.push(sequence);
            bytes.extend(chunk);
            sequence = sequence.wrapping_add(1);
            rest = after;
            if chunk.len() < LONGEST {
                break;
            }
        }
        self.sequence = sequence;
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are, header and all.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    /// Reads one whole payload; sequence ids must follow each other.
    pub(crate) fn packet(&mut self) -> Result<Packet, WireError> {
        let first = self.sequence;
        let mut payload = Vec::new();
        loop {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header)?;
            if header[3] != self.sequence {
                return malformed(format!("sequence id {} where {} was due", header[3], self.sequence));
            }
            self.sequence = self.sequence.wrapping_add(1);
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            let before = payload.len();
            payload.resize(before + length, 0);
            self.stream.read_exact(&mut payload[before..])?;
            if length < LONGEST {
                return Ok(Packet { sequence: first, payload });
            }
        }
    }

    /// Reads every answer to one COM_QUERY that was sent, and no more.
    pub(crate) fn replies(&mut self) -> Result<Vec<Reply>, WireError> {
        self.all_replies(rows::Encoding::Text)
    }

    fn all_replies(&mut self, encoding: rows::Encoding) -> Result<Vec<Reply>, WireError> {
        // Also right for the second of two commands that were sent at once.
        self.sequence = self.first;
        let mut replies = Vec::new();
        loop {
            replies.push(self.reply(encoding)?);
            if !replies.last().is_some_and(Reply::more_follow) {
                return Ok(replies);
            }
        }
    }

    /// Runs a COM_QUERY and reads every answer.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Reply>, WireError> {
        self.send(Command::COM_QUERY, sql.as_bytes())?;
        self.replies()
    }

    /// The only answer to a statement.
    pub(crate) fn one(&mut self, sql: &str) -> Reply {
        let mut replies = self.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(replies.len(), 1, "{sql}: {replies:?}");
        replies.remove(0)
    }

    /// The OK of a statement that gives one.
    pub(crate) fn ok(&mut self, sql: &str) -> OkPacket {
        match self.one(sql) {
            Reply::Ok(ok) => ok,
            other => panic!("{sql}: an OK was due, not {other:?}"),
        }
    }

    /// Pings; the OK shows the session's status.
    pub(crate) fn ok_ping(&mut self) -> OkPacket {
        self.send(Command::COM_PING, &[]).unwrap();
        match self.replies().unwrap().as_slice() {
            [Reply::Ok(ok)] => ok.clone(),
            other => panic!("a ping got {other:?}"),
        }
    }

    /// The error of a statement that gives one.
    pub(crate) fn err(&mut self, sql: &str) -> ErrPacket {
        match self.one(sql) {
            Reply::Err(error) => error,
            other => panic!("{sql}: an error was due, not {other:?}"),
        }
    }

    /// The result set of a statement that gives one.
    pub(crate) fn result(&mut self, sql: &str) -> Rows {
        match self.one(sql) {
            Reply::Rows(rows) => rows,
            other => panic!("{sql}: rows were due, not {other:?}"),
        }
    }

    /// The rows of a statement, as text; `None` is NULL.
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.result(sql).rows
    }

    /// The first value of the first row; NULL and no row at all are both `None`.
    pub(crate) fn scalar(&mut self, sql: &str) -> Option<String> {
        self.rows(sql).into_iter().next()?.into_iter().next()?
    }

    /// Says goodbye and reports whether the server closed in return, without another byte.
    pub(crate) fn quit(mut self) -> Result<bool, WireError> {
        self.send(Command::COM_QUIT, &[])?;
        Ok(self.stream.read(&mut [0])? == 0)
    }
}

impl Reply {
    /// Whether the server announced another answer after this one.
    pub(crate) fn more_follow(&self) -> bool {
        match self {
            Self::Ok(ok) => ok.more_follow(),
            Self::Rows(rows) => rows.end.more_follow(),
            Self::Err(_) | Self::Infile(_) => false,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::Io(error) => write!(f, "the socket: {error}"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
        }
    }
}

impl std::error::Error for WireError {}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn malformed<T>(what: impl Into<String>) -> Result<T, WireError> {
    Err(WireError::Malformed(what.into()))
}
