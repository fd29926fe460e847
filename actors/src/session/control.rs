//! What a session's actor and its conversation share: wishes of others, and where a statement runs.
//!
//! Messages are handled and the conversation polled in one and the same wake of the actor,
//! so a wish set here is seen at once.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

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
    pub(super) fn lease(self) -> Option<(u16, u32)> {
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
            account: RefCell::default(),
            state: RefCell::default(),
            waiting: Cell::default(),
            since: Cell::default(),
            leased: Cell::default(),
            running: Cell::default(),
            claim: RefCell::default(),
        }
    }

    /// Somebody wants the session, or its statement, ended.
    pub(super) fn kill(&self, kill: &Kill) -> Killed {
        let Some(account) = self.account.borrow().clone() else { return Killed::Denied };
        let busy = || {
            let (node, thread_id) = self.running.get()?;
            Some(Busy { node, thread_id, claim: Arc::clone(self.claim.borrow_mut().get_or_insert_default()) })
        };
        // Whether somebody else's may be killed is for a server to judge.
        if kill.by.as_ref().is_some_and(|by| *by != account.user) {
            return Killed::Foreign { account, endpoint: Arc::clone(&self.endpoint), busy: busy() };
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

    /// Whose session it is.
    pub(super) fn set_account(&self, account: &Arc<Account>) {
        *self.account.borrow_mut() = Some(Arc::clone(account));
    }

    /// It waits for its client from now on.
    pub(super) fn rest(&self, state: &Arc<SessionState>) {
        self.since.set(Some(Instant::now()));
        let mut shown = self.state.borrow_mut();
        if !shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, state)) {
            *shown = Some(Arc::clone(state));
        }
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

    /// What others may see; nothing before the session's first idle moment.
    pub(super) fn view(&self) -> Option<View> {
        let place = match (self.leased.get(), self.waiting.get()) {
            (Some((node, thread_id)), _) => Place::Leased(node, thread_id),
            (None, true) => Place::Waiting,
            (None, false) => Place::Idle,
        };
        let (account, state) = (self.account.borrow().clone()?, self.state.borrow().clone()?);
        Some(View { account, state, place, since: self.since.get()? })
    }

    /// What was promised to somebody who wants to kill the statement that has run.
    pub(super) fn take_claim(&self) -> Option<Arc<Claim>> {
        self.claim.borrow_mut().take()
    }
}
