//! How many leases would have been out at once, from when sessions began to need one and when they ceased to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::Histogram;

/// Events of one moment that are kept to be spread over it.
const MOST: usize = 1 << 20;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It runs a statement, after which it needs no connection.
    Once,
    /// It runs a statement, after which it still does: inside a transaction, or pinned.
    On,
    /// It is gone.
    Gone,
}

/// Counts leases.
///
/// Logs tell when a statement began, not how long it took: each is taken to last equally long. Where they tell the time in
/// seconds, what came within one is spread evenly over it.
#[derive(Debug)]
pub struct Meter {
    /// How long a statement is taken to last, in microseconds.
    lasts: i64,
    /// The moment whose events are gathered, and how long it is.
    moment: (i64, i64),
    events: Vec<(u64, u32, Need)>,
    holders: FxHashMap<u64, Holder>,
    /// When statements end.
    ends: BinaryHeap<Reverse<(i64, u64)>>,
    all: Levels,
    groups: Vec<Levels>,
}

/// A session with a lease.
#[derive(Debug, Clone, Copy)]
struct Holder {
    group: u32,
    /// It needs it past its statement.
    keeps: bool,
    /// When its statement ends.
    until: i64,
    /// An end of it is among `ends`.
    is_due: bool,
}

/// How many are out, and how many were at each lease.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    now: u64,
    /// The leases out when one began, itself counted.
    pub seen: Histogram,
}

impl Levels {
    fn rise(&mut self) {
        self.now += 1;
        self.seen.add(self.now);
    }
}

impl Meter {
    /// One that takes a statement to last so many microseconds.
    #[must_use]
    pub fn new(lasts: i64) -> Self {
        Self {
            lasts: lasts.max(0),
            moment: (i64::MIN, 1),
            events: Vec::new(),
            holders: FxHashMap::default(),
            ends: BinaryHeap::new(),
            all: Levels::default(),
            groups: Vec::new(),
        }
    }

    /// A session of a group does something in a moment that is so long, in microseconds. Moments do not go back.
    pub fn note(&mut self, at: i64, length: i64, session: u64, group: u32, need: Need) {
        if self.moment.0 != at || self.events.len() >= MOST {
            self.spread();
            self.moment = (at, length.max(1));
        }
        self.events.push((session, group, need));
    }

    /// What was counted: of all, and of each group.
    #[must_use]
    pub fn finish(mut self) -> (Levels, Vec<Levels>) {
        self.spread();
        (self.all, self.groups)
    }

    fn spread(&mut self) {
        let events = std::mem::take(&mut self.events);
        let (from, length) = self.moment;
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX).max(1);
        for ((session, group, need), index) in events.iter().zip(0_i64..) {
            let within = i128::from(length) * i128::from(index) / i128::from(count);
            self.happen(from.saturating_add(within as i64), *session, *group, *need);
        }
        self.events = events;
        self.events.clear();
    }

    fn happen(&mut self, at: i64, session: u64, group: u32, need: Need) {
        self.expire(at);
        if need == Need::Gone {
            self.give_back(session);
            return;
        }
        let until = at.saturating_add(self.lasts);
        let is_new = !self.holders.contains_key(&session);
        let new = Holder { group, keeps: false, until, is_due: false };
        let holder = self.holders.entry(session).or_insert(new);
        (holder.keeps, holder.until) = (need == Need::On, until);
        if !holder.keeps && !std::mem::replace(&mut holder.is_due, true) {
            self.ends.push(Reverse((until, session)));
        }
        if is_new {
            self.all.rise();
            self.levels(group).rise();
        }
    }

    fn expire(&mut self, now: i64) {
        while let Some(Reverse((end, session))) = self.ends.peek().copied()
            && end <= now
        {
            self.ends.pop();
            let Some(holder) = self.holders.get_mut(&session) else { continue };
            holder.is_due = false;
            match holder.keeps {
                true => {}
                false if holder.until > now => {
                    holder.is_due = true;
                    self.ends.push(Reverse((holder.until, session)));
                }
                false => self.give_back(session),
            }
        }
    }

    fn give_back(&mut self, session: u64) {
        let Some(holder) = self.holders.remove(&session) else { return };
        self.all.now = self.all.now.saturating_sub(1);
        let levels = self.levels(holder.group);
        levels.now = levels.now.saturating_sub(1);
    }

    fn levels(&mut self, group: u32) -> &mut Levels {
        let index = group as usize;
        if self.groups.len() <= index {
            self.groups.resize_with(index + 1, Levels::default);
        }
        &mut self.groups[index]
    }
}
