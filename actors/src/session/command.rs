//! One command: read it, see what it is, have it done by whoever should do it.

use std::future::poll_fn;

use greenroom_protocol::command::{Command, Expect, Inbound, InboundError, Scanned, attributes};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet::{self, HEADER};
use greenroom_protocol::secret::Secret;
use greenroom_protocol::sql::{Facts, Kind, PinReason, PinSet, Verdict, may_ask};
use zeroize::Zeroize;

use super::conversation::{Conversation, client_failed};
use super::shape::UnderWay;
use crate::buffer;
use crate::end::SessionEnd;

/// A longer statement is sent on as it comes, whatever it asks.
const LONGEST_GATHERED: usize = 1 << 20;

/// A command that has begun to arrive.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) inbound: Inbound,
    /// What of it lies in the inlet.
    pub(super) scanned: Scanned,
}

impl Incoming {
    /// The sequence id of the reply's first packet, once the command is complete.
    pub(super) fn seq(&self) -> u8 {
        self.inbound.next_seq()
    }
}

impl Conversation {
    /// Serves the command whose head is in the inlet. What is rare lives on the heap meanwhile: a session's future is as
    /// large as the largest that it may have to hold, also while it is idle.
    pub(super) async fn command(&mut self) -> Result<(), SessionEnd> {
        let incoming = self.gather().await?;
        match incoming.inbound.first().and_then(Command::from_byte) {
            Some(Command::Quit) => Err(SessionEnd::Quit),
            Some(command) if incoming.inbound.total() <= command.least() => Box::pin(self.cut_short(incoming)).await,
            Some(Command::Ping) => Box::pin(self.ping(incoming)).await,
            Some(Command::Statistics) => Box::pin(self.statistics(incoming)).await,
            Some(Command::ChangeUser) => Box::pin(self.change(incoming)).await,
            Some(Command::ResetConnection) => Box::pin(self.reset(incoming)).await,
            Some(Command::StmtClose) => Box::pin(self.close_statement(incoming)).await,
            Some(Command::ProcessKill) => Box::pin(self.kill_process(incoming)).await,
            Some(command @ (Command::RegisterSlave | Command::BinlogDump | Command::BinlogDumpGtid)) => {
                Box::pin(self.replicate(command, incoming)).await
            }
            Some(command) => match command.expect() {
                Expect::Refused | Expect::Endless | Expect::Login => Box::pin(self.refuse_command(incoming)).await,
                _ => self.statement(command, incoming).await,
            },
            None => Box::pin(self.refuse_command(incoming)).await,
        }
    }

    /// Reads on until the command is there whole, or the inlet is full of it.
    async fn gather(&mut self) -> Result<Incoming, SessionEnd> {
        loop {
            let mut inbound = Inbound::new(self.stage.max_packet());
            let filled = self.client.inlet.as_ref().map_or(&[][..], buffer::Buffer::filled);
            let scanned = match inbound.scan(filled) {
                Ok(scanned) => scanned,
                Err(error) => return Err(self.violated(error).await),
            };
            if scanned.complete || self.client.inlet.as_ref().is_some_and(buffer::Buffer::is_full) {
                let more = filled.len() > scanned.used;
                self.client.note_more(more);
                return Ok(Incoming { inbound, scanned });
            }
            self.fill().await?;
        }
    }

    /// Of a statement longer than the inlet the rest, too, unless that is very long: where connections are shared, or its
    /// beginning asks for what Greenroom writes into it.
    pub(super) async fn gather_asking(&mut self, incoming: Incoming) -> Result<Incoming, SessionEnd> {
        let shares = self.shares();
        let Some(inlet) = self.client.inlet.as_mut() else { return Ok(incoming) };
        let length = packet::header(inlet.filled()).map_or(0, |header| header.len + HEADER);
        if length > LONGEST_GATHERED || !(shares || may_ask(inlet.filled())) {
            return Ok(incoming);
        }
        inlet.reserve(length);
        self.gather().await
    }

    /// Reads more from the client into the inlet.
    pub(super) async fn fill(&mut self) -> Result<(), SessionEnd> {
        let client = &mut self.client;
        match poll_fn(|cx| buffer::poll_fill(&mut client.inlet, &mut client.stream, cx)).await {
            Ok(0) => Err(SessionEnd::ClientClosed),
            Ok(_) => Ok(()),
            Err(error) => Err(client_failed(error)),
        }
    }

    pub(super) async fn violated(&mut self, error: InboundError) -> SessionEnd {
        let (seq, error) = match error {
            // Both servers begin to count anew here (measured).
            InboundError::OutOfOrder { .. } => (0, SqlError::out_of_order()),
            InboundError::TooLong { .. } => (1, SqlError::packet_too_large()),
        };
        match self.send_error(seq, &error).await {
            Ok(()) => SessionEnd::Violation,
            Err(end) => end,
        }
    }

    /// Uses the command's bytes up, reading and dropping those still to come.
    pub(super) async fn skip(&mut self, incoming: &mut Incoming) -> Result<(), SessionEnd> {
        loop {
            self.consume(incoming.scanned.used);
            if incoming.scanned.complete {
                return Ok(());
            }
            self.fill().await?;
            let filled = self.client.inlet.as_ref().map_or(&[][..], buffer::Buffer::filled);
            incoming.scanned = match incoming.inbound.scan(filled) {
                Ok(scanned) => scanned,
                Err(error) => return Err(self.violated(error).await),
            };
        }
    }

    /// Marks bytes of the inlet as used; an empty one is given back.
    pub(super) fn consume(&mut self, count: usize) {
        self.tally.from_clients.set(self.tally.from_clients.get() + count as u64);
        // What lies there from now on is something else.
        if matches!(self.under_way, UnderWay::Text(..)) {
            self.under_way = UnderWay::Nothing;
        }
        if let Some(inlet) = self.client.inlet.as_mut() {
            inlet.consume(count);
        }
        self.client.inlet.take_if(|inlet| inlet.is_empty());
    }

    /// The payload of a command that is there whole, without the command byte.
    pub(super) fn argument(&self, incoming: &Incoming) -> &[u8] {
        let filled = self.client.inlet.as_ref().map_or(&[][..], buffer::Buffer::filled);
        filled.get(HEADER + 1..incoming.scanned.used).unwrap_or_default()
    }

    /// A server at hand answers itself: on MySQL its OK tells the warnings of the last statement (measured).
    async fn ping(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        if self.grant.is_some() {
            return self.statement(Command::Ping, incoming).await;
        }
        self.skip(&mut incoming).await?;
        // As after a statement that changed nothing (measured on both).
        self.previous.answered(0);
        self.send_ok(incoming.seq()).await
    }

    async fn refuse_command(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        self.skip(&mut incoming).await?;
        self.send_error(incoming.seq(), &SqlError::unknown_command()).await
    }

    /// What has no reply must not get one from the server: the next command's would be taken for another's.
    async fn cut_short(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        self.skip(&mut incoming).await?;
        match self.flavor {
            Flavor::MySql => self.send_error(incoming.seq(), &SqlError::malformed_packet()).await,
            Flavor::MariaDb => Ok(()),
        }
    }

    async fn change(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        let filled = self.client.inlet.as_mut().map_or(&mut [][..], buffer::Buffer::filled_mut);
        let argument = filled.get_mut(HEADER..incoming.scanned.used).unwrap_or_default();
        // It may hold the password.
        let payload = Secret::new(&*argument);
        argument.zeroize();
        let complete = incoming.scanned.complete;
        self.skip(&mut incoming).await?;
        if !complete {
            self.send_error(incoming.seq(), &SqlError::packet_too_large()).await?;
            return Err(SessionEnd::Violation);
        }
        self.change_user(payload.expose(), incoming.seq()).await
    }

    /// Splits what follows the command byte where its text begins. `None` where nobody can tell: the attributes before
    /// it are broken, or do not end in the inlet.
    pub(super) fn split_text<'a>(&self, command: Command, argument: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let attributed = self.client.capabilities.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
        let at = if attributed && command == Command::Query { attributes::text_at(argument) } else { Some(0) };
        argument.split_at_checked(at?)
    }

    /// What a statement may do that nobody has read: anything.
    pub(super) fn unread_effects() -> Verdict {
        let counts = Facts::COUNTS_ROWS | Facts::COUNTS_UNTOLD | Facts::MAY_COUNT;
        let facts = Facts::SETS_ROLE | Facts::MAY_RUN_ROUTINE | counts;
        Verdict { facts, pins: PinSet::of(&[PinReason::UntrackedState]), ..Verdict::default() }
    }

    /// What a command other than a statement's text does.
    pub(super) fn plain_effects(command: Command) -> Verdict {
        let mut effects = Verdict::default();
        // MySQL's OK to these counts the warnings that are there, and leaves them (measured).
        if matches!(command, Command::InitDb | Command::SetOption | Command::FieldList) {
            effects.facts.insert(Facts::READS_DIAGNOSTICS);
        }
        match command {
            Command::InitDb => effects.kind = Kind::Use,
            // Whether several statements are allowed is the connection's own from now on.
            Command::SetOption => effects.pins.insert(PinReason::SessionOption),
            _ => {}
        }
        effects
    }
}
