//! Random bytes for logins, and for ids of traces.

use std::cell::RefCell;

use greenroom_protocol::login::scramble;
use zeroize::Zeroize;

/// Bytes asked of the system at once: a login takes 72, and a system call costs more than they do.
const STORE: usize = 1008;

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STORE], used: STORE }) };
}

/// Random bytes that nobody has seen yet, behind those that were given away.
struct Stock {
    bytes: [u8; STORE],
    used: usize,
}

/// So many, none of which ends a text.
pub(crate) fn random_text<const N: usize>() -> [u8; N] {
    scramble::from_random(random())
}

/// So many.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= STORE, "more than is asked of the system at once") };
    STOCK.with_borrow_mut(Stock::take)
}

impl Stock {
    /// Each is given to one only.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if STORE - self.used < N {
            // Without randomness no login is safe; a system that has none to give does not come this far.
            if getrandom::fill(&mut self.bytes).is_err() {
                std::process::abort();
            }
            self.used = 0;
        }
        let mut taken = [0; N];
        for (to, from) in taken.iter_mut().zip(self.bytes.iter_mut().skip(self.used)) {
            *to = *from;
            from.zeroize();
        }
        self.used += N;
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{STORE, random_text};

    #[test]
    fn no_two_are_alike() {
        let mut seen = HashSet::new();
        for _ in 0..STORE {
            assert!(seen.insert(random_text::<20>()));
            assert!(seen.insert(random_text::<32>()[12..].try_into().unwrap()));
        }
    }
}
