//! The slowest waits for a server connection that a worker's sessions have lately had.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// As many are kept.
const KEPT: usize = 10;

/// Those that ended before are forgotten.
const LATELY: Duration = Duration::from_secs(15 * 60);

/// Shorter ones are not worth a look.
const FLOOR: Duration = Duration::from_millis(1);

/// A session's stay in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) endpoint: String,
    pub(crate) user: String,
    pub(crate) waited: Duration,
    pub(crate) ended: Instant,
    /// It got what it waited for.
    pub(crate) served: bool,
}

/// The slowest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits(Vec<Wait>);

impl Waits {
    /// Takes note of one that is over, if it is among the slowest. `who`: the endpoint's name and the user's.
    pub(crate) fn note(&mut self, waited: Duration, served: bool, who: impl FnOnce() -> (String, String)) {
        if waited >= FLOOR {
            self.note_at(Instant::now(), waited, served, who);
        }
    }

    fn note_at(&mut self, ended: Instant, waited: Duration, served: bool, who: impl FnOnce() -> (String, String)) {
        self.forget(ended);
        if self.0.get(KEPT - 1).is_none_or(|least| least.waited < waited) {
            let (endpoint, user) = who();
            self.0.push(Wait { endpoint, user, waited, ended, served });
            self.order();
        }
    }

    /// Those of lately.
    pub(crate) fn lately(&mut self) -> Self {
        self.forget(Instant::now());
        self.clone()
    }

    /// Adds another worker's.
    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
        self.order();
    }

    /// Each of them.
    pub(crate) fn list(&self) -> &[Wait] {
        &self.0
    }

    fn forget(&mut self, now: Instant) {
        self.0.retain(|wait| now.saturating_duration_since(wait.ended) < LATELY);
    }

    fn order(&mut self) {
        self.0.sort_by_key(|wait| Reverse(wait.waited));
        self.0.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{KEPT, LATELY, Waits};

    fn who() -> (String, String) {
        ("app".to_owned(), "one".to_owned())
    }

    #[test]
    fn the_slowest_are_kept_while_they_are_of_lately() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        let times = |waits: &Waits| waits.list().iter().map(|wait| wait.waited.as_millis()).collect::<Vec<_>>();
        for time in [5, 90, 7, 20, 30, 40, 50, 60, 70, 80, 6, 100] {
            waits.note_at(now, Duration::from_millis(time), true, who);
        }
        assert_eq!(times(&waits), [100, 90, 80, 70, 60, 50, 40, 30, 20, 7]);
        waits.note_at(now, Duration::from_millis(7), false, || panic!("it is not slow enough to be asked for"));
        let mut others = Waits::default();
        others.note_at(now, Duration::from_millis(95), false, who);
        waits.add(others);
        assert!(times(&waits).starts_with(&[100, 95, 90]) && waits.0.len() == KEPT);
        assert_eq!(waits.0.iter().filter(|wait| !wait.served).count(), 1);
        waits.note_at(now + LATELY, Duration::from_millis(2), true, who);
        assert_eq!(times(&waits), [2]);
    }

    #[test]
    fn who_hardly_waited_is_not_asked_for() {
        let mut waits = Waits::default();
        waits.note(Duration::from_micros(999), true, || panic!("it is not slow"));
        assert_eq!(waits.list(), []);
    }
}
