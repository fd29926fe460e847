//! `[fleet]`: instances that share the servers' connections.

use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::settings::{Address, EtcdAccount, EtcdAddress, FleetSettings};
use greenroom_actors::tls::{Identity, NodeTls, NodeTlsMode, Trust, server_name};

use super::Checker;
use super::password::PasswordKeys;
use crate::config::address;
use crate::config::problem::Place;
use crate::config::raw::{Raw, RawFleet};
use crate::config::value::Listed;

/// What an address of etcd's looks like.
const EXPECTED: &str = "\"http://host:port\" or \"https://host:port\"";

/// An instance must have the time to notice that etcd is back before it counts as gone.
const SHORTEST: Duration = Duration::from_secs(5);

/// Ids tell the instance, and have so much less room for its sessions.
const MOST_CLIENTS: usize = 2_000_000;

impl Checker<'_> {
    /// The fleet; `Some(None)` where there is none, `None` where something is wrong.
    pub(super) fn fleet(&mut self, raw: &Raw) -> Option<Option<Arc<FleetSettings>>> {
        let fleet = &raw.fleet;
        let listed = fleet.etcd.value.as_ref()?;
        if listed.is_empty() {
            let of_no_use = [
                &fleet.user,
                &fleet.password_file,
                &fleet.password_env,
                &fleet.tls_ca,
                &fleet.tls_cert,
                &fleet.tls_key,
            ];
            self.unused(&of_no_use, "fleet.etcd is empty");
            return Some(None);
        }
        let etcd = self.etcd(fleet, listed);
        let name = self.name(&fleet.name);
        let ttl = fleet.ttl.value.filter(|ttl| *ttl >= SHORTEST && ttl.subsec_nanos() == 0);
        if let (Some(wrong), None) = (fleet.ttl.value, ttl) {
            self.wrong(&fleet.ttl.place, format!("{wrong:?} is no time for a lease"), "whole seconds, 5s or more");
        }
        let expected_members = self.above(&fleet.expected_members, 0);
        let account = self.etcd_account(fleet);
        if let Some(clients) = raw.server.max_clients.value.filter(|clients| *clients > MOST_CLIENTS) {
            let what = format!("{clients} are more than an instance of a fleet can have ids for");
            self.wrong(&raw.server.max_clients.place, what, format!("at most {MOST_CLIENTS}"));
            return None;
        }
        let (etcd, name, ttl) = (etcd?, name?, ttl?);
        let (account, expected_members) = (account?, expected_members?);
        Some(Some(Arc::new(FleetSettings { etcd, name, ttl, account, expected_members })))
    }

    fn etcd(&mut self, raw: &RawFleet, listed: &[Listed]) -> Option<Vec<EtcdAddress>> {
        let identity = self.identity(&raw.tls_cert, &raw.tls_key)?;
        let trust = self.trust(&raw.tls_ca)?;
        if !listed.iter().any(|item| item.text.starts_with("https:")) {
            self.unused(&[&raw.tls_ca, &raw.tls_cert, &raw.tls_key], "no address of etcd's is \"https\"");
        }
        let mut all = Vec::new();
        for item in listed {
            let place = Place::new(item.source.as_ref().unwrap_or(&raw.etcd.place.source), &raw.etcd.place.key);
            all.extend(self.etcd_address(&place, &item.text, identity.as_ref(), trust.as_ref()));
        }
        (all.len() == listed.len()).then_some(all)
    }

    fn etcd_address(
        &mut self,
        place: &Place,
        text: &str,
        identity: Option<&Identity>,
        trust: Option<&Trust>,
    ) -> Option<EtcdAddress> {
        let (encrypted, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => (false, ""),
        };
        let Some(Address::Tcp { host, port }) = address::parse(rest.trim_end_matches('/')) else {
            self.wrong(place, format!("{text:?} is not an address of etcd's"), EXPECTED);
            return None;
        };
        let tls = if encrypted {
            let Some(name) = server_name(&host) else {
                self.wrong(place, format!("{host:?} is not a name that a certificate can be for"), "a host's name");
                return None;
            };
            let tls = NodeTls::new(NodeTlsMode::VerifyIdentity, Some(name), identity.cloned(), trust.cloned());
            self.possible(place, tls)?
        } else {
            NodeTls::disabled()
        };
        Some(EtcdAddress { host, port, tls })
    }

    fn etcd_account(&mut self, raw: &RawFleet) -> Option<Option<EtcdAccount>> {
        let keys =
            PasswordKeys { inline: &raw.password, file: &raw.password_file, variable: &raw.password_env, hash: None };
        let Some(password) = self.password_beside(&raw.user, keys)? else { return Some(None) };
        Some(Some(EtcdAccount { user: raw.user.value.clone()?, password }))
    }
}
