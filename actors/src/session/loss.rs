//! What a session is told when its connection is lost, or its server takes no writes any more.

use greenroom_protocol::command::Command;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::reply::ServerError;
use greenroom_protocol::sql::{Facts, Kind, PinReason, PinSet};

use super::conversation::Conversation;
use super::turn::Turn;
use crate::end::SessionEnd;
use crate::settings::{Access, PoolMode};

/// How often a statement that a server refused because it is read-only goes to another.
pub(super) const MOVES: usize = 8;

/// Errors of statements that a read-only server refuses; the first is given for other options, too.
const READ_ONLY: [u16; 3] = [1290, 1792, 1836];

/// A member of a Galera cluster that may not serve says so of every statement but a few, and runs nothing of it.
const NOT_READY: u16 = 1047;

/// Pins whose loss a session survives: nothing that a later statement could miss without an error.
const SURVIVABLE: [PinReason; 3] = [PinReason::Diagnostics, PinReason::OneShotIsolation, PinReason::FoundRows];

impl Conversation {
    /// Told once: what comes after that is the client's choice.
    pub(super) async fn tell_of_warnings(&mut self, turn: &mut Turn) -> Result<(), SessionEnd> {
        self.warnings_lost = false;
        let node = self.endpoint.choose().map(|node| node.settings().name.clone()).unwrap_or_default();
        self.note_ended(turn);
        self.skip(&mut turn.incoming).await?;
        self.refuse_turn(turn, &SqlError::warnings_lost(&node)).await
    }

    /// The server's end broke in the middle of a command: the client is told what that means for it.
    pub(super) async fn lost(
        &mut self,
        turn: &mut Turn,
        bare: bool,
        begun: bool,
        reason: &str,
    ) -> Result<(), SessionEnd> {
        let held = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        let node = held.or_else(|| self.endpoint.choose()).map(|node| node.settings().name.clone()).unwrap_or_default();
        slog::info!(self.stage.log, "backend connection lost during a command"; "session" => self.id, "reason" => reason);
        if let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) {
            card.permit.node().suspect();
        }
        self.note_ended(turn);
        let open = !bare && self.hold.is_open();
        let survives = self.survives(open) && !begun;
        if open || turn.effects.may_write() {
            self.lose_track();
        }
        self.lose();
        self.skip(&mut turn.incoming).await?;
        let transaction = open || turn.effects.kind == Kind::Begin;
        let survives = survives && !(transaction && self.has_gone_on());
        let error = if open { SqlError::transaction_lost(&node) } else { SqlError::outcome_unknown(&node) };
        if !begun {
            self.refuse_turn(turn, &error).await?;
        }
        if survives { Ok(()) } else { Err(SessionEnd::BackendLost) }
    }

    /// Whether a read goes on on a replica's connection only because of the warnings of the one before, for which it does not ask:
    /// where that connection breaks, it may as well run elsewhere.
    pub(super) fn needs_no_warnings(&self, turn: &Turn) -> bool {
        self.is_reading()
            && self.hold.holds_for(PinReason::Diagnostics)
            && turn.effects.is_plain_read()
            && !turn.effects.asks_of_previous()
            && self.survives(false)
    }

    /// The connection is lost, and the statement runs on another. Warnings that it was kept for are lost with it.
    pub(super) fn start_over(&mut self) {
        self.warnings_lost |= self.hold.pins.contains(PinReason::Diagnostics);
        self.lose();
    }

    /// Tells that there is no connection for a statement.
    pub(super) async fn refuse_lease(&mut self, turn: &mut Turn, error: &SqlError) -> Result<(), SessionEnd> {
        self.note_ended(turn);
        self.skip(&mut turn.incoming).await?;
        let ends = turn.effects.kind == Kind::Begin && self.has_gone_on();
        self.refuse_turn(turn, error).await?;
        if ends { Err(SessionEnd::BackendLost) } else { Ok(()) }
    }

    /// Whether commands wait that the client has sent before it can know of an error: behind a transaction that did not
    /// begin, or is lost, they would run by themselves.
    fn has_gone_on(&mut self) -> bool {
        self.client.inlet.as_ref().is_some_and(|inlet| !inlet.is_empty()) || !self.client.stream.is_silent()
    }

    /// Whether the session could go on without what its connection knows. `open`: a transaction goes with it.
    fn survives(&self, open: bool) -> bool {
        let survivable = SURVIVABLE.iter().fold(self.hold.pins, |pins, reason| pins.difference(PinSet::of(&[*reason])));
        // An id of a lost transaction is lost with it, but rows that are there keep theirs.
        let known = survivable.is_empty() && !self.debts.hide_state() && (open || !self.debts.insert_id);
        self.mode() == PoolMode::Transaction && known
    }

    /// Whether it writes, and holds a connection to a server that is a replica by now.
    pub(super) fn has_left_its_primary(&self) -> bool {
        let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        self.writes() && !self.is_reading() && node.is_some_and(|node| !self.endpoint.suits(node))
    }

    /// Whether its statements may be writes.
    fn writes(&self) -> bool {
        self.endpoint.settings.access != Access::ReadOnly
    }

    /// Its server takes no writes any more: what it has there is given up before anything is sent.
    pub(super) async fn demoted(&mut self, turn: &mut Turn) -> Result<(), SessionEnd> {
        let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node().settings());
        let name = node.map(|settings| settings.name.clone()).unwrap_or_default();
        slog::info!(self.stage.log, "session leaves a server that takes no writes any more"; "session" => self.id, "node" => &name);
        self.note_ended(turn);
        let open = self.hold.is_open();
        let survives = self.survives(open);
        self.lose();
        self.skip(&mut turn.incoming).await?;
        let survives = survives && !(open && self.has_gone_on());
        let error = match open {
            true => SqlError::transaction_lost(&name),
            false => SqlError::node_down(&name, "it takes no writes any more, and the session is bound to it"),
        };
        self.refuse_turn(turn, &error).await?;
        if survives { Ok(()) } else { Err(SessionEnd::BackendLost) }
    }

    /// Whether a statement for which a connection is leased may run elsewhere, should a server refuse it for being
    /// read-only: it has come whole, and nothing of it can have run outside the server's transactions.
    pub(super) fn may_move(&self, turn: &Turn) -> bool {
        let statement = matches!(turn.command, Command::Query | Command::StmtExecute);
        let hidden = Facts::MAY_RUN_ROUTINE.union(Facts::COMPOUND);
        statement
            && self.shares()
            && self.writes()
            && turn.incoming.scanned.complete
            && turn.reader.is_none()
            && turn.effects.pins.is_empty()
            && !turn.effects.facts.intersects(hidden)
    }

    /// Whether `reply`, a server's whole answer, says that it takes no writes, or nothing at all: then it is a replica from now
    /// on.
    pub(super) fn is_read_only(&mut self, reply: &[u8]) -> bool {
        let code = self.summary.error.map(|error| error.code);
        let named = || [&b"read-only"[..], b"read_only", b"read only"].iter().any(|word| holds(reply, word));
        let says = match code {
            Some(1290) => named(),
            Some(1836) => true,
            Some(NOT_READY) => holds(reply, b"WSREP"),
            _ => false,
        };
        let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        let Some(node) = node.filter(|node| says && (node.is_auto() || self.is_reading())) else { return false };
        node.note_writable(false);
        self.movable
    }

    /// Leaves a server that refused the statement: the next lease is elsewhere. Gives how often that was: once.
    pub(super) fn move_on(&mut self) -> usize {
        self.lose();
        1
    }

    /// The server refused to write: its monitor asks whether it is what it was.
    pub(super) fn doubt_the_node(&self) {
        let Some(ServerError { code, .. }) = self.summary.error else { return };
        let refused = READ_ONLY.contains(&code) && self.writes() && !self.is_reading();
        if refused || code == NOT_READY {
            let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
            node.into_iter().for_each(|node| node.suspect());
        }
    }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}
