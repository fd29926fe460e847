//! The lease itself: the one thing through which a session touches a backend connection.

use std::sync::Arc;
use std::time::Instant;

use actix::Addr;

use crate::backend::clean;
use crate::backend::{BackendConnection, Lost, Return};
use crate::gate::Pass;
use crate::pool::{BackendId, PoolShard, Release, Rest};
use crate::wire::{Card, Wire};

/// How a connection comes home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Its state is known; the next session may have it as it is.
    Clean,
    /// It must be reset before anybody else has it.
    Used,
    /// Nobody else may have it.
    Spoilt,
}

/// How the shard found the connection (counted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Found {
    /// The session's own last one, in its state.
    Own,
    /// Another in the same state.
    Equal,
    /// One whose state must be changed first.
    Other,
    /// Newly opened for it.
    Opened,
}

/// Where a lease comes from and goes back to. Made once for a connection: an actor's address costs memory to copy.
#[derive(Debug)]
pub(crate) struct Home {
    /// Which connection it is.
    pub(crate) backend: BackendId,
    /// Its actor.
    pub(crate) connection: Addr<BackendConnection>,
    pub(crate) shard: Addr<PoolShard>,
}

/// A lease. Dropped in any other way than by [`Grant::release`], it closes the connection:
/// whoever dropped it (a panic, a vanished client) may have left it in the middle of anything.
#[derive(Debug)]
pub(crate) struct Grant {
    wire: Option<Box<Wire>>,
    home: Arc<Home>,
    /// Whether the session has it in hand; until then the connection is as good as it was.
    touched: bool,
    /// What was passed on the way to it.
    passes: Vec<Pass>,
}

impl Grant {
    pub(crate) fn new(wire: Box<Wire>, home: Arc<Home>) -> Self {
        Self { wire: Some(wire), home, touched: false, passes: Vec::new() }
    }

    /// Holds these passes for as long as it lasts.
    pub(crate) fn hold(&mut self, passes: Vec<Pass>) {
        self.passes = passes;
    }

    /// Which connection it is.
    pub(crate) fn backend(&self) -> BackendId {
        self.home.backend
    }

    /// The actor that the connection belongs to.
    pub(crate) fn home(&self) -> &Addr<BackendConnection> {
        &self.home.connection
    }

    /// The connection, in hand: from now on only a release brings it back. There until released.
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        self.touched = true;
        self.wire.as_deref_mut()
    }

    /// What is known of the connection, without taking it in hand.
    pub(crate) fn card(&self) -> Option<&Card> {
        self.wire.as_deref().map(|wire| &wire.card)
    }

    /// Resets the connection; what is known of it then. `None`: it is lost.
    pub(crate) async fn clean(&mut self) -> Option<&Card> {
        self.touched = true;
        self.wire = clean::reset(self.wire.take()?).await.ok();
        self.card()
    }

    /// Gives the connection back; it is idle since `at`.
    pub(crate) fn release(mut self, condition: Condition, at: Instant) {
        self.hand_back(condition, at);
    }

    /// Closes the connection; what was known of it is left, and its place under the limit with that.
    pub(crate) fn abandon(mut self) -> Option<Card> {
        let card = self.wire.take().map(|wire| wire.card);
        self.touched = false;
        self.home.connection.do_send(Lost);
        card
    }

    fn hand_back(&mut self, condition: Condition, at: Instant) {
        let Some(wire) = self.wire.take() else { return };
        self.touched = false;
        let rest = match condition {
            Condition::Clean => Some(Rest::of(&wire.card.state)),
            Condition::Used | Condition::Spoilt => None,
        };
        // Both go out at once: the connection's mailbox has the wire before the shard can lend it again.
        self.home.connection.do_send(Return { wire, condition });
        self.home.shard.do_send(Release { backend: self.home.backend, rest, at });
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.touched {
            self.wire = None;
            self.home.connection.do_send(Lost);
        } else {
            self.hand_back(Condition::Clean, Instant::now());
        }
    }
}
