//! What administrators see of a shard. Asked for rarely.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Context, Handler, Message, MessageResult};
use rustc_hash::FxHashMap;

use super::crew::Doing;
use super::{BackendId, PoolShard};
use crate::account::Account;
use crate::settings::PoolMode;
use crate::sluice::Sluice;

/// Asks a shard for its pools and its connections.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "PoolView")]
pub(crate) struct ShowPool;

/// What a shard has.
#[derive(Debug, Clone, Default)]
pub(crate) struct PoolView {
    pub(crate) pools: Vec<ShownPool>,
    pub(crate) backends: Vec<ShownBackend>,
}

/// What is shared by the sessions of one account in one mode on one node.
#[derive(Debug, Clone)]
pub(crate) struct ShownPool {
    pub(crate) node: u16,
    pub(crate) account: Arc<Account>,
    pub(crate) mode: PoolMode,
    /// Connections by [`Doing`].
    pub(crate) counts: [usize; 4],
    pub(crate) waiting: usize,
    /// How long the first of those waits.
    pub(crate) longest: Duration,
}

/// One server connection.
#[derive(Debug, Clone)]
pub(crate) struct ShownBackend {
    pub(crate) id: BackendId,
    pub(crate) node: u16,
    pub(crate) account: Arc<Account>,
    pub(crate) mode: PoolMode,
    pub(crate) doing: Doing,
    /// The server's id of it; `None` while it is being opened.
    pub(crate) thread_id: Option<u32>,
    /// Since it came to this worker.
    pub(crate) age: Duration,
    /// For how long it has been idle, if it is.
    pub(crate) idle: Option<Duration>,
}

impl Doing {
    /// Its name, as in the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Idle => "idle",
            Self::Lent => "leased",
            Self::Cleaning => "cleaning",
        }
    }
}

impl PoolShard {
    /// How many connections to these nodes are with sessions, or on their way there; of an endpoint's sessions, if it is one.
    pub(crate) fn lent(&self, nodes: &[u16], endpoint: Option<&Sluice>) -> usize {
        let of = endpoint.map(Sluice::mark);
        let lent = |member: &&super::Member| {
            member.doing == Doing::Lent
                && nodes.contains(&member.node.index)
                && of.is_none_or(|mark| member.borrower == mark)
        };
        self.crew.iter().filter(lent).count()
    }

    fn shown(&self) -> PoolView {
        let now = Instant::now();
        let mut pools: FxHashMap<(u16, u32, PoolMode), ShownPool> = FxHashMap::default();
        let mut backends = Vec::new();
        for (id, member) in self.crew.named() {
            let Some(key) = self.keys.get(member.key).map(|known| &known.key) else { continue };
            let pool = (key.node, key.account, key.mode);
            let pool = pools.entry(pool).or_insert_with(|| ShownPool::of(&member.account, key.node, key.mode));
            if let Some(count) = pool.counts.get_mut(member.doing as usize) {
                *count += 1;
            }
            let idle = self.idle.get(id.slot).map(|resting| now.saturating_duration_since(resting.since));
            backends.push(ShownBackend {
                id,
                node: key.node,
                account: Arc::clone(&member.account),
                mode: key.mode,
                doing: member.doing,
                thread_id: member.thread_id,
                age: now.saturating_duration_since(member.since),
                idle,
            });
        }
        for desk in &self.desks {
            for waiter in desk.line.iter() {
                let ticket = &waiter.request.ticket;
                let (node, mode) = (desk.node.index, ticket.key.mode);
                let pool = pools.entry((node, ticket.account.id, mode));
                let pool = pool.or_insert_with(|| ShownPool::of(&ticket.account, node, mode));
                pool.waiting += 1;
                pool.longest = pool.longest.max(now.saturating_duration_since(waiter.since));
            }
        }
        PoolView { pools: pools.into_values().collect(), backends }
    }
}

impl ShownPool {
    fn of(account: &Arc<Account>, node: u16, mode: PoolMode) -> Self {
        Self { node, account: Arc::clone(account), mode, counts: [0; 4], waiting: 0, longest: Duration::ZERO }
    }
}

impl Handler<ShowPool> for PoolShard {
    type Result = MessageResult<ShowPool>;

    fn handle(&mut self, _: ShowPool, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.shown())
    }
}
