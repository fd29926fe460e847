//! For how long certificates are still valid, shown while the process runs.

use std::sync::Arc;

use metrics::gauge;
use rustc_hash::FxHashSet;

use crate::metrics::TLS_EXPIRY;
use crate::settings::{EndpointSettings, NodeSettings};

/// What of certificates is shown.
#[derive(Default)]
pub(super) struct Expiries {
    endpoints: Vec<Arc<EndpointSettings>>,
    nodes: Vec<Arc<NodeSettings>>,
    shown: FxHashSet<(&'static str, String)>,
}

impl Expiries {
    /// These are in force from now on.
    pub(super) fn watch(&mut self, endpoints: &[Arc<EndpointSettings>], nodes: &[Arc<NodeSettings>]) {
        (self.endpoints, self.nodes) = (endpoints.to_vec(), nodes.to_vec());
        self.show();
    }

    /// Shows how long each has now. One that is no longer configured never expires.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a certificate's life are far below 2^52")]
    pub(super) fn show(&mut self) {
        let endpoints = self.endpoints.iter().map(|it| ("endpoint", &it.name, it.tls.expires_in()));
        let nodes = self.nodes.iter().map(|it| ("node", &it.name, it.tls.expires_in()));
        let mut gone = std::mem::take(&mut self.shown);
        for (label, name, left) in endpoints.chain(nodes) {
            let Some(left) = left else { continue };
            gauge!(TLS_EXPIRY, label => name.clone()).set(left as f64);
            gone.remove(&(label, name.clone()));
            self.shown.insert((label, name.clone()));
        }
        for (label, name) in gone {
            gauge!(TLS_EXPIRY, label => name).set(f64::INFINITY);
        }
    }
}
