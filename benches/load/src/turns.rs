//! Sessions that take turns: a statement each, one after the other, so that every one finds another's connection.

use std::time::{Duration, Instant};

use crate::connect::percentile;
use crate::wire::{Target, Wire};

const BUFFER: usize = 16 * 1024;

/// Opens so many sessions in turn, in so many different states, and lets them select for so long. The sessions share a
/// buffer: only one is waiting for a reply at any time.
pub(crate) fn run(target: &Target, sessions: usize, states: usize, time: Duration) -> anyhow::Result<String> {
    let mut buffer = vec![0; BUFFER];
    let mut lines = Vec::with_capacity(sessions);
    for number in 0..sessions {
        let mut wire = Wire::open(target, None, &mut buffer)?;
        if states > 1 {
            wire.run(&format!("SET SESSION group_concat_max_len = {}", 4096 + number % states))?;
        }
        lines.push(wire.into_line());
    }
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        for line in std::mem::take(&mut lines) {
            let before = Instant::now();
            let mut wire = line.take_up(&mut buffer);
            wire.run("SELECT c FROM sbtest1 WHERE id = 5000")?;
            took.push(before.elapsed());
            lines.push(wire.into_line());
        }
    }
    took.sort_unstable();
    Ok(format!("{} {:.3} {:.3}", took.len(), percentile(&took, 50), percentile(&took, 99)))
}
