//! What is counted of one user and database of a log.

use std::time::Duration;

use super::meter::Levels;
use super::session::Session;
use super::{Busiest, Histogram, SHORT, Suspects, Traffic};

/// What was seen of one user and database.
#[derive(Debug, Clone)]
pub struct Group {
    /// The user; `None` where the log does not have its login.
    pub user: Option<Box<[u8]>>,
    /// The default database at its first statement; empty where there was none.
    pub database: Box<[u8]>,
    /// All for which there was no room.
    pub is_rest: bool,
    /// The numbers.
    pub traffic: Traffic,
    /// The pool's size if statements last ten times as long.
    pub size_if_slow: u64,
    /// Sessions that routines may pin to their ends, beside those that are pinned.
    pub maybe_pinned: u64,
    /// What pins.
    pub suspects: Suspects,
}

/// What is counted of a user and database.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) user: Option<Box<[u8]>>,
    pub(super) database: Box<[u8]>,
    pub(super) is_rest: bool,
    present: u64,
    pub(super) traffic: Traffic,
    /// Lives of those that have ended, in milliseconds.
    lives: Histogram,
    connects: Busiest,
    pub(super) statistics: Busiest,
    pub(super) maybe: u64,
    pub(super) suspects: Suspects,
}

impl Tally {
    pub(super) fn of(user: Option<Box<[u8]>>, database: Box<[u8]>) -> Self {
        Self { user, database, ..Self::default() }
    }

    /// Of those for whom there is no room.
    pub(super) fn rest() -> Self {
        Self { is_rest: true, ..Self::default() }
    }

    /// A connection is there.
    pub(super) fn enter(&mut self, logged_in: bool, now: i64, works: bool) {
        self.present += 1;
        self.traffic.peak_connections = self.traffic.peak_connections.max(self.present);
        self.traffic.sessions += u64::from(works);
        self.traffic.connections += u64::from(logged_in);
        // Nobody waits for one that does nothing.
        if logged_in && works {
            self.connects.note(now);
        }
    }

    /// It is gone.
    pub(super) fn part(&mut self, session: &Session, quit: bool, now: i64) {
        self.present = self.present.saturating_sub(1);
        self.traffic.pinned += u64::from(!session.pins.is_empty());
        // Who went without a word was there at least until its last entry.
        let until = if quit { now } else { session.last };
        let life = session.opened.map(|opened| Duration::from_micros(until.abs_diff(opened)));
        let seen = Duration::from_micros(now.abs_diff(session.opened.unwrap_or(now)));
        match life {
            Some(life) if life >= SHORT || quit || seen >= SHORT => {
                self.lives.add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
                let short = life < SHORT;
                self.traffic.short += u64::from(short);
                self.traffic.lasting += u64::from(!short);
            }
            // One that was there before the log, or to its end: nobody saw how long it lives, but it stays.
            _ => self.traffic.lasting += 1,
        }
    }

    /// What it comes to.
    pub(super) fn finish(self, observed: Duration, levels: [Option<&Levels>; 2]) -> Group {
        let [usual, slow] = levels;
        let size = |levels: Option<&Levels>| levels.map_or(0, |levels| levels.seen.percentile(99));
        let traffic = Traffic {
            observed,
            median_life: Duration::from_millis(self.lives.percentile(50)),
            connects_per_second: self.connects.rate(observed),
            statistics_per_second: self.statistics.rate(observed),
            size: size(usual),
            most: usual.map_or(0, |levels| levels.seen.max()),
            ..self.traffic
        };
        Group {
            user: self.user,
            database: self.database,
            is_rest: self.is_rest,
            traffic,
            size_if_slow: size(slow),
            maybe_pinned: self.maybe,
            suspects: self.suspects,
        }
    }
}
