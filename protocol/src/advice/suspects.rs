//! Statements that pin, by their shapes: what people who write them need to know.

use rustc_hash::FxHashMap;

use crate::sql::PinReason;

/// A shape that pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Why.
    pub reason: PinReason,
    /// It may: that hangs on what routines in the server do.
    pub may: bool,
    /// The statement without its literals; empty for those that have no shape, or for which there was no room.
    pub shape: String,
    /// How often it came.
    pub count: u64,
}

/// Shapes that pin, in bounded memory.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    counts: FxHashMap<(PinReason, bool, String), u64>,
}

impl Suspects {
    /// Different ones that are kept; the rest counts by reason alone.
    pub const MOST: usize = 100;

    /// Counts one.
    pub fn note(&mut self, reason: PinReason, may: bool, shape: &str) {
        self.add(reason, may, shape, 1);
    }

    fn add(&mut self, reason: PinReason, may: bool, shape: &str, count: u64) {
        let known = (reason, may, shape.to_owned());
        let is_full = self.counts.len() >= Self::MOST && !self.counts.contains_key(&known);
        *self.counts.entry(if is_full { (reason, may, String::new()) } else { known }).or_default() += count;
    }

    /// Adds what another has counted, the most frequent first.
    pub fn merge(&mut self, other: &Self) {
        other.list().iter().for_each(|it| self.add(it.reason, it.may, &it.shape, it.count));
    }

    /// All of them, the most frequent first.
    #[must_use]
    pub fn list(&self) -> Vec<Suspect> {
        let suspect = |((reason, may, shape), count): (&(PinReason, bool, String), &u64)| Suspect {
            reason: *reason,
            may: *may,
            shape: shape.clone(),
            count: *count,
        };
        let mut all: Vec<_> = self.counts.iter().map(suspect).collect();
        all.sort_by(|one, other| {
            (other.count, one.may, one.reason, &one.shape).cmp(&(one.count, other.may, other.reason, &other.shape))
        });
        all
    }

    /// How often anything did that surely pins.
    #[must_use]
    pub fn certain(&self) -> u64 {
        self.counts.iter().filter(|((_, may, _), _)| !may).map(|(_, count)| count).sum()
    }
}
