//! One statement and its reply, from lease to release.

use std::time::Instant;

use greenroom_protocol::command::{Command, Expect};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::packet::{self, HEADER, Repack};
use greenroom_protocol::reply::{Boundary, Legs, Reply, ServerError};
use greenroom_protocol::sql::named::Named;
use greenroom_protocol::sql::{Facts, FoundRows, Kind, PinReason, PinSet, Reading, Verdict};

use super::command::Incoming;
use super::conversation::Conversation;
use super::digest::Effects;
use super::lease::NoLease;
use super::loss::MOVES;
use super::prepared::{Draft, executes};
use super::previous::CountOut;
use super::pump::Fault;
use super::reader::Reader;
use super::rewrite::Rewritten;
use super::shape::UnderWay;
use super::variables::Assigns;
use crate::end::SessionEnd;
use crate::surveys::Change;

/// One command on its way.
pub(super) struct Turn {
    pub(super) command: Command,
    pub(super) effects: Effects,
    /// The sequence id of the reply's next packet, where that is not its first.
    pub(super) seq: Option<u8>,
    /// Nobody knew yet how its text is to be read.
    pub(super) unsure: bool,
    pub(super) incoming: Incoming,
    /// What to send in place of what the client sent.
    pub(super) rewritten: Option<Vec<u8>>,
    /// What the server is to be told before, about the statement before.
    pub(super) count_out: CountOut,
    /// Puts what comes behind that into packets, where it does not stay in its own.
    pub(super) repack: Option<Box<Repack>>,
    /// The previous statement of the connection that it gets is, or may be, somebody else's.
    pub(super) elsewhere: bool,
    /// Reads a statement that is longer than the inlet, as it passes.
    pub(super) reader: Option<Box<Reader>>,
    /// It changes what is stored in the server, triggers for one.
    pub(super) change: Vec<Change>,
    /// The prepared statement that it is about, by the client's id; in a transaction pool only.
    pub(super) statement: Option<u32>,
    /// The text to execute in place of that statement's, this once.
    pub(super) stand_in: Option<Box<[u8]>>,
    /// The text that it prepares; in a transaction pool only.
    pub(super) draft: Option<Box<Draft>>,
    /// What its text names, where that matters and is known.
    pub(super) named: Option<Box<Named>>,
    /// What it assigns to user variables.
    pub(super) assigns: Assigns,
}

impl Conversation {
    /// Runs a command that a server must answer.
    pub(super) async fn statement(&mut self, command: Command, mut incoming: Incoming) -> Result<(), SessionEnd> {
        if self.is_paused() && !Box::pin(self.wait_behind_pause(&mut incoming)).await? {
            return Ok(());
        }
        self.look_after_warnings(command);
        if self.is_reading() || command == Command::Query && !incoming.scanned.complete {
            let Some(still) = Box::pin(self.look_ahead(command, incoming)).await? else { return Ok(()) };
            incoming = still;
        }
        match command {
            Command::Query | Command::StmtPrepare => {}
            Command::StmtExecute
            | Command::StmtBulkExecute
            | Command::StmtFetch
            | Command::StmtReset
            | Command::StmtSendLongData => return self.about_statement(command, incoming).await,
            _ => {
                let effects = Self::plain_effects(command);
                return self.run(Turn { effects, ..Turn::new(command, incoming) }).await;
            }
        }
        if command == Command::StmtPrepare
            && let Some(error) = self.too_many_statements()
        {
            self.skip(&mut incoming).await?;
            return self.send_error(incoming.seq(), &error).await;
        }
        self.name_charset();
        if self.previous.is_in_doubt() && self.asks_found_rows(command, &incoming) {
            Box::pin(self.resolve_found_rows()).await;
        }
        if self.must_be_sure(command, &incoming) && !self.is_ready_to_read(&mut incoming).await? {
            return Ok(());
        }
        let argument = self.argument(&incoming);
        let Some((head, text)) = self.split_text(command, argument) else {
            return self.run(Turn { effects: Self::unread_effects(), ..Turn::new(command, incoming) }).await;
        };
        if !incoming.scanned.complete {
            let reader = self.begin_reading(text);
            let draft = self.draft_of(command, Effects::default(), None);
            return self.run(Turn { reader: Some(reader), draft, ..Turn::new(command, incoming) }).await;
        }
        #[cfg(feature = "faults")]
        crate::supervisor::faults::heed(text, &self.stage);
        let (Reading { verdict: effects, sure }, known) = self.read_through(text);
        if let (Command::Query, Kind::Kill { query, id: Some(id) }) = (command, effects.kind)
            && let Some(id) = super::kill::virtual_id(id)
        {
            return Box::pin(self.kill_statement(command, incoming, id, query)).await;
        }
        // The server would kill the connection beneath, which need not be the session's end.
        if command == Command::Query && super::kill::is_own(text) {
            return Box::pin(self.kill_statement(command, incoming, self.id, false)).await;
        }
        let Rewritten { framed: rewritten, count_out } = match self.rewrite(command, effects, head, &known) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                self.skip(&mut incoming).await?;
                return self.send_error(incoming.seq(), &error).await;
            }
        };
        let sent = rewritten.as_deref().map_or(Some(text), |framed| framed.get(HEADER + 1..));
        let draft = self.draft_of(command, effects, sent);
        let named = if draft.is_none() && sure { self.named(effects, text) } else { None };
        let assigns = if sure { self.assigns(command, effects, text) } else { Assigns::Unsaid };
        let turn = Turn::new(command, incoming);
        self.run(Turn { effects, unsure: !sure, rewritten, count_out, draft, named, assigns, ..turn }).await
    }

    /// Runs a command, and watches it where that is wanted.
    pub(super) async fn run(&mut self, mut turn: Turn) -> Result<(), SessionEnd> {
        self.observe(&turn);
        let done = self.perform(&mut turn).await;
        self.observed(done.is_err());
        done
    }

    /// Leases, sends, relays, takes note, gives back.
    async fn perform(&mut self, turn: &mut Turn) -> Result<(), SessionEnd> {
        if self.warnings_lost && turn.reads_diagnostics() {
            return self.tell_of_warnings(turn).await;
        }
        if self.has_left_its_primary() {
            return Box::pin(self.demoted(turn)).await;
        }
        self.take_up(turn);
        let bare = self.choose_side(turn);
        turn.elsewhere = self.shares() && self.previous.known(!bare) != (None, FoundRows::Server);
        if bare {
            self.previous.lose_sight(None);
        }
        let (mut retried, mut moves) = (false, 0);
        let free = |this: &Self, turn: &Turn| bare || this.needs_no_warnings(turn);
        loop {
            self.movable = bare && moves < MOVES && self.may_move(turn);
            match self.acquire_for_statement(retried).await {
                Ok(()) => {}
                Err(NoLease::Ended(end)) => {
                    self.note_ended(turn);
                    return Err(end);
                }
                Err(NoLease::Refused(error)) => return self.refuse_lease(turn, &error).await,
            }
            if !self.reveal_here(turn) {
                continue;
            }
            if turn.elsewhere && self.may_ask(turn) {
                let Some(count_out) = self.count_out(!bare) else {
                    return Box::pin(self.leave_unanswered(turn)).await;
                };
                turn.count_out = count_out;
            }
            match self.exchange(turn, bare).await {
                Ok(()) => break,
                Err(Fault::ClientAfter(end)) => {
                    self.finish_turn(turn).await;
                    return Err(end);
                }
                Err(Fault::Client(end)) => return Err(self.leave_off(turn, end)),
                Err(Fault::Refused(error)) => break Box::pin(self.fail_turn(turn, &error)).await?,
                Err(Fault::ReadOnly) => moves += self.move_on(),
                Err(Fault::Unanswerable) => return Box::pin(self.refuse_answer(turn)).await,
                Err(Fault::Unsent(_)) if free(self, turn) && !retried && turn.incoming.scanned.complete => {
                    self.start_over();
                    retried = true;
                }
                Err(Fault::Unsent(reason)) => return Box::pin(self.lost(turn, bare, false, &reason)).await,
                // It can not have run, or running it twice does no harm; and nothing of its reply has been seen.
                Err(Fault::Backend { begun: false, .. }) if free(self, turn) && !retried && turn.may_run_again() => {
                    self.start_over();
                    retried = true;
                }
                Err(Fault::Backend { begun, reason }) => {
                    return Box::pin(self.lost(turn, bare, begun, &reason)).await;
                }
            }
        }
        self.finish_turn(turn).await;
        self.doubt_the_node();
        // While it waited for its connection, or ran, triggers may have come to be that nobody looked for in its text.
        self.look_around();
        turn.change.clear();
        self.count_time(turn.command);
        if self.grant.is_none() && self.hold.holds() {
            return Err(SessionEnd::BackendLost);
        }
        self.settle().await
    }

    /// The client is gone in the middle of it.
    fn leave_off(&mut self, turn: &Turn, end: SessionEnd) -> SessionEnd {
        self.note_ended(turn);
        self.abandon();
        end
    }

    /// A command is about to run.
    fn take_up(&mut self, turn: &Turn) {
        self.under_way = UnderWay::of(turn);
        // Where connections are shared, these take none, or the one that the statement's execution has anyway.
        let free = [Command::Ping, Command::Statistics, Command::ResetConnection, Command::StmtClose];
        let parts = [Command::StmtSendLongData, Command::StmtReset];
        if !self.shares() {
            self.note_about(turn);
            if !free.contains(&turn.command) && !parts.contains(&turn.command) {
                self.begin_activity();
            }
        }
    }

    fn count_time(&mut self, command: Command) {
        let begun = std::mem::replace(&mut self.clock, Instant::now());
        let time = self.clock.saturating_duration_since(begun);
        self.tally.query(time);
        let counts = matches!(command, Command::Query | Command::StmtExecute | Command::StmtBulkExecute);
        if let Some(presence) = self.presence.as_ref().filter(|_| counts) {
            presence.statement(time);
        }
        self.end_activity();
    }

    async fn finish_turn(&mut self, turn: &mut Turn) {
        self.note_ended(turn);
        if turn.command == Command::SetOption {
            self.note_option(&turn.incoming);
        }
        self.count_side(turn.command);
        self.control.set_running(None);
        if let Some(claim) = self.control.take_claim()
            && !claim.close().await
            && let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire())
        {
            // The kill may still arrive: it must not meet somebody else here.
            wire.card.tainted = true;
        }
        let pin = self.note_statements(turn);
        // What has no reply, or a bare text, is no statement: warnings and row counts of the last one stay (measured).
        if matches!(turn.command.expect(), Expect::Nothing | Expect::Text) {
            self.consume_turn(turn);
            return self.share_statistics();
        }
        let mut effects = turn.effects;
        if turn.command == Command::StmtPrepare {
            // The text does its work when it is executed.
            effects = Verdict { pins: pin.map(PinSet::from).unwrap_or_default(), ..Verdict::default() };
        }
        effects = self.keep(&turn.assigns, effects);
        let limited = || self.state.variable(b"sql_select_limit").is_some();
        self.previous.note(turn.command, &self.summary, effects, self.flavor, !self.shares(), limited);
        // MySQL warns of a field list without telling so in its reply (measured).
        let untold = turn.command == Command::FieldList && self.flavor == Flavor::MySql;
        let warned = untold || self.hold.pins.contains(PinReason::Diagnostics);
        self.note_written(turn.command, effects);
        self.digest(effects, turn.named.as_deref());
        if self.shadow.is_some() {
            self.cast_shadow(turn, effects);
        }
        // What is no statement leaves the warnings of the last one where they are (measured).
        if warned && self.shares() && !is_statement(turn.command) {
            let before = self.hold.pins;
            self.hold.pins.insert(PinReason::Diagnostics);
            self.tell_pins(before);
        }
        self.put_away();
        self.consume_turn(turn);
    }

    pub(super) fn consume_turn(&mut self, turn: &Turn) {
        if turn.incoming.scanned.complete {
            self.consume(turn.incoming.scanned.used);
        }
    }

    /// A part of the command that Greenroom does itself was refused by the server: as if that had been the command.
    async fn fail_turn(&mut self, turn: &mut Turn, error: &SqlError) -> Result<(), SessionEnd> {
        self.skip(&mut turn.incoming).await?;
        turn.incoming.scanned.used = 0;
        self.summary.error = Some(ServerError { code: error.code, state: error.state });
        self.refuse_turn(turn, error).await
    }

    pub(super) async fn refuse_turn(&mut self, turn: &Turn, error: &SqlError) -> Result<(), SessionEnd> {
        if turn.command.expect() == Expect::Nothing {
            let statement = turn.statement.and_then(|id| self.statements.get_mut(id));
            if let (Command::StmtSendLongData, Some(statement)) = (turn.command, statement) {
                statement.cut = true;
            }
            return Ok(());
        }
        self.send_error(turn.seq.unwrap_or(turn.incoming.seq()), error).await
    }

    /// Lets others kill what runs.
    pub(super) fn note_running(&self) {
        if let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) {
            self.control.set_running(Some((card.permit.node().index, card.thread_id)));
        }
    }

    /// Sends the command and relays its whole reply. `bare`: the connection was leased for it.
    async fn exchange(&mut self, turn: &mut Turn, bare: bool) -> Result<(), Fault> {
        self.summary.clear();
        if bare {
            self.take_sight();
        }
        if bare && self.shares() && turn.effects.facts.contains(Facts::READS_DIAGNOSTICS) {
            self.clear_diagnostics().await?;
        }
        if turn.effects.facts.contains(Facts::TOUCHES_TRACKERS) && self.shares() {
            self.hand_over().await?;
        }
        if let Some(own) = turn.statement {
            self.make_ready(turn, own).await?;
        }
        match turn.draft.as_mut() {
            Some(draft) if self.must_not_ask() => draft.stay(),
            Some(_) => self.know_state().await?,
            None => {}
        }
        if let Some(counts) = self.counts_to_tell(turn) {
            Box::pin(self.tell_counts(turn, counts)).await?;
        }
        self.note_sent();
        self.send_turn(turn).await?;
        let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) else {
            return Err(Fault::Backend { begun: false, reason: "there is no connection".to_owned() });
        };
        let legs = Legs { server: card.capabilities, client: self.client.capabilities, flavor: self.flavor };
        let statement = turn.draft.as_ref().map(|draft| draft.id);
        let mut reply =
            Reply::new(turn.command.expect(), legs, turn.incoming.seq(), self.status).with_statement(statement);
        if let Some(repack) = &turn.repack {
            reply = reply.with_server_seq(repack.next_seq());
        }
        let mut read = None;
        if Self::lists_processes(turn) {
            read = Box::pin(self.processes(turn)).await?;
        }
        while !reply.is_done() {
            match self.pump(&mut reply, read.take()).await? {
                Boundary::InfileRequested => {
                    self.keep_shape(turn);
                    self.keep_text_shape();
                    self.consume_turn(turn);
                    turn.incoming.scanned.used = 0;
                    Box::pin(self.upload(&mut reply)).await?;
                    turn.seq = Some(reply.client_seq());
                }
                Boundary::Done | Boundary::More => {}
            }
        }
        if turn.incoming.inbound.total() >= packet::MAX_PAYLOAD {
            turn.effects.pins.insert(PinReason::LargePacket);
        }
        Ok(())
    }
}

impl Turn {
    /// A command that does nothing to its session, sent as it came.
    pub(super) fn new(command: Command, incoming: Incoming) -> Self {
        let effects = Verdict::default();
        Self {
            command,
            effects,
            seq: None,
            unsure: false,
            incoming,
            rewritten: None,
            count_out: CountOut::default(),
            repack: None,
            elsewhere: false,
            reader: None,
            change: Vec::new(),
            statement: None,
            stand_in: None,
            draft: None,
            named: None,
            assigns: Assigns::Unsaid,
        }
    }

    /// Whether its text asks for the warnings of the statement before.
    fn reads_diagnostics(&self) -> bool {
        let reads = matches!(self.command, Command::Query | Command::StmtExecute);
        reads && self.effects.facts.contains(Facts::READS_DIAGNOSTICS)
    }

    /// Whether nothing is lost by sending it again.
    fn may_run_again(&self) -> bool {
        let runs = matches!(self.command, Command::Query | Command::StmtExecute);
        let read_only = runs && self.effects.facts.contains(Facts::READ_ONLY);
        let read_only = read_only || runs && self.effects.begins_reading();
        self.incoming.scanned.complete && (read_only || matches!(self.command, Command::InitDb | Command::StmtPrepare))
    }
}

/// Whether servers take it for a statement.
pub(super) fn is_statement(command: Command) -> bool {
    executes(command) || matches!(command, Command::Query | Command::StmtPrepare)
}
