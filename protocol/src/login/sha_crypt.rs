//! What MySQL stores of a `caching_sha2_password`: `$A$005$`, 20 bytes of salt and 43 digits. No login can be made of it, nor a
//! client's fast answer checked; but a password can.
//!
//! The algorithm is the one of crypt(3) that begins with `$5$` (Ulrich Drepper's "Unix crypt using SHA-256"), with MySQL's longer salt.

use std::iter::repeat_n;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};

use crate::secret::{Secret, SecretHash};

const KIND: &[u8] = b"$A$";
const SALT: usize = 20;
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The most thousands of rounds that a server may ask for: MySQL's own limit.
const THOUSANDS: usize = 0xFFF;

/// A stored text, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    rounds: usize,
    salt: &'a [u8; SALT],
    digits: &'a [u8],
}

impl<'a> Stored<'a> {
    /// `None`: it is not such a text.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (thousands, rest) = text.strip_prefix(KIND)?.split_first_chunk::<3>()?;
        let (salt, digits) = rest.strip_prefix(b"$")?.split_first_chunk()?;
        let thousands = usize::from_str_radix(std::str::from_utf8(thousands).ok()?, 16).ok()?;
        let good = (5..=THOUSANDS).contains(&thousands) && digits.len() == 43;
        good.then_some(Self { rounds: thousands * 1000, salt, digits })
    }

    /// Whether it is this password's. It takes milliseconds, as it is meant to.
    #[must_use]
    pub fn is_of(&self, password: &Secret) -> bool {
        let digest = crypt(password.expose(), self.salt, self.rounds);
        verify_slices_are_equal(&digits(digest.expose()), self.digits).is_ok()
    }
}

fn hash(parts: &[&[u8]]) -> SecretHash<32> {
    finish(parts.iter().fold(Context::new(&SHA256), |mut context, part| {
        context.update(part);
        context
    }))
}

fn finish(context: Context) -> SecretHash<32> {
    let mut hash = [0; 32];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    SecretHash::new(hash)
}

/// Bytes over and over, up to a length.
fn stretched(hash: &SecretHash<32>, length: usize) -> Secret {
    Secret::new(hash.expose().iter().copied().cycle().take(length).collect::<Vec<_>>())
}

fn crypt(password: &[u8], salt: &[u8], rounds: usize) -> SecretHash<32> {
    let other = hash(&[password, salt, password]);
    let mut context = Context::new(&SHA256);
    context.update(password);
    context.update(salt);
    context.update(stretched(&other, password.len()).expose());
    let mut length = password.len();
    while length > 0 {
        context.update(if length & 1 == 1 { other.expose() } else { password });
        length >>= 1;
    }
    let first = finish(context);
    let of_password = hash(&repeat_n(password, password.len()).collect::<Vec<_>>());
    let of_salt = hash(&repeat_n(salt, 16 + usize::from(first.expose()[0])).collect::<Vec<_>>());
    let (password, salt) = (stretched(&of_password, password.len()), stretched(&of_salt, salt.len()));
    (0..rounds).fold(first, |last, round| {
        let odd = round % 2 == 1;
        let (before, behind) = if odd {
            (password.expose(), last.expose().as_slice())
        } else {
            (last.expose().as_slice(), password.expose())
        };
        let salt = if round % 3 == 0 { &[] } else { salt.expose() };
        let again = if round % 7 == 0 { &[] } else { password.expose() };
        hash(&[before, salt, again, behind])
    })
}

/// In crypt's own order of bytes, six bits a digit.
fn digits(digest: &[u8; 32]) -> Vec<u8> {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or(0));
    let mut text = Vec::with_capacity(43);
    let mut put = |word: u32, count: u32| {
        text.extend((0..count).map(|digit| DIGITS[(word >> (6 * digit) & 0x3f) as usize]));
    };
    let (mut a, mut b, mut c) = (0, 10, 20);
    for _ in 0..10 {
        put(byte(a) << 16 | byte(b) << 8 | byte(c), 4);
        (a, b, c) = (c + 1, a + 1, b + 1);
    }
    put(byte(31) << 8 | byte(30), 3);
    text
}

#[cfg(test)]
mod tests {
    use super::{Secret, Stored, crypt, digits};

    #[test]
    fn crypt_is_the_one_of_its_specification() {
        for (salt, rounds, password, due) in [
            // As OpenSSL has it (openssl passwd -5 -salt …).
            ("saltstring", 5000, "Hello world!", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
            ("saltstringsaltst", 5000, "app-secret", "WeOsEvIyjJWINdJgpc64/hHXQmUjlBba8zfj6UkKMY7"),
        ] {
            let found = digits(crypt(password.as_bytes(), salt.as_bytes(), rounds).expose());
            assert_eq!(String::from_utf8(found).unwrap(), due);
        }
    }

    #[test]
    fn what_mysql_stores_is_its_passwords_and_no_others() {
        // Of MySQL 9.7.4: CREATE USER … IDENTIFIED BY 'second'.
        let stored = STORED;
        let text = Stored::parse(stored).unwrap();
        assert!(text.is_of(&Secret::new("second")));
        assert!(!text.is_of(&Secret::new("seconD")) && !text.is_of(&Secret::new("")));
        for bad in [&stored[1..], &stored[..stored.len() - 1], b"$A$004$", b"*0123", b""] {
            assert!(Stored::parse(bad).is_none());
        }
    }

    const STORED: &[u8] = b"$A$00A$A\x05>-,x\x13vnIMbV\x0C\x17Hxq\x15\x06NOWIEg2OZxGdZCKabwrbI0UvEtBIIHyrp4CV7wPy3x1";
}
