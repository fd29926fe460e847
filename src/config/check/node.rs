//! `[[nodes]]`: the servers.

use std::fs;
use std::io::{self, Read as _};
use std::sync::Arc;

use greenroom_actors::settings::{Address, NodeSettings};
use greenroom_actors::tls::NodeTlsMode;
use greenroom_protocol::login::rsa::NodeKey;

use super::Checker;
use crate::config::problem::Place;
use crate::config::raw::RawNode;
use crate::config::reader::Field;

/// Far above any public key, far below a mistaken path to something large.
const MAX_FILE: u64 = 8192;

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
        let rsa_key = self.rsa_key(&raw.rsa_key_file);
        self.warn_of_clear_text(raw);
        Some(NodeSettings {
            name: name?,
            address: address?,
            role: raw.role.value?,
            weight: weight?,
            max_lag: raw.max_lag.value?.0,
            max_connections: max_connections?,
            reserve: raw.reserve.value?,
            min_idle: min_idle?,
            max_lifetime: raw.max_lifetime.value?.0,
            connect_timeout: connect_timeout?,
            proxy_protocol: raw.proxy_protocol.value?.0,
            tls: tls?,
            clear_text: raw.allow_cleartext_over_tls.value?,
            rsa_key: rsa_key?,
        })
    }

    /// Passwords in clear text are for the one server that they are meant for.
    fn warn_of_clear_text(&mut self, raw: &RawNode) {
        let by_socket = matches!(raw.address.value, Some(Address::Unix(_)));
        let verified = raw.tls.value.is_none_or(NodeTlsMode::verifies);
        if raw.allow_cleartext_over_tls.value == Some(true) && !by_socket && !verified {
            let what =
                "tls is neither \"verify-ca\" nor \"verify-identity\": whoever stands in for the server gets passwords";
            self.warn(&raw.allow_cleartext_over_tls.place, what);
        }
    }

    fn rsa_key(&mut self, field: &Field<String>) -> Option<Option<NodeKey>> {
        if !field.given {
            return Some(None);
        }
        let path = field.value.as_deref()?;
        let read = read_key(path).map_err(|error| error.to_string());
        match read.and_then(|pem| NodeKey::parse(&pem).map_err(|error| error.to_string())) {
            Ok(key) => Some(Some(key)),
            Err(error) => {
                let expected = "the file public_key.pem of the server's data directory";
                self.wrong(&field.place, format!("{path} cannot be used: {error}"), expected);
                None
            }
        }
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

fn read_key(path: &str) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut pem)?;
    Ok(pem)
}
