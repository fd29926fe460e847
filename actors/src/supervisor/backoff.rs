//! How long to wait before something that failed is tried again. Pure: time and chance are arguments.

use std::time::{Duration, Instant};

/// Delay before the first new attempt.
const FIRST: Duration = Duration::from_millis(20);

/// Delay between attempts at what is not given up: a server without room may have some at any time.
const PATIENT: Duration = Duration::from_millis(500);

/// No delay is longer.
const LONGEST: Duration = Duration::from_secs(2);

/// Attempts within [`PERIOD`] before it is given up until a probe says otherwise.
const BUDGET: u32 = 5;

/// Failures farther apart than this are not of one series.
const PERIOD: Duration = Duration::from_secs(30);

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again after this delay.
    Retry(Duration),
    /// The budget is used up.
    GiveUp,
    /// A new attempt is already due: this failure is of the same series.
    Pending,
}

/// One series of failures.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Backoff {
    failures: u32,
    last: Option<Instant>,
    pending: bool,
}

impl Backoff {
    /// A failure; `chance` in 0..=255 spreads the delay over half of itself, so that shards do not all come back at once.
    pub(crate) fn failed(&mut self, now: Instant, chance: u8) -> Decision {
        if self.last.is_none_or(|last| now.saturating_duration_since(last) > PERIOD) {
            self.failures = 0;
        }
        self.last = Some(now);
        if self.pending {
            return Decision::Pending;
        }
        self.failures += 1;
        if self.failures > BUDGET {
            return Decision::GiveUp;
        }
        self.pending = true;
        let full = FIRST.saturating_mul(2_u32.saturating_pow(self.failures - 1)).min(LONGEST);
        Decision::Retry(spread(full, chance))
    }

    /// It is not to be given up, however often it fails: how long to wait before the next attempt.
    pub(super) fn carry_on(&mut self, chance: u8) -> Duration {
        self.pending = true;
        spread(PATIENT, chance)
    }

    /// The new attempt is made.
    pub(crate) fn retried(&mut self) {
        self.pending = false;
    }

    /// It works again.
    pub(crate) fn recovered(&mut self) {
        *self = Self::default();
    }
}

/// Half of it for sure, the other half by chance.
fn spread(full: Duration, chance: u8) -> Duration {
    full / 2 + full * u32::from(chance) / 510
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BUDGET, Backoff, Decision, PERIOD};

    #[test]
    fn delays_double_until_the_budget_is_used_up() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..BUDGET {
            let Decision::Retry(delay) = backoff.failed(now, 255) else { panic!("given up too soon") };
            delays.push(delay.as_millis());
            assert_eq!(backoff.failed(now, 255), Decision::Pending);
            backoff.retried();
        }
        assert_eq!(delays, [20, 40, 80, 160, 320]);
        assert_eq!(backoff.failed(now, 0), Decision::GiveUp);
        assert_eq!(
            backoff.failed(now + PERIOD + Duration::from_secs(1), 0),
            Decision::Retry(Duration::from_millis(10))
        );
        backoff.recovered();
        assert_eq!(backoff.failed(now, 0), Decision::Retry(Duration::from_millis(10)));
        assert_eq!(backoff.carry_on(255).as_millis(), 500);
        assert_eq!(backoff.failed(now, 0), Decision::Pending);
    }
}
