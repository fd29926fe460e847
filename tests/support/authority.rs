//! An authority, and the certificates that it gives.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::wire::Identity;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One who vouches for others.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: PathBuf,
    /// Its own certificate.
    pub(crate) file: PathBuf,
}

/// What a certificate is to be like.
pub(crate) struct Wish {
    names: Vec<String>,
    subject: String,
    expired: bool,
}

impl Wish {
    /// For these names, now.
    pub(crate) fn of(names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { names, subject: "somebody".to_owned(), expired: false }
    }

    /// With this common name.
    pub(crate) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.subject);
        self
    }

    /// It was valid until yesterday.
    pub(crate) fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        // It lives as long as the process: a temporary directory of its own would outlive it.
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}"));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("ca.pem");
        fs::write(&file, certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory, file }
    }

    /// Gives a certificate, in files of its own.
    pub(crate) fn issue(&self, wish: &Wish) -> Identity {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let [cert, key] = ["cert", "key"].map(|kind| self.directory.join(format!("{number}-{kind}.pem")));
        let identity = Identity { cert, key };
        self.write(wish, &identity);
        identity
    }

    /// Gives a certificate, in place of another.
    pub(crate) fn write(&self, wish: &Wish, identity: &Identity) {
        let mut params = CertificateParams::new(wish.names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, wish.subject.as_str());
        let now = SystemTime::now();
        let (from, until) = if wish.expired { (now - DAY * 30, now - DAY) } else { (now - DAY, now + DAY * 30) };
        (params.not_before, params.not_after) = (from.into(), until.into());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(&identity.cert, certificate.pem()).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
    }
}
