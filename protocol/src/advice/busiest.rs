//! How many events the busiest minute had.

use std::time::Duration;

/// In microseconds.
const MINUTE: i64 = 60_000_000;

/// Events in the busiest minute.
#[derive(Debug, Default, Clone, Copy)]
pub struct Busiest {
    minute: i64,
    count: u64,
    most: u64,
}

impl Busiest {
    /// One happens, at a time in microseconds that does not go back.
    pub fn note(&mut self, at: i64) {
        let minute = at.div_euclid(MINUTE);
        if minute != self.minute {
            (self.minute, self.count) = (minute, 0);
        }
        self.count += 1;
        self.most = self.most.max(self.count);
    }

    /// So many a second, of what was looked at for so long.
    #[must_use]
    pub fn rate(self, observed: Duration) -> f64 {
        self.most as f64 / observed.as_secs_f64().clamp(1.0, 60.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Busiest, MINUTE};

    #[test]
    fn the_busiest_minute_counts() {
        let mut busiest = Busiest::default();
        (0..30).for_each(|at| busiest.note(at * 1_000_000));
        (0..90).for_each(|at| busiest.note(MINUTE + at * 1000));
        busiest.note(5 * MINUTE);
        assert_eq!(busiest.rate(Duration::from_secs(300)), 1.5);
        assert_eq!(busiest.rate(Duration::from_secs(10)), 9.0);
        assert_eq!(Busiest::default().rate(Duration::ZERO), 0.0);
    }
}
