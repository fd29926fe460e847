//! PEM files: a certificate with those that vouch for it, its key, and authorities.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use greenroom_protocol::secret::Secret;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{TlsFault, provider};

/// How long a certificate made here is valid, in days: as long as those that MySQL makes at its first start.
const SELF_MADE_DAYS: u32 = 3650;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate and those between it and an authority.
#[derive(Debug, Clone)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    validity: Validity,
}

/// From when until when, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    from: i64,
    until: i64,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    validity: Validity,
    made_here: bool,
}

/// Authorities that certificates may come from.
#[derive(Debug, Clone)]
pub struct Trust(pub(super) Arc<RootCertStore>);

impl Chain {
    /// Reads a PEM file, the certificate itself first.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn read(path: &Path) -> Result<Self, TlsFault> {
        let certificates = certificates(path)?;
        let unfit = |what: &str| TlsFault::Unfit { path: path.to_owned(), what: what.to_owned() };
        let first = certificates.first().ok_or_else(|| unfit("holds no certificate in PEM form"))?;
        let validity = Validity::of(first).ok_or_else(|| unfit("holds a certificate that cannot be read"))?;
        Ok(Self { certificates, validity })
    }

    /// What an operator should know of its time.
    #[must_use]
    pub fn doubt(&self) -> Option<&'static str> {
        let now = now();
        if self.validity.until < now {
            Some("the certificate has expired: whoever verifies it refuses it")
        } else if self.validity.from > now {
            Some("the certificate is not valid yet: whoever verifies it refuses it")
        } else {
            None
        }
    }
}

impl Identity {
    /// Adds the key, from a PEM file.
    ///
    /// # Errors
    /// [`TlsFault`]; among others where the key is not the certificate's.
    pub fn new(chain: Chain, key: &Path) -> Result<Self, TlsFault> {
        let unfit = |what: &str| TlsFault::Unfit { path: key.to_owned(), what: what.to_owned() };
        let text = Secret::new(read(key)?);
        let private = PrivateKeyDer::from_pem_slice(text.expose()).map_err(|error| match error {
            pem::Error::NoItemsFound if is_locked(text.expose()) => unfit("is locked by a passphrase; unlock it"),
            _ => unfit("holds no private key in PEM form"),
        })?;
        let Chain { certificates, validity } = chain;
        let certified = CertifiedKey::from_der(certificates, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => unfit("is not the key of the certificate"),
            // X.509 of version 1, which has no names that could be verified.
            rustls::Error::InvalidCertificate(error) if format!("{error:?}").contains("UnsupportedCertVersion") => {
                unfit("goes with a certificate of X.509's version 1; it takes one of version 3")
            }
            error => unfit(&format!("cannot be used: {error}")),
        })?;
        Ok(Self { certified: Arc::new(certified), validity, made_here: false })
    }

    /// One that nobody vouches for, made when it is first asked for and kept while the process runs.
    ///
    /// # Errors
    /// [`TlsFault::Unable`].
    pub fn made_here() -> Result<Self, TlsFault> {
        static MADE: OnceLock<Identity> = OnceLock::new();
        if let Some(made) = MADE.get() {
            return Ok(made.clone());
        }
        let made = make()?;
        Ok(MADE.get_or_init(|| made).clone())
    }

    /// Whether nobody vouches for it.
    pub(super) fn is_made_here(&self) -> bool {
        self.made_here
    }

    /// Until when it is valid, in seconds since 1970.
    pub(super) fn until(&self) -> i64 {
        self.validity.until
    }
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.validity)
    }
}

impl Trust {
    /// Reads a PEM file of authorities.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn read(path: &Path) -> Result<Self, TlsFault> {
        let unfit = |what: String| TlsFault::Unfit { path: path.to_owned(), what };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unfit(format!("holds an authority that cannot be used: {error}")))?;
        }
        if roots.is_empty() {
            return Err(unfit("holds no certificate in PEM form".to_owned()));
        }
        Ok(Self(Arc::new(roots)))
    }

    /// The authorities that this machine trusts. Not a list of our own: companies have authorities of their own, and a list
    /// that is compiled in grows old.
    ///
    /// # Errors
    /// [`TlsFault::NoSystemTrust`].
    pub fn system() -> Result<Self, TlsFault> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reason = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
            return Err(TlsFault::NoSystemTrust(reason));
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl Validity {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some(Self { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() })
    }
}

fn make() -> Result<Identity, TlsFault> {
    let unable = |error: rcgen::Error| TlsFault::Unable(error.to_string());
    let key = KeyPair::generate().map_err(unable)?;
    let mut wish = CertificateParams::new(vec!["localhost".to_owned()]).map_err(unable)?;
    wish.distinguished_name = DistinguishedName::new();
    wish.distinguished_name.push(DnType::CommonName, "Greenroom, self-made");
    // A day of it lies behind: clocks differ.
    let begin = SystemTime::now() - DAY;
    (wish.not_before, wish.not_after) = (begin.into(), (begin + DAY * SELF_MADE_DAYS).into());
    let certificate = CertificateDer::from(wish.self_signed(&key).map_err(unable)?);
    let validity = Validity::of(&certificate).ok_or_else(|| TlsFault::Unable("it cannot be read".to_owned()))?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let certified = CertifiedKey::from_der(vec![certificate], private.into(), &provider())?;
    Ok(Identity { certified: Arc::new(certified), validity, made_here: true })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let text = read(path)?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsFault::Unfit { path: path.to_owned(), what: format!("is not PEM: {error}") })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    std::fs::read(path).map_err(|source| TlsFault::Unreadable { path: path.to_owned(), source })
}

fn is_locked(text: &[u8]) -> bool {
    text.windows(9).any(|window| window == b"ENCRYPTED")
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
