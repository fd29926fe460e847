//! Statements by their shapes: how many there were, how long they took, which of them were slow.
//!
//! Each worker counts in a table of its own (`table.rs`); they are put together when somebody asks. What is to be watched at
//! all is in a few atomics that sessions look at with each command.

mod latency;
mod slow;
mod table;

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Context, Handler, Message, MessageResult};

use self::slow::Valve;
pub(crate) use self::table::{Key, Outcome, Place, Row, Table, merged};
use crate::local::Local;
use crate::pool::PoolShard;
use crate::settings::QuerySettings;

/// Statements are counted.
const COUNTED: u8 = 1;
/// Slow ones are logged.
const LOGGED: u8 = 2;
/// Sampled ones are traced.
const TRACED: u8 = 4;

/// What is watched, for the whole process.
#[derive(Debug)]
pub(crate) struct Watching {
    what: AtomicU8,
    shapes: AtomicUsize,
    slow_nanos: AtomicU64,
    /// How often everything counted was forgotten.
    epoch: AtomicU32,
    valve: Valve,
    begun: Instant,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            what: AtomicU8::new(0),
            shapes: AtomicUsize::new(0),
            slow_nanos: AtomicU64::new(u64::MAX),
            epoch: AtomicU32::new(0),
            valve: Valve::default(),
            begun: Instant::now(),
        }
    }
}

/// Asks a worker for what it has counted.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Row>")]
pub(crate) struct ShowQueries {
    pub(crate) epoch: u32,
}

impl Watching {
    /// Other settings are in force.
    pub(crate) fn resettle(&self, settings: &QuerySettings) {
        let slow = settings.slow_query_time;
        self.shapes.store(settings.query_shapes, Ordering::Relaxed);
        self.slow_nanos.store(slow.map_or(u64::MAX, nanos), Ordering::Relaxed);
        self.valve.resettle(settings.slow_query_rate);
        self.switch(COUNTED, settings.query_statistics);
        self.switch(LOGGED, slow.is_some());
    }

    /// Sampled statements are traced from now on.
    pub(crate) fn trace(&self) {
        self.switch(TRACED, true);
    }

    fn switch(&self, what: u8, on: bool) {
        match on {
            true => self.what.fetch_or(what, Ordering::Relaxed),
            false => self.what.fetch_and(!what, Ordering::Relaxed),
        };
    }

    /// Whether anything is.
    pub(crate) fn any(&self) -> bool {
        self.what.load(Ordering::Relaxed) != 0
    }

    /// Whether statements are counted.
    pub(crate) fn counts(&self) -> bool {
        self.what.load(Ordering::Relaxed) & COUNTED != 0
    }

    /// Whether sampled statements are traced.
    pub(crate) fn traces(&self) -> bool {
        self.what.load(Ordering::Relaxed) & TRACED != 0
    }

    /// Whether a statement that took so long is to be logged.
    pub(crate) fn is_slow(&self, time: Duration) -> bool {
        nanos(time) >= self.slow_nanos.load(Ordering::Relaxed)
    }

    /// Whether one more slow statement may be logged now, and how many could not since the last that was.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.valve.pass(u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX))
    }

    /// Rows that a table may have.
    pub(crate) fn shapes(&self) -> usize {
        self.shapes.load(Ordering::Relaxed)
    }

    /// How often everything counted was forgotten.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Everything counted so far is to be forgotten: each worker does so when it next looks at its table.
    pub(crate) fn reset(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Handler<ShowQueries> for PoolShard {
    type Result = MessageResult<ShowQueries>;

    fn handle(&mut self, show: ShowQueries, _: &mut Context<Self>) -> Self::Result {
        let local = Local::here();
        let mut table = local.queries.borrow_mut();
        table.renew(show.epoch);
        MessageResult(table.rows())
    }
}
