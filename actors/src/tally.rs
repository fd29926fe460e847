//! What one worker counts. Cells of its own, handed on a few times a second: no counter is shared between threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use greenroom_protocol::sql::{PinReason, PinSet};
use metrics::{counter, gauge, histogram};
use rustc_hash::FxHashMap;

use crate::end::{BackendEnd, SessionEnd};
use crate::grant::Found;
use crate::metrics as names;
use crate::spread::Spread;

/// A worker's counts since the last hand-over.
#[derive(Default)]
pub(crate) struct Tally {
    leases: [Cell<u64>; 4],
    adapts: Cell<u64>,
    prepares: Cell<u64>,
    opens: Cell<u64>,
    timeouts: Cell<u64>,
    full_users: Cell<u64>,
    open_time: Spread,
    waits: Spread,
    lease_time: Spread,
    backend_ends: RefCell<FxHashMap<BackendEnd, u64>>,
    session_ends: RefCell<FxHashMap<SessionEnd, u64>>,
    errors: RefCell<FxHashMap<u16, u64>>,
    endpoints: RefCell<Vec<Rc<EndpointTally>>>,
    /// What this worker has last shown of each node: connections by state, and waiters.
    shown: RefCell<FxHashMap<String, [i64; 5]>>,
}

/// What a worker counts of one endpoint.
#[derive(Default)]
pub(crate) struct EndpointTally {
    name: String,
    pub(crate) queries: Cell<u64>,
    pub(crate) from_clients: Cell<u64>,
    pub(crate) to_clients: Cell<u64>,
    pub(crate) query_time: Spread,
    slow: Cell<u64>,
    logins: [Cell<u64>; 3],
    /// Statements of an endpoint that splits, by whether they ran on a replica and by [`Why`].
    routed: [[Cell<u64>; 9]; 2],
    /// Sessions by [`ClientState`]; a gauge, never reset.
    clients: [Cell<i64>; 4],
    shown: [Cell<i64>; 4],
}

/// What a client session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientState {
    Login,
    Idle,
    Active,
    Waiting,
}

/// Why a statement of an endpoint that splits ran where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A plain read.
    Read,
    /// A transaction that only reads.
    Transaction,
    /// The client asked for it.
    Asked,
    /// It is no plain read.
    Write,
    /// The session had a connection to the primary.
    Held,
    /// The session's state: autocommit is off, say.
    Session,
    /// Where the session's own writes stand is not known.
    Unknown,
    /// The replica did not have them in time, or not long ago.
    Behind,
    /// There was no replica.
    NoReplica,
}

const WHYS: [&str; 9] =
    ["read", "transaction", "asked", "write", "held", "session", "unknown_position", "behind", "no_replica"];

/// How a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginResult {
    Ok,
    Denied,
    Failed,
}

fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get() + count);
}

impl EndpointTally {
    /// Counts a session in its state; the guard moves it and takes it out.
    pub(crate) fn enter(self: &Rc<Self>, state: ClientState) -> ClientGauge {
        self.shift(state, 1);
        ClientGauge { tally: Rc::clone(self), state }
    }

    /// Counts a login.
    pub(crate) fn login(&self, result: LoginResult) {
        add(&self.logins[result as usize], 1);
    }

    /// Counts a command and the bytes of it and of its reply.
    pub(crate) fn query(&self, time: Duration) {
        add(&self.queries, 1);
        self.query_time.add(time);
    }

    /// Counts a slow statement.
    pub(crate) fn slow(&self) {
        add(&self.slow, 1);
    }

    /// Counts a statement on a replica, or on the primary.
    pub(crate) fn routed(&self, replica: bool, why: Why) {
        add(&self.routed[usize::from(replica)][why as usize], 1);
    }

    /// Counts pins that a transaction pool would have begun; rare enough to be counted where they are scraped.
    pub(crate) fn shadow_pinned(&self, pins: PinSet) {
        for reason in pins.iter() {
            counter!(names::SHADOW_PINS, "endpoint" => self.name.clone(), "reason" => reason.name()).increment(1);
        }
    }

    fn shift(&self, state: ClientState, by: i64) {
        let cell = &self.clients[state as usize];
        cell.set(cell.get() + by);
    }

    fn flush(&self) {
        let name = || self.name.clone();
        counter!(names::QUERIES, "endpoint" => name()).increment(self.queries.take());
        counter!(names::BYTES, "endpoint" => name(), "direction" => "from_clients").increment(self.from_clients.take());
        counter!(names::BYTES, "endpoint" => name(), "direction" => "to_clients").increment(self.to_clients.take());
        counter!(names::SLOW, "endpoint" => name()).increment(self.slow.take());
        self.query_time.flush(&histogram!(names::QUERY_SECONDS, "endpoint" => name()));
        for (cell, result) in self.logins.iter().zip(["ok", "denied", "failed"]) {
            counter!(names::LOGINS, "endpoint" => name(), "result" => result).increment(cell.take());
        }
        for (cells, side) in self.routed.iter().zip(["primary", "replica"]) {
            for (cell, why) in cells.iter().zip(WHYS).filter(|(cell, _)| cell.get() > 0) {
                let counter = counter!(names::ROUTED, "endpoint" => name(), "side" => side, "reason" => why);
                counter.increment(cell.take());
            }
        }
        for ((cell, shown), state) in self.clients.iter().zip(&self.shown).zip(["login", "idle", "active", "waiting"]) {
            let change = cell.get() - shown.replace(cell.get());
            shift_gauge(&gauge!(names::CLIENTS, "endpoint" => name(), "state" => state), change);
        }
    }
}

/// Gauges are sums over workers, so each worker reports how its part has changed.
#[expect(clippy::cast_precision_loss, reason = "counts of connections are far below 2^52")]
fn shift_gauge(gauge: &metrics::Gauge, change: i64) {
    gauge.increment(change as f64);
}

/// Keeps a session counted in the state that it is in.
pub(crate) struct ClientGauge {
    tally: Rc<EndpointTally>,
    state: ClientState,
}

impl ClientGauge {
    /// Moves the session to another state.
    pub(crate) fn set(&mut self, state: ClientState) {
        self.tally.shift(self.state, -1);
        self.tally.shift(state, 1);
        self.state = state;
    }
}

impl Drop for ClientGauge {
    fn drop(&mut self) {
        self.tally.shift(self.state, -1);
    }
}

impl Tally {
    /// The counts of an endpoint.
    pub(crate) fn endpoint(&self, name: &str) -> Rc<EndpointTally> {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(known) = endpoints.iter().find(|endpoint| endpoint.name == name) {
            return Rc::clone(known);
        }
        let new = Rc::new(EndpointTally { name: name.to_owned(), ..EndpointTally::default() });
        endpoints.push(Rc::clone(&new));
        new
    }

    pub(crate) fn leased(&self, found: Found) {
        add(&self.leases[found as usize], 1);
    }

    pub(crate) fn lease_ended(&self, time: Duration) {
        self.lease_time.add(time);
    }

    pub(crate) fn adapted(&self) {
        add(&self.adapts, 1);
    }

    pub(crate) fn prepared(&self) {
        add(&self.prepares, 1);
    }

    pub(crate) fn opened(&self, time: Duration) {
        add(&self.opens, 1);
        self.open_time.add(time);
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.waits.add(time);
    }

    pub(crate) fn timed_out(&self, time: Duration) {
        add(&self.timeouts, 1);
        self.waits.add(time);
    }

    pub(crate) fn user_was_full(&self) {
        add(&self.full_users, 1);
    }

    pub(crate) fn ended(&self, end: BackendEnd) {
        *self.backend_ends.borrow_mut().entry(end).or_default() += 1;
    }

    pub(crate) fn session_ended(&self, end: SessionEnd) {
        *self.session_ends.borrow_mut().entry(end).or_default() += 1;
    }

    pub(crate) fn error(&self, code: u16) {
        *self.errors.borrow_mut().entry(code).or_default() += 1;
    }

    /// A pin is rare enough to be counted where it is scraped.
    pub(crate) fn pinned(&self, reason: PinReason) {
        counter!(names::PINS, "reason" => reason.name()).increment(1);
        gauge!(names::PINNED, "reason" => reason.name()).increment(1.0);
    }

    pub(crate) fn unpinned(&self, reason: PinReason) {
        gauge!(names::PINNED, "reason" => reason.name()).decrement(1.0);
    }

    /// Shows a node's connections in this worker by state, and how many wait.
    pub(crate) fn pool(&self, node: &str, counts: [usize; 4], waiting: usize) {
        let mut all = self.shown.borrow_mut();
        let shown = all.entry(node.to_owned()).or_default();
        for ((count, shown), state) in counts.iter().zip(&mut *shown).zip(["opening", "idle", "leased", "cleaning"]) {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let change = count - std::mem::replace(shown, count);
            shift_gauge(&gauge!(names::BACKEND_CONNECTIONS, "node" => node.to_owned(), "state" => state), change);
        }
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        let change = waiting - std::mem::replace(&mut shown[4], waiting);
        shift_gauge(&gauge!(names::WAITERS, "node" => node.to_owned()), change);
    }

    /// Hands everything on.
    pub(crate) fn flush(&self) {
        for (cell, found) in self.leases.iter().zip(["own", "equal", "other", "opened"]) {
            counter!(names::LEASES, "found" => found).increment(cell.take());
        }
        counter!(names::ADAPTS).increment(self.adapts.take());
        counter!(names::PREPARES).increment(self.prepares.take());
        counter!(names::OPENS).increment(self.opens.take());
        counter!(names::LEASE_TIMEOUTS).increment(self.timeouts.take());
        counter!(names::USER_LIMITS).increment(self.full_users.take());
        self.open_time.flush(&histogram!(names::OPEN_SECONDS));
        self.waits.flush(&histogram!(names::WAIT_SECONDS));
        self.lease_time.flush(&histogram!(names::LEASE_SECONDS));
        for (end, count) in self.backend_ends.borrow_mut().drain() {
            counter!(names::ENDS, "reason" => end.name()).increment(count);
        }
        for (end, count) in self.session_ends.borrow_mut().drain() {
            counter!(names::SESSION_ENDS, "reason" => end.name()).increment(count);
        }
        for (code, count) in self.errors.borrow_mut().drain() {
            counter!(names::ERRORS, "code" => code.to_string()).increment(count);
        }
        for endpoint in self.endpoints.borrow().iter() {
            endpoint.flush();
        }
    }
}
