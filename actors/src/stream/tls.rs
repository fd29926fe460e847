//! A socket with TLS on it. rustls does the cryptography; here its bytes meet the socket.
//!
//! What is read is decrypted at once and given out as far as there is room; whoever is idle keeps no buffer but the 4 KiB
//! that rustls reads into. What comes of TLS's own, such as a ticket for the next connection, is nothing that was said.

use std::future::poll_fn;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion};

use super::PeerEnd;
use super::socket::{Loose, Socket};
use crate::buffer::Buffer;

/// Given to rustls at a time: the most that one record holds.
const RECORD: usize = 16 * 1024;

/// Before each record: a type, a version, and the length of what follows.
const HEAD: usize = 5;

/// An encrypted connection.
#[derive(Debug)]
pub(crate) struct Tls {
    socket: Socket,
    session: Session,
}

/// The same on its way to another arbiter.
#[derive(Debug)]
pub(crate) struct LooseTls {
    socket: Loose,
    session: Session,
}

#[derive(Debug)]
struct Session {
    connection: Connection,
    /// Read from the socket and not yet decrypted.
    cipher: Option<Buffer>,
    framing: Framing,
    /// No more can be read.
    end: Option<PeerEnd>,
}

/// Where TLS's records begin and end in what is read. Nothing is read beyond one that has begun: whoever is held up by a slow
/// peer then keeps no more than what he was given.
#[derive(Debug, Default)]
struct Framing {
    /// Bytes to the end of the record.
    left: usize,
    /// Of the next one's head.
    head: [u8; HEAD],
    seen: usize,
}

/// What has been agreed on, by names that metrics are labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    /// `full` or `resumed`.
    pub(crate) handshake: &'static str,
}

/// What there is to be read.
enum Look {
    Something,
    Nothing,
    End,
}

impl LooseTls {
    pub(super) fn register(self) -> io::Result<Tls> {
        Ok(Tls { socket: self.socket.register()?, session: self.session })
    }
}

impl Tls {
    /// Shakes hands. `ahead`: what was read beyond the request for it, which is the peer's part of that.
    pub(super) async fn new(socket: Socket, connection: Connection, ahead: Option<Buffer>) -> io::Result<Self> {
        let mut framing = Framing::default();
        framing.pass(ahead.as_ref().map_or(&[], Buffer::filled));
        let session = Session { connection, cipher: ahead, framing, end: None };
        let mut tls = Self { socket, session };
        poll_fn(|cx| tls.poll_handshake(cx)).await?;
        Ok(tls)
    }

    pub(super) fn loosen(self) -> io::Result<LooseTls> {
        Ok(LooseTls { socket: self.socket.loosen()?, session: self.session })
    }

    pub(super) fn agreed(&self) -> Agreed {
        let connection = &self.session.connection;
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
        Agreed {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "TLSv1.3",
            },
            // rustls names those of TLS 1.3 with a prefix of its own.
            cipher: cipher.strip_prefix("TLS13_").or_else(|| cipher.strip_prefix("TLS_")).unwrap_or(cipher),
            handshake: match connection.handshake_kind() {
                Some(HandshakeKind::Resumed) => "resumed",
                _ => "full",
            },
        }
    }

    /// The certificate by which the peer has proven who it is; one that it could not prove has ended the handshake.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.session.connection.peer_certificates()?.first()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.session.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.feed()? {
                continue;
            }
            if self.session.end.is_some() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.more(|socket, room| socket.poll_read(cx, room)))?;
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.read_by(room, |socket, room| socket.poll_read(cx, room))
    }

    pub(super) fn try_read(&mut self, room: &mut [u8]) -> Option<io::Result<usize>> {
        match self.read_by(room, at_once) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    /// Reads as much as has come, as far as there is room.
    fn read_by(
        &mut self,
        room: &mut [u8],
        mut read: impl FnMut(&mut Socket, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        loop {
            let rest = room.get_mut(filled..).unwrap_or_default();
            if rest.is_empty() {
                // It may be long until there is room again.
                self.slim();
                return Poll::Ready(Ok(filled));
            }
            match self.session.connection.reader().read(rest) {
                Ok(0) => return Poll::Ready(Ok(filled)),
                Ok(count) => {
                    filled += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.feed()? {
                continue;
            }
            match self.session.end {
                _ if filled > 0 => return Poll::Ready(Ok(filled)),
                Some(PeerEnd::Broken) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                // The length of what it carries shows where that ends; many peers close without a word of TLS's.
                Some(_) => return Poll::Ready(Ok(0)),
                None => ready!(self.more(&mut read))?,
            }
        }
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.look() {
                Look::Something | Look::End => return Poll::Ready(Ok(())),
                Look::Nothing if self.feed()? => continue,
                Look::Nothing => {}
            }
            if self.session.end.is_none() && self.more(at_once)?.is_pending() {
                ready!(self.socket.poll_readable(cx))?;
            }
        }
    }

    pub(super) fn peer_end(&mut self) -> PeerEnd {
        match self.look_now() {
            Ok(Look::Something | Look::Nothing) => PeerEnd::Open,
            Ok(Look::End) if self.session.end == Some(PeerEnd::Broken) => PeerEnd::Broken,
            Ok(Look::End) if self.socket.peer_end() != PeerEnd::Broken => PeerEnd::Closed,
            Ok(Look::End) | Err(_) => PeerEnd::Broken,
        }
    }

    pub(super) fn is_silent(&mut self) -> bool {
        matches!(self.look_now(), Ok(Look::Nothing))
    }

    /// Reads until there is something, by the socket's own word and not by what tokio knows of it.
    fn look_now(&mut self) -> io::Result<Look> {
        loop {
            match self.look() {
                Look::Nothing if self.feed()? => {}
                Look::Nothing if self.more(|socket, room| pending(socket.read_now(room)))?.is_pending() => {
                    return Ok(Look::Nothing);
                }
                Look::Nothing => {}
                seen => return Ok(seen),
            }
        }
    }

    pub(super) fn sever(&self) {
        self.socket.sever();
    }

    /// Writes all of it, waiting for the peer where it does not take it.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        poll_fn(|cx| {
            loop {
                ready!(self.poll_flush(cx))?;
                let next = rest.get(..RECORD).unwrap_or(rest);
                if next.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let taken = self.session.connection.writer().write(next)?;
                rest = rest.get(taken..).unwrap_or_default();
            }
        })
        .await
    }

    /// Says that no more comes, as far as that can be said without waiting: peers take a connection that ends otherwise
    /// for one that was cut.
    pub(super) fn part(&mut self) {
        self.session.connection.send_close_notify();
        self.flush_at_once();
    }

    pub(super) async fn linger(&mut self, limit: Duration) {
        self.part();
        self.socket.linger(limit).await;
    }

    fn look(&mut self) -> Look {
        match self.session.connection.reader().fill_buf() {
            Ok([]) => Look::End,
            Ok(_) => Look::Something,
            Err(_) if self.session.cipher.is_none() && self.session.end.is_some() => Look::End,
            Err(_) => Look::Nothing,
        }
    }

    /// Has some of what was read decrypted; says whether there was any.
    fn feed(&mut self) -> io::Result<bool> {
        let Some(cipher) = self.session.cipher.as_mut() else { return Ok(false) };
        let mut bytes = cipher.filled();
        let taken = self.session.connection.read_tls(&mut bytes)?;
        cipher.consume(taken);
        // Behind the peer's last word there is nothing that it has said.
        self.session.cipher.take_if(|cipher| taken == 0 || cipher.is_empty());
        let digested = self.session.connection.process_new_packets();
        // An answer of TLS's own, or the reason of a failure. What is not taken now goes with what is written next.
        if self.session.connection.wants_write() && !self.session.connection.is_handshaking() || digested.is_err() {
            self.flush_at_once();
        }
        match digested {
            Ok(_) => Ok(true),
            Err(error) => {
                (self.session.cipher, self.session.end) = (None, Some(PeerEnd::Broken));
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Reads from the socket into a buffer that is lent.
    fn more(&mut self, read: impl FnOnce(&mut Socket, &mut [u8]) -> Poll<io::Result<usize>>) -> Poll<io::Result<()>> {
        let (mut buffer, limit) = (Buffer::new(), self.session.framing.limit());
        let Poll::Ready(read) = buffer.fill_by(|room| {
            let within = room.len().min(limit);
            read(&mut self.socket, room.get_mut(..within).unwrap_or_default())
        }) else {
            self.slim();
            return Poll::Pending;
        };
        match read {
            Ok(0) => self.session.end = Some(PeerEnd::Closed),
            Ok(_) => {
                self.session.framing.pass(buffer.filled());
                self.session.cipher = Some(buffer);
            }
            Err(error) => {
                self.session.end = Some(PeerEnd::Broken);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Has rustls give back what it had grown to for a long record: it looks at that before it reads.
    fn slim(&mut self) {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let _ = self.session.connection.read_tls(&mut Silent);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, session } = self;
        let mut pipe = Pipe(|parts: &[IoSlice<'_>]| match socket.poll_write(cx, parts) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        });
        while session.connection.wants_write() {
            match session.connection.write_tls(&mut pipe) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn flush_at_once(&mut self) {
        let Self { socket, session } = self;
        let mut pipe = Pipe(|parts: &[IoSlice<'_>]| socket.try_write(parts));
        // A socket that fails says so to whoever reads or writes next.
        while session.connection.wants_write() && matches!(session.connection.write_tls(&mut pipe), Ok(1..)) {}
    }
}

impl Framing {
    /// How much may be read.
    fn limit(&self) -> usize {
        if self.left > 0 { self.left } else { usize::MAX }
    }

    /// Follows what was read.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let within = self.left.min(bytes.len());
            self.left -= within;
            bytes = bytes.get(within..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return };
            if let Some(place) = self.head.get_mut(self.seen) {
                *place = *byte;
            }
            (self.seen, bytes) = (self.seen + 1, rest);
            if self.seen == HEAD {
                let [.., high, low] = self.head;
                (self.seen, self.left) = (0, usize::from(u16::from_be_bytes([high, low])));
            }
        }
    }
}

/// Reads without waiting: pending where there is nothing.
fn at_once(socket: &mut Socket, room: &mut [u8]) -> Poll<io::Result<usize>> {
    pending(socket.try_read(room))
}

fn pending(read: io::Result<usize>) -> Poll<io::Result<usize>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        read => Poll::Ready(read),
    }
}

/// Where rustls writes to: several records in one call.
struct Pipe<F>(F);

impl<F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Pipe<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Framing;

    /// Records of these lengths, in pieces of every size: what may be read is never more than the rest of one.
    #[test]
    fn records_are_followed_wherever_they_are_cut() {
        let lengths = [0_u16, 1, 5, 300, 2, 0, 40];
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for length in lengths {
            bytes.extend([23, 3, 3]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![0xFF; usize::from(length)]);
            ends.push(bytes.len());
        }
        for size in 1..bytes.len() {
            let (mut framing, mut at) = (Framing::default(), 0);
            for piece in bytes.chunks(size) {
                framing.pass(piece);
                at += piece.len();
                let begun = ends.iter().rposition(|end| *end <= at).map_or(0, |index| ends[index]);
                let end = ends.iter().find(|end| **end > at);
                match end {
                    Some(end) if at - begun >= 5 => assert_eq!(framing.limit(), end - at, "{size}, {at}"),
                    _ => assert_eq!(framing.limit(), usize::MAX, "{size}, {at}"),
                }
            }
        }
    }
}
