//! Short connections: what an application without a pool of its own does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::wire::{Target, Wire};

const BUFFER: usize = 16 * 1024;

/// Opens connections from so many clients at once, for so long.
pub(crate) fn run(target: &Target, clients: usize, time: Duration) -> anyhow::Result<String> {
    let (begun, resumed) = (Instant::now(), &AtomicUsize::new(0));
    let mut took = thread::scope(|scope| {
        let running: Vec<_> =
            (0..clients).map(|_| scope.spawn(move || client(target, begun + time, resumed))).collect();
        let each = running.into_iter().map(|client| client.join().map_err(|_| anyhow!("a client panicked"))?);
        each.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    took.sort_unstable();
    let a_second = took.len() as f64 / begun.elapsed().as_secs_f64();
    let figures = format!("{} {a_second:.0} {:.2} {:.2}", took.len(), percentile(&took, 95), percentile(&took, 99));
    let resumed = 100 * resumed.load(Ordering::Relaxed) / took.len().max(1);
    Ok(if target.is_encrypted() { format!("{figures} {resumed}") } else { figures })
}

fn client(target: &Target, until: Instant, resumed: &AtomicUsize) -> anyhow::Result<Vec<Duration>> {
    let (mut buffer, mut took) = (vec![0; BUFFER], Vec::new());
    while Instant::now() < until {
        let begun = Instant::now();
        let mut wire = Wire::open(target, None, &mut buffer)?;
        resumed.fetch_add(usize::from(wire.is_resumed()), Ordering::Relaxed);
        wire.run("SELECT 1")?;
        wire.quit()?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// In milliseconds; 0 of none.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::percentile;
    use std::time::Duration;

    #[test]
    fn a_percentile_is_the_least_that_so_many_did_not_exceed() {
        let took: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile(&took, 95), percentile(&took, 99)), (190.0, 198.0));
        assert_eq!((percentile(&took[..1], 95), percentile(&[], 95)), (1.0, 0.0));
    }
}
