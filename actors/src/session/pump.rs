//! Moving a reply from the server to the client: read what is there, look at what decides, write it on.

use std::future::poll_fn;
use std::task::{Context, Poll};

use greenroom_protocol::error::SqlError;
use greenroom_protocol::reply::{Boundary, Forward, Reply};

use super::conversation::{Conversation, client_failed};
use crate::buffer::{self, Buffer, Scratch};
use crate::end::SessionEnd;

/// Why a reply did not come to its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server's end is lost. `begun`: the client has had a part of the reply.
    Backend {
        /// The client has had a part of the reply.
        begun: bool,
        /// What went wrong.
        reason: String,
    },
    /// The server's end was lost before the command was sent whole: it can not have run.
    Unsent(String),
    /// The statement asks for what nobody can tell it there; a part of it has been sent.
    Unanswerable,
    /// The server takes no writes, and refused the statement for it; another may run it.
    ReadOnly,
    /// Nothing was sent: the client is told why, as of a statement that failed.
    Refused(SqlError),
    /// The session is over; the server's end is in the middle of the reply.
    Client(SessionEnd),
    /// The session is over, and the reply had come to its end.
    ClientAfter(SessionEnd),
}

/// Who has something for us.
enum Event {
    Server(std::io::Result<usize>),
    ClientGone,
    Killed,
}

impl Conversation {
    /// Relays a reply up to a boundary. `slot`: what of it has been read already.
    pub(super) async fn pump(&mut self, reply: &mut Reply, mut slot: Option<Buffer>) -> Result<Boundary, Fault> {
        let (mut begun, mut look) = (false, true);
        let mut ahead = slot.is_some();
        loop {
            if !std::mem::take(&mut ahead) {
                self.hear(&mut slot, &mut look, begun).await?;
            }
            if !begun {
                self.note_answered();
            }
            let Some(buffer) = slot.as_mut() else { continue };
            let (wants, mut copied) = (&self.client.trackers, Scratch::new());
            let progress = reply
                .advance(buffer.filled_mut(), wants, &mut self.summary, &mut copied)
                .map_err(|violation| lost(begun, &violation.to_string()))?;
            if !begun && self.summary.error.is_some() {
                let refusal = buffer.filled().get(..progress.used).unwrap_or_default();
                if self.is_read_only(refusal) {
                    return Err(Fault::ReadOnly);
                }
            }
            let written = match progress.forward {
                Forward::InPlace(0) => Ok(()),
                Forward::InPlace(length) => self.forward(buffer.filled().get(..length).unwrap_or_default()).await,
                Forward::Copied => self.forward(&copied).await,
            };
            let done = progress.boundary != Boundary::More;
            written.map_err(|end| if done { Fault::ClientAfter(end) } else { Fault::Client(end) })?;
            begun = true;
            look |= self.client.closing.is_some();
            buffer.consume(progress.used);
            if done {
                return finish(buffer, progress.boundary);
            }
            if buffer.is_full() {
                // A packet that must be seen whole; the machine bounds how long it may be.
                buffer.reserve(buffer.filled().len() * 2);
            }
            slot.take_if(|buffer| buffer.is_empty());
        }
    }

    /// Waits for more of the server's reply. `begun`: the client has had a part of it.
    pub(super) async fn hear(&mut self, slot: &mut Option<Buffer>, look: &mut bool, begun: bool) -> Result<(), Fault> {
        match poll_fn(|cx| self.poll_event(slot, look, cx)).await {
            Event::Server(Ok(0)) => Err(lost(begun, "the server closed the connection")),
            Event::Server(Ok(_)) => Ok(()),
            Event::Server(Err(error)) => Err(lost(begun, &error.to_string())),
            Event::ClientGone => Err(Fault::Client(SessionEnd::ClientClosed)),
            Event::Killed => Err(Fault::Client(SessionEnd::Killed)),
        }
    }

    /// While the server is at work the client may vanish or be killed. What it sends meanwhile stays in its socket.
    fn poll_event(&mut self, slot: &mut Option<Buffer>, look: &mut bool, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
            return Poll::Ready(Event::Server(Ok(0)));
        };
        if let Poll::Ready(read) = buffer::poll_fill(slot, &mut wire.stream, cx) {
            return Poll::Ready(Event::Server(read));
        }
        if self.control.is_killed() {
            return Poll::Ready(Event::Killed);
        }
        if self.client.vanished(look, cx) {
            return Poll::Ready(Event::ClientGone);
        }
        Poll::Pending
    }

    /// Sends on to the client what a server sent.
    pub(super) async fn forward(&mut self, bytes: &[u8]) -> Result<(), SessionEnd> {
        self.tally.to_clients.set(self.tally.to_clients.get() + bytes.len() as u64);
        self.client.stream.write_all(bytes).await.map_err(client_failed)
    }
}

fn lost(begun: bool, reason: &str) -> Fault {
    Fault::Backend { begun, reason: reason.to_owned() }
}

/// Bytes behind a complete reply are nobody's: such a connection must not be used again.
fn finish(buffer: &Buffer, boundary: Boundary) -> Result<Boundary, Fault> {
    if buffer.is_empty() {
        return Ok(boundary);
    }
    Err(lost(true, "the server sent more than its reply"))
}
