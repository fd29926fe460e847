//! A session among those of its user and database.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use greenroom_protocol::advice::{SHORT, SLOW};
use greenroom_protocol::sql::{PinReason, PinSet};

use super::{Boards, Name, Observed, Pair, Whose};

/// Pins that are over with the next statements: they do not keep a session from sharing.
const PASSING: PinSet = PinSet::of(&[
    PinReason::Diagnostics,
    PinReason::FoundRows,
    PinReason::OneShotIsolation,
    PinReason::LongData,
    PinReason::Cursor,
]);

/// Counts a session for as long as it lives.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(super) pair: Rc<Pair>,
    /// Everybody's, where that is counted.
    pub(super) whole: Option<Rc<Pair>>,
    since: Instant,
    /// A pin holds it.
    pinned: Cell<bool>,
    /// One did when its client left.
    left_pinned: Cell<bool>,
}

/// Counts a lease for as long as it lasts: or where sessions have connections of their own, a transaction.
#[derive(Debug)]
pub(crate) struct Activity(Rc<Pair>, Option<Rc<Pair>>);

impl Presence {
    /// A session has logged in, on this worker of so many.
    pub(crate) fn new(observed: &Observed, boards: &Boards, name: Name, worker: (usize, usize), whole: bool) -> Self {
        let all = whole.then(|| Name { endpoint: name.endpoint.clone(), whose: Whose::All });
        let pair = observed.pair(name, boards, worker.0, worker.1);
        let whole = all.map(|all| observed.pair(all, boards, worker.0, worker.1));
        for pair in [&pair].into_iter().chain(&whole) {
            let now = pair.board.now();
            let mut comings = pair.board.comings();
            comings.connections += 1;
            comings.present += 1;
            comings.peak = comings.peak.max(comings.present);
            comings.connects.note(now);
        }
        Self { pair, whole, since: Instant::now(), pinned: Cell::default(), left_pinned: Cell::default() }
    }

    /// A statement has run.
    pub(crate) fn statement(&self, time: Duration) {
        for pair in self.pairs() {
            pair.statements.set(pair.statements.get() + 1);
            if time >= SLOW {
                pair.slow.set(pair.slow.get() + 1);
            }
        }
    }

    /// It has asked for `COM_STATISTICS`.
    pub(crate) fn statistics(&self) {
        self.pairs().for_each(|pair| pair.board.comings().statistics.note(pair.board.now()));
    }

    /// It has a lease from now on.
    pub(crate) fn begin(&self) -> Activity {
        for pair in self.pairs() {
            pair.leases.set(pair.leases.get() + 1);
            pair.active.set(pair.active.get() + 1);
            pair.levels.borrow_mut().add(pair.active.get() + pair.elsewhere.get());
        }
        if let Some(whole) = &self.whole {
            whole.fresh.borrow_mut().add(whole.active.get() + whole.elsewhere.get());
        }
        Activity(Rc::clone(&self.pair), self.whole.clone())
    }

    /// These pins hold it from now on.
    pub(crate) fn held_by(&self, pins: PinSet) {
        let pinned = !pins.difference(PASSING).is_empty();
        if self.pinned.replace(pinned) != pinned {
            for pair in self.pairs() {
                let now = pair.pinned.get();
                pair.pinned.set(if pinned { now + 1 } else { now.saturating_sub(1) });
            }
        }
    }

    /// Pins have begun with a statement of this shape, which is asked for where it matters.
    pub(crate) fn pins_begun(&self, pins: PinSet, shape: impl FnOnce() -> std::sync::Arc<str>) {
        let lasting = pins.difference(PASSING);
        if lasting.is_empty() {
            return;
        }
        let shape = shape();
        for pair in self.pairs() {
            let mut suspects = pair.suspects.borrow_mut();
            lasting.iter().for_each(|reason| suspects.note(reason, false, &shape));
        }
    }

    /// Where it counts.
    fn pairs(&self) -> impl Iterator<Item = &Rc<Pair>> {
        [&self.pair].into_iter().chain(&self.whole)
    }

    /// Its client has left: what holds it now held it to its end.
    pub(crate) fn leaves(&self) {
        self.left_pinned.set(self.left_pinned.get() || self.pinned.get());
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.leaves();
        self.held_by(PinSet::EMPTY);
        let life = self.since.elapsed();
        for pair in self.pairs() {
            let mut comings = pair.board.comings();
            comings.present = comings.present.saturating_sub(1);
            comings.lives.add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
            comings.short += u64::from(life < SHORT);
            comings.pinned += u64::from(self.left_pinned.get());
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        for pair in [&self.0].into_iter().chain(&self.1) {
            pair.active.set(pair.active.get().saturating_sub(1));
        }
    }
}
