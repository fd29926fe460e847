//! What was observed, put together of all workers.

use std::sync::Arc;
use std::time::Duration;

use actix::{Context, Handler, Message, MessageResult};
use greenroom_protocol::advice::{Histogram, Suspects, Traffic};

use super::{Board, Name, Observed};
use crate::console::ask;
use crate::local::Local;
use crate::pool::PoolShard;
use crate::stage::Stage;

/// Asks a worker what it has counted.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Part>")]
pub(crate) struct ShowAdvice;

/// One worker's part.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    board: Arc<Board>,
    statements: u64,
    slow: u64,
    leases: u64,
    levels: Histogram,
    pinned: u64,
    suspects: Suspects,
}

/// A user and database of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) name: Name,
    pub(crate) traffic: Traffic,
    pub(crate) suspects: Suspects,
}

impl Observed {
    fn parts(&self) -> Vec<Part> {
        let pairs = self.0.borrow();
        let part = |pair: &std::rc::Rc<super::Pair>| Part {
            board: Arc::clone(&pair.board),
            statements: pair.statements.get(),
            slow: pair.slow.get(),
            leases: pair.leases.get(),
            levels: pair.levels.borrow().clone(),
            pinned: pair.pinned.get(),
            suspects: pair.suspects.borrow().clone(),
        };
        pairs.values().map(part).collect()
    }
}

/// Asks all workers; those of one endpoint together, the busiest first.
pub(crate) async fn seen(stage: &Stage) -> Vec<Seen> {
    let mut parts: Vec<Part> = Vec::new();
    for part in ask(stage, ShowAdvice).await.0.into_iter().flatten() {
        match parts.iter_mut().find(|known| Arc::ptr_eq(&known.board, &part.board)) {
            Some(known) => known.add(&part),
            None => parts.push(part),
        }
    }
    let mut all: Vec<_> = parts.into_iter().map(Part::finish).collect();
    let order = |it: &Seen| (it.name.endpoint.clone(), std::cmp::Reverse(it.traffic.statements));
    all.sort_by_key(order);
    all
}

impl Part {
    fn add(&mut self, other: &Self) {
        self.statements += other.statements;
        self.slow += other.slow;
        self.leases += other.leases;
        self.levels.merge(&other.levels);
        self.pinned += other.pinned;
        self.suspects.merge(&other.suspects);
    }

    fn finish(self) -> Seen {
        let comings = self.board.comings().clone();
        let observed = self.board.since.elapsed();
        let ended = comings.lives.count();
        let traffic = Traffic {
            observed,
            connections: comings.connections,
            short: comings.short,
            // Nobody knows how long those will live that are there, but they stay.
            lasting: ended.saturating_sub(comings.short) + comings.present,
            median_life: Duration::from_millis(comings.lives.percentile(50)),
            connects_per_second: comings.connects.rate(observed),
            peak_connections: comings.peak,
            statistics_per_second: comings.statistics.rate(observed),
            statements: self.statements,
            slow: Some(self.slow),
            transactions: self.leases,
            sessions: comings.connections,
            pinned: comings.pinned + self.pinned,
            size: self.levels.percentile(99),
            most: self.levels.max(),
        };
        Seen { name: self.board.name.clone(), traffic, suspects: self.suspects }
    }
}

impl Handler<ShowAdvice> for PoolShard {
    type Result = MessageResult<ShowAdvice>;

    fn handle(&mut self, _: ShowAdvice, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Local::here().observed.parts())
    }
}
