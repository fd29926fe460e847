//! A connection of either kind, encrypted or not, read and written by polling: the one place where sockets are.

mod socket;
mod tls;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, Connection, ServerConnection};

pub(crate) use self::socket::{Loose, Socket};
pub(crate) use self::tls::{Agreed, LooseTls, Tls};
use crate::buffer::Buffer;
use crate::settings::Address;
use crate::tls::{Acceptor, Dialer};

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

/// A connection. Without TLS it is as small as its socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<Tls>),
    /// While hands are shaken, and after that has failed.
    Between,
}

/// A connection on its way to another arbiter: its socket must be registered anew there, or its wake-ups stay behind.
#[derive(Debug)]
pub(crate) enum Crated {
    Plain(Loose),
    Tls(Box<LooseTls>),
}

impl Crated {
    /// Registers the socket with this arbiter.
    pub(crate) fn unpack(self) -> io::Result<Stream> {
        match self {
            Self::Plain(loose) => loose.register().map(Stream::Plain),
            Self::Tls(loose) => loose.register().map(Box::new).map(Stream::Tls),
        }
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self::Plain(socket)
    }
}

impl Stream {
    /// Connects to a node.
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        Socket::connect(address).await.map(Self::Plain)
    }

    /// Encrypts the connection of a client that has asked for it. `ahead`: what it sent behind that.
    pub(crate) async fn accept_tls(&mut self, acceptor: &Acceptor, ahead: Option<Buffer>) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(acceptor.config())).map_err(io::Error::other)?;
        self.wrap(connection.into(), ahead).await
    }

    /// Encrypts the connection to a node that has been asked for it.
    pub(crate) async fn connect_tls(&mut self, dialer: &Dialer) -> io::Result<()> {
        let (config, name) = (Arc::clone(dialer.config()), dialer.server_name().clone());
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        self.wrap(connection.into(), None).await
    }

    async fn wrap(&mut self, connection: Connection, ahead: Option<Buffer>) -> io::Result<()> {
        match std::mem::replace(self, Self::Between) {
            Self::Plain(socket) => {
                *self = Self::Tls(Box::new(Tls::new(socket, connection, ahead).await?));
                Ok(())
            }
            Self::Tls(_) | Self::Between => Err(gone()),
        }
    }

    /// How it is encrypted, if it is.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        match self {
            Self::Tls(tls) => Some(tls.agreed()),
            Self::Plain(_) | Self::Between => None,
        }
    }

    /// The certificate that the peer has shown, which is trusted.
    pub(crate) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match self {
            Self::Tls(tls) => tls.certificate(),
            Self::Plain(_) | Self::Between => None,
        }
    }

    /// Takes the connection off this arbiter.
    pub(crate) fn pack(self) -> io::Result<Crated> {
        match self {
            Self::Plain(socket) => socket.loosen().map(Crated::Plain),
            Self::Tls(tls) => tls.loosen().map(Box::new).map(Crated::Tls),
            Self::Between => Err(gone()),
        }
    }

    /// Whether it is a Unix socket, on which nobody else can listen.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Plain(Socket::Unix(_)))
    }

    /// Whether a peer's secrets may travel in clear text: nobody else can listen.
    pub(crate) fn is_private(&self) -> bool {
        self.is_unix() || matches!(self, Self::Tls(_))
    }

    /// Reads what is there; 0 is the end. A short read also tells the runtime that there is no more,
    /// which saves the read that would say so.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(cx, room),
            Self::Tls(tls) => tls.poll_read(cx, room),
            Self::Between => Poll::Ready(Err(gone())),
        }
    }

    /// Reads what is there now, or `None` where that is nothing.
    pub(crate) fn try_read(&mut self, room: &mut [u8]) -> Option<io::Result<usize>> {
        let read = match self {
            Self::Plain(socket) => socket.try_read(room),
            Self::Tls(tls) => return tls.try_read(room),
            Self::Between => return Some(Err(gone())),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            read => Some(read),
        }
    }

    /// Ready when there is something to read or the peer has closed.
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_readable(cx),
            Self::Tls(tls) => tls.poll_readable(cx),
            Self::Between => Poll::Ready(Err(gone())),
        }
    }

    /// What the peer has made of its end, without taking anything that it said.
    pub(crate) fn peer_end(&mut self) -> PeerEnd {
        match self {
            Self::Plain(socket) => socket.peer_end(),
            Self::Tls(tls) => tls.peer_end(),
            Self::Between => PeerEnd::Broken,
        }
    }

    /// Writes all of it, waiting for the peer where it does not take it.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes).await,
            Self::Tls(tls) => tls.write_all(bytes).await,
            Self::Between => Err(gone()),
        }
    }

    /// Whether the peer has neither closed nor said anything that was not read yet, by the socket's own word.
    pub(crate) fn is_silent(&mut self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_silent(),
            Self::Tls(tls) => tls.is_silent(),
            Self::Between => false,
        }
    }

    /// Breaks the connection: nothing can be written or read any more.
    pub(crate) fn sever(&self) {
        match self {
            Self::Plain(socket) => socket.sever(),
            Self::Tls(tls) => tls.sever(),
            Self::Between => {}
        }
    }

    /// Says in TLS's own words that no more comes, before it is closed.
    pub(crate) fn part(&mut self) {
        if let Self::Tls(tls) = self {
            tls.part();
        }
    }

    /// Says that no more comes, and reads away what is still on its way: a socket closed with bytes unread
    /// resets the connection, and the peer may never see the last that it was sent.
    pub(crate) async fn linger(&mut self, limit: Duration) {
        match self {
            Self::Plain(socket) => socket.linger(limit).await,
            Self::Tls(tls) => tls.linger(limit).await,
            Self::Between => {}
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

#[cfg(test)]
mod tests {
    use super::{Socket, Stream};

    #[test]
    fn who_does_not_encrypt_does_not_pay_for_it() {
        assert_eq!(size_of::<Stream>(), size_of::<Socket>());
    }
}
