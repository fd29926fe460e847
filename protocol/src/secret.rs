//! Bytes that must never be shown and are wiped when dropped.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

/// A password or something as good as one. It is wiped from memory when dropped and never printed;
/// comparing two takes the same time wherever they differ.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// A digest that a login can be made or checked with, kept as a [`Secret`] is.
#[derive(Clone)]
pub struct SecretHash<const N: usize>(Zeroizing<[u8; N]>);

impl Secret {
    /// Takes the bytes over; the caller's own copies remain the caller's to wipe.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for arithmetic and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the empty password.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const N: usize> SecretHash<N> {
    /// Takes the bytes over; the caller's own copies remain the caller's to wipe.
    #[must_use]
    pub fn new(bytes: [u8; N]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves, for arithmetic and nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Both, bit by bit exclusive-or.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut mixed = self.clone();
        mixed.0.iter_mut().zip(other.0.iter()).for_each(|(a, b)| *a ^= b);
        mixed
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl<const N: usize> PartialEq for SecretHash<N> {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&*self.0, &*other.0).is_ok()
    }
}

impl<const N: usize> Eq for SecretHash<N> {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<const N: usize> fmt::Debug for SecretHash<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretHash};

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(format!("{:?}", SecretHash::new([7; 20])), "SecretHash(…)");
    }

    #[test]
    fn secrets_are_equal_when_all_bytes_are() {
        assert_eq!(Secret::new("hunter2"), Secret::new("hunter2"));
        assert_ne!(Secret::new("hunter2"), Secret::new("hunter"));
        assert_ne!(SecretHash::new([1, 2]), SecretHash::new([1, 3]));
        assert_eq!(SecretHash::new([1, 2]).xor(&SecretHash::new([3, 3])), SecretHash::new([2, 1]));
    }
}
