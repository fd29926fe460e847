//! TLS towards clients, as an endpoint offers it.

use std::fmt;
use std::sync::Arc;

use greenroom_protocol::login::voucher::Fingerprint;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use super::files::now;
use super::{Identity, TlsFault, Trust, VERSIONS, provider};

/// What an endpoint wants of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointTlsMode {
    /// TLS is not offered.
    Disabled,
    /// Encrypted where the client asks for it.
    Preferred,
    /// Who does not ask is refused; a Unix socket is as good.
    Required,
    /// Who shows no certificate of an authority that is trusted is refused, on a Unix socket too.
    VerifyClient,
}

/// TLS towards an endpoint's clients.
#[derive(Clone)]
pub struct EndpointTls {
    mode: EndpointTlsMode,
    acceptor: Option<Arc<Acceptor>>,
}

/// What a client's handshake needs.
pub(crate) struct Acceptor {
    config: Arc<ServerConfig>,
    fingerprint: Option<Fingerprint>,
    made_here: bool,
    until: i64,
}

impl EndpointTls {
    /// No TLS.
    #[must_use]
    pub fn disabled() -> Self {
        Self { mode: EndpointTlsMode::Disabled, acceptor: None }
    }

    /// With a certificate of its own, or one that is made here. Where authorities are given, certificates that clients show
    /// are verified.
    ///
    /// # Errors
    /// [`TlsFault::Unable`].
    pub fn new(mode: EndpointTlsMode, identity: Option<Identity>, trust: Option<Trust>) -> Result<Self, TlsFault> {
        if mode == EndpointTlsMode::Disabled {
            return Ok(Self::disabled());
        }
        let identity = identity.map_or_else(Identity::made_here, Ok)?;
        let verifier = match trust {
            // Who shows none is told so in the server's own words, once it has said who it is.
            Some(Trust(roots)) => WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsFault::Unable(error.to_string()))?,
            None => Arc::new(NoClientAuth),
        };
        let (until, made_here) = (identity.until(), identity.is_made_here());
        let fingerprint = identity.certified.cert.first().map(|certificate| Fingerprint::of(certificate));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified)));
        // Of this configuration alone: a ticket that was given under other authorities must not do here.
        config.ticketer = Ticketer::new()?;
        Ok(Self {
            mode,
            acceptor: Some(Arc::new(Acceptor { config: Arc::new(config), fingerprint, made_here, until })),
        })
    }

    /// What is wanted.
    #[must_use]
    pub fn mode(&self) -> EndpointTlsMode {
        self.mode
    }

    /// For how many seconds the certificate is still valid, where one is configured.
    #[must_use]
    pub fn expires_in(&self) -> Option<i64> {
        self.acceptor.as_ref().filter(|acceptor| !acceptor.made_here).map(|acceptor| acceptor.until - now())
    }

    pub(crate) fn acceptor(&self) -> Option<&Arc<Acceptor>> {
        self.acceptor.as_ref()
    }
}

impl Acceptor {
    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Of the certificate that clients are shown.
    pub(crate) fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }
}

impl fmt::Debug for EndpointTls {
    /// The mode only: the rest is keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointTls({:?})", self.mode)
    }
}
