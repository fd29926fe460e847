//! How often each value came: exact below 64, within a thirtieth above. As large as the largest value asks for.

/// Values below this have a cell of their own.
const EXACT: u64 = 64;

/// Cells an octave above that.
const CELLS: u64 = 32;

/// A distribution of whole numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    cells: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    /// One that is empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { cells: Vec::new(), count: 0, max: 0 }
    }

    /// Adds a value.
    pub fn add(&mut self, value: u64) {
        self.add_many(value, 1);
    }

    /// Adds a value so many times.
    pub fn add_many(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let index = index(value);
        if self.cells.len() <= index {
            self.cells.resize(index + 1, 0);
        }
        if let Some(cell) = self.cells.get_mut(index) {
            *cell = cell.saturating_add(times);
        }
        self.count = self.count.saturating_add(times);
        self.max = self.max.max(value);
    }

    /// Adds all that another has.
    pub fn merge(&mut self, other: &Self) {
        if self.cells.len() < other.cells.len() {
            self.cells.resize(other.cells.len(), 0);
        }
        for (cell, more) in self.cells.iter_mut().zip(&other.cells) {
            *cell = cell.saturating_add(*more);
        }
        self.count = self.count.saturating_add(other.count);
        self.max = self.max.max(other.max);
    }

    /// Each value, or the largest of those that count together, with how often it came.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let cells = self.cells.iter().enumerate().filter(|(_, count)| **count > 0);
        cells.map(|(index, count)| (last_of(index).min(self.max), *count))
    }

    /// How many values there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The largest; 0 where there is none.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The least value that so many hundredths of all do not exceed; at most a thirtieth too large. 0 where there is none.
    #[must_use]
    pub fn percentile(&self, hundredths: u8) -> u64 {
        let wanted = u128::from(self.count) * u128::from(hundredths);
        let mut below = 0_u128;
        for (index, cell) in self.cells.iter().enumerate() {
            below += u128::from(*cell);
            if *cell > 0 && below * 100 >= wanted {
                return last_of(index).min(self.max);
            }
        }
        self.max
    }
}

fn index(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    // 64 is the first value of the first octave that is shared.
    let octave = u64::from(value.ilog2());
    let within = (value >> (octave - 5)) & (CELLS - 1);
    (EXACT + (octave - 6) * CELLS + within) as usize
}

/// The largest value of a cell.
fn last_of(index: usize) -> u64 {
    let index = index as u64;
    if index < EXACT {
        return index;
    }
    let (octave, within) = ((index - EXACT) / CELLS + 6, (index - EXACT) % CELLS);
    let width = 1_u64 << (octave - 5);
    ((CELLS + within) << (octave - 5)).saturating_add(width - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Histogram, index, last_of};

    #[test]
    fn small_values_are_exact() {
        let mut histogram = Histogram::default();
        (1..=50).for_each(|value| histogram.add(value));
        assert_eq!([50, 98, 99, 100].map(|part| histogram.percentile(part)), [25, 49, 50, 50]);
        assert_eq!((histogram.count(), histogram.max(), Histogram::new().percentile(99)), (50, 50, 0));
    }

    proptest! {
        #[test]
        fn a_value_is_in_its_cell_and_near_its_end(value: u64) {
            let last = last_of(index(value));
            prop_assert!(last >= value && u128::from(last - value) * 31 <= u128::from(value));
            prop_assert!(last == u64::MAX || index(last + 1) == index(last) + 1);
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in prop::collection::vec(0_u64..100_000, 1..200),
            part in 1_u8..=100,
        ) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let rank = (values.len() * usize::from(part)).div_ceil(100);
            let exact = values[rank - 1];
            let found = histogram.percentile(part);
            prop_assert!(found >= exact && (found - exact) * 31 <= exact, "{found} for {exact}");
        }

        #[test]
        fn merged_is_as_added_together(one in prop::collection::vec(0_u64..5_000, 0..50), two in prop::collection::vec(0_u64..5_000, 0..50)) {
            let of = |values: &[u64]| {
                let mut all = Histogram::default();
                values.iter().for_each(|value| all.add(*value));
                all
            };
            let mut merged = of(&one);
            merged.merge(&of(&two));
            prop_assert_eq!(merged, of(&[one, two].concat()));
        }
    }
}
