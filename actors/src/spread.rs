//! Times gathered by one worker, handed on in bulk: recording one costs a few instructions and shares nothing.

use std::cell::Cell;
use std::time::Duration;

use metrics::Histogram;

/// Four cells an octave of nanoseconds: a time is known within a tenth of itself.
const CELLS: usize = 64 * 4;

/// A distribution of times since the last hand-over.
pub(crate) struct Spread {
    cells: Box<[Cell<u32>]>,
    used: Cell<bool>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { cells: vec![Cell::new(0); CELLS].into_boxed_slice(), used: Cell::new(false) }
    }
}

impl Spread {
    /// Adds one time.
    pub(crate) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(cell) = self.cells.get(index(nanos)) {
            cell.set(cell.get().saturating_add(1));
            self.used.set(true);
        }
    }

    /// Hands everything on to where it is scraped from, in seconds.
    pub(crate) fn flush(&self, to: &Histogram) {
        if !self.used.replace(false) {
            return;
        }
        for (index, cell) in self.cells.iter().enumerate() {
            match cell.take() {
                0 => {}
                count => to.record_many(middle(index), count as usize),
            }
        }
    }
}

fn index(nanos: u64) -> usize {
    let nanos = nanos.max(4);
    let octave = nanos.ilog2();
    octave as usize * 4 + ((nanos >> (octave - 2)) & 3) as usize
}

/// The middle of a cell, in seconds.
#[expect(clippy::cast_precision_loss, reason = "a time within a tenth of itself needs no more")]
fn middle(index: usize) -> f64 {
    let (octave, quarter) = (index / 4, index % 4);
    let start = (4 + quarter as u64) << octave >> 2;
    let width = (1_u64 << octave) >> 2;
    (start as f64 + width as f64 / 2.0) / 1e9
}

#[cfg(test)]
mod tests {
    use super::{index, middle};

    #[test]
    fn a_time_is_known_within_a_tenth() {
        for nanos in [5_u64, 999, 50_000, 1_234_567, 2_500_000_000, 61_000_000_000] {
            let near = middle(index(nanos)) * 1e9 / nanos as f64;
            assert!((0.88..1.13).contains(&near), "{nanos} ns became {near} of itself");
        }
    }
}
