//! `[[nodes]]`: the servers.

use std::sync::Arc;

use greenroom_actors::settings::NodeSettings;

use super::Checker;
use crate::config::problem::Place;
use crate::config::raw::RawNode;

impl Checker<'_> {
    /// All nodes, in the order of the file; `None` where any is wrong.
    pub(super) fn nodes(&mut self, raw: &[RawNode]) -> Option<Vec<Arc<NodeSettings>>> {
        if raw.is_empty() {
            self.wrong(&Place::new("configuration", "nodes"), "there is no server", "at least one [[nodes]]");
            return None;
        }
        self.unique(raw.iter().map(|node| &node.name));
        let nodes: Vec<_> = raw.iter().map(|node| self.node(node)).collect();
        nodes.into_iter().map(|node| node.map(Arc::new)).collect()
    }

    fn node(&mut self, raw: &RawNode) -> Option<NodeSettings> {
        let name = self.name(&raw.name);
        let address = self.required(&raw.address, "\"host:port\", \"[IPv6]:port\" or \"unix:/path\"");
        let max_connections = self.above(&raw.max_connections, 0);
        let min_idle = self.min_idle(raw);
        let weight = self.above(&raw.weight, 0);
        let connect_timeout = self.some_time(&raw.connect_timeout);
        let tls = self.node_tls(raw);
        Some(NodeSettings {
            name: name?,
            address: address?,
            role: raw.role.value?,
            weight: weight?,
            max_lag: raw.max_lag.value?.0,
            max_connections: max_connections?,
            min_idle: min_idle?,
            max_lifetime: raw.max_lifetime.value?.0,
            connect_timeout: connect_timeout?,
            proxy_protocol: raw.proxy_protocol.value?.0,
            tls: tls?,
        })
    }

    fn min_idle(&mut self, raw: &RawNode) -> Option<usize> {
        let min_idle = raw.min_idle.value?;
        if let Some(max) = raw.max_connections.value.filter(|max| min_idle > *max) {
            let what = format!("{min_idle} idle connections are more than max_connections = {max}");
            self.wrong(&raw.min_idle.place, what, format!("0 to {max}"));
            return None;
        }
        Some(min_idle)
    }
}
