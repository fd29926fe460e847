//! TLS towards a node.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::files::now;
use super::leniency::{AnyName, Anybody};
use super::{Identity, TlsFault, Trust, VERSIONS, provider};

/// What a node must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeTlsMode {
    /// TLS is not asked for.
    Disabled,
    /// Encrypted where the server offers it, except on a Unix socket.
    Preferred,
    /// A server that does not offer it is not logged in to.
    Required,
    /// Besides, its certificate must come from an authority that is trusted.
    VerifyCa,
    /// Besides, that must be for the name by which the server is reached.
    VerifyIdentity,
}

/// TLS towards a node.
#[derive(Clone)]
pub struct NodeTls {
    mode: NodeTlsMode,
    dialer: Option<Arc<Dialer>>,
}

/// What a handshake with a node needs.
pub(crate) struct Dialer {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    until: Option<i64>,
}

impl NodeTlsMode {
    /// Whether servers must prove who they are.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyIdentity)
    }
}

impl NodeTls {
    /// No TLS.
    #[must_use]
    pub fn disabled() -> Self {
        Self { mode: NodeTlsMode::Disabled, dialer: None }
    }

    /// Towards a server of this name, if it has one, with a certificate to show where there is one. Without authorities, the
    /// machine's own are trusted.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn new(
        mode: NodeTlsMode,
        server_name: Option<ServerName<'static>>,
        identity: Option<Identity>,
        trust: Option<Trust>,
    ) -> Result<Self, TlsFault> {
        if mode == NodeTlsMode::Disabled {
            return Ok(Self::disabled());
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(mode, trust)?);
        let until = identity.as_ref().map(Identity::until);
        let config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified))),
            None => builder.with_no_client_auth(),
        };
        // An address is never sent to the server, and does not fit to its certificate.
        let server_name = server_name.unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        Ok(Self { mode, dialer: Some(Arc::new(Dialer { config: Arc::new(config), server_name, until })) })
    }

    /// What is wanted.
    #[must_use]
    pub fn mode(&self) -> NodeTlsMode {
        self.mode
    }

    /// For how many seconds the certificate that servers are shown is still valid.
    #[must_use]
    pub fn expires_in(&self) -> Option<i64> {
        self.dialer.as_ref()?.until.map(|until| until - now())
    }

    pub(crate) fn dialer(&self) -> Option<&Arc<Dialer>> {
        self.dialer.as_ref()
    }
}

fn verifier(mode: NodeTlsMode, trust: Option<Trust>) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    if !mode.verifies() {
        return Ok(Arc::new(Anybody));
    }
    let Trust(roots) = trust.map_or_else(Trust::system, Ok)?;
    let strict = WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| TlsFault::Unable(error.to_string()))?;
    Ok(if mode == NodeTlsMode::VerifyCa { Arc::new(AnyName(strict)) } else { strict })
}

impl Dialer {
    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(crate) fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }
}

impl PartialEq for NodeTls {
    /// Files that were read anew may hold something else by now.
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.dialer, &other.dialer) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        same && self.mode == other.mode
    }
}

impl Eq for NodeTls {}

impl fmt::Debug for NodeTls {
    /// The mode only: the rest is keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeTls({:?})", self.mode)
    }
}
