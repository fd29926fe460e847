//! `SHOW QUERIES`: what statements came to, by their shapes.

use std::time::{Duration, Instant};

use greenroom_protocol::answer::Row;

use super::gather::ask;
use super::tables::{bytes, of, row};
use crate::queries::{self, ShowQueries, merged};
use crate::stage::Stage;

/// The shape of all that had no room of their own.
const OTHERS: &str = "(others)";

/// What all workers have counted, the rows that took the most time first.
pub(super) async fn rows(stage: &Stage) -> Vec<Row> {
    let epoch = stage.watching.epoch();
    let (answers, _) = ask(stage, ShowQueries { epoch }).await;
    let now = Instant::now();
    let rows = merged(answers.into_iter().flatten(), stage.watching.shapes());
    rows.iter().map(|row| shown(row, now)).collect()
}

fn shown(counted: &queries::Row, now: Instant) -> Row {
    let (name, sum) = (counted.name.as_deref(), &counted.sum);
    let shape = match name {
        Some(name) => bytes(&name.shape).filter(|shape| !shape.is_empty()),
        None => of(OTHERS),
    };
    let mut pins = sum.pins.clone();
    pins.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons: Vec<_> = pins.iter().map(|(reason, count)| format!("{}:{count}", reason.name())).collect();
    let mean = Duration::from_secs_f64(sum.time.as_secs_f64() / (sum.count.max(1)) as f64);
    row([
        shape,
        name.and_then(|name| of(&name.endpoint)),
        name.and_then(|name| bytes(&name.user)),
        name.and_then(|name| bytes(&name.database)).filter(|database| !database.is_empty()),
        of(sum.count),
        of(sum.errors),
        of(sum.rows),
        of(sum.affected),
        of(seconds(sum.time)),
        of(seconds(mean)),
        // As a cell's end it may lie beyond the longest.
        of(seconds(sum.latencies.percentile(99).min(sum.longest))),
        of(seconds(sum.longest)),
        of(seconds(sum.wait)),
        of(seconds(sum.longest_wait)),
        of(pins.iter().map(|(_, count)| count).sum::<u64>()),
        of(reasons.join(",")),
        sum.last.and_then(|last| of(seconds(now.saturating_duration_since(last)))),
    ])
}

/// Seconds, to the microsecond.
fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}
