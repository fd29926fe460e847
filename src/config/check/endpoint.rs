//! `[[endpoints]]`: the addresses for applications, and what stands behind them.

use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::settings::{Access, Address, CredentialSource, EndpointSettings, NodeSettings};
use greenroom_actors::settings::{Pinning, PoolMode, Role};

use super::Checker;
use crate::config::choice::{CausalReads, Credentials, Shadow};
use crate::config::problem::Place;
use crate::config::raw::{Raw, RawEndpoint, RawUser};
use crate::config::reader::Field;
use crate::config::value::Listed;

impl Checker<'_> {
    /// All endpoints, in the order of the file. Without `nodes` (some are wrong) only what needs none is checked.
    pub(super) fn endpoints(
        &mut self,
        raw: &Raw,
        nodes: Option<&[Arc<NodeSettings>]>,
    ) -> Option<Vec<Arc<EndpointSettings>>> {
        if raw.endpoints.is_empty() {
            let place = Place::new("configuration", "endpoints");
            self.wrong(&place, "there is nowhere to listen", "at least one [[endpoints]]");
        }
        self.unique(raw.endpoints.iter().map(|endpoint| &endpoint.name));
        let checked: Vec<_> = raw.endpoints.iter().map(|endpoint| self.endpoint(endpoint, nodes, &raw.users)).collect();
        let endpoints: Vec<_> = checked.into_iter().map(|endpoint| endpoint.map(Arc::new)).collect::<Option<_>>()?;
        self.idle_nodes(raw, nodes?, &endpoints);
        Some(endpoints)
    }

    fn endpoint(
        &mut self,
        raw: &RawEndpoint,
        nodes: Option<&[Arc<NodeSettings>]>,
        users: &[RawUser],
    ) -> Option<EndpointSettings> {
        let name = self.name(&raw.name);
        let listen = self.endpoint_listen(&raw.listen);
        let nodes = nodes.and_then(|nodes| self.behind(&raw.nodes, nodes));
        let nodes = nodes.and_then(|nodes| self.serving(raw, nodes));
        let can_split = self.can_split(raw);
        let shadow = self.shadow(raw);
        let causal_timeout = self.causal_timeout(raw).filter(|_| can_split);
        let lease_timeout = self.some_time(&raw.lease_timeout);
        let credentials = self.credential_source(&raw.credentials, users.is_empty());
        let query_user = self.query_user(raw, users);
        let proxy_protocol_networks = self.networks(&raw.proxy_protocol_networks);
        let tls = self.endpoint_tls(raw);
        let max_clients = self.at_most(&raw.max_clients);
        let max_connections = self.at_most(&raw.max_connections);
        let max_waiters = self.at_most(&raw.max_waiters);
        let settings = EndpointSettings {
            name: name?,
            listen: listen?,
            access: raw.access.value?,
            pool: raw.pool.value?,
            pinning: raw.pinning.value?,
            shadow: shadow?,
            nodes: nodes?,
            fallback_to_primary: raw.fallback_to_primary.value?,
            causal_timeout: causal_timeout?,
            idle_timeout: raw.idle_timeout.value?,
            lease_timeout: lease_timeout?,
            max_clients: max_clients?,
            max_connections: max_connections?,
            max_waiters: max_waiters?,
            client_idle_timeout: raw.client_idle_timeout.value?.0,
            client_idle_in_transaction_timeout: raw.client_idle_in_transaction_timeout.value?.0,
            pool_by_client_ip: raw.pool_by_client_ip.value?,
            credentials: credentials?,
            query_user: query_user?,
            credential_ttl: raw.credential_ttl.value?.0,
            proxy_protocol_networks: proxy_protocol_networks?,
            tls: tls?,
        };
        self.hidden_clients(raw, &settings);
        Some(settings)
    }

    /// A name would have to be looked up, and might be several addresses: only an IP address says where to listen.
    fn endpoint_listen(&mut self, field: &Field<Address>) -> Option<Address> {
        let expected = "\"IP:port\", \"[IPv6]:port\" or \"unix:/path\"";
        let listen = self.required(field, expected)?;
        if matches!(listen, Address::Tcp { .. }) && listen.socket().is_none() {
            self.wrong(&field.place, format!("\"{listen}\" is not an IP address"), expected);
            return None;
        }
        Some(listen)
    }

    /// The nodes that are named; all of them where none are.
    fn behind(&mut self, field: &Field<Vec<Listed>>, all: &[Arc<NodeSettings>]) -> Option<Vec<Arc<NodeSettings>>> {
        if !field.given {
            return Some(all.to_vec());
        }
        let listed = field.value.as_ref()?;
        if listed.is_empty() {
            self.wrong(&field.place, "it names no node", known(all));
            return None;
        }
        let mut chosen: Vec<Arc<NodeSettings>> = Vec::new();
        let mut right = true;
        for name in listed {
            let place = Place::new(name.source.as_ref().unwrap_or(&field.place.source), &field.place.key);
            match all.iter().find(|node| node.name == name.text) {
                Some(node) if chosen.contains(node) => {
                    self.wrong(&place, format!("{:?} is named twice", name.text), "each node once");
                    right = false;
                }
                Some(node) => chosen.push(Arc::clone(node)),
                None => {
                    self.wrong(&place, format!("there is no node {:?}", name.text), known(all));
                    right = false;
                }
            }
        }
        right.then_some(chosen)
    }

    /// Whether the nodes can serve this kind of access.
    fn serving(&mut self, raw: &RawEndpoint, nodes: Vec<Arc<NodeSettings>>) -> Option<Vec<Arc<NodeSettings>>> {
        let fallback = raw.fallback_to_primary.value?;
        let (serves, what, expected): (fn(Role) -> bool, _, _) = match raw.access.value? {
            Access::ReadWrite => {
                (|role| role != Role::Replica, "no node behind it takes writes", "a node with role primary or auto")
            }
            Access::ReadOnly if !fallback => (
                |role| role != Role::Primary,
                "no node behind it is a replica",
                "a node with role replica or auto, or fallback_to_primary = true",
            ),
            Access::ReadOnly => return Some(nodes),
            Access::Split => return self.both_sides(raw, nodes),
        };
        if nodes.iter().any(|node| serves(node.role)) {
            return Some(nodes);
        }
        self.wrong(&Place::new(&raw.access.place.source, &raw.access.place.key), what, expected);
        None
    }

    /// An endpoint that splits needs who takes writes, and who does not.
    fn both_sides(&mut self, raw: &RawEndpoint, nodes: Vec<Arc<NodeSettings>>) -> Option<Vec<Arc<NodeSettings>>> {
        let primary = nodes.iter().any(|node| node.role != Role::Replica);
        let replica = nodes.iter().any(|node| node.role != Role::Primary);
        if primary && replica && nodes.len() > 1 {
            return Some(nodes);
        }
        let what = if primary { "no node behind it is a replica" } else { "no node behind it takes writes" };
        self.wrong(
            &raw.access.place,
            what,
            "two nodes at least: one with role primary or auto, one with replica or auto",
        );
        None
    }

    /// Whether sessions may have a connection here for one statement, and there for the next.
    fn can_split(&mut self, raw: &RawEndpoint) -> bool {
        if raw.access.value != Some(Access::Split) {
            return true;
        }
        let expected = "with access = \"split\"";
        let pooled = raw.pool.value == Some(PoolMode::Transaction);
        if !pooled {
            let what = "a session with a connection of its own cannot be split";
            self.wrong(&raw.pool.place, what, format!("\"transaction\" {expected}"));
        }
        let tracked = raw.pinning.value == Some(Pinning::Tracked);
        if !tracked {
            let what = "a session that stays where it was cannot be split";
            self.wrong(&raw.pinning.place, what, format!("\"tracked\" {expected}"));
        }
        pooled && tracked
    }

    /// What a transaction pool would do can be looked at only where there is none.
    fn shadow(&mut self, raw: &RawEndpoint) -> Option<bool> {
        let wanted = raw.shadow.value? == Shadow::Transaction;
        if wanted && raw.pool.value? == PoolMode::Transaction {
            let what = "a transaction pool needs no shadow of one: SHOW ADVICE tells what it does";
            self.wrong(&raw.shadow.place, what, "\"off\", or pool = \"none\" or \"session\"");
            return None;
        }
        Some(wanted)
    }

    /// How long reads may wait for the session's own writes; within: `None` where they need not see them.
    fn causal_timeout(&mut self, raw: &RawEndpoint) -> Option<Option<Duration>> {
        let timeout = self.some_time(&raw.causal_timeout);
        match raw.causal_reads.value? {
            CausalReads::Off => Some(None),
            CausalReads::Session => timeout.map(Some),
        }
    }

    fn credential_source(&mut self, field: &Field<Credentials>, no_users: bool) -> Option<CredentialSource> {
        match (field.value?, no_users) {
            (Credentials::Static, true) => {
                self.wrong(
                    &field.place,
                    "\"static\" without any [[users]] lets nobody in",
                    "[[users]], or \"learned\"",
                );
                None
            }
            (Credentials::Static, false) | (Credentials::Auto, false) => Some(CredentialSource::Static),
            (Credentials::Query, _) => Some(CredentialSource::Query),
            (Credentials::Learned, _) | (Credentials::Auto, true) => Some(CredentialSource::Learned),
        }
    }

    /// The user who reads the account table: one of the configuration, whose password is known.
    fn query_user(&mut self, raw: &RawEndpoint, users: &[RawUser]) -> Option<Option<String>> {
        let expected = "the name of one of [[users]] that has a password, not a hash";
        if raw.credentials.value? != Credentials::Query {
            return Some(None);
        }
        let name = self.required(&raw.query_user, expected)?;
        let user = users.iter().find(|user| user.name.value.as_ref() == Some(&name));
        if user.is_none_or(|user| user.password_hash.given) {
            self.wrong(&raw.query_user.place, format!("{name:?} can not log in to the server"), expected);
            return None;
        }
        Some(Some(name))
    }

    /// Warns of nodes that no endpoint uses.
    fn idle_nodes(&mut self, raw: &Raw, nodes: &[Arc<NodeSettings>], endpoints: &[Arc<EndpointSettings>]) {
        for (raw, node) in raw.nodes.iter().zip(nodes) {
            if !endpoints.iter().any(|endpoint| endpoint.nodes.contains(node)) {
                self.warn(&raw.name.place, format!("no endpoint uses node {:?}", node.name));
            }
        }
    }
}

fn known(nodes: &[Arc<NodeSettings>]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| format!("{:?}", node.name)).collect();
    format!("names of nodes, which are {}", names.join(", "))
}
