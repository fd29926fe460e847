//! Large results: how fast they come through.

use std::time::Instant;

use anyhow::ensure;

use crate::wire::{Target, Wire};

/// Large, so that this end needs few reads.
const BUFFER: usize = 256 * 1024;

/// Reads the result so often, and gives MB/s of the replies' bytes.
pub(crate) fn run(target: &Target, sql: &str, rows: u64, times: u32) -> anyhow::Result<String> {
    let mut buffer = vec![0; BUFFER];
    let mut wire = Wire::open(target, None, &mut buffer)?;
    let (begun, mut bytes) = (Instant::now(), 0);
    for _ in 0..times {
        let outcome = wire.run(sql)?;
        ensure!(outcome.rows == rows, "{} rows came where {rows} were due", outcome.rows);
        bytes += outcome.bytes;
    }
    let speed = bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    wire.quit()?;
    Ok(format!("{speed:.0}"))
}
