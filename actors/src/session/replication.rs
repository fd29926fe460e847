//! Replication: the connection is the session's to the end, and a dump moves bytes both ways.
//!
//! A replica answers events while more of them come (semi-synchronous replication), so a dump is no command with
//! one reply.

use std::future::poll_fn;
use std::task::{Context, Poll};

use greenroom_protocol::command::Command;
use greenroom_protocol::reply::Dump;
use greenroom_protocol::sql::PinReason;

use super::command::Incoming;
use super::conversation::{Conversation, client_failed};
use super::pump::Fault;
use super::turn::Turn;
use crate::buffer::{self, Buffer};
use crate::end::SessionEnd;

/// Who has something for us.
enum Event {
    Server(std::io::Result<usize>),
    Client(std::io::Result<usize>),
    Over(SessionEnd),
}

impl Conversation {
    /// `COM_REGISTER_SLAVE`, `COM_BINLOG_DUMP`, `COM_BINLOG_DUMP_GTID`.
    pub(super) async fn replicate(&mut self, command: Command, mut incoming: Incoming) -> Result<(), SessionEnd> {
        if self.is_reading() {
            let Some(still) = Box::pin(self.may_stay(command, incoming)).await? else { return Ok(()) };
            incoming = still;
        }
        if !self.acquire_or_refuse(&mut incoming).await? {
            return Ok(());
        }
        self.dedicate();
        let turn = Turn::new(command, incoming);
        if command == Command::RegisterSlave {
            // The server keeps a registration for as long as the connection lasts.
            return self.run(turn).await;
        }
        self.dump(turn).await
    }

    /// Nobody else gets this connection.
    fn dedicate(&mut self) {
        if let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) {
            wire.card.tainted = true;
        }
        if self.shares() {
            let before = self.hold.pins;
            self.hold.pins.insert(PinReason::Replication);
            self.tell_pins(before);
        }
    }

    async fn dump(&mut self, mut turn: Turn) -> Result<(), SessionEnd> {
        self.note_running();
        match self.send_turn(&mut turn).await {
            Ok(()) => {}
            Err(Fault::Client(end) | Fault::ClientAfter(end)) => {
                self.abandon();
                return Err(end);
            }
            Err(Fault::Unsent(reason) | Fault::Backend { reason, .. }) => {
                return self.lost(&mut turn, false, false, &reason).await;
            }
            Err(Fault::Unanswerable | Fault::Refused(_) | Fault::ReadOnly) => return Err(SessionEnd::BackendLost),
        }
        self.consume_turn(&turn);
        if let Err(end) = self.relay_dump().await {
            // The server would send on until its socket is full.
            self.abandon();
            return Err(end);
        }
        self.tally.query(self.clock.elapsed());
        self.control.set_running(None);
        if let Some(claim) = self.control.take_claim() {
            claim.close().await;
        }
        self.after_dump().await
    }

    /// Moves bytes both ways until the server ends the dump.
    async fn relay_dump(&mut self) -> Result<(), SessionEnd> {
        let (mut dump, mut slot, mut look) = (Dump::default(), None, true);
        loop {
            if dump.has_begun() {
                self.answer_events().await?;
            }
            match poll_fn(|cx| self.poll_dump(dump.has_begun(), &mut slot, &mut look, cx)).await {
                Event::Server(Ok(count)) if count > 0 => {}
                Event::Server(_) => return Err(SessionEnd::BackendLost),
                Event::Client(Ok(0)) => return Err(SessionEnd::ClientClosed),
                Event::Client(Ok(_)) => continue,
                Event::Client(Err(error)) => return Err(client_failed(error)),
                Event::Over(end) => return Err(end),
            }
            let Some(buffer) = slot.as_mut() else { continue };
            let dumped = dump.advance(buffer.filled());
            self.forward(buffer.filled().get(..dumped.used).unwrap_or_default()).await?;
            buffer.consume(dumped.used);
            if dumped.done {
                return if buffer.is_empty() { Ok(()) } else { Err(SessionEnd::BackendLost) };
            }
            slot.take_if(|buffer| buffer.is_empty());
        }
    }

    /// Sends on what the client has said.
    async fn answer_events(&mut self) -> Result<(), SessionEnd> {
        let Some(inlet) = self.client.inlet.as_ref() else { return Ok(()) };
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
            return Err(SessionEnd::BackendLost);
        };
        let count = inlet.filled().len();
        wire.stream.write_all(inlet.filled()).await.map_err(|_| SessionEnd::BackendLost)?;
        self.consume(count);
        Ok(())
    }

    /// `begun`: what the client sends belongs to the dump. Before that it may be its next command.
    fn poll_dump(
        &mut self,
        begun: bool,
        slot: &mut Option<Buffer>,
        look: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        if self.control.is_killed() {
            return Poll::Ready(Event::Over(SessionEnd::Killed));
        }
        if self.control.is_draining() {
            return Poll::Ready(Event::Over(SessionEnd::Drained));
        }
        if begun {
            let client = &mut self.client;
            if let Poll::Ready(read) = buffer::poll_fill(&mut client.inlet, &mut client.stream, cx) {
                return Poll::Ready(Event::Client(read));
            }
        } else if self.client.vanished(look, cx) {
            return Poll::Ready(Event::Over(SessionEnd::ClientClosed));
        }
        match self.grant.as_mut().and_then(|grant| grant.wire()) {
            Some(wire) => buffer::poll_fill(slot, &mut wire.stream, cx).map(Event::Server),
            None => Poll::Ready(Event::Over(SessionEnd::BackendLost)),
        }
    }

    /// A server closes behind a dump that it had begun, and goes on behind one that it has refused.
    async fn after_dump(&mut self) -> Result<(), SessionEnd> {
        if self.client.inlet.is_some() {
            return Ok(());
        }
        poll_fn(|cx| {
            if self.control.is_killed() {
                return Poll::Ready(Err(SessionEnd::Killed));
            }
            let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
                return Poll::Ready(Err(SessionEnd::BackendLost));
            };
            while wire.stream.poll_readable(cx).is_ready() {
                // Ready may be left over from the last read; this one clears it.
                if wire.stream.try_read(&mut [0]).is_some() {
                    return Poll::Ready(Err(SessionEnd::BackendLost));
                }
            }
            let client = &mut self.client;
            buffer::poll_fill(&mut client.inlet, &mut client.stream, cx).map(|read| match read {
                Ok(0) => Err(SessionEnd::ClientClosed),
                Ok(_) => Ok(()),
                Err(error) => Err(client_failed(error)),
            })
        })
        .await
    }
}
