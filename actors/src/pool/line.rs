//! The waiting line of one node in one shard: first come, first served. Pure: time is an argument.
//!
//! A connection that comes free goes to the longest waiter that it can serve as it is. Where somebody who needs
//! another key has waited longer by more than [`PATIENCE`], the connection is given up for him instead:
//! strict order over keys would close a connection and open another for every lease while two users queue.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

/// How much longer a waiter of another key may have waited before a connection is closed for him.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// Somebody in the line.
#[derive(Debug)]
pub(crate) struct Waiter<T> {
    /// The interned pool key that he needs.
    pub(crate) key: u32,
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
    /// Somebody of another key has waited too long: close it and open one for him.
    Other,
    /// Nobody waits.
    Nobody,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Line<T> {
    next: u64,
    by_key: FxHashMap<u32, VecDeque<(u64, Waiter<T>)>>,
    order: BTreeMap<u64, u32>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { next: 0, by_key: FxHashMap::default(), order: BTreeMap::new() }
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

    /// When the longest waiter came.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.head().map(|(_, waiter)| waiter.since)
    }

    /// Who should get a free connection of this key.
    pub(crate) fn turn(&self, key: u32) -> Turn {
        let Some((_, first)) = self.head() else { return Turn::Nobody };
        match self.by_key.get(&key).and_then(VecDeque::front) {
            Some((_, own)) if own.since.saturating_duration_since(first.since) <= PATIENCE => Turn::Same,
            _ => Turn::Other,
        }
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
        Some(waiter)
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

    fn head(&self) -> Option<&(u64, Waiter<T>)> {
        self.order.first_key_value().and_then(|(_, key)| self.by_key.get(key)).and_then(VecDeque::front)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Line, PATIENCE, Turn, Waiter};

    fn line(waiters: &[(u32, u64)]) -> (Line<usize>, Instant) {
        let (mut line, now) = (Line::default(), Instant::now());
        for (request, (key, millis)) in waiters.iter().enumerate() {
            let since = now + Duration::from_millis(*millis);
            line.join(Waiter { key: *key, since, deadline: since + Duration::from_secs(1), request });
        }
        (line, now)
    }

    #[test]
    fn first_come_first_served() {
        let (mut line, now) = line(&[(1, 0), (1, 5), (2, 6), (1, 7)]);
        assert_eq!(line.turn(1), Turn::Same);
        let order: Vec<_> = std::iter::from_fn(|| line.serve(1, now, |_| true)).map(|waiter| waiter.request).collect();
        assert_eq!(order, [0, 1, 3]);
        assert_eq!((line.len(), line.waiting_for(2), line.waiting_for(1)), (1, 1, 0));
    }

    #[test]
    fn another_key_waits_for_patience_and_no_longer() {
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        assert_eq!(line(&[(2, 0), (1, patience)]).0.turn(1), Turn::Same);
        assert_eq!(line(&[(2, 0), (1, patience + 1)]).0.turn(1), Turn::Other);
        assert_eq!(line(&[(2, 0)]).0.turn(1), Turn::Other);
        assert_eq!(line(&[]).0.turn(1), Turn::Nobody);
    }

    #[test]
    fn who_does_not_fit_is_passed_over_for_patience_only() {
        let (mut waiters, now) = line(&[(1, 0), (1, 5)]);
        assert!(waiters.serve(1, now + PATIENCE + PATIENCE, |request| *request == 1).is_none());
        assert_eq!(waiters.serve(1, now + PATIENCE, |request| *request == 1).map(|waiter| waiter.request), Some(1));
        assert!(waiters.serve(1, now, |request| *request == 1).is_none());
    }

    #[test]
    fn who_is_unmet_is_the_first_beyond_what_is_coming() {
        let (line, _) = line(&[(1, 0), (2, 1), (1, 2)]);
        let unmet = |one, two| line.unmet(|key| if key == 1 { one } else { two }).map(|waiter| waiter.request);
        assert_eq!((unmet(0, 0), unmet(1, 0), unmet(1, 1), unmet(2, 1)), (Some(0), Some(1), Some(2), None));
    }

    #[test]
    fn those_past_their_deadline_leave() {
        let (mut line, now) = line(&[(1, 0), (2, 100), (1, 200)]);
        let at = now + Duration::from_millis(1150);
        let mut gone: Vec<_> =
            line.remove(|waiter| waiter.deadline <= at).iter().map(|waiter| waiter.request).collect();
        gone.sort_unstable();
        assert_eq!(gone, [0, 1]);
        assert_eq!((line.len(), line.oldest()), (1, Some(now + Duration::from_millis(200))));
        assert_eq!(line.serve(1, at, |_| true).map(|waiter| waiter.request), Some(2));
        assert!(line.oldest().is_none() && line.serve(1, at, |_| true).is_none());
    }
}
