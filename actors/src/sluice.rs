//! What an administrator has closed for a while: an endpoint or a node, by name, so that it stays closed over a reload.
//!
//! Leases look at two flags. All else is for those who wait, or ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Whether something takes new leases.
#[derive(Debug)]
pub(crate) struct Sluice {
    closed: AtomicBool,
    drained: AtomicBool,
    /// Since when it is closed.
    since: watch::Sender<Option<Instant>>,
}

impl Default for Sluice {
    fn default() -> Self {
        let since = watch::Sender::new(None);
        Self { closed: AtomicBool::new(false), drained: AtomicBool::new(false), since }
    }
}

impl Sluice {
    /// Whether it is paused: whoever wants a lease waits.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Since when.
    pub(crate) fn since(&self) -> Option<Instant> {
        *self.since.borrow()
    }

    /// Pauses it; one that is paused stays so since when it was. Gives whether that is news.
    pub(crate) fn close(&self) -> bool {
        self.since.send_if_modified(|since| {
            let news = since.is_none();
            since.get_or_insert_with(Instant::now);
            news
        });
        !self.closed.swap(true, Ordering::Relaxed)
    }

    /// Ends the pause. Gives whether there was one.
    pub(crate) fn open(&self) -> bool {
        let was = self.closed.swap(false, Ordering::Relaxed);
        self.since.send_replace(None);
        was
    }

    /// Comes back when the pause is over.
    pub(crate) async fn opened(&self) {
        // The sender lives as long as this.
        let _ = self.since.subscribe().wait_for(Option::is_none).await;
    }

    /// Whether it gets no new leases, which go elsewhere.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Says whether it gets none. Gives whether that is news.
    pub(crate) fn drain(&self, drained: bool) -> bool {
        self.drained.swap(drained, Ordering::Relaxed) != drained
    }

    /// Until when somebody waits here who came at `since`: a pause holds him for `limit` at most, and from then on he
    /// waits as long as he would have without one.
    pub(crate) fn deadline(&self, since: Instant, limit: Duration, lease_timeout: Duration) -> Instant {
        let over = self.since().map_or(since, |closed| closed + limit);
        over.max(since) + lease_timeout
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Sluice;

    #[test]
    fn a_pause_holds_for_its_limit_and_then_the_timeout_counts() {
        let (sluice, limit, timeout) = (Sluice::default(), Duration::from_secs(60), Duration::from_secs(10));
        let now = Instant::now();
        assert_eq!(sluice.deadline(now, limit, timeout), now + timeout);
        assert!(sluice.close() && !sluice.close() && sluice.is_closed());
        let closed = sluice.since().unwrap();
        assert_eq!(sluice.deadline(closed + timeout, limit, timeout), closed + limit + timeout);
        assert_eq!(sluice.deadline(closed + 2 * limit, limit, timeout), closed + 2 * limit + timeout);
        assert!(sluice.open() && !sluice.open() && sluice.since().is_none());
    }

    #[test]
    fn draining_is_something_else() {
        let sluice = Sluice::default();
        assert!(sluice.drain(true) && !sluice.drain(true) && sluice.is_drained() && !sluice.is_closed());
        assert!(sluice.drain(false) && !sluice.is_drained());
    }
}
