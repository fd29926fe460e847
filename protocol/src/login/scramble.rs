//! The arithmetic of the plugins in stages, so that a hash can stand in for the password.
//!
//! Stage 1 is the hash of the password and as good as it; stage 2 the hash of stage 1, which is what servers store for
//! `mysql_native_password` and keep in the cache of `caching_sha2_password`. An answer is stage 1
//! covered with a hash over scramble and stage 2: who knows stage 2 can lift the cover and check.

use aws_lc_rs::digest;

use crate::secret::{Secret, SecretHash};

/// How many bytes a scramble has.
pub const SCRAMBLE_LENGTH: usize = 20;

/// Random bytes that a server sends for the client to mix its password with.
pub type Scramble = [u8; SCRAMBLE_LENGTH];

/// Makes a scramble, or something longer, of random bytes: 7 bits each, no NUL and no `$`, as MySQL's are; clients read it as text.
#[must_use]
pub fn from_random<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    bytes.map(|byte| match byte & 0x7f {
        0 | b'$' => (byte & 0x7f) + 1,
        plain => plain,
    })
}

/// `mysql_native_password`.
pub mod native {
    use super::{Scramble, Secret, SecretHash, digest, sha};

    /// SHA1(password).
    #[must_use]
    pub fn stage1(password: &Secret) -> SecretHash<20> {
        sha(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[password.expose()])
    }

    /// SHA1(stage 1): the account table's `*HEX`.
    #[must_use]
    pub fn stage2(stage1: &SecretHash<20>) -> SecretHash<20> {
        sha(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[stage1.expose()])
    }

    fn cover(scramble: &Scramble, stage2: &SecretHash<20>) -> SecretHash<20> {
        sha(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[scramble, stage2.expose()])
    }

    /// The answer to a scramble.
    #[must_use]
    pub fn answer(scramble: &Scramble, stage1: &SecretHash<20>) -> [u8; 20] {
        *stage1.xor(&cover(scramble, &stage2(stage1))).expose()
    }

    /// Stage 1 out of an answer, if it is the one that belongs to `stage2`.
    #[must_use]
    pub fn recover(scramble: &Scramble, answer: &[u8], known: &SecretHash<20>) -> Option<SecretHash<20>> {
        let stage1 = SecretHash::new(answer.try_into().ok()?).xor(&cover(scramble, known));
        (stage2(&stage1) == *known).then_some(stage1)
    }
}

/// `caching_sha2_password`, fast path.
pub mod sha2 {
    use super::{Scramble, Secret, SecretHash, digest, sha};

    /// SHA256(password).
    #[must_use]
    pub fn stage1(password: &Secret) -> SecretHash<32> {
        sha(&digest::SHA256, &[password.expose()])
    }

    /// SHA256(stage 1).
    #[must_use]
    pub fn stage2(stage1: &SecretHash<32>) -> SecretHash<32> {
        sha(&digest::SHA256, &[stage1.expose()])
    }

    fn cover(scramble: &Scramble, stage2: &SecretHash<32>) -> SecretHash<32> {
        sha(&digest::SHA256, &[stage2.expose(), scramble])
    }

    /// The answer to a scramble.
    #[must_use]
    pub fn answer(scramble: &Scramble, stage1: &SecretHash<32>) -> [u8; 32] {
        *stage1.xor(&cover(scramble, &stage2(stage1))).expose()
    }

    /// Stage 1 out of an answer, if it is the one that belongs to `stage2`.
    #[must_use]
    pub fn recover(scramble: &Scramble, answer: &[u8], known: &SecretHash<32>) -> Option<SecretHash<32>> {
        let stage1 = SecretHash::new(answer.try_into().ok()?).xor(&cover(scramble, known));
        (stage2(&stage1) == *known).then_some(stage1)
    }
}

/// The digest of all parts, one after another.
fn sha<const N: usize>(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> SecretHash<N> {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; N];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    SecretHash::new(hash)
}

/// `bytes` exclusive-or the scramble over and over: what the full path hides a password with before RSA.
#[must_use]
pub fn mask(scramble: &Scramble, bytes: &[u8]) -> Secret {
    Secret::new(bytes.iter().zip(scramble.iter().cycle()).map(|(a, b)| a ^ b).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use mysql_common::auth::plugins::{caching_sha2_password::scramble_sha256, mysql_native_password::scramble_native};
    use proptest::prelude::*;

    use super::{Secret, from_random, native, sha2};

    proptest! {
        #[test]
        fn stages_give_what_the_password_gives(scramble: [u8; 20], password in proptest::collection::vec(1u8.., 1..40)) {
            let secret = Secret::new(password.clone());
            let ours = native::answer(&scramble, &native::stage1(&secret));
            prop_assert_eq!(Some(ours), scramble_native(&scramble, &password));
            let ours = sha2::answer(&scramble, &sha2::stage1(&secret));
            prop_assert_eq!(Some(ours), scramble_sha256(&scramble, &password));
        }

        #[test]
        fn only_the_right_answer_gives_stage_1_away(scramble: [u8; 20], flip in 0usize..20) {
            let stage1 = native::stage1(&Secret::new("app-secret"));
            let mut answer = native::answer(&scramble, &stage1);
            prop_assert_eq!(native::recover(&scramble, &answer, &native::stage2(&stage1)), Some(stage1.clone()));
            answer[flip] ^= 1;
            prop_assert_eq!(native::recover(&scramble, &answer, &native::stage2(&stage1)), None);
            prop_assert_eq!(native::recover(&scramble, &answer[..19], &native::stage2(&stage1)), None);

            let stage1 = sha2::stage1(&Secret::new("app-secret"));
            let mut answer = sha2::answer(&scramble, &stage1);
            prop_assert_eq!(sha2::recover(&scramble, &answer, &sha2::stage2(&stage1)), Some(stage1.clone()));
            answer[flip] ^= 1;
            prop_assert_eq!(sha2::recover(&scramble, &answer, &sha2::stage2(&stage1)), None);
        }

        #[test]
        fn a_scramble_is_plain_text(bytes: [u8; 20]) {
            let scramble = from_random(bytes);
            prop_assert!(scramble.is_ascii() && !scramble.contains(&0) && !scramble.contains(&b'$'));
        }
    }
}
