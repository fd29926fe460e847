//! `tls` and the files that belong to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use greenroom_actors::settings::Address;
use greenroom_actors::tls::{
    Chain, EndpointTls, EndpointTlsMode, Identity, NodeTls, NodeTlsMode, TlsFault, Trust, server_name,
};

use super::Checker;
use crate::config::problem::Place;
use crate::config::raw::{RawAdmin, RawEndpoint, RawNode};
use crate::config::reader::Field;

/// Permission of everybody to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

const PEM: &str = "a file in PEM form";

/// The keys of a listener's TLS.
struct ListenerTls<'r> {
    mode: &'r Field<EndpointTlsMode>,
    cert: &'r Field<String>,
    key: &'r Field<String>,
    ca: &'r Field<String>,
}

impl Checker<'_> {
    /// Encryption towards an endpoint's clients.
    pub(super) fn endpoint_tls(&mut self, raw: &RawEndpoint) -> Option<EndpointTls> {
        self.listener_tls(&ListenerTls { mode: &raw.tls, cert: &raw.tls_cert, key: &raw.tls_key, ca: &raw.tls_ca })
    }

    /// Encryption towards administrators' clients.
    pub(super) fn admin_tls(&mut self, raw: &RawAdmin) -> Option<EndpointTls> {
        self.listener_tls(&ListenerTls { mode: &raw.tls, cert: &raw.tls_cert, key: &raw.tls_key, ca: &raw.tls_ca })
    }

    fn listener_tls(&mut self, raw: &ListenerTls<'_>) -> Option<EndpointTls> {
        let identity = self.identity(raw.cert, raw.key);
        let trust = self.trust(raw.ca);
        let (mode, place) = (raw.mode.value?, &raw.mode.place);
        if mode == EndpointTlsMode::VerifyClient && !raw.ca.given {
            self.wrong(place, "\"verify-client\" without tls_ca trusts no certificate of any client", "tls_ca");
            return None;
        }
        if mode == EndpointTlsMode::Disabled {
            self.unused(&[raw.cert, raw.key, raw.ca], "tls is \"disabled\"");
        } else if mode != EndpointTlsMode::Preferred && !raw.cert.given {
            self.warn(place, "without tls_cert the certificate is self-made: no client can tell who it speaks with");
        }
        let tls = EndpointTls::new(mode, identity?, trust?);
        self.possible(place, tls)
    }

    /// Encryption towards a server.
    pub(super) fn node_tls(&mut self, raw: &RawNode) -> Option<NodeTls> {
        let identity = self.identity(&raw.tls_cert, &raw.tls_key);
        let trust = self.trust(&raw.tls_ca);
        let (mode, place) = (raw.tls.value?, &raw.tls.place);
        if mode == NodeTlsMode::Disabled {
            let files = [&raw.tls_cert, &raw.tls_key, &raw.tls_ca, &raw.tls_server_name];
            self.unused(&files, "tls is \"disabled\"");
        } else if !mode.verifies() {
            self.unused(&[&raw.tls_ca], "tls is neither \"verify-ca\" nor \"verify-identity\": no server is verified");
        }
        let given = raw.tls_server_name.value.as_deref().map(|text| (&raw.tls_server_name.place, text.to_owned()));
        let host = match raw.address.value.as_ref() {
            Some(Address::Tcp { host, .. }) => Some((&raw.address.place, host.clone())),
            _ => None,
        };
        let name = match given.or(host) {
            Some((place, text)) => {
                let name = server_name(&text);
                if name.is_none() && (raw.tls_server_name.given || mode == NodeTlsMode::VerifyIdentity) {
                    self.wrong(place, format!("{text:?} is not a name that a certificate can be for"), "a host's name");
                    return None;
                }
                name
            }
            None if mode == NodeTlsMode::VerifyIdentity && raw.address.value.is_some() => {
                self.wrong(place, "a Unix socket has no name that a certificate could be for", "tls_server_name");
                return None;
            }
            None => None,
        };
        let tls = NodeTls::new(mode, name, identity?, trust?);
        self.possible(place, tls)
    }

    /// A certificate with its key: both keys, or neither.
    pub(super) fn identity(&mut self, cert: &Field<String>, key: &Field<String>) -> Option<Option<Identity>> {
        match (cert.given, key.given) {
            (false, false) => return Some(None),
            (true, false) => self.wrong(&cert.place, "a certificate is of no use without its key", "tls_key"),
            (false, true) => self.wrong(&key.place, "a key is of no use without its certificate", "tls_cert"),
            (true, true) => {}
        }
        let path = Path::new(cert.value.as_deref()?);
        let chain = Chain::read(path);
        let chain = self.usable(&cert.place, chain);
        if let Some(doubt) = chain.as_ref().and_then(Chain::doubt) {
            self.warn(&cert.place, format!("{}: {doubt}", path.display()));
        }
        let path = Path::new(key.value.as_deref()?);
        let identity = Identity::new(chain?, path);
        let identity = self.usable(&key.place, identity)?;
        if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & READABLE_BY_OTHERS != 0) {
            self.warn(&key.place, format!("every user of this machine can read {} (chmod o-r)", path.display()));
        }
        Some(Some(identity))
    }

    pub(super) fn trust(&mut self, field: &Field<String>) -> Option<Option<Trust>> {
        if !field.given {
            return Some(None);
        }
        let trust = Trust::read(Path::new(field.value.as_deref()?));
        self.usable(&field.place, trust).map(Some)
    }

    fn usable<T>(&mut self, place: &Place, read: Result<T, TlsFault>) -> Option<T> {
        read.map_err(|fault| self.wrong(place, fault.to_string(), if fault.is_about_form() { PEM } else { "" })).ok()
    }

    pub(super) fn possible<T>(&mut self, place: &Place, made: Result<T, TlsFault>) -> Option<T> {
        made.map_err(|fault| self.wrong(place, fault.to_string(), "")).ok()
    }

    pub(super) fn unused(&mut self, fields: &[&Field<String>], why: &str) {
        for field in fields.iter().filter(|field| field.given) {
            self.warn(&field.place, format!("it is not used, since {why}"));
        }
    }
}
