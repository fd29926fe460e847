//! Getting a connection, making it fit, giving it back.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix::Addr;
use greenroom_protocol::answer::Answer;
use greenroom_protocol::capability::{self, Capabilities};
use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::sql::{PinReason, PinSet};
use greenroom_protocol::state::{Charset, Restore, SessionState, restore};
use tokio::sync::oneshot;

use super::command::Incoming;
use super::conversation::Conversation;
use super::gates::{Through, too_many_wait};
use crate::account::{Account, PoolKey};
use crate::backend::exchange::Batch;
use crate::backend::{Pin, Unpin, kill};
use crate::end::SessionEnd;
use crate::grant::{Condition, Grant};
use crate::pool::{DATABASE_REFUSED, Lease, Refusal, Ticket};
use crate::settings::{Access, PoolMode};
use crate::tally::{ClientState, Why};
use crate::wire::Wire;

/// Connections tried before a client is told that they die faster than they can be used.
const ATTEMPTS: usize = 4;

/// Server errors that say that an account's password is not what it was: forget what was learned.
pub(super) const ACCOUNT_REFUSED: [u16; 3] = [1045, 1698, 3118];

/// Server error: what a session is told that has waited in vain.
const FULL: u16 = 1040;

/// Why a statement does not run.
#[derive(Debug)]
pub(super) enum NoLease {
    /// The client is told this, and goes on.
    Refused(SqlError),
    /// The session is over.
    Ended(SessionEnd),
}

impl From<SessionEnd> for NoLease {
    fn from(end: SessionEnd) -> Self {
        Self::Ended(end)
    }
}

impl Conversation {
    /// Sees to it that the session has a connection in its own state. `fresh`: newly opened.
    pub(super) async fn acquire(&mut self, fresh: bool) -> Result<(), NoLease> {
        if self.grant.is_some() {
            return Ok(());
        }
        let Some(account) = self.account.clone() else { return Err(SessionEnd::Refused.into()) };
        let mut fresh = fresh;
        for _ in 0..ATTEMPTS {
            let mut grant = match self.lease(&account, fresh).await {
                // Who has waited his time in a line does not wait it again in another.
                Err(NoLease::Refused(error)) if error.code != FULL && self.turn_to_primary(Why::NoReplica) => continue,
                granted => match granted? {
                    Some(grant) => grant,
                    None => {
                        self.stop_reading();
                        continue;
                    }
                },
            };
            match self.adapt(&mut grant).await {
                Adapted::Fits => {
                    self.leased_at = Some(Instant::now());
                    if self.shares() {
                        self.begin_activity();
                    }
                    let backend = grant.backend();
                    self.control.set_leased(grant.card().map(|card| (card.permit.node().index, card.thread_id)));
                    self.grant = Some(grant);
                    self.note_side(backend);
                    self.learn_trackers();
                    return Ok(());
                }
                Adapted::Behind => {
                    grant.release(Condition::Used, self.clock);
                    self.turn_to_primary(Why::Behind);
                }
                Adapted::Refused(error) => {
                    grant.release(Condition::Used, self.clock);
                    if !self.turn_to_primary(Why::NoReplica) {
                        return Err(NoLease::Refused(error));
                    }
                }
                // Another one, as good as new, needs only what the session itself has set.
                Adapted::Unfit => {
                    fresh = !self.turn_to_primary(Why::NoReplica);
                    grant.release(Condition::Used, self.clock);
                }
                // A replica's may be the first of many that are.
                Adapted::Dead => {
                    drop(grant);
                    self.stop_reading();
                }
            }
        }
        let node = self.endpoint.choose().map(|node| node.settings().name.clone()).unwrap_or_default();
        Err(NoLease::Refused(SqlError::node_down(&node, "its connections are lost before they can be used")))
    }

    /// As [`Self::acquire`], but a session whose default database has been dropped goes on without one, as it does
    /// on a server; the database is asked for again with the next lease.
    pub(super) async fn acquire_for_statement(&mut self, fresh: bool) -> Result<(), NoLease> {
        if self.grant.is_none()
            && let Some(database) = self.adrift.take()
            && self.state.database().is_none()
        {
            Arc::make_mut(&mut self.state).set_database(Some(&database));
        }
        match self.acquire(fresh).await {
            Err(NoLease::Refused(error)) if DATABASE_REFUSED.contains(&error.code) => {
                self.adrift = self.state.database().map(Box::from);
                Arc::make_mut(&mut self.state).set_database(None);
                self.acquire(fresh).await
            }
            done => done,
        }
    }

    /// The same before a command is looked at. `false`: there is none, and the client has been told.
    pub(super) async fn acquire_or_refuse(&mut self, incoming: &mut Incoming) -> Result<bool, SessionEnd> {
        match self.acquire_for_statement(false).await {
            Ok(()) => Ok(true),
            Err(NoLease::Ended(end)) => Err(end),
            Err(NoLease::Refused(error)) => {
                self.skip(incoming).await?;
                self.send_error(incoming.seq(), &error).await.map(|()| false)
            }
        }
    }

    /// `None` where the connection ended while it was being lent; its shard knows that by now.
    async fn lease(&mut self, account: &Arc<Account>, fresh: bool) -> Result<Option<Grant>, NoLease> {
        self.gauge.set(ClientState::Waiting);
        self.control.wait(Some(self.clock));
        let asked = self.watch_clock();
        let granted = self.stand_in_line(account, fresh).await;
        self.note_granted(asked);
        self.control.wait(None);
        self.gauge.set(ClientState::Active);
        if let (Err(NoLease::Refused(error)), Some(main)) = (&granted, self.stage.main())
            && ACCOUNT_REFUSED.contains(&error.code)
            && self.side() == self.endpoint.side()
        {
            main.credentials.forget(account);
        }
        granted
    }

    async fn stand_in_line(&mut self, account: &Arc<Account>, fresh: bool) -> Result<Option<Grant>, NoLease> {
        let Through { passes, since, standing } = self.pass_gates().await?;
        self.name_charset();
        let ticket = Ticket {
            endpoint: Arc::clone(&self.endpoint),
            account: Arc::clone(account),
            key: self.key(account),
            state: Arc::clone(&self.state),
            collation: self.collation,
            side: self.side(),
            last: self.last_there(),
            fresh: fresh || self.mode() == PoolMode::None,
            attributes: self.client.attributes.clone(),
            route: self.client.route.filter(|_| account.client.is_some()),
        };
        let (reply, answer) = oneshot::channel();
        let Some(shard) = self.stage.shard(self.worker()) else { return Err(SessionEnd::Drained.into()) };
        shard.do_send(Lease { ticket, reply, since, standing });
        match self.await_grant(answer).await {
            Ok(None) if !self.stage.shard(self.worker()).is_some_and(Addr::connected) => {
                Err(SessionEnd::Drained.into())
            }
            Ok(Some(mut grant)) => {
                grant.hold(passes);
                Ok(Some(grant))
            }
            granted => granted,
        }
    }

    /// Waits for the shard's answer, unless the client vanishes or is killed meanwhile: then the place in the line is given up.
    async fn await_grant(
        &mut self,
        mut answer: oneshot::Receiver<Result<Grant, Refusal>>,
    ) -> Result<Option<Grant>, NoLease> {
        let mut look = true;
        poll_fn(|cx| {
            if let Poll::Ready(answer) = std::pin::Pin::new(&mut answer).poll(cx) {
                return Poll::Ready(match answer {
                    Ok(Ok(grant)) => Ok(Some(grant)),
                    Ok(Err(refusal)) => Err(NoLease::Refused(explain(refusal, &self.endpoint.settings.name))),
                    // The wish lay in the mailbox of a connection that has just ended, or the shard itself is gone.
                    Err(_) => Ok(None),
                });
            }
            if self.control.is_killed() {
                return Poll::Ready(Err(SessionEnd::Killed.into()));
            }
            if self.client.vanished(&mut look, cx) {
                return Poll::Ready(Err(SessionEnd::ClientClosed.into()));
            }
            Poll::Pending
        })
        .await
    }

    fn key(&self, account: &Account) -> PoolKey {
        let settings = &self.endpoint.settings;
        let session = settings.pool == PoolMode::Session;
        PoolKey {
            node: 0,
            mode: settings.pool,
            account: account.id,
            capabilities: capability::key(Capabilities {
                flags: self.client.capabilities,
                further: self.client.further,
            }),
            client: self.client.peer.filter(|_| session || settings.pool_by_client_ip),
            database: self.state.database().filter(|_| session).map(Arc::from),
            gtids: settings.access == Access::Split && settings.causal_timeout.is_some(),
            idle_timeout: settings.idle_timeout,
        }
    }

    /// Puts names to the character sets of the handshake, if another login has shown them.
    pub(super) fn name_charset(&mut self) {
        let (Charset::Handshake(id), Some(node)) = (self.state.charset(), self.endpoint.choose()) else { return };
        if let Some(names) = self.local.charset(node, *id) {
            Arc::make_mut(&mut self.state).set_charset(Charset::Named(names));
            self.local.share(&mut self.state);
        }
    }

    /// Makes the connection's state the session's, in one round trip or none.
    async fn adapt(&mut self, grant: &mut Grant) -> Adapted {
        let Some(card) = grant.card() else { return Adapted::Dead };
        if self.begins_by_itself(card) {
            return Adapted::Unfit;
        }
        if let Charset::Handshake(id) = self.state.charset() {
            // Only a login shows what a server makes of a client's collation: this connection's own, or another by now.
            let named = match self.local.charset(card.permit.node(), *id) {
                Some(names) => Charset::Named(names),
                None if card.birth.collation == *id => card.birth.state.charset().clone(),
                None => return Adapted::Unfit,
            };
            Arc::make_mut(&mut self.state).set_charset(named);
        }
        // No statement takes user variables away, but a reset does.
        let card = match self.state.user_variables().can_follow(card.state.user_variables()) {
            true => Some(card),
            false if card.birth.init_connect => return Adapted::Unfit,
            false => grant.clean().await,
        };
        let Some(card) = card else { return Adapted::Dead };
        let same = Arc::ptr_eq(&self.state, &card.state) || *self.state == *card.state;
        let insert_id = Some(self.last_insert_id).filter(|id| *id != card.last_insert_id);
        let question = self.question_of(card.permit.node());
        if same && insert_id.is_none() {
            let Some(question) = question else { return Adapted::Fits };
            return self.carry_out_there(Restore::default(), Some(question), grant).await;
        }
        // With init_connect, "what it was before" is not the server's default.
        if card.birth.init_connect && self.state.variable_count() < card.state.variable_count() {
            return Adapted::Unfit;
        }
        let Ok(plan) = restore(&self.state, &card.state, &card.birth.defaults, card.capabilities, insert_id) else {
            return Adapted::Unfit;
        };
        self.local.tally.adapted();
        self.carry_out_there(plan, question, grant).await
    }

    async fn carry_out_there(&mut self, plan: Restore, question: Option<Vec<u8>>, grant: &mut Grant) -> Adapted {
        let Some(wire) = grant.wire() else { return Adapted::Dead };
        let patience = self.endpoint.settings.causal_timeout.unwrap_or_default();
        let asks = question.is_some();
        let adapted = carry_out(plan, question.map(|question| (question, patience)), wire).await;
        if matches!(adapted, Adapted::Fits) {
            wire.card.state = Arc::clone(&self.state);
            wire.card.last_insert_id = self.last_insert_id;
            let node = wire.card.permit.node().index;
            if asks {
                self.note_arrived(node);
            }
        }
        adapted
    }

    /// Tells the connection which pins are new and which are over.
    pub(super) fn tell_pins(&mut self, before: PinSet) {
        let (read, pins) = (OnceCell::new(), self.hold.pins);
        let shape = || Arc::clone(read.get_or_init(|| self.text_shape()));
        self.control.note_pins(pins, shape);
        if let Some(presence) = &self.presence {
            presence.held_by(pins);
            presence.pins_begun(pins.difference(before), shape);
        }
        if let Some(watch) = &mut self.watch {
            watch.note_pins(before, self.hold.pins);
        }
        let Some(grant) = &self.grant else { return };
        for reason in PinReason::ALL.iter().copied() {
            match (before.contains(reason), self.hold.pins.contains(reason)) {
                (false, true) => grant.home().do_send(Pin { reason }),
                (true, false) => grant.home().do_send(Unpin { reason }),
                _ => {}
            }
        }
    }

    /// Gives the connection back.
    pub(super) fn release(&mut self, condition: Condition) {
        if let Some(grant) = self.grant.take() {
            self.control.set_leased(None);
            if !self.hold.pins.is_empty() {
                self.control.note_pins(PinSet::EMPTY, Arc::default);
                self.held_no_more();
            }
            grant.release(condition, self.clock);
        }
        self.stop_reading();
        self.soiled = false;
        self.activity = None;
        if let Some(since) = self.leased_at.take() {
            self.local.tally.lease_ended(self.clock.saturating_duration_since(since));
        }
        self.control.set_running(None);
    }

    /// The connection is lost, or must not be used again; what was on it is gone.
    pub(super) fn lose(&mut self) {
        if self.debts.position {
            self.lose_track();
        }
        let before = self.hold.pins;
        self.hold = super::hold::Hold::default();
        self.status -= StatusFlags::SERVER_STATUS_IN_TRANS | StatusFlags::SERVER_STATUS_IN_TRANS_READONLY;
        self.tell_pins(before);
        self.control.set_leased(None);
        self.grant = None;
        self.stop_reading();
        self.leased_at = None;
        self.activity = None;
        if !self.shares() {
            self.statements.clear();
        }
        self.belongings = None;
        (self.prepared, self.prepared_asks) = (PinSet::EMPTY, false);
        self.debts = super::conversation::Debts::default();
        self.computed.clear();
        self.soiled = false;
        self.previous.lose_sight(None);
        self.control.set_running(None);
        if let Some(claim) = self.control.take_claim() {
            claim.void();
        }
    }

    /// The client is gone in the middle of a statement: nobody wants the rest of it.
    pub(super) fn abandon(&mut self) {
        let running = self.grant.take().and_then(Grant::abandon);
        self.leaves();
        self.lose();
        if let (Some(card), Some(account)) = (running, self.account.clone()) {
            // MySQL closes the socket of a killed connection under the thread that writes to it; in TLS the rest of the result
            // is then sent on whichever connection has the descriptor next (measured, 9.7.4). Ours is closed: without its
            // statement the thread sees that, and ends.
            let what = match self.flavor {
                Flavor::MySql => "QUERY",
                Flavor::MariaDb => "CONNECTION",
            };
            let statement = format!("KILL {what} {}", card.thread_id);
            actix_rt::spawn(kill(card.permit, account, statement, self.stage.log.clone()));
        }
    }

    /// The session is over: what becomes of its connection.
    pub(super) fn leave(&mut self, end: SessionEnd) {
        self.leaves();
        let idle = !matches!(end, SessionEnd::BackendLost | SessionEnd::ClientFailed);
        let condition = match self.mode() {
            PoolMode::None => Condition::Spoilt,
            // As a server does for a client that leaves: roll back at once.
            PoolMode::Session if self.hold.is_open() => Condition::Spoilt,
            PoolMode::Session => Condition::Used,
            PoolMode::Transaction if self.is_strict() && !self.hold.pins.is_empty() => Condition::Spoilt,
            PoolMode::Transaction => Condition::Used,
        };
        if idle && self.grant.is_some() {
            self.clock = Instant::now();
            self.release(condition);
        }
    }

    fn worker(&self) -> usize {
        self.seat.worker()
    }
}

/// What came of making a connection fit.
pub(super) enum Adapted {
    Fits,
    /// It is a replica's, and has not yet what the session has written.
    Behind,
    /// The server refuses the session's state: its database is gone, say.
    Refused(SqlError),
    /// No statement makes it fit.
    Unfit,
    /// It is lost.
    Dead,
}

/// Nothing of the client's has been sent yet, so a connection that fails here costs nobody anything. `question`: whether the
/// server has what the session has written, and how long it may take to say so. It goes first: the database may be new.
pub(super) async fn carry_out(plan: Restore, question: Option<(Vec<u8>, Duration)>, wire: &mut Wire) -> Adapted {
    let mut batch = Batch::new(wire.card.capabilities);
    let asks = question.is_some();
    if let Some((question, patience)) = question {
        wire.card.found_rows = None;
        batch.add(Command::Query, &question);
        batch = batch.patient(patience);
    }
    let selects = plan.database.is_some();
    if let Some(database) = &plan.database {
        batch.add(Command::InitDb, database);
    }
    if let Some(set) = &plan.set {
        batch.add(Command::Query, set);
    }
    let Ok(outcome) = batch.run(&mut wire.stream).await else { return Adapted::Dead };
    let mut answers = outcome.answers.into_iter();
    if asks && !answers.next().is_some_and(|answer| says_zero(&answer)) {
        return Adapted::Behind;
    }
    if plan.set.as_deref().is_some_and(gives_back_sql_mode)
        && let Some((_, value)) = outcome.changes.variables.iter().rev().find(|(name, _)| **name == *b"sql_mode")
    {
        wire.card.permit.node().sql_modes().note(value);
    }
    for (index, answer) in answers.enumerate() {
        match answer {
            Answer::Failed(error) if selects && index == 0 => return Adapted::Refused(error),
            Answer::Failed(_) => return Adapted::Unfit,
            _ => {}
        }
    }
    Adapted::Fits
}

fn says_zero(answer: &Answer) -> bool {
    matches!(answer, Answer::Rows(rows) if matches!(&**rows, [row] if matches!(&**row, [Some(value)] if **value == *b"0")))
}

/// What the connection has then is the server's own, which may be another by now than at its login.
fn gives_back_sql_mode(set: &[u8]) -> bool {
    const BACK: [&[u8]; 2] = [b"sql_mode=DEFAULT", b"sql_mode=CONCAT("];
    BACK.iter().any(|back| set.windows(back.len()).any(|part| part == *back))
}

/// How a refused lease is told to the client.
pub(super) fn explain(refusal: Refusal, endpoint: &str) -> SqlError {
    match refusal {
        Refusal::Timeout { limit, waited, node } => {
            SqlError::lease_timeout(&format!("{endpoint}/{node}"), limit, waited)
        }
        Refusal::UserFull { node, account, limit, waited } => {
            SqlError::user_full(&node, &account.name(), limit, waited)
        }
        Refusal::Down { node, reason } => SqlError::node_down(&node, &reason),
        Refusal::Server(error) => error,
        Refusal::Failed(reason) => SqlError::node_down(endpoint, &reason),
        Refusal::NoNode(name) => SqlError::node_down(&name, "the endpoint has no node that may serve this"),
        Refusal::NoPrimary { endpoint, waited } => {
            SqlError::node_down(&endpoint, &format!("none of its servers takes writes, for {waited:.1?} so far"))
        }
        Refusal::Crowded(gate) => too_many_wait(&gate),
        Refusal::Paused { what, waited } => SqlError::paused(&what, waited),
        Refusal::Draining => SqlError::shutting_down(),
    }
}

/// The state that a session is in after its login, before any server has named its character sets.
pub(super) fn first_state(database: Option<&[u8]>, collation: u16) -> Arc<SessionState> {
    Arc::new(SessionState::new(database, Charset::Handshake(collation)))
}
