//! A listening address with the nodes behind it, as sessions born there keep it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gate::{Bounds, Gate};
use crate::node::Node;
use crate::settings::{Access, EndpointSettings, Role};
use crate::sluice::Sluice;

/// An endpoint with its nodes. A reload makes new ones; a session keeps the one that it was born with.
pub(crate) struct Endpoint {
    pub(crate) settings: Arc<EndpointSettings>,
    pub(crate) nodes: Vec<Arc<Node>>,
    /// Its limits; the same for as long as there is an endpoint of its name.
    pub(crate) gate: Arc<Gate>,
    /// Whether administrators let its sessions go on.
    pub(crate) sluice: Arc<Sluice>,
}

/// What an endpoint's gate lets through.
pub(crate) fn bounds(settings: &EndpointSettings) -> Bounds {
    Bounds { clients: settings.max_clients, connections: settings.max_connections, waiters: settings.max_waiters }
}

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Anything.
    Primary,
    /// Reading.
    Replica,
}

/// Where the next lease goes.
#[derive(Debug)]
pub(crate) enum Choice<'e> {
    /// There; it may be down.
    Node(&'e Arc<Node>),
    /// Nowhere: no node takes writes, and one that answers may yet be made to.
    NoPrimary,
    /// Nowhere.
    Nowhere,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.settings.name)
    }
}

impl Endpoint {
    /// The nodes that leases of this endpoint may go to. Empty only where no node suits.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Arc<Node>> {
        let fallback = self.settings.access == Access::ReadOnly
            && self.settings.fallback_to_primary
            && !self.nodes.iter().any(|node| self.suits(node) && node.is_open() && !node.is_lagging());
        self.nodes.iter().filter(move |node| fallback || self.suits(node))
    }

    /// What its leases are for, unless somebody knows better.
    pub(crate) fn side(&self) -> Side {
        match self.settings.access {
            Access::ReadWrite | Access::Split => Side::Primary,
            Access::ReadOnly => Side::Replica,
        }
    }

    /// Whether each statement goes where it belongs.
    pub(crate) fn splits(&self) -> bool {
        self.settings.access == Access::Split
    }

    /// Whether a pause, of the endpoint or of one of its nodes, may hold its sessions back.
    pub(crate) fn is_paused(&self) -> bool {
        self.sluice.is_closed() || self.nodes.iter().any(|node| node.sluice.is_closed())
    }

    /// Until when somebody waits who came at `since`, where a pause of the endpoint or of one of its nodes may hold him for
    /// `limit` at most.
    pub(crate) fn due(&self, since: Instant, limit: Duration) -> Instant {
        let sluices = self.nodes.iter().map(|node| &node.sluice).chain([&self.sluice]);
        let due = sluices.map(|sluice| sluice.deadline(since, limit, self.settings.lease_timeout));
        due.max().unwrap_or(since)
    }

    /// Where the next lease for that goes: for writes, the primary that has been one for longest and is open; for reads, of the
    /// replicas that are open and not too far behind the least burdened. Where none is, the first, whose fault the client
    /// is told.
    pub(crate) fn pick(&self, side: Side) -> Choice<'_> {
        match (side, self.settings.access) {
            (Side::Primary, _) => self.primary(),
            (Side::Replica, Access::Split) => self.replica().map_or_else(|| self.primary(), Choice::Node),
            (Side::Replica, _) => self.reader(),
        }
    }

    /// The node for the next lease, or the one that the next would go to if it could.
    pub(crate) fn choose(&self) -> Option<&Arc<Node>> {
        match self.pick(self.side()) {
            Choice::Node(node) => Some(node),
            Choice::NoPrimary | Choice::Nowhere => self.nodes.iter().find(|node| node.is_up()).or(self.nodes.first()),
        }
    }

    /// Whether its statements may run there.
    pub(crate) fn suits(&self, node: &Node) -> bool {
        match self.settings.access {
            // A cluster's primary may be another endpoint's alone, or have gone just now.
            Access::ReadWrite | Access::Split => node.role() != Role::Replica || node.is_peer() && !self.has_primary(),
            Access::ReadOnly => node.role() != Role::Primary,
        }
    }

    fn has_primary(&self) -> bool {
        self.nodes.iter().any(|node| node.role() != Role::Replica && node.is_open())
    }

    /// Whether a lease for that which was sent there may be served there.
    pub(crate) fn admits(&self, node: &Node, side: Side) -> bool {
        let reads = self.splits() && side == Side::Replica && node.role() == Role::Replica;
        self.suits(node) || reads || self.settings.access == Access::ReadOnly && self.settings.fallback_to_primary
    }

    fn primary(&self) -> Choice<'_> {
        let able = self.nodes.iter().filter(|node| self.suits(node) && node.is_open());
        if let Some(node) = able.min_by_key(|node| node.promoted()) {
            return Choice::Node(node);
        }
        if self.nodes.iter().any(|node| node.is_open() && node.is_auto()) {
            return Choice::NoPrimary;
        }
        let fallen = self.nodes.iter().find(|node| self.suits(node)).or(self.nodes.first());
        fallen.map_or(Choice::Nowhere, Choice::Node)
    }

    /// The least burdened replica that is up and not too far behind; one that is paused only where all are.
    fn replica(&self) -> Option<&Arc<Node>> {
        let able = |node: &&Arc<Node>| node.role() == Role::Replica && node.is_open() && !node.is_lagging();
        self.nodes.iter().filter(able).min_by_key(|node| (node.sluice.is_closed(), node.burden()))
    }

    fn reader(&self) -> Choice<'_> {
        // Who is too far behind serves only while nobody else does, and behind a pause nobody waits who need not.
        let able = self.candidates().filter(|node| node.is_open());
        let best = able.min_by_key(|node| (node.is_lagging(), node.sluice.is_closed(), node.burden()));
        best.or_else(|| self.candidates().next()).map_or(Choice::Nowhere, Choice::Node)
    }
}
