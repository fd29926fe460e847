//! Who has given a wrong password again and again has to wait for the next verdict.
//!
//! Who that is lies in a table that never grows: two who share a place wait for each other's mistakes, which costs them
//! seconds at most, and nobody can push another out of it by failing under many names.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Places in the table: 64 KiB of them.
const PLACES: usize = 8192;
/// This many failures are forgiven.
const FREE: u32 = 5;
/// The wait after one more; each further one doubles it.
const FIRST: Duration = Duration::from_millis(50);
/// After so many seconds without a failure, all are forgotten.
const FORGET: u32 = 60;

/// Failures of late, by client address and user.
pub(crate) struct Throttle {
    begun: Instant,
    longest_ms: AtomicU64,
    hasher: RandomState,
    /// The count in the high half, the second of the last failure in the low.
    places: Box<[AtomicU64]>,
}

/// A client's address (none by a Unix socket) and the user that it names, as the table knows them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspect(usize);

impl Throttle {
    /// With this as the longest wait; zero is none at all.
    pub(crate) fn new(longest: Duration) -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let throttle =
            Self { begun: Instant::now(), longest_ms: AtomicU64::new(0), hasher: RandomState::new(), places };
        throttle.resettle(longest);
        throttle
    }

    /// Another longest wait.
    pub(crate) fn resettle(&self, longest: Duration) {
        self.longest_ms.store(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Where these are counted.
    pub(crate) fn suspect(&self, address: Option<IpAddr>, user: &[u8]) -> Suspect {
        let hash = self.hasher.hash_one((address, user));
        // The remainder of what has PLACES values is one of them.
        Suspect(usize::try_from(hash % PLACES as u64).unwrap_or_default())
    }

    /// A wrong password.
    pub(crate) fn failed(&self, suspect: Suspect, now: Instant) {
        let second = self.second(now);
        if let Some(place) = self.places.get(suspect.0) {
            let counted = |kept| Some(pack(failures(kept, second).saturating_add(1), second));
            // It never gives `None`.
            let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
        }
    }

    /// The right password.
    pub(crate) fn succeeded(&self, suspect: Suspect) {
        if let Some(place) = self.places.get(suspect.0).filter(|place| place.load(Ordering::Relaxed) != 0) {
            place.store(0, Ordering::Relaxed);
        }
    }

    /// How long the verdict on a login is kept back, whatever it is: one that comes at once would tell it.
    pub(crate) fn wait(&self, suspect: Suspect, now: Instant) -> Option<Duration> {
        let kept = self.places.get(suspect.0)?.load(Ordering::Relaxed);
        let beyond = failures(kept, self.second(now)).checked_sub(FREE)?;
        let longest = Duration::from_millis(self.longest_ms.load(Ordering::Relaxed));
        let wait = FIRST.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(longest);
        (!wait.is_zero()).then_some(wait)
    }

    fn second(&self, now: Instant) -> u32 {
        // After 136 years everybody is forgiven once.
        u32::try_from(now.saturating_duration_since(self.begun).as_secs()).unwrap_or(0)
    }
}

fn pack(failures: u32, second: u32) -> u64 {
    u64::from(failures) << 32 | u64::from(second)
}

/// The failures that count.
fn failures(kept: u64, now: u32) -> u32 {
    let (failures, last) = ((kept >> 32) as u32, kept as u32);
    if now.saturating_sub(last) >= FORGET { 0 } else { failures }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);
    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn waits_begin_after_some_failures_and_double() {
        let (throttle, now) = (Throttle::new(LONGEST), Instant::now());
        let suspect = throttle.suspect(HOME, b"app");
        let mut waits = Vec::new();
        for _ in 0..14 {
            waits.push(throttle.wait(suspect, now).map_or(0, |wait| wait.as_millis()));
            throttle.failed(suspect, now);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn others_do_not_wait() {
        let (throttle, now) = (Throttle::new(LONGEST), Instant::now());
        let suspect = throttle.suspect(HOME, b"app");
        (0..20).for_each(|_| throttle.failed(suspect, now));
        let elsewhere = Some(IpAddr::V4([10, 0, 0, 1].into()));
        let others = [(elsewhere, &b"app"[..]), (None, b"app"), (HOME, b"other")];
        // Places are drawn anew with each table: all three next to never share one.
        let waiting =
            others.iter().filter(|(address, user)| throttle.wait(throttle.suspect(*address, user), now).is_some());
        assert!(waiting.count() < 3);
        assert!(throttle.wait(suspect, now).is_some());
    }

    #[test]
    fn a_success_or_time_forgives() {
        let (throttle, now) = (Throttle::new(LONGEST), Instant::now());
        let suspect = throttle.suspect(HOME, b"app");
        (0..20).for_each(|_| throttle.failed(suspect, now));
        throttle.succeeded(suspect);
        assert_eq!(throttle.wait(suspect, now), None);
        (0..20).for_each(|_| throttle.failed(suspect, now));
        assert!(throttle.wait(suspect, now + Duration::from_secs(30)).is_some());
        assert_eq!(throttle.wait(suspect, now + Duration::from_secs(61)), None);
        throttle.failed(suspect, now + Duration::from_secs(61));
        assert_eq!(throttle.wait(suspect, now + Duration::from_secs(61)), None);
    }

    #[test]
    fn no_wait_at_all_is_possible() {
        let (throttle, now) = (Throttle::new(Duration::ZERO), Instant::now());
        let suspect = throttle.suspect(None, b"");
        (0..40).for_each(|_| throttle.failed(suspect, now));
        assert_eq!(throttle.wait(suspect, now), None);
        throttle.resettle(LONGEST);
        assert_eq!(throttle.wait(suspect, now), Some(LONGEST));
    }
}
