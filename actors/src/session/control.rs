//! What a session's actor and its conversation share: wishes of others, and where a statement runs.
//!
//! Messages are handled and the conversation polled in one and the same wake of the actor,
//! so a wish set here is seen at once.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use greenroom_protocol::sql::{PinReason, PinSet};
use greenroom_protocol::state::SessionState;

use super::claim::Claim;
use super::{Busy, Kill, Killed, What};
use crate::account::Account;
use crate::endpoint::Endpoint;

/// The shared part.
#[derive(Debug)]
pub(super) struct Control {
    endpoint: Arc<Endpoint>,
    killed: Cell<bool>,
    draining: Cell<bool>,
    known: Cell<bool>,
    account: RefCell<Option<Arc<Account>>>,
    /// As it was when the session last became idle.
    state: RefCell<Option<Arc<SessionState>>>,
    /// It stands in the line for a connection.
    waiting: Cell<bool>,
    /// When it went there, or became idle.
    since: Cell<Option<Instant>>,
    /// The node and the server's id of the connection that it has.
    leased: Cell<Option<(u16, u32)>>,
    /// The same, while a statement runs there.
    running: Cell<Option<(u16, u32)>>,
    /// Somebody has asked where, to kill it.
    claim: RefCell<Option<Arc<Claim>>>,
    /// It waits for its client, or behind a pause: nothing of it is under way.
    resting: Cell<bool>,
    /// A transaction was open when it last rested.
    open: Cell<bool>,
    /// What keeps it on its connection; empty and without memory for those whom nothing does.
    pins: RefCell<Vec<Pinning>>,
}

/// A pin, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pinning {
    pub(crate) reason: PinReason,
    pub(crate) since: Instant,
    /// The statement that began it, without its literals; empty where that was none, or nobody could read it.
    pub(crate) shape: Arc<str>,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a node's connection with this id of the server's.
    Leased(u16, u32),
    /// It needs none.
    Idle,
    /// It stands in the line for one.
    Waiting,
}

impl Place {
    /// The node and the connection.
    pub(crate) fn lease(self) -> Option<(u16, u32)> {
        match self {
            Self::Leased(node, thread_id) => Some((node, thread_id)),
            Self::Idle | Self::Waiting => None,
        }
    }
}

/// What others may see of a session.
pub(super) struct View {
    pub(super) account: Arc<Account>,
    pub(super) state: Arc<SessionState>,
    pub(super) place: Place,
    pub(super) since: Instant,
}

impl Control {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            killed: Cell::default(),
            draining: Cell::default(),
            known: Cell::default(),
            account: RefCell::default(),
            state: RefCell::default(),
            waiting: Cell::default(),
            since: Cell::default(),
            leased: Cell::default(),
            running: Cell::default(),
            claim: RefCell::default(),
            resting: Cell::default(),
            open: Cell::default(),
            pins: RefCell::default(),
        }
    }

    /// Somebody wants the session, or its statement, ended.
    pub(super) fn kill(&self, kill: &Kill) -> Killed {
        let Some(account) = self.account.borrow().clone() else { return Killed::Denied };
        let busy = || {
            let (node, thread_id) = self.running.get()?;
            let claim = Arc::clone(self.claim.borrow_mut().get_or_insert_default());
            Some(Busy { node, thread_id, claim, account: Arc::clone(&account) })
        };
        // Whether somebody else's may be killed is for a server to judge.
        if kill.by.as_ref().is_some_and(|by| *by != account.user) {
            let busy = busy();
            return Killed::Foreign { account, endpoint: Arc::clone(&self.endpoint), busy };
        }
        if kill.what == What::Query {
            return busy().map_or(Killed::Idle, Killed::Busy);
        }
        self.killed.set(true);
        if self.running.get().is_some() { Killed::Ending } else { Killed::Idle }
    }

    pub(super) fn drain(&self) {
        self.draining.set(true);
    }

    pub(super) fn is_killed(&self) -> bool {
        self.killed.get()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Its client has shown who it is; what is left of the login is Greenroom's and the servers'.
    pub(super) fn set_known(&self) {
        self.known.set(true);
    }

    /// Whether it has.
    pub(super) fn is_known(&self) -> bool {
        self.known.get()
    }

    /// Whose session it is.
    pub(super) fn set_account(&self, account: &Arc<Account>) {
        *self.account.borrow_mut() = Some(Arc::clone(account));
    }

    /// It waits for its client from now on, inside a transaction or not.
    pub(super) fn rest(&self, state: &Arc<SessionState>, open: bool) {
        self.since.set(Some(Instant::now()));
        self.resting.set(true);
        self.open.set(open);
        let mut shown = self.state.borrow_mut();
        if !shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, state)) {
            *shown = Some(Arc::clone(state));
        }
    }

    /// It has something to do, or has stopped for a pause.
    pub(super) fn stir(&self, resting: bool) {
        self.resting.set(resting);
    }

    /// Whether something of it is under way on its connection.
    pub(super) fn is_restless(&self) -> bool {
        self.leased.get().is_some() && (self.open.get() || !self.resting.get())
    }

    /// Whether a transaction was open when it last rested.
    pub(super) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Notes which pins are new and which are over; `shape` is asked for where one is new.
    pub(super) fn note_pins(&self, pins: PinSet, shape: impl FnOnce() -> Arc<str>) {
        let mut kept = self.pins.borrow_mut();
        kept.retain(|pin| pins.contains(pin.reason));
        let new: Vec<_> = pins.iter().filter(|reason| kept.iter().all(|pin| pin.reason != *reason)).collect();
        if !new.is_empty() {
            let (shape, since) = (shape(), Instant::now());
            kept.extend(new.into_iter().map(|reason| Pinning { reason, since, shape: Arc::clone(&shape) }));
        }
        if kept.is_empty() {
            *kept = Vec::new();
        }
    }

    /// What keeps it on its connection.
    pub(super) fn pins(&self) -> Vec<Pinning> {
        self.pins.borrow().clone()
    }

    /// Shows each of these to `look`; whether there are any.
    pub(super) fn each_pin(&self, look: impl FnMut(&Pinning)) -> bool {
        let pins = self.pins.borrow();
        pins.iter().for_each(look);
        !pins.is_empty()
    }

    /// Whose session it is, once it is logged in.
    pub(super) fn account(&self) -> Option<Arc<Account>> {
        self.account.borrow().clone()
    }

    /// Since when it has been where it is.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since.get()
    }

    /// Whether a statement of it runs on a server.
    pub(super) fn is_running(&self) -> bool {
        self.running.get().is_some()
    }

    /// The state that it had when it last rested.
    pub(super) fn state(&self) -> Option<Arc<SessionState>> {
        self.state.borrow().clone()
    }

    /// It goes to the line for a connection, for its command of that moment, or leaves it.
    pub(super) fn wait(&self, since: Option<Instant>) {
        self.waiting.set(since.is_some());
        self.since.set(since.or(self.since.get()));
    }

    /// Which connection it has.
    pub(super) fn set_leased(&self, leased: Option<(u16, u32)>) {
        self.leased.set(leased);
    }

    /// Where a statement of the session runs now.
    pub(super) fn set_running(&self, running: Option<(u16, u32)>) {
        self.running.set(running);
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        match (self.leased.get(), self.waiting.get()) {
            (Some((node, thread_id)), _) => Place::Leased(node, thread_id),
            (None, true) => Place::Waiting,
            (None, false) => Place::Idle,
        }
    }

    /// What others may see; nothing before the session's first idle moment.
    pub(super) fn view(&self) -> Option<View> {
        let place = self.place();
        let (account, state) = (self.account.borrow().clone()?, self.state.borrow().clone()?);
        Some(View { account, state, place, since: self.since.get()? })
    }

    /// What was promised to somebody who wants to kill the statement that has run.
    pub(super) fn take_claim(&self) -> Option<Arc<Claim>> {
        self.claim.borrow_mut().take()
    }
}
