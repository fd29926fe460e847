//! A socket of either kind, read and written by polling.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::settings::Address;

/// Bytes thrown away at a time.
const DRAIN_SIZE: usize = 16 * 1024;

/// What a peer has made of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// It may send, or has sent what was not read yet.
    Open,
    /// It sends no more; whether it still reads, nobody knows.
    Closed,
    /// It is gone.
    Broken,
}

/// A connected socket, registered with the arbiter that it was made on.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket on its way to another arbiter: it must be registered anew there, or its wake-ups stay behind.
#[derive(Debug)]
pub(crate) enum Crated {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Crated {
    /// Registers the socket with this arbiter.
    pub(crate) fn unpack(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(socket) => TcpStream::from_std(socket).map(Stream::Tcp),
            Self::Unix(socket) => UnixStream::from_std(socket).map(Stream::Unix),
        }
    }
}

impl Stream {
    /// Connects to a node.
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let socket = TcpStream::connect((host.as_str(), *port)).await?;
                socket.set_nodelay(true)?;
                SockRef::from(&socket).set_keepalive(true)?;
                Ok(Self::Tcp(socket))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    /// Takes the socket off this arbiter.
    pub(crate) fn pack(self) -> io::Result<Crated> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(Crated::Tcp),
            Self::Unix(socket) => socket.into_std().map(Crated::Unix),
        }
    }

    /// Whether a peer's secrets may travel in clear text: nobody else can listen on a Unix socket.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Reads what is there; 0 is the end. A short read also tells the runtime that there is no more,
    /// which saves the read that would say so.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        let polled = match self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
        };
        ready!(polled)?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Reads what is there now, or `None` where that is nothing.
    pub(crate) fn try_read(&mut self, room: &mut [u8]) -> Option<io::Result<usize>> {
        let read = match self {
            Self::Tcp(socket) => socket.try_read(room),
            Self::Unix(socket) => socket.try_read(room),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            read => Some(read),
        }
    }

    /// Ready when there is something to read or the peer has closed.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    /// What the peer has made of its end, without taking anything that it sent.
    pub(crate) fn peer_end(&self) -> PeerEnd {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        };
        match socket.peek(&mut [std::mem::MaybeUninit::uninit(); 1]) {
            // Behind its end, a reset can no longer be read.
            Ok(0) if matches!(socket.take_error(), Ok(None)) => PeerEnd::Closed,
            Ok(1..) => PeerEnd::Open,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                PeerEnd::Open
            }
            Ok(0) | Err(_) => PeerEnd::Broken,
        }
    }

    /// Writes all of it, waiting for the peer where it does not take it.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes).await,
            Self::Unix(socket) => socket.write_all(bytes).await,
        }
    }

    /// Whether the peer has neither closed nor said anything that was not read yet, by the socket's own word.
    pub(crate) fn is_silent(&self) -> bool {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        };
        let peeked = socket.peek(&mut [std::mem::MaybeUninit::uninit(); 1]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Breaks the connection: nothing can be written or read any more.
    pub(crate) fn sever(&self) {
        let socket = match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        };
        // It fails where the connection is broken already.
        let _ = socket.shutdown(Shutdown::Both);
    }

    /// Says that no more comes, and reads away what is still on its way: a socket closed with bytes unread
    /// resets the connection, and the peer may never see the last that it was sent.
    pub(crate) async fn linger(&mut self, limit: Duration) {
        let drained = async {
            match self {
                Self::Tcp(socket) => drain(socket).await,
                Self::Unix(socket) => drain(socket).await,
            }
        };
        // Whoever has not finished by then is cut off.
        let _ = timeout(limit, drained).await;
    }
}

async fn drain(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    socket.shutdown().await?;
    let mut room = vec![0; DRAIN_SIZE];
    while socket.read(&mut room).await? > 0 {}
    Ok(())
}
