//! Idle connections, found by key and fingerprint without a scan. Pure: time is an argument.
//!
//! Each idle connection stands in two lists at once: all of its shelf (a pool key, with or without a default
//! database), newest last, and those of its shelf in exactly its state. Both are linked through the slots, so
//! that putting and taking touch a handful of words.

use std::time::Instant;

use rustc_hash::FxHashMap;

/// Where a connection stands among its like: an interned pool key, whether a database is selected, and whether there are
/// user variables.
///
/// They are apart because no command takes a selected database away, and only a reset user variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shelf {
    pub(crate) key: u32,
    pub(crate) has_database: bool,
    pub(crate) has_user_variables: bool,
}

impl Shelf {
    /// Where those stand that a session of this kind can use, what costs least to make fit first.
    pub(crate) fn usable(self) -> impl Iterator<Item = Self> {
        let (bare, other) = (Self { has_database: false, ..self }, !self.has_user_variables);
        let shelves =
            [self, bare, Self { has_user_variables: other, ..self }, Self { has_user_variables: other, ..bare }];
        shelves.into_iter()
    }
}

/// One idle connection, by its slot in the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) shelf: Shelf,
    /// Fingerprint of its session state.
    pub(crate) print: u64,
    /// When it was returned.
    pub(crate) since: Instant,
}

/// "No slot" in a link.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Ends {
    oldest: u32,
    newest: u32,
    len: u32,
}

const EMPTY: Ends = Ends { oldest: NONE, newest: NONE, len: 0 };

#[derive(Debug, Clone, Copy)]
struct Links {
    older: u32,
    newer: u32,
}

const UNLINKED: Links = Links { older: NONE, newer: NONE };

#[derive(Debug)]
struct Slot {
    resting: Option<Resting>,
    on_shelf: Links,
    in_state: Links,
}

/// The idle connections of one shard.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    slots: Vec<Slot>,
    shelves: FxHashMap<Shelf, Ends>,
    states: FxHashMap<(Shelf, u64), Ends>,
    len: usize,
}

impl Idle {
    /// How many connections are idle.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is known of the connection in `slot`, if it is idle.
    pub(crate) fn get(&self, slot: u32) -> Option<Resting> {
        self.slots.get(slot as usize).and_then(|slot| slot.resting)
    }

    /// Adds a connection; one that is there already is moved to the newest end.
    pub(crate) fn put(&mut self, slot: u32, resting: Resting) {
        self.take(slot);
        while self.slots.len() <= slot as usize {
            self.slots.push(Slot { resting: None, on_shelf: UNLINKED, in_state: UNLINKED });
        }
        let mut ends = self.shelves.get(&resting.shelf).copied().unwrap_or(EMPTY);
        self.append(slot, &mut ends, |slot| &mut slot.on_shelf);
        self.shelves.insert(resting.shelf, ends);
        let mut ends = self.states.get(&(resting.shelf, resting.print)).copied().unwrap_or(EMPTY);
        self.append(slot, &mut ends, |slot| &mut slot.in_state);
        self.states.insert((resting.shelf, resting.print), ends);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            place.resting = Some(resting);
            self.len += 1;
        }
    }

    /// Takes the connection in `slot`, if it is idle.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Resting> {
        let resting = self.slots.get_mut(slot as usize)?.resting.take()?;
        self.len -= 1;
        if let Some(mut ends) = self.shelves.get(&resting.shelf).copied() {
            self.unlink(slot, &mut ends, |slot| &mut slot.on_shelf);
            keep(&mut self.shelves, resting.shelf, ends);
        }
        let state = (resting.shelf, resting.print);
        if let Some(mut ends) = self.states.get(&state).copied() {
            self.unlink(slot, &mut ends, |slot| &mut slot.in_state);
            keep(&mut self.states, state, ends);
        }
        Some(resting)
    }

    /// The newest connection of the shelf in exactly this state. The newest, so that the surplus grows old and is closed.
    pub(crate) fn equal(&self, shelf: Shelf, print: u64) -> Option<u32> {
        self.states.get(&(shelf, print)).map(|ends| ends.newest)
    }

    /// The newest connection of the shelf, whatever its state.
    pub(crate) fn any(&self, shelf: Shelf) -> Option<u32> {
        self.shelves.get(&shelf).map(|ends| ends.newest)
    }

    /// The connection of the shelf that has been idle longest, whatever its state.
    pub(crate) fn stalest(&self, shelf: Shelf) -> Option<u32> {
        self.shelves.get(&shelf).map(|ends| ends.oldest)
    }

    /// The connection that has been idle longest among those that `wanted` accepts, looking at each shelf's oldest.
    pub(crate) fn oldest(&self, wanted: impl Fn(Shelf) -> bool) -> Option<u32> {
        let heads = self.shelves.iter().filter(|(shelf, _)| wanted(**shelf)).map(|(_, ends)| ends.oldest);
        heads.filter_map(|slot| self.get(slot).map(|resting| (resting.since, slot))).min().map(|(_, slot)| slot)
    }

    /// Calls `each` with every connection, oldest of its shelf first, until it says `false` for that shelf.
    pub(crate) fn sweep(&self, mut each: impl FnMut(u32, Resting) -> bool) {
        for ends in self.shelves.values() {
            let mut slot = ends.oldest;
            while let Some(resting) = self.get(slot) {
                if !each(slot, resting) {
                    break;
                }
                slot = self.slots.get(slot as usize).map_or(NONE, |slot| slot.on_shelf.newer);
            }
        }
    }

    fn append(&mut self, slot: u32, ends: &mut Ends, links: fn(&mut Slot) -> &mut Links) {
        let newest = ends.newest;
        if let Some(place) = self.slots.get_mut(newest as usize) {
            links(place).newer = slot;
        }
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *links(place) = Links { older: newest, newer: NONE };
        }
        if ends.oldest == NONE {
            ends.oldest = slot;
        }
        ends.newest = slot;
        ends.len += 1;
    }

    fn unlink(&mut self, slot: u32, ends: &mut Ends, links: fn(&mut Slot) -> &mut Links) {
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        let Links { older, newer } = std::mem::replace(links(place), UNLINKED);
        match self.slots.get_mut(older as usize) {
            Some(place) => links(place).newer = newer,
            None => ends.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(place) => links(place).older = older,
            None => ends.newest = older,
        }
        ends.len -= 1;
    }
}

/// An empty list is forgotten: states come and go, and a map of all that ever were would grow.
fn keep<K: std::hash::Hash + Eq>(lists: &mut FxHashMap<K, Ends>, key: K, ends: Ends) {
    if ends.len == 0 {
        lists.remove(&key);
    } else {
        lists.insert(key, ends);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Idle, Resting, Shelf};

    const SHELF: Shelf = Shelf { key: 1, has_database: true, has_user_variables: false };
    const BARE: Shelf = Shelf { has_database: false, ..SHELF };

    fn resting(shelf: Shelf, print: u64, since: Instant) -> Resting {
        Resting { shelf, print, since }
    }

    #[test]
    fn the_newest_of_the_same_state_comes_first() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        for (slot, print) in [(0, 7), (1, 8), (2, 7)] {
            idle.put(slot, resting(SHELF, print, now));
        }
        assert_eq!((idle.equal(SHELF, 7), idle.equal(SHELF, 8), idle.equal(SHELF, 9)), (Some(2), Some(1), None));
        assert_eq!((idle.any(SHELF), idle.any(BARE), idle.len()), (Some(2), None, 3));
        assert!(idle.take(2).is_some() && idle.take(2).is_none());
        assert_eq!((idle.equal(SHELF, 7), idle.any(SHELF), idle.len()), (Some(0), Some(1), 2));
    }

    #[test]
    fn the_oldest_is_found_over_all_shelves() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        idle.put(0, resting(SHELF, 1, now + Duration::from_secs(1)));
        idle.put(1, resting(BARE, 1, now));
        idle.put(2, resting(SHELF, 1, now + Duration::from_secs(2)));
        assert_eq!(idle.oldest(|_| true), Some(1));
        assert_eq!(idle.oldest(|shelf| shelf.has_database), Some(0));
        let mut seen = Vec::new();
        idle.sweep(|slot, resting| {
            seen.push(slot);
            resting.since <= now + Duration::from_secs(1)
        });
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn lists_agree_after_ten_thousand_random_moves() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        let mut model: std::collections::HashMap<u32, Resting> = std::collections::HashMap::new();
        let mut seed = 12345_u64;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (slot, print) = (((seed >> 33) % 40) as u32, (seed >> 50) % 5);
            if seed >> 63 == 0 {
                let shelf = if print == 0 { BARE } else { SHELF };
                idle.put(slot, resting(shelf, print, now));
                model.insert(slot, resting(shelf, print, now));
            } else {
                assert_eq!(idle.take(slot), model.remove(&slot));
            }
            assert_eq!(idle.len(), model.len());
            assert_eq!(idle.any(SHELF).is_some(), model.values().any(|resting| resting.shelf == SHELF));
            for print in 0..5 {
                let there = model.values().any(|resting| resting.print == print && resting.shelf == SHELF);
                assert_eq!(idle.equal(SHELF, print).is_some(), there);
            }
        }
        while let Some(slot) = idle.any(SHELF).or(idle.any(BARE)) {
            assert!(idle.take(slot).is_some());
        }
        assert!(idle.len() == 0 && idle.shelves.is_empty() && idle.states.is_empty());
    }
}
