//! What a session's actor and its conversation share: wishes of others, and where a statement runs.
//!
//! Messages are handled and the conversation polled in one and the same wake of the actor,
//! so a wish set here is seen at once.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::claim::Claim;
use super::{Kill, Killed, What};

/// The shared part.
#[derive(Debug, Default)]
pub(super) struct Control {
    killed: Cell<bool>,
    draining: Cell<bool>,
    user: RefCell<Box<[u8]>>,
    /// The node and the server's connection id, while a statement runs there.
    running: Cell<Option<(u16, u32)>>,
    /// Somebody has asked where, to kill it.
    claim: RefCell<Option<Arc<Claim>>>,
}

impl Control {
    /// Somebody wants the session, or its statement, ended.
    pub(super) fn kill(&self, kill: &Kill) -> Killed {
        if *self.user.borrow() != kill.by {
            return Killed::Denied;
        }
        if kill.what == What::Connection {
            self.killed.set(true);
        }
        let Some((node, thread_id)) = self.running.get() else { return Killed::Idle };
        if kill.what == What::Connection {
            return Killed::Ending;
        }
        let claim = Arc::clone(self.claim.borrow_mut().get_or_insert_default());
        Killed::Busy { node, thread_id, claim }
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
    pub(super) fn set_user(&self, user: &[u8]) {
        *self.user.borrow_mut() = Box::from(user);
    }

    /// Where a statement of the session runs now.
    pub(super) fn set_running(&self, running: Option<(u16, u32)>) {
        self.running.set(running);
    }

    /// What was promised to somebody who wants to kill the statement that has run.
    pub(super) fn take_claim(&self) -> Option<Arc<Claim>> {
        self.claim.borrow_mut().take()
    }
}
