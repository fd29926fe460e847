//! How times are distributed, in a fixed room. Pure.

use std::time::Duration;

/// Times below so many powers of two of nanoseconds (8 µs) are in the first cell.
const FIRST: u32 = 13;

/// Cells an octave: a time is known within an eighth of itself.
const PARTS: u32 = 4;

/// Up to 137 s; what is longer is in the last.
const CELLS: usize = 24 * PARTS as usize;

/// A distribution of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Latencies([u32; CELLS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([0; CELLS])
    }
}

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, time: Duration) {
        if let Some(cell) = self.0.get_mut(index(time)) {
            *cell = cell.saturating_add(1);
        }
    }

    /// Adds all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (cell, more) in self.0.iter_mut().zip(&other.0) {
            *cell = cell.saturating_add(*more);
        }
    }

    /// The time that so many of a hundred did not take longer than, rounded up to the end of its cell.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = (all * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += u64::from(*count);
            if seen >= wanted {
                return end(index);
            }
        }
        Duration::ZERO
    }
}

fn index(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1 << FIRST);
    let octave = nanos.ilog2();
    let part = (nanos >> (octave - 2)) & 3;
    ((octave - FIRST) as usize * PARTS as usize + part as usize).min(CELLS - 1)
}

fn end(index: usize) -> Duration {
    let (octave, part) = (index as u32 / PARTS + FIRST, index as u64 % u64::from(PARTS));
    Duration::from_nanos((5 + part) << (octave - 2))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latencies;

    #[test]
    fn a_percentile_is_known_within_a_quarter_and_never_too_small() {
        for micros in [1_u64, 9, 250, 1_234, 99_999, 5_000_000, 60_000_000] {
            let mut all = Latencies::default();
            all.add(Duration::from_micros(micros));
            let told = all.percentile(99).as_micros() as u64;
            assert!(told >= micros && told <= (micros * 5 / 4).max(10) + 1, "{micros} became {told}");
        }
    }

    #[test]
    fn few_slow_ones_are_beyond_the_percentile_and_many_are_not() {
        let (mut all, mut slow) = (Latencies::default(), Latencies::default());
        (0..99).for_each(|_| all.add(Duration::from_micros(100)));
        slow.add(Duration::from_secs(1));
        all.merge(&slow);
        assert!(all.percentile(99) < Duration::from_millis(1));
        assert!(all.percentile(100) >= Duration::from_secs(1));
        all.merge(&slow);
        assert!(all.percentile(99) >= Duration::from_secs(1));
        assert_eq!(Latencies::default().percentile(99), Duration::ZERO);
    }

    #[test]
    fn what_is_off_the_scale_is_counted() {
        let mut all = Latencies::default();
        all.add(Duration::MAX);
        assert!(all.percentile(50) > Duration::from_secs(100));
    }
}
