//! A listening address with the nodes behind it, as sessions born there keep it.

use std::sync::Arc;

use crate::node::Node;
use crate::settings::{Access, EndpointSettings, Role};

/// An endpoint with its nodes. A reload makes new ones; a session keeps the one that it was born with.
pub(crate) struct Endpoint {
    pub(crate) settings: Arc<EndpointSettings>,
    pub(crate) nodes: Vec<Arc<Node>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.settings.name)
    }
}

impl Endpoint {
    /// The nodes that leases of this endpoint may go to, those that answer first. Empty only without nodes.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Arc<Node>> {
        let suits = |node: &&Arc<Node>| self.suits(node.settings().role);
        let any = self.nodes.iter().any(|node| suits(&node));
        let fallback =
            !any || self.settings.fallback_to_primary && !self.nodes.iter().any(|node| suits(&node) && node.is_up());
        self.nodes.iter().filter(move |node| fallback || self.suits(node.settings().role))
    }

    /// The node for the next lease: among those that are up, the one with the fewest open connections;
    /// where none is, the first, whose fault the client is told.
    pub(crate) fn choose(&self) -> Option<&Arc<Node>> {
        if let [only] = &*self.nodes {
            return Some(only);
        }
        match self.settings.access {
            Access::ReadWrite => self.candidates().find(|node| node.is_up()),
            Access::ReadOnly => self.candidates().filter(|node| node.is_up()).min_by_key(|node| node.leased()),
        }
        .or_else(|| self.candidates().next())
    }

    fn suits(&self, role: Role) -> bool {
        match self.settings.access {
            Access::ReadWrite => role != Role::Replica,
            Access::ReadOnly => role != Role::Primary,
        }
    }
}
