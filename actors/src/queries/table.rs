//! What one worker counts of statements, by their shapes, in a bounded room. Pure.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::sql::PinReason;
use rustc_hash::{FxHashMap, FxHasher};

use super::latency::Latencies;

/// What statements are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'k> {
    pub(crate) endpoint: &'k str,
    pub(crate) user: &'k [u8],
    pub(crate) database: &'k [u8],
    /// Empty where nobody could read the text for certain.
    pub(crate) shape: &'k [u8],
}

/// The same, kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) endpoint: Box<str>,
    pub(crate) user: Box<[u8]>,
    pub(crate) database: Box<[u8]>,
    pub(crate) shape: Box<[u8]>,
}

/// What a statement came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Only more of the rows of a statement that was counted.
    pub(crate) is_fetch: bool,
    /// From its arrival to the end of its reply.
    pub(crate) time: Duration,
    /// Of that, until there was a connection for it.
    pub(crate) wait: Duration,
    /// Rows that its client was sent.
    pub(crate) rows: u64,
    /// Rows that it changed.
    pub(crate) affected: u64,
    pub(crate) failed: bool,
}

/// What all statements of a row came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) affected: u64,
    pub(crate) time: Duration,
    pub(crate) longest: Duration,
    pub(crate) wait: Duration,
    pub(crate) longest_wait: Duration,
    pub(crate) latencies: Latencies,
    /// Pins that began with one, by reason.
    pub(crate) pins: Vec<(PinReason, u64)>,
    /// When the last one ended.
    pub(crate) last: Option<Instant>,
}

/// A row, and where it counts.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// `None`: all that had no room of their own.
    pub(crate) name: Option<Arc<Name>>,
    pub(crate) sum: Sum,
}

/// Where a statement is counted. Good for as long as nothing is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    epoch: u32,
    /// `None`: among the others.
    row: Option<u32>,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// How often it has been reset.
    epoch: u32,
    places: FxHashMap<u64, u32>,
    rows: Vec<Row>,
    others: Sum,
}

impl Key<'_> {
    fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        for part in [self.shape, self.database, self.user, self.endpoint.as_bytes()] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    fn is(&self, name: &Name) -> bool {
        let Name { endpoint, user, database, shape } = name;
        (self.endpoint, self.user, self.database, self.shape) == (&**endpoint, &**user, &**database, &**shape)
    }

    fn keep(&self) -> Name {
        let Self { endpoint, user, database, shape } = *self;
        Name { endpoint: endpoint.into(), user: user.into(), database: database.into(), shape: shape.into() }
    }
}

impl Table {
    /// Forgets everything that was counted before so many resets. Who asks may have heard of fewer than the table has.
    pub(crate) fn renew(&mut self, epoch: u32) {
        let newer = epoch.wrapping_sub(self.epoch);
        if newer != 0 && newer <= u32::MAX / 2 {
            *self = Self { epoch, ..Self::default() };
        }
    }

    /// Where statements of that key are counted; a new row as long as there are fewer than `limit`. Allocates only then.
    pub(crate) fn place(&mut self, key: Key<'_>, limit: usize) -> Place {
        let hash = key.hash();
        let known = self.places.get(&hash).copied();
        let row = match known {
            // Two keys of one hash: the second has no room.
            Some(row) => {
                self.rows.get(row as usize).and_then(|row| row.name.as_ref()).filter(|name| key.is(name)).map(|_| row)
            }
            None if self.rows.len() < limit => {
                let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
                self.rows.push(Row { name: Some(Arc::new(key.keep())), sum: Sum::default() });
                self.places.insert(hash, row);
                Some(row)
            }
            None => None,
        };
        Place { epoch: self.epoch, row }
    }

    /// The name of a row that has one of its own.
    pub(crate) fn name(&self, place: Place) -> Option<&Arc<Name>> {
        let row = place.row.filter(|_| place.epoch == self.epoch)?;
        self.rows.get(row as usize)?.name.as_ref()
    }

    /// Counts a statement that has ended. `pins`: those that began with it.
    pub(crate) fn note(
        &mut self,
        place: Place,
        outcome: &Outcome,
        pins: impl Iterator<Item = PinReason>,
        now: Instant,
    ) {
        if place.epoch != self.epoch {
            return;
        }
        let sum = match place.row {
            Some(row) => self.rows.get_mut(row as usize).map(|row| &mut row.sum),
            None => Some(&mut self.others),
        };
        if let Some(sum) = sum {
            sum.note(outcome, pins, now);
        }
    }

    /// Every row in which something was counted, the others last.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let others = Row { name: None, sum: self.others.clone() };
        let counted = |row: &&Row| row.sum.last.is_some();
        self.rows.iter().filter(counted).cloned().chain(Some(others).filter(|row| row.sum.last.is_some())).collect()
    }
}

impl Sum {
    fn note(&mut self, outcome: &Outcome, pins: impl Iterator<Item = PinReason>, now: Instant) {
        self.rows = self.rows.saturating_add(outcome.rows);
        self.time = self.time.saturating_add(outcome.time);
        self.last = Some(now);
        pins.for_each(|reason| self.pin(reason, 1));
        if outcome.is_fetch {
            return;
        }
        self.count += 1;
        self.errors += u64::from(outcome.failed);
        self.affected = self.affected.saturating_add(outcome.affected);
        self.longest = self.longest.max(outcome.time);
        self.wait = self.wait.saturating_add(outcome.wait);
        self.longest_wait = self.longest_wait.max(outcome.wait);
        self.latencies.add(outcome.time);
    }

    fn pin(&mut self, reason: PinReason, count: u64) {
        match self.pins.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => self.pins.push((reason, count)),
        }
    }

    /// Adds what another worker has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.rows = self.rows.saturating_add(other.rows);
        self.affected = self.affected.saturating_add(other.affected);
        self.time = self.time.saturating_add(other.time);
        self.longest = self.longest.max(other.longest);
        self.wait = self.wait.saturating_add(other.wait);
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.latencies.merge(&other.latencies);
        other.pins.iter().for_each(|(reason, count)| self.pin(*reason, *count));
        self.last = self.last.max(other.last);
    }
}

/// What several workers have counted, as one: the rows that took the most time, at most so many, and one for all others.
pub(crate) fn merged(all: impl IntoIterator<Item = Row>, limit: usize) -> Vec<Row> {
    let mut places: FxHashMap<Arc<Name>, usize> = FxHashMap::default();
    let (mut rows, mut others): (Vec<Row>, Sum) = (Vec::new(), Sum::default());
    for row in all {
        let Some(name) = &row.name else {
            others.merge(&row.sum);
            continue;
        };
        match places.get(name).and_then(|at| rows.get_mut(*at)) {
            Some(known) => known.sum.merge(&row.sum),
            None => {
                places.insert(Arc::clone(name), rows.len());
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.sum.time));
    rows.drain(limit.min(rows.len())..).for_each(|row| others.merge(&row.sum));
    rows.extend(others.last.is_some().then_some(Row { name: None, sum: others }));
    rows
}

#[cfg(test)]
mod tests;
