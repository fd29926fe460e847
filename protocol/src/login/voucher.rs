//! What MariaDB's clients, from 11.4 on, trust a certificate by that no authority vouches for: the OK of a login tells a digest of
//! the stored password, the greeting's scramble and the certificate, which only who knows the first can make. The layout is that
//! of MariaDB's own drivers (measured on one of them).

use aws_lc_rs::digest;

use super::{
    plugin::Plugin,
    scramble::{Scramble, native},
    server::Proof,
    signature::ed25519,
};
use crate::secret::Secret;

/// Says that the digest is SHA-256.
const SHA256: u8 = 1;

/// The SHA-256 digest of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of the bytes of a certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }
}

/// What the OK says; `None` where the plugin's clients do not look for it, or there is no password.
#[must_use]
pub fn voucher(plugin: Plugin, proof: &Proof, scramble: &Scramble, certificate: &Fingerprint) -> Option<Vec<u8>> {
    let stored = match (plugin, proof) {
        (_, Proof::Password(password)) if password.is_empty() => return None,
        (Plugin::Native, Proof::Password(password)) => native::stage2(&native::stage1(password)).expose().to_vec(),
        (Plugin::Native, Proof::NativeStage1(stage1)) => native::stage2(stage1).expose().to_vec(),
        (Plugin::Ed25519, Proof::Password(password)) => ed25519::public_key(password),
        _ => return None,
    };
    let parts = Secret::new([&stored[..], scramble, &certificate.0].concat());
    let mut told = vec![SHA256];
    let digest = digest::digest(&digest::SHA256, parts.expose());
    digest.as_ref().iter().for_each(|byte| told.extend(format!("{byte:02X}").bytes()));
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_vouched_for_by_what_a_server_stores() {
        let (scramble, certificate) = (*b"abcdefghijklmnopqrst", Fingerprint::of(b"certificate"));
        let password = || Secret::new("app-secret");
        let told = |plugin, proof: &Proof| voucher(plugin, proof, &scramble, &certificate);
        let native = told(Plugin::Native, &Proof::Password(password())).unwrap();
        assert_eq!((native.len(), native[0]), (65, 1));
        // By the hash alone likewise.
        assert_eq!(told(Plugin::Native, &Proof::NativeStage1(native::stage1(&password()))), Some(native.clone()));
        let signed = told(Plugin::Ed25519, &Proof::Password(password())).unwrap();
        assert_ne!(signed, native);
        let other = voucher(Plugin::Native, &Proof::Password(password()), &scramble, &Fingerprint::of(b"another"));
        assert_ne!(other, Some(native));
        assert_eq!(told(Plugin::Native, &Proof::Password(Secret::new(""))), None);
        assert_eq!(told(Plugin::CachingSha2, &Proof::Password(password())), None);
        assert_eq!(told(Plugin::Native, &Proof::Learned(password())), None);
    }
}
