//! What sessions were seen to do, by endpoint, user and database: what `SHOW ADVICE` goes by.
//!
//! What happens with every statement and lease is counted by each worker in cells of its own ([`Pair`]). What happens at
//! logins and ends of sessions stands on a [`Board`] that all workers share, under a lock; so does how many leases
//! each worker has out, which it writes there, and reads of the others, ten times a second.

mod presence;
mod shown;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use greenroom_protocol::advice::{Busiest, Histogram, Suspects};
use metrics::{counter, histogram};
use rustc_hash::FxHashMap;

pub(crate) use self::presence::{Activity, Presence};
pub(crate) use self::shown::{Seen, seen};
use crate::metrics as names;

/// Users and databases that are told apart; later ones count together, by endpoint.
const PAIRS: usize = 256;

/// Whose traffic it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) endpoint: String,
    pub(crate) whose: Whose,
}

/// Of whom, at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// A user as clients name it, and the database of the login, empty where it named none.
    One(Box<[u8]>, Box<[u8]>),
    /// All for whom there was no room.
    Rest,
    /// Everybody: where a transaction pool is tried in the shadow of another.
    All,
}

/// What all workers share of a user and database.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) name: Name,
    since: Instant,
    /// Leases out, by worker.
    active: Box<[AtomicU64]>,
    comings: Mutex<Comings>,
}

/// What is counted where sessions come and go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comings {
    pub(crate) connections: u64,
    pub(crate) present: u64,
    pub(crate) peak: u64,
    /// Of those that are gone, in milliseconds.
    pub(crate) lives: Histogram,
    pub(crate) short: u64,
    pub(crate) connects: Busiest,
    pub(crate) statistics: Busiest,
    /// Of those that are gone, those that a pin held.
    pub(crate) pinned: u64,
}

/// All boards of a process.
#[derive(Debug, Default)]
pub(crate) struct Boards(Mutex<FxHashMap<Name, Arc<Board>>>);

/// What one worker counts of a user and database.
#[derive(Debug)]
pub(crate) struct Pair {
    board: Arc<Board>,
    worker: usize,
    statements: Cell<u64>,
    slow: Cell<u64>,
    leases: Cell<u64>,
    /// Leases out here.
    active: Cell<u64>,
    /// And on other workers, as they were a tenth of a second ago.
    elsewhere: Cell<u64>,
    /// How many were out at each lease, itself counted.
    levels: RefCell<Histogram>,
    /// Of these, those since the last hand-over; of everybody of an endpoint alone.
    fresh: RefCell<Histogram>,
    /// Sessions that a pin holds now.
    pinned: Cell<u64>,
    /// Statements with which pins have begun.
    suspects: RefCell<Suspects>,
}

/// A worker's pairs.
#[derive(Debug, Default)]
pub(crate) struct Observed(RefCell<FxHashMap<Name, Rc<Pair>>>);

impl Boards {
    /// The board of that name, or of those for whom there is no room.
    fn of(&self, name: Name, workers: usize) -> Arc<Board> {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = boards.len() >= PAIRS && !boards.contains_key(&name);
        let name = if is_full && name.whose != Whose::All { Name { whose: Whose::Rest, ..name } } else { name };
        Arc::clone(boards.entry(name.clone()).or_insert_with(|| Arc::new(Board::new(name, workers))))
    }
}

impl Board {
    fn new(name: Name, workers: usize) -> Self {
        Self {
            name,
            since: Instant::now(),
            active: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            comings: Mutex::default(),
        }
    }

    fn comings(&self) -> MutexGuard<'_, Comings> {
        self.comings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since it was first looked at.
    fn now(&self) -> i64 {
        i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Pair {
    fn new(board: Arc<Board>, worker: usize) -> Self {
        Self {
            board,
            worker,
            statements: Cell::default(),
            slow: Cell::default(),
            leases: Cell::default(),
            active: Cell::default(),
            elsewhere: Cell::default(),
            levels: RefCell::default(),
            fresh: RefCell::default(),
            pinned: Cell::default(),
            suspects: RefCell::default(),
        }
    }

    fn publish(&self) {
        let mut elsewhere = 0;
        for (worker, active) in self.board.active.iter().enumerate() {
            if worker == self.worker {
                active.store(self.active.get(), Ordering::Relaxed);
            } else {
                elsewhere += active.load(Ordering::Relaxed);
            }
        }
        self.elsewhere.set(elsewhere);
        let fresh = self.fresh.take();
        if fresh.count() > 0 {
            let endpoint = || self.board.name.endpoint.clone();
            counter!(names::SHADOW_LEASES, "endpoint" => endpoint()).increment(fresh.count());
            let connections = histogram!(names::SHADOW_CONNECTIONS, "endpoint" => endpoint());
            fresh.iter().for_each(|(level, times)| record(&connections, level, times));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of connections are far below 2^52")]
fn record(histogram: &metrics::Histogram, level: u64, times: u64) {
    histogram.record_many(level as f64, usize::try_from(times).unwrap_or(usize::MAX));
}

impl Observed {
    /// This worker's counts of a user and database.
    fn pair(&self, name: Name, boards: &Boards, worker: usize, workers: usize) -> Rc<Pair> {
        if let Some(known) = self.0.borrow().get(&name) {
            return Rc::clone(known);
        }
        let board = boards.of(name, workers);
        let mut pairs = self.0.borrow_mut();
        let pair = pairs.entry(board.name.clone()).or_insert_with(|| Rc::new(Pair::new(board, worker)));
        Rc::clone(pair)
    }

    /// Tells the other workers how many leases are out here, and hears of theirs.
    pub(crate) fn publish(&self) {
        self.0.borrow().values().for_each(|pair| pair.publish());
    }
}

#[cfg(test)]
mod tests;
