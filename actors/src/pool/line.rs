//! The waiting line of one node in one shard: first come, first served among the sessions of a user; users in turn, each with
//! a share. Pure: time is an argument.
//!
//! A connection that comes free goes to the longest waiter that it can serve as it is. It is given up for somebody who needs
//! another key only where
//!
//! - he is of the same user, and has waited longer by more than [`PATIENCE`];
//! - his user has two connections fewer than this one's, and he has waited for [`PATIENCE`];
//! - or it is longer by that much that his user was served, or came.
//!
//! Strict order would close a connection and open another for every lease while two users queue, and let a user who sends a
//! thousand sessions push everybody else aside.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

/// How much longer a waiter of another key may have waited before a connection is closed for him.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// Somebody in the line.
#[derive(Debug)]
pub(crate) struct Waiter<T> {
    /// The interned pool key that he needs.
    pub(crate) key: u32,
    /// Whose he is: waiters of one user share what there is of it.
    pub(crate) user: u32,
    /// When he came.
    pub(crate) since: Instant,
    /// When he gives up.
    pub(crate) deadline: Instant,
    /// What he asked for.
    pub(crate) request: T,
}

/// Who gets a connection that has come free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The longest waiter of the connection's own key.
    Same,
    /// It is the turn of somebody with this key: close it and open one for him.
    Other(u32),
    /// Nobody waits.
    Nobody,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Line<T> {
    next: u64,
    by_key: FxHashMap<u32, VecDeque<(u64, Waiter<T>)>>,
    order: BTreeMap<u64, u32>,
    /// When users were served last, of those who have waited lately.
    served: FxHashMap<u32, Instant>,
}

/// What a line has to know of connections.
pub(crate) trait Shares {
    /// How many there are for a user, or will be.
    fn held(&self, user: u32) -> usize;

    /// How many are on their way for a key.
    fn coming(&self, key: u32) -> usize;
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { next: 0, by_key: FxHashMap::default(), order: BTreeMap::new(), served: FxHashMap::default() }
    }
}

impl<T> Line<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many wait for this key.
    pub(crate) fn waiting_for(&self, key: u32) -> usize {
        self.by_key.get(&key).map_or(0, VecDeque::len)
    }

    /// Joins the end of the line.
    pub(crate) fn join(&mut self, waiter: Waiter<T>) {
        self.order.insert(self.next, waiter.key);
        self.by_key.entry(waiter.key).or_default().push_back((self.next, waiter));
        self.next += 1;
    }

    /// The longest waiter for whom nothing is on its way: the first of a key beyond the `coming(key)` first ones.
    pub(crate) fn unmet(&self, coming: impl Fn(u32) -> usize) -> Option<&Waiter<T>> {
        let beyond = self.by_key.iter().filter_map(|(key, queue)| queue.get(coming(*key)));
        beyond.min_by_key(|(number, _)| *number).map(|(_, waiter)| waiter)
    }

    /// The longest waiter of a key for whom nothing is on its way, where so many are.
    pub(crate) fn unmet_of(&self, key: u32, coming: usize) -> Option<&Waiter<T>> {
        self.by_key.get(&key)?.get(coming).map(|(_, waiter)| waiter)
    }

    /// When the longest waiter of a user came.
    pub(crate) fn oldest_of(&self, user: u32) -> Option<Instant> {
        self.heads().filter(|waiter| waiter.user == user).map(|waiter| waiter.since).min()
    }

    /// Whether all who wait are of one user.
    pub(crate) fn is_all_of(&self, user: u32) -> bool {
        self.heads().all(|waiter| waiter.user == user)
    }

    /// For how long it has been the turn of somebody: since he came, or since his user was served.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.heads().map(|waiter| self.turn_of(waiter)).min()
    }

    /// Everybody in it, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiter<T>> {
        self.by_key.values().flatten().map(|(_, waiter)| waiter)
    }

    /// When the longest waiter came.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.head().map(|(_, waiter)| waiter.since)
    }

    /// Who should get a free connection of this key and user.
    pub(crate) fn turn(&self, key: u32, user: u32, now: Instant, shares: &impl Shares) -> Turn {
        let own = self.by_key.get(&key).and_then(VecDeque::front).map(|(_, waiter)| waiter);
        let others = self.heads().filter(|waiter| waiter.key != key);
        let unmet = others.filter(|waiter| self.waiting_for(waiter.key) > shares.coming(waiter.key));
        let next = unmet.filter(|other| own.is_none_or(|own| self.precedes(other, own, user, now, shares)));
        match (next.min_by_key(|waiter| self.turn_of(waiter)), own) {
            (Some(other), _) => Turn::Other(other.key),
            (None, Some(_)) => Turn::Same,
            (None, None) => Turn::Nobody,
        }
    }

    /// Whether a connection is given up for somebody though one of its own waits.
    fn precedes(&self, other: &Waiter<T>, own: &Waiter<T>, user: u32, now: Instant, shares: &impl Shares) -> bool {
        let (mine, theirs) = if other.user == user {
            (own.since, other.since)
        } else if shares.held(other.user) + 1 < shares.held(user) {
            (now, other.since)
        } else {
            (self.turn_of(own), self.turn_of(other))
        };
        mine.saturating_duration_since(theirs) > PATIENCE
    }

    fn turn_of(&self, waiter: &Waiter<T>) -> Instant {
        self.served.get(&waiter.user).map_or(waiter.since, |served| waiter.since.max(*served))
    }

    /// Takes the longest waiter of this key whom the connection `fits` out of the line. `None` where nobody fits,
    /// or where the longest waiter does not and has been passed over for [`PATIENCE`].
    pub(crate) fn serve(&mut self, key: u32, now: Instant, fits: impl Fn(&T) -> bool) -> Option<Waiter<T>> {
        let queue = self.by_key.get_mut(&key)?;
        let first = queue.iter().position(|(_, waiter)| fits(&waiter.request))?;
        if first > 0 && queue.front().is_some_and(|(_, waiter)| now.saturating_duration_since(waiter.since) > PATIENCE)
        {
            return None;
        }
        let (number, waiter) = queue.remove(first)?;
        if queue.is_empty() {
            self.by_key.remove(&key);
        }
        self.order.remove(&number);
        self.served.insert(waiter.user, now);
        Some(waiter)
    }

    /// Forgets when users were served who have not been for so long that it says nothing, where nobody of theirs waits.
    pub(crate) fn forget(&mut self, now: Instant) {
        let waiting: FxHashSet<u32> = self.heads().map(|waiter| waiter.user).collect();
        self.served.retain(|user, at| now.saturating_duration_since(*at) <= PATIENCE || waiting.contains(user));
    }

    /// Takes out everybody whom `leaves` names: those past their deadline, those who went away.
    pub(crate) fn remove(&mut self, mut leaves: impl FnMut(&Waiter<T>) -> bool) -> Vec<Waiter<T>> {
        let mut gone = Vec::new();
        for queue in self.by_key.values_mut() {
            if !queue.iter().any(|(_, waiter)| leaves(waiter)) {
                continue;
            }
            for (number, waiter) in std::mem::take(queue) {
                if leaves(&waiter) {
                    self.order.remove(&number);
                    gone.push(waiter);
                } else {
                    queue.push_back((number, waiter));
                }
            }
        }
        self.by_key.retain(|_, queue| !queue.is_empty());
        gone
    }

    /// The longest waiter of each key.
    fn heads(&self) -> impl Iterator<Item = &Waiter<T>> {
        self.by_key.values().filter_map(|queue| queue.front().map(|(_, waiter)| waiter))
    }

    fn head(&self) -> Option<&(u64, Waiter<T>)> {
        self.order.first_key_value().and_then(|(_, key)| self.by_key.get(key)).and_then(VecDeque::front)
    }
}

#[cfg(test)]
mod tests;
