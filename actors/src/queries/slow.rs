//! How many slow statements are logged a second, so that they cannot flood the log. Pure.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Lets so many through a second.
#[derive(Debug, Default)]
pub(crate) struct Valve {
    rate: AtomicUsize,
    /// The present second in the upper half, and how many it has let through.
    window: AtomicU64,
    /// How many it has kept back since it last let one through.
    kept_back: AtomicU64,
}

impl Valve {
    /// Another rate.
    pub(crate) fn resettle(&self, rate: usize) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// Whether one more may pass in this second, and how many could not since the last that did.
    pub(crate) fn pass(&self, second: u32) -> Option<u64> {
        let rate = self.rate.load(Ordering::Relaxed) as u64;
        let counted = |window: u64| {
            let passed = if window >> 32 == u64::from(second) { window & u64::from(u32::MAX) } else { 0 };
            (passed < rate).then_some(u64::from(second) << 32 | (passed + 1))
        };
        match self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted) {
            Ok(_) => Some(self.kept_back.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.kept_back.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Valve;

    #[test]
    fn a_second_lets_so_many_through_and_the_next_tells_of_the_rest() {
        let valve = Valve::default();
        valve.resettle(2);
        assert_eq!([1, 1, 1, 1].map(|second| valve.pass(second)), [Some(0), Some(0), None, None]);
        assert_eq!([2, 2, 2, 3].map(|second| valve.pass(second)), [Some(2), Some(0), None, Some(1)]);
        valve.resettle(0);
        assert_eq!(valve.pass(4), None);
    }
}
