//! What encrypts connections: certificates, keys, whom to trust. Read when the configuration is, swapped with it on a
//! reload, and never asked on the way of a query.

mod acceptor;
mod dialer;
mod files;
mod leniency;
mod subject;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

pub(crate) use self::acceptor::Acceptor;
pub use self::acceptor::{EndpointTls, EndpointTlsMode};
pub(crate) use self::dialer::Dialer;
pub use self::dialer::{NodeTls, NodeTlsMode};
pub use self::files::{Chain, Identity, Trust};
pub(crate) use self::subject::subject;

/// Both versions that are in use; what is older is broken.
static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Why TLS can not be spoken as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} {what}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The machine trusts nobody.
    #[error("this machine has no list of trusted certificate authorities ({0})")]
    NoSystemTrust(String),
    /// No certificate could be made, or TLS has not what it needs.
    #[error("TLS cannot be set up: {0}")]
    Unable(String),
}

impl TlsFault {
    /// Whether a file in PEM form would have been right.
    #[must_use]
    pub fn is_about_form(&self) -> bool {
        matches!(self, Self::Unfit { what, .. } if what.contains("PEM"))
    }
}

impl From<rustls::Error> for TlsFault {
    fn from(error: rustls::Error) -> Self {
        Self::Unable(error.to_string())
    }
}

/// A name that a server's certificate may be for: of a host, or an IP address.
#[must_use]
pub fn server_name(text: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).ok()
}

/// The cryptography: the same library that logins use.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}
