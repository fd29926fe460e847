//! RSA for the full path of `caching_sha2_password` on a channel without TLS: OAEP with SHA-1, as MySQL has it.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{
        KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
        PublicEncryptingKey,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use mysql_common::crypto::der::{PubKeyFileType, pem_to_der};
use zeroize::Zeroizing;

use super::scramble::{Scramble, mask};
use crate::secret::Secret;

/// The longest public key file that is looked at, in bytes; one of 4096 bits takes 800.
const PEM_LIMIT: usize = 8 * 1024;

/// Characters to a line of a PEM file.
const PEM_LINE: usize = 64;

/// Our own key pair, with which clients encrypt passwords to us.
#[derive(Debug)]
pub struct RsaKey {
    private: OaepPrivateDecryptingKey,
    pem: String,
}

/// A node's public key, with which we encrypt passwords to it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeKey {
    key: Arc<OaepPublicEncryptingKey>,
    der: Arc<[u8]>,
}

impl PartialEq for NodeKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for NodeKey {}

/// What went wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaError {
    /// The library could not make a key pair.
    #[error("no RSA key pair could be made")]
    Generate,
    /// The node's public key is not one of 2048 bits or more in PEM.
    #[error("the server's public key is not an RSA key of 2048 to 8192 bits in PEM")]
    NotAKey,
    /// The password is longer than the key can take.
    #[error("the password is too long for the server's RSA key; connect with TLS")]
    TooLong,
}

impl RsaKey {
    /// Makes a key pair of 2048 bits. It takes up to a second: do it once, away from actors.
    ///
    /// # Errors
    /// [`RsaError::Generate`] when the library fails.
    pub fn generate() -> Result<Self, RsaError> {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| RsaError::Generate)?;
        let der: PublicKeyX509Der<'_> = private.public_key().as_der().map_err(|_| RsaError::Generate)?;
        let pem = pem(der.as_ref());
        Ok(Self { private: OaepPrivateDecryptingKey::new(private).map_err(|_| RsaError::Generate)?, pem })
    }

    /// The public key as clients get it.
    #[must_use]
    pub fn public_pem(&self) -> &str {
        &self.pem
    }

    /// The bytes that a client masked with the scramble and encrypted; `None` whatever is wrong with them.
    #[must_use]
    pub fn decrypt(&self, cipher: &[u8], scramble: &Scramble) -> Option<Secret> {
        if cipher.len() != self.private.key_size_bytes() {
            return None;
        }
        let mut room = Zeroizing::new(vec![0; self.private.min_output_size()]);
        let masked = self.private.decrypt(&OAEP_SHA1_MGF1SHA1, cipher, &mut room, None).ok()?;
        Some(mask(scramble, masked))
    }
}

impl NodeKey {
    /// Reads what a server sends for its public key: PEM, "PUBLIC KEY".
    ///
    /// # Errors
    /// [`RsaError::NotAKey`] when it is something else or too short a key.
    pub fn parse(pem: &[u8]) -> Result<Self, RsaError> {
        let bounded = pem.get(..PEM_LIMIT).unwrap_or(pem);
        let Ok((der, PubKeyFileType::Pkcs8)) = pem_to_der(bounded) else { return Err(RsaError::NotAKey) };
        let key = PublicEncryptingKey::from_der(&der).map_err(|_| RsaError::NotAKey)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| RsaError::NotAKey)?;
        Ok(Self { key: Arc::new(key), der: der.into() })
    }

    /// The password with its NUL, masked with the scramble and encrypted.
    ///
    /// # Errors
    /// [`RsaError::TooLong`] when the key is too short for the password (213 bytes with 2048 bits).
    pub fn encrypt(&self, password: &Secret, scramble: &Scramble) -> Result<Vec<u8>, RsaError> {
        let plain = Zeroizing::new([password.expose(), &[0]].concat());
        let mut cipher = vec![0; self.key.ciphertext_size()];
        self.key
            .encrypt(&OAEP_SHA1_MGF1SHA1, mask(scramble, &plain).expose(), &mut cipher, None)
            .map_err(|_| RsaError::TooLong)?;
        Ok(cipher)
    }
}

/// The PEM file of a public key.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(PEM_LINE) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + "-----END PUBLIC KEY-----\n"
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, LazyLock};

    use super::{NodeKey, RsaError, RsaKey};
    use crate::secret::Secret;

    /// One key for all tests: making one takes long.
    pub(in crate::login) static KEY: LazyLock<Arc<RsaKey>> = LazyLock::new(|| Arc::new(RsaKey::generate().unwrap()));

    #[test]
    fn what_a_client_encrypts_is_read_back() {
        let node = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
        let cipher = node.encrypt(&Secret::new("app-secret"), b"12345678901234567890").unwrap();
        assert_eq!(KEY.decrypt(&cipher, b"12345678901234567890"), Some(Secret::new(*b"app-secret\0")));
        assert_ne!(KEY.decrypt(&cipher, b"x2345678901234567890"), Some(Secret::new(*b"app-secret\0")));
        assert_eq!(KEY.decrypt(&cipher[1..], b"12345678901234567890"), None);
        assert_eq!(KEY.decrypt(&[0x55; 256], b"12345678901234567890"), None);
    }

    #[test]
    fn a_password_too_long_for_the_key_is_refused() {
        let node = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
        assert!(node.encrypt(&Secret::new([b'x'; 213]), &[1; 20]).is_ok());
        assert_eq!(node.encrypt(&Secret::new([b'x'; 214]), &[1; 20]), Err(RsaError::TooLong));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let odd: [&[u8]; 5] = [
            b"",
            b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n",
            &[b'-'; 100_000],
        ];
        for pem in odd {
            assert_eq!(NodeKey::parse(pem).err(), Some(RsaError::NotAKey));
        }
    }
}
