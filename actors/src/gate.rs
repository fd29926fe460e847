//! A limit over all workers: of client sessions, of server connections in use, of those who wait. Endpoints have one, and so has
//! each of the configuration's limits.
//!
//! Who wants a connection passes each gate that concerns him, in a fixed order, before he stands in a node's line: so he holds
//! no connection while he waits at a gate, and two can not wait for each other. Each gate is first come, first served.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// How many there may be; [`usize::MAX`]: any number.
type Limit = AtomicUsize;

/// What is limited together.
pub(crate) struct Gate {
    /// What it is called in errors.
    name: String,
    max_clients: Limit,
    clients: AtomicUsize,
    max_connections: Limit,
    passes: Semaphore,
    /// Passes that a reload has taken back, and that are still out.
    owed: AtomicUsize,
    max_waiters: Limit,
    waiters: AtomicUsize,
}

/// How many of what a gate lets through; `None`: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) clients: Option<usize>,
    pub(crate) connections: Option<usize>,
    pub(crate) waiters: Option<usize>,
}

/// A session counted at a gate, until dropped.
pub(crate) struct Guest(Arc<Gate>);

/// The right to use one server connection, until dropped.
pub(crate) struct Pass(Arc<Gate>);

/// Somebody who waits, counted until dropped.
pub(crate) struct Standing(Arc<Gate>);

impl Gate {
    pub(crate) fn new(name: String, bounds: Bounds) -> Self {
        let gate = Self {
            name,
            max_clients: Limit::new(usize::MAX),
            clients: AtomicUsize::new(0),
            max_connections: Limit::new(0),
            passes: Semaphore::new(0),
            owed: AtomicUsize::new(0),
            max_waiters: Limit::new(usize::MAX),
            waiters: AtomicUsize::new(0),
        };
        gate.resettle(bounds);
        gate
    }

    /// Other bounds from now on. Who is through stays through.
    pub(crate) fn resettle(&self, bounds: Bounds) {
        self.max_clients.store(bounds.clients.unwrap_or(usize::MAX), Ordering::Relaxed);
        self.max_waiters.store(bounds.waiters.unwrap_or(usize::MAX), Ordering::Relaxed);
        let wanted = bounds.connections.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let before = self.max_connections.swap(wanted, Ordering::Relaxed);
        if wanted < before {
            let taken = self.passes.forget_permits(before - wanted);
            self.owed.fetch_add(before - wanted - taken, Ordering::Relaxed);
        } else {
            let forgiven = self.forgive(wanted - before);
            self.passes.add_permits(wanted - before - forgiven);
        }
    }

    /// Takes up to so many back from what is owed; says how many.
    fn forgive(&self, most: usize) -> usize {
        let paid = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed| Some(owed - owed.min(most)));
        paid.map_or(0, |owed| owed.min(most))
    }

    /// What it is called in errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The most client sessions.
    pub(crate) fn max_clients(&self) -> usize {
        self.max_clients.load(Ordering::Relaxed)
    }

    /// The most server connections in use.
    pub(crate) fn max_connections(&self) -> usize {
        self.max_connections.load(Ordering::Relaxed)
    }

    /// The most who wait.
    pub(crate) fn max_waiters(&self) -> usize {
        self.max_waiters.load(Ordering::Relaxed)
    }

    /// Whether server connections are counted here.
    pub(crate) fn limits_connections(&self) -> bool {
        self.max_connections() < Semaphore::MAX_PERMITS
    }

    /// Counts one more session, unless there are as many as may be.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Guest> {
        let limit = self.max_clients();
        let one_more = |clients| (clients < limit).then_some(clients + 1);
        let entered = self.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.ok().map(|_| Guest(Arc::clone(self)))
    }

    /// A pass, if there is one and nobody waits for it.
    pub(crate) fn try_pass(self: &Arc<Self>) -> Option<Pass> {
        self.passes.try_acquire().ok().map(|permit| {
            permit.forget();
            Pass(Arc::clone(self))
        })
    }

    /// Waits for a pass.
    pub(crate) async fn pass(self: &Arc<Self>) -> Pass {
        // Nobody closes it: there is always a permit in the end.
        if let Ok(permit) = self.passes.acquire().await {
            permit.forget();
        }
        Pass(Arc::clone(self))
    }

    /// Counts one more who waits; `None`: there are as many as may be.
    pub(crate) fn stand(self: &Arc<Self>) -> Option<Standing> {
        let limit = self.max_waiters();
        let one_more = |waiters| (waiters < limit).then_some(waiters + 1);
        let stands = self.waiters.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        stands.ok().map(|_| Standing(Arc::clone(self)))
    }

    /// Counts one more who waits, however many there are: what he waits for is on its way.
    pub(crate) fn stand_by(self: &Arc<Self>) -> Standing {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        Standing(Arc::clone(self))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.0.forgive(1) == 0 {
            self.0.passes.add_permits(1);
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.name)
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest({})", self.0.name)
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({})", self.0.name)
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standing({})", self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Bounds, Gate};

    fn gate(connections: Option<usize>) -> Arc<Gate> {
        Arc::new(Gate::new("test".to_owned(), Bounds { connections, ..Bounds::default() }))
    }

    fn passes(gate: &Arc<Gate>) -> usize {
        let all: Vec<_> = std::iter::from_fn(|| gate.try_pass()).take(100).collect();
        all.len()
    }

    #[test]
    fn so_many_pass_and_no_more() {
        let gate = gate(Some(2));
        assert_eq!((passes(&gate), passes(&gate)), (2, 2), "they come back");
        assert!(gate.limits_connections());
    }

    #[test]
    fn a_lower_bound_waits_for_those_who_are_through() {
        let gate = gate(Some(3));
        let mut through: Vec<_> = std::iter::from_fn(|| gate.try_pass()).collect();
        gate.resettle(Bounds { connections: Some(1), ..Bounds::default() });
        through.pop();
        through.pop();
        assert_eq!(passes(&gate), 0, "one is still out, and one may be");
        through.pop();
        assert_eq!(passes(&gate), 1);
        gate.resettle(Bounds { connections: Some(4), ..Bounds::default() });
        assert_eq!(passes(&gate), 4);
    }

    #[test]
    fn a_bound_that_is_raised_again_forgives_what_was_owed() {
        let gate = gate(Some(3));
        let through: Vec<_> = std::iter::from_fn(|| gate.try_pass()).collect();
        gate.resettle(Bounds { connections: Some(1), ..Bounds::default() });
        gate.resettle(Bounds { connections: Some(2), ..Bounds::default() });
        assert_eq!(passes(&gate), 0);
        drop(through);
        assert_eq!(passes(&gate), 2);
        gate.resettle(Bounds::default());
        assert!(!gate.limits_connections() && passes(&gate) == 100);
    }

    #[test]
    fn sessions_and_waiters_are_counted_until_they_go() {
        let gate =
            Arc::new(Gate::new("test".to_owned(), Bounds { clients: Some(1), connections: None, waiters: Some(1) }));
        let (guest, standing) = (gate.enter(), gate.stand());
        assert!(guest.is_some() && standing.is_some() && gate.enter().is_none() && gate.stand().is_none());
        let more = gate.stand_by();
        drop((guest, standing));
        assert!(gate.enter().is_some() && gate.stand().is_none());
        drop(more);
        assert!(gate.stand().is_some());
    }
}
