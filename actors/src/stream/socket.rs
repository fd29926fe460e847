//! A socket of either kind as the kernel has it, registered with the arbiter that it was made on.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::PeerEnd;
use crate::settings::Address;

/// Bytes thrown away at a time.
const DRAIN_SIZE: usize = 16 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that is registered with no arbiter.
#[derive(Debug)]
pub(crate) enum Loose {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Loose {
    /// Registers the socket with this arbiter.
    pub(super) fn register(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(socket) => TcpStream::from_std(socket).map(Socket::Tcp),
            Self::Unix(socket) => UnixStream::from_std(socket).map(Socket::Unix),
        }
    }
}

impl Socket {
    pub(super) async fn connect(address: &Address) -> io::Result<Self> {
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

    pub(super) fn loosen(self) -> io::Result<Loose> {
        match self {
            Self::Tcp(socket) => socket.into_std().map(Loose::Tcp),
            Self::Unix(socket) => socket.into_std().map(Loose::Unix),
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        let polled = match self {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
        };
        ready!(polled)?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Reads what is there now; `WouldBlock` where that is nothing.
    pub(super) fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_read(room),
            Self::Unix(socket) => socket.try_read(room),
        }
    }

    /// Ready when there is something to read or an end.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
        }
    }

    /// The same without regard to what tokio knows: the kernel is asked.
    pub(super) fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
        (&*self.raw()).read(room)
    }

    fn raw(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket),
            Self::Unix(socket) => SockRef::from(socket),
        }
    }

    /// Whether there is nothing to read and no end, by the socket's own word.
    pub(super) fn is_silent(&self) -> bool {
        let peeked = self.raw().peek(&mut [MaybeUninit::uninit(); 1]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(super) fn sever(&self) {
        // It fails where the connection is broken already.
        let _ = self.raw().shutdown(Shutdown::Both);
    }

    pub(super) fn peer_end(&self) -> PeerEnd {
        let socket = self.raw();
        match socket.peek(&mut [MaybeUninit::uninit(); 1]) {
            // Behind its end, a reset can no longer be read.
            Ok(0) if matches!(socket.take_error(), Ok(None)) => PeerEnd::Closed,
            Ok(1..) => PeerEnd::Open,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                PeerEnd::Open
            }
            Ok(0) | Err(_) => PeerEnd::Broken,
        }
    }

    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes).await,
            Self::Unix(socket) => socket.write_all(bytes).await,
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
            Self::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
        }
    }

    /// Writes what the kernel takes now; `WouldBlock` where that is nothing.
    pub(super) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write_vectored(parts),
            Self::Unix(socket) => socket.try_write_vectored(parts),
        }
    }

    pub(super) async fn linger(&mut self, limit: Duration) {
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
