//! The PROXY protocol: whose word is taken, and to whom it is given.

use greenroom_actors::networks::Network;
use greenroom_actors::settings::EndpointSettings;

use super::Checker;
use crate::config::problem::Place;
use crate::config::raw::RawEndpoint;
use crate::config::reader::Field;
use crate::config::value::Listed;

impl Checker<'_> {
    /// The networks that are listed; `None` where any is wrong.
    pub(super) fn networks(&mut self, field: &Field<Vec<Listed>>) -> Option<Vec<Network>> {
        let listed = field.value.as_ref()?;
        let mut networks = Vec::new();
        for item in listed {
            let place = Place::new(item.source.as_ref().unwrap_or(&field.place.source), &field.place.key);
            match item.text.parse() {
                Ok(network) => networks.push(network),
                Err(_) => self.wrong(
                    &place,
                    format!("{:?} is not a network", item.text),
                    "addresses, networks such as \"10.0.0.0/8\", \"localhost\" for Unix sockets, or \"*\"",
                ),
            }
        }
        if networks.contains(&Network::Every) {
            self.warn(&field.place, "\"*\" lets every client claim to come from any address");
        }
        (networks.len() == listed.len()).then_some(networks)
    }

    /// Warns of nodes that are to be told clients' addresses, over connections that clients share.
    pub(super) fn hidden_clients(&mut self, raw: &RawEndpoint, settings: &EndpointSettings) {
        let told = settings.nodes.iter().find(|node| node.proxy_protocol.is_some());
        if let Some(node) = told.filter(|_| !settings.separates_clients()) {
            let what = format!(
                "clients of all addresses share this pool's connections, so node {:?} is told Greenroom's own address in its \
                 PROXY headers; pool_by_client_ip = true tells the clients'",
                node.name
            );
            self.warn(&raw.pool.place, what);
        }
    }
}
