//! What a shard keeps of one node: who waits, what is on its way, what other shards want of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use rustc_hash::FxHashMap;

use super::keys::Keys;
use super::line::{Line, PATIENCE};
use super::users::Full;
use super::{Lease, PoolShard, Transfer};
use crate::account::PoolKey;
use crate::backend::Blueprint;
use crate::node::Node;

/// How much sooner a waiter of another worker must have come to be served before ours:
/// strict order over workers would move a socket between threads for every lease while both have a line.
const SLACK: Duration = Duration::from_millis(10);

/// Connections that one shard opens at once to one node: enough to fill a pool in a moment, too few to be a storm.
const OPENING_AT_ONCE: usize = 8;

/// Wants of other shards that are remembered; each shard has at most one, and one for each user of [`Desk::full`].
const WANTS: usize = 1024;

/// One node as a shard sees it.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) node: Arc<Node>,
    /// The shard's index.
    shard: usize,
    pub(crate) line: Line<Lease>,
    /// Connections being opened.
    pub(crate) opening: usize,
    /// Connections told to end to make room, and not gone yet.
    pub(crate) evicting: usize,
    /// Connections could not be opened; the supervisor says when to try again.
    pub(crate) closed: bool,
    /// The last attempt to open one failed.
    pub(crate) failing: bool,
    /// A connection that nobody needed could not be opened: no other is tried before.
    pub(crate) no_spare_before: Option<Instant>,
    /// The other shards have been asked and have not answered.
    pub(crate) begging: bool,
    /// Users who may have no more connections.
    pub(crate) full: FxHashMap<u32, Full>,
    /// What other shards asked for and have not got.
    pub(crate) wants: VecDeque<Transfer>,
    /// Who is to be told when the next connection is gone.
    pub(crate) creditors: VecDeque<Addr<PoolShard>>,
    /// Keys for whose waiters connections of others are being closed.
    pub(crate) promised: VecDeque<u32>,
    /// Connections of each user's, but for those that make way.
    pub(crate) held: FxHashMap<u32, usize>,
    /// Idle connections.
    pub(crate) idle: usize,
    /// What was opened last: what is kept warm is of this kind.
    pub(crate) favourite: Option<(PoolKey, Blueprint)>,
}

impl Desk {
    pub(crate) fn new(node: Arc<Node>, shard: usize) -> Self {
        Self {
            node,
            shard,
            line: Line::default(),
            opening: 0,
            evicting: 0,
            closed: false,
            failing: false,
            no_spare_before: None,
            begging: false,
            full: FxHashMap::default(),
            wants: VecDeque::new(),
            creditors: VecDeque::new(),
            promised: VecDeque::new(),
            held: FxHashMap::default(),
            idle: 0,
            favourite: None,
        }
    }

    /// Whether another connection may be tried now.
    pub(crate) fn may_open(&self) -> bool {
        !self.closed && self.opening < OPENING_AT_ONCE
    }

    /// Lets the other shards see how things stand here. To be called whenever the line or the idle ones have changed.
    pub(crate) fn post(&mut self) {
        self.node.post(self.shard, self.line.len(), self.idle);
        // They drop our want when they see that nobody waits, so the next who waits must ask anew.
        if self.line.len() == 0 {
            self.answered();
        }
    }

    /// The other shards have answered, or are to be asked again.
    pub(crate) fn answered(&mut self) {
        self.begging = false;
        self.full.values_mut().for_each(|full| full.begging = false);
    }

    /// Remembers what another shard wants, in place of what it wanted before.
    pub(crate) fn want(&mut self, want: Transfer) {
        self.wants.retain(|old| (old.from, old.of) != (want.from, want.of));
        if self.wants.len() < WANTS {
            self.wants.push_back(want);
        }
    }

    /// The want to be met by a connection of this user's before our own waiters: its shard still has a line, and its head came
    /// well before ours. Where there are several users, it is whose turn it has been for longest.
    pub(crate) fn claim(&mut self, user: u32) -> Option<Transfer> {
        let node = &self.node;
        self.wants.retain(|want| node.waiting(want.from) > 0);
        let place = self.wants.iter().position(|want| want.of.is_none_or(|of| of == user))?;
        let want = self.wants.get(place)?;
        let first = if want.of.is_some() || (want.key.account == user && self.line.is_all_of(user)) {
            self.line.oldest_of(user).is_none_or(|ours| ours > want.since + SLACK)
        } else {
            self.line.due().is_none_or(|ours| ours > want.due + PATIENCE)
        };
        if first { self.wants.remove(place) } else { None }
    }

    /// The key that the next connection is promised to. A promise that nobody waits for any more is none.
    pub(crate) fn heir(&mut self, keys: &Keys) -> Option<u32> {
        while let Some(key) = self.promised.front().copied() {
            if self.line.unmet_of(key, keys.opening(key)).is_some() {
                return Some(key);
            }
            self.promised.pop_front();
        }
        None
    }

    /// A connection of a user's is here, or on its way.
    pub(crate) fn gain(&mut self, user: u32) {
        *self.held.entry(user).or_default() += 1;
    }

    /// A connection of a user's goes.
    pub(crate) fn lose(&mut self, user: u32) {
        if let Some(held) = self.held.get_mut(&user) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&user);
            }
        }
    }
}
