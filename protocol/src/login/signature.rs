//! The plugins that prove a password by an Ed25519 signature, of which nothing else can be made.

use std::num::NonZeroU32;

use aws_lc_rs::{
    pbkdf2, rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use mysql_common::auth::plugins::{ChallengeResponsePlugin, Context, Response, client_ed25519::ClientEd25519};
use zeroize::Zeroizing;

use super::LoginError;
use crate::secret::Secret;

/// How many bytes a challenge of these plugins has.
pub const NONCE_LENGTH: usize = 32;

/// Random bytes to be signed.
pub type Nonce = [u8; NONCE_LENGTH];

/// How many bytes a signature has.
const SIGNATURE_LENGTH: usize = 64;

/// Whether the signature is that of `key` under the message.
fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// `client_ed25519`. MariaDB's variant takes SHA-512 of a password of any length where the standard takes a seed of 32 bytes.
pub mod ed25519 {
    use super::{
        ChallengeResponsePlugin, ClientEd25519, Context, Nonce, Response, SIGNATURE_LENGTH, Secret, is_signed,
    };

    struct Password<'a>(&'a Secret);

    impl Context for Password<'_> {
        fn pass(&self) -> &[u8] {
            self.0.expose()
        }

        fn is_ipc_transport(&self) -> bool {
            false
        }

        fn is_tls_transport(&self) -> bool {
            false
        }

        fn scramble(&self) -> &[u8] {
            &[]
        }

        fn server_key_pem(&self) -> Option<&[u8]> {
            None
        }
    }

    /// The public key: in base 64 without its last `=`, what the account table has.
    #[must_use]
    pub fn public_key(password: &Secret) -> Vec<u8> {
        ClientEd25519::default().password_hash(Password(password)).unwrap_or_default()
    }

    /// The answer to a challenge.
    #[must_use]
    pub fn answer(nonce: &Nonce, password: &Secret) -> Vec<u8> {
        match ClientEd25519::default().run(Password(password), nonce) {
            Ok(Response::Last { packet: Some(signature) }) => signature,
            // Neither comes of a challenge of the right length.
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Whether the answer is that of who knows the password.
    #[must_use]
    pub fn is_right(nonce: &Nonce, answer: &[u8], password: &Secret) -> bool {
        answer.len() == SIGNATURE_LENGTH && is_signed(&public_key(password), nonce, answer)
    }
}

/// `parsec`: the seed of a standard key is made of password and salt by PBKDF2.
pub mod parsec {
    use super::{
        Ed25519KeyPair, KeyPair, LoginError, NONCE_LENGTH, NonZeroU32, Nonce, SIGNATURE_LENGTH, Secret, Zeroizing,
        is_signed, pbkdf2, rand,
    };

    /// How many bytes a salt has.
    pub const SALT_LENGTH: usize = 18;
    /// Stands before a salt and says "PBKDF2".
    const ALGORITHM: u8 = b'P';
    /// The rounds of factor 0, MariaDB's default; each further factor doubles them.
    const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);
    /// No client takes a higher one.
    const HIGHEST_FACTOR: u8 = 3;

    /// What a server keeps beside the key.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Salt {
        factor: u8,
        bytes: [u8; SALT_LENGTH],
    }

    impl Salt {
        /// A salt of these bytes, with as many rounds as MariaDB takes by default.
        #[must_use]
        pub fn new(bytes: [u8; SALT_LENGTH]) -> Self {
            Self { factor: 0, bytes }
        }

        /// Reads what a server sends; the byte of AuthMoreData, which MariaDB leaves out, may stand before it.
        ///
        /// # Errors
        /// When it is something else, or wants more rounds than any client does.
        pub fn parse(payload: &[u8]) -> Result<Self, LoginError> {
            let salt = payload.strip_prefix(&[1]).unwrap_or(payload);
            match salt.split_first_chunk() {
                Some(([ALGORITHM, factor @ ..=HIGHEST_FACTOR], bytes)) => {
                    let bytes = bytes.try_into().map_err(|_| LoginError::Truncated("the salt"))?;
                    Ok(Self { factor: *factor, bytes })
                }
                _ => Err(LoginError::Unexpected(salt.first().copied().unwrap_or_default())),
            }
        }

        /// The payload, as MariaDB sends it.
        #[must_use]
        pub fn encode(&self) -> Vec<u8> {
            [&[ALGORITHM, self.factor], &self.bytes[..]].concat()
        }

        fn key(&self, password: &Secret) -> Option<Ed25519KeyPair> {
            let rounds = ROUNDS.saturating_mul(NonZeroU32::MIN.saturating_add((1 << self.factor) - 1));
            let mut seed = Zeroizing::new([0; 32]);
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &self.bytes, password.expose(), &mut *seed);
            Ed25519KeyPair::from_seed_unchecked(&*seed).ok()
        }
    }

    /// The answer to a challenge: random bytes of our own, and the signature under both.
    #[must_use]
    pub fn answer(nonce: &Nonce, salt: &Salt, password: &Secret) -> Option<Vec<u8>> {
        let mut message = [*nonce, [0; NONCE_LENGTH]].concat();
        let own = message.get_mut(NONCE_LENGTH..)?;
        rand::fill(own).ok()?;
        let signature = salt.key(password)?.sign(&message);
        Some([message.get(NONCE_LENGTH..)?, signature.as_ref()].concat())
    }

    /// Whether the answer is that of who knows the password.
    #[must_use]
    pub fn is_right(nonce: &Nonce, salt: &Salt, answer: &[u8], password: &Secret) -> bool {
        // As long for an answer that is none: how long it takes says nothing.
        let Some(key) = salt.key(password) else { return false };
        match answer.split_at_checked(NONCE_LENGTH) {
            Some((own, signature)) if signature.len() == SIGNATURE_LENGTH => {
                is_signed(key.public_key().as_ref(), &[nonce, own].concat(), signature)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::{LoginError, Nonce, ed25519, parsec};
    use crate::{
        login::wires::{
            ED25519_ANSWER, ED25519_NONCE, MARIADB_ED25519_KEY, PARSEC_ANSWER, PARSEC_NONCE, PARSEC_SALT, hex,
        },
        secret::Secret,
    };

    fn nonce(digits: &str) -> Nonce {
        hex(digits).try_into().unwrap()
    }

    #[test]
    fn a_password_gives_the_key_that_mariadb_has_stored() {
        let key = ed25519::public_key(&Secret::new("app-secret"));
        assert_eq!(STANDARD_NO_PAD.encode(key), MARIADB_ED25519_KEY);
    }

    /// What MariaDB's own client library answered, and MariaDB took.
    #[test]
    fn signatures_are_those_of_mariadbs_client() {
        let (nonce, signature) = (nonce(ED25519_NONCE), hex(ED25519_ANSWER));
        assert_eq!(ed25519::answer(&nonce, &Secret::new("app-secret")), signature);
        assert!(ed25519::is_right(&nonce, &signature, &Secret::new("app-secret")));
        assert!(!ed25519::is_right(&nonce, &signature, &Secret::new("app-secreT")));
    }

    /// What MariaDB's driver for Node answered.
    #[test]
    fn a_salted_signature_of_a_client_of_mariadbs_is_right() {
        let salt = parsec::Salt::parse(&hex(PARSEC_SALT)).unwrap();
        let (nonce, answer, password) = (nonce(PARSEC_NONCE), hex(PARSEC_ANSWER), Secret::new("app-secret"));
        assert!(parsec::is_right(&nonce, &salt, &answer, &password));
        assert!(!parsec::is_right(&nonce, &salt, &answer, &Secret::new("another")));
    }

    #[test]
    fn what_is_no_salt_is_refused() {
        let good = [b"P\x03", &[7; 18][..]].concat();
        let salt = parsec::Salt::parse(&good).unwrap();
        assert_eq!(salt.encode(), good);
        assert_eq!(parsec::Salt::parse(&[&[1], &good[..]].concat()), Ok(salt));
        assert_eq!(parsec::Salt::parse(&good[..19]), Err(LoginError::Truncated("the salt")));
        assert_eq!(parsec::Salt::parse(&[good, vec![0]].concat()), Err(LoginError::Truncated("the salt")));
        for odd in [&b""[..], b"P", b"P\x04123456789012345678", b"S\x00123456789012345678"] {
            assert!(matches!(parsec::Salt::parse(odd), Err(LoginError::Unexpected(_))), "{odd:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn only_the_right_answer_is_right(nonce: [u8; 32], salt: [u8; 18], password: Vec<u8>, flip in 0usize..96) {
            let (password, other) = (Secret::new(password.clone()), Secret::new([password, b"x".to_vec()].concat()));
            let mut answer = ed25519::answer(&nonce, &password);
            prop_assert!(ed25519::is_right(&nonce, &answer, &password));
            prop_assert!(!ed25519::is_right(&nonce, &answer, &other));
            answer[flip % 64] ^= 1;
            prop_assert!(!ed25519::is_right(&nonce, &answer, &password));
            prop_assert!(!ed25519::is_right(&nonce, &answer[1..], &password));

            let salt = parsec::Salt::new(salt);
            let mut answer = parsec::answer(&nonce, &salt, &password).unwrap();
            prop_assert!(parsec::is_right(&nonce, &salt, &answer, &password));
            prop_assert!(!parsec::is_right(&nonce, &salt, &answer, &other));
            answer[flip] ^= 1;
            prop_assert!(!parsec::is_right(&nonce, &salt, &answer, &password));
            prop_assert!(!parsec::is_right(&nonce, &salt, &answer[1..], &password));
        }
    }
}
