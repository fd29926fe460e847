//! What a user who does not exist is judged by: the same for the same name while the process lives, so that asking twice
//! tells nothing.

use aws_lc_rs::{hmac, rand};

use super::{
    server::Known,
    signature::parsec::{SALT_LENGTH, Salt},
};
use crate::secret::{Secret, SecretHash};

/// What stands in for what is known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A password.
    Password,
    /// [`Known::Native`].
    Native,
    /// [`Known::Sha2`].
    Sha2,
}

/// Makes the stand-ins, by a key of its own that nobody sees.
#[derive(Debug)]
pub struct Decoys(hmac::Key);

impl Decoys {
    /// With a new key; `None` where the system has no randomness to give.
    #[must_use]
    pub fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).ok()?;
        Some(Self(key))
    }

    /// What nobody can prove to know, of one of the kinds of those who exist: which one depends on the name.
    #[must_use]
    pub fn known(&self, user: &[u8], kinds: &[Kind]) -> Known {
        let bytes = self.bytes(0, user);
        // Nobody sees the bytes, so that they may also choose.
        let number = bytes.iter().fold(0, |number: usize, byte| number << 8 | usize::from(*byte));
        match number.checked_rem(kinds.len()).and_then(|at| kinds.get(at)) {
            Some(Kind::Native) => Known::Native(hash(&bytes)),
            Some(Kind::Sha2) => Known::Sha2(hash(&bytes)),
            Some(Kind::Password) | None => Known::Password(Secret::new(bytes)),
        }
    }

    /// The salt of any user's, who exists or not: servers keep one with each account.
    #[must_use]
    pub fn salt(&self, user: &[u8]) -> Salt {
        Salt::new(*hash::<SALT_LENGTH>(&self.bytes(1, user)).expose())
    }

    fn bytes(&self, purpose: u8, user: &[u8]) -> [u8; 32] {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(&[purpose]);
        signing.update(user);
        *hash(signing.sign().as_ref()).expose()
    }
}

fn hash<const N: usize>(bytes: &[u8]) -> SecretHash<N> {
    let mut hash = [0; N];
    hash.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    SecretHash::new(hash)
}

#[cfg(test)]
mod tests {
    use super::{Decoys, Kind, Known};

    fn kind(known: &Known) -> Option<Kind> {
        match known {
            Known::Password(_) => Some(Kind::Password),
            Known::Native(_) => Some(Kind::Native),
            Known::Sha2(_) => Some(Kind::Sha2),
            Known::Learn | Known::Remembered(_) => None,
        }
    }

    #[test]
    fn who_does_not_exist_is_always_the_same() {
        let decoys = Decoys::new().unwrap();
        let kinds = [Kind::Password, Kind::Native, Kind::Sha2];
        let mut seen = Vec::new();
        for name in 0..64_u8 {
            let first = kind(&decoys.known(&[name], &kinds));
            assert_eq!(first, kind(&decoys.known(&[name], &kinds)));
            assert_eq!(decoys.salt(&[name]), decoys.salt(&[name]));
            assert_ne!(decoys.salt(&[name]), decoys.salt(&[name + 1]));
            seen.push(first.unwrap());
        }
        assert!(kinds.iter().all(|kind| seen.contains(kind)), "{seen:?}");
        assert!((0..64).all(|name| kind(&decoys.known(&[name], &[Kind::Sha2])) == Some(Kind::Sha2)));
        assert_eq!(kind(&decoys.known(b"", &[])), Some(Kind::Password));
    }

    #[test]
    fn stand_ins_differ_from_each_other_and_from_process_to_process() {
        let (one, two) = (Decoys::new().unwrap(), Decoys::new().unwrap());
        let password = |decoys: &Decoys, name: &[u8]| match decoys.known(name, &[]) {
            Known::Password(password) => password,
            other => panic!("{other:?}"),
        };
        assert_eq!(password(&one, b"a"), password(&one, b"a"));
        assert_ne!(password(&one, b"a"), password(&one, b"b"));
        assert_ne!(password(&one, b"a"), password(&two, b"a"));
    }
}
