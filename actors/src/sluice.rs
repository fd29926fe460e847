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
    pause: watch::Sender<Pause>,
}

/// The last pause, if there has been one.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    /// Since when it is closed.
    since: Option<Instant>,
    /// When it was last opened.
    over: Option<Instant>,
}

impl Default for Sluice {
    fn default() -> Self {
        let pause = watch::Sender::new(Pause::default());
        Self { closed: AtomicBool::new(false), drained: AtomicBool::new(false), pause }
    }
}

impl Sluice {
    /// What tells it from others, for as long as it lives.
    pub(crate) fn mark(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether it is paused: whoever wants a lease waits.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Pauses it; one that is paused stays so since when it was. Gives whether that is news.
    pub(crate) fn close(&self) -> bool {
        self.pause.send_if_modified(|pause| {
            let news = pause.since.is_none();
            pause.since.get_or_insert_with(Instant::now);
            news
        });
        !self.closed.swap(true, Ordering::Relaxed)
    }

    /// Ends the pause. Gives whether there was one.
    pub(crate) fn open(&self) -> bool {
        let was = self.closed.swap(false, Ordering::Relaxed);
        self.pause.send_if_modified(|pause| {
            let was = pause.since.take().is_some();
            if was {
                pause.over = Some(Instant::now());
            }
            was
        });
        was
    }

    /// Comes back when the pause is over.
    pub(crate) async fn opened(&self) {
        // The sender lives as long as this.
        let _ = self.pause.subscribe().wait_for(|pause| pause.since.is_none()).await;
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
    /// waits as long as he would have without one. What a pause that is over took of his time is given back.
    pub(crate) fn deadline(&self, since: Instant, limit: Duration, lease_timeout: Duration) -> Instant {
        let pause = *self.pause.borrow();
        let over = pause.since.map(|closed| closed + limit).or(pause.over).unwrap_or(since);
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
        let closed = sluice.pause.borrow().since.unwrap();
        assert_eq!(sluice.deadline(closed + timeout, limit, timeout), closed + limit + timeout);
        assert_eq!(sluice.deadline(closed + 2 * limit, limit, timeout), closed + 2 * limit + timeout);
        assert!(sluice.open() && !sluice.open() && !sluice.is_closed());
        let (before, later) = (sluice.deadline(closed, limit, timeout), Instant::now());
        assert!(closed + timeout <= before && before <= later + timeout);
        assert_eq!(sluice.deadline(later, limit, timeout), later + timeout);
    }

    #[test]
    fn draining_is_something_else() {
        let sluice = Sluice::default();
        assert!(sluice.drain(true) && !sluice.drain(true) && sluice.is_drained() && !sluice.is_closed());
        assert!(sluice.drain(false) && !sluice.is_drained());
    }
}
