//! What a shard does by the clock: expire, refuse, keep warm, publish.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Context;

use super::crew::Doing;
use super::handlers::refuse;
use super::idle::{Resting, Shelf};
use super::{PoolShard, Rest, ShardView};
use crate::end::BackendEnd;
use crate::node::Node;

/// Half the supervisor's tick: what falls due nearer to this tick than to the next is closed with this one.
const HALF_TICK: Duration = Duration::from_millis(50);

/// How long a connection may lie idle where another process has taken over, which needs its place on the server.
const RETIRED: Duration = Duration::from_secs(1);

impl Resting {
    /// The same as a connection's release says it.
    pub(super) fn rest(&self) -> Rest {
        let Shelf { has_database, has_user_variables, .. } = self.shelf;
        Rest { print: self.print, has_database, has_user_variables }
    }
}

impl PoolShard {
    /// Every node that was ever used here.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.desks.iter().map(|desk| Arc::clone(&desk.node)).collect()
    }

    /// A connection's opening is over, well or badly.
    pub(super) fn opened(&mut self, key: u32, node: &Arc<Node>) {
        let desk = self.desk(node);
        desk.opening = desk.opening.saturating_sub(1);
        if let Some(known) = self.keys.get_mut(key) {
            known.opening = known.opening.saturating_sub(1);
        }
    }

    /// Says where a server has fewer connections for us than is configured.
    pub(super) fn tell_limit(&self, node: &Node) {
        if let Some(theirs) = node.tell_server_limit() {
            let settings = node.settings();
            slog::warn!(self.stage.log, "max_connections of the node is more than its server leaves: fewer are opened";
                "node" => &settings.name, "configured" => settings.max_connections, "used" => node.ceiling(),
                "max_connections of the server" => theirs, "reserve" => settings.reserve);
        }
    }

    /// An idle connection that the most urgent want of another shard could take as it is.
    pub(super) fn preferred(&mut self, of: Option<u32>, node: &Arc<Node>) -> Option<u32> {
        let want = self.desk(node).wants.iter().find(|want| want.of == of)?;
        let (key, has_database) = (want.key.clone(), want.has_database);
        let key = self.keys.find(&key)?;
        Shelf { key, has_database, has_user_variables: false }.usable().find_map(|shelf| self.idle.any(shelf))
    }

    /// Closes an idle connection if there are more than may be: the limit has been lowered, or the share of a fleet.
    pub(super) fn thin_out(&mut self, slot: u32, node: &Node) -> bool {
        if !node.claim_surplus() {
            return false;
        }
        if let Some(member) = self.crew.at(slot) {
            member.surplus = true;
        }
        self.expire(slot, BackendEnd::Surplus);
        true
    }

    /// Closes as many of those that idle at a node as are too many.
    pub(super) fn thin_out_idle(&mut self, node: &Arc<Node>) {
        node.look_for_crowd();
        while node.is_crowded() {
            let keys = &self.keys;
            let idle = self.idle.oldest(|shelf| keys.node(shelf.key) == Some(node.index));
            if !idle.is_some_and(|slot| self.thin_out(slot, node)) {
                return;
            }
        }
    }

    /// Closes what has lain idle too long, but for the node's `min_idle` of this worker.
    pub(super) fn expire_idle(&mut self, now: Instant) {
        for slot in self.crew.overdue(now) {
            self.expire(slot, BackendEnd::Lifetime);
        }
        let keys = &self.keys;
        let longest = if self.stage.is_retiring() { RETIRED } else { Duration::MAX };
        let mut late = Vec::new();
        self.idle.sweep(|slot, resting| {
            let limit = keys.idle_timeout(resting.shelf.key).min(longest);
            let due = now.saturating_duration_since(resting.since) + HALF_TICK >= limit;
            if due {
                late.push(slot);
            }
            due
        });
        for slot in late {
            let Some(node) = self.crew.at(slot).map(|member| Arc::clone(&member.node)) else { continue };
            let warm = self.warm(&node);
            if self.desk(&node).idle > warm {
                self.expire(slot, BackendEnd::Idle);
            }
        }
    }

    /// Refuses those whose time is up, and forgets those who went away.
    pub(super) fn refuse_late(&mut self, now: Instant) {
        for node in self.nodes() {
            let gone =
                self.desk(&node).line.remove(|waiter| waiter.deadline <= now || waiter.request.reply.is_closed());
            self.desk(&node).line.forget(now);
            self.desk(&node).post();
            for waiter in gone {
                self.keys.leave(waiter.key);
                let waited = now.saturating_duration_since(waiter.since);
                self.local.waited(waited, false, || waiter.request.ticket.who());
                let refusal = self.desk(&node).late(&waiter, waited);
                refuse(waiter.request, refusal);
            }
        }
    }

    /// Opens a connection where fewer than `min_idle` are left, for the key that was used last.
    pub(super) fn keep_warm(&mut self, node: &Arc<Node>, ctx: &Context<Self>) {
        let warm = self.warm(node);
        let desk = self.desk(node);
        if warm == 0 || desk.idle + desk.opening >= warm || !desk.may_open() {
            return;
        }
        let Some((key, blueprint)) = desk.favourite.clone() else { return };
        let quota = blueprint.account.quotas.of(node.index);
        if quota.limit().is_none()
            && let Some(permit) = node.admit()
        {
            let key = self.keys.enter(&key);
            self.open(key, (permit, quota.enter()), blueprint, ctx);
            self.keys.leave(key);
        }
    }

    /// This worker's share of a node's `min_idle`; nothing where another process keeps it, or the node is drained.
    fn warm(&self, node: &Node) -> usize {
        if self.stage.is_retiring() || node.sluice.is_drained() {
            return 0;
        }
        node.settings().min_idle.div_ceil(self.stage.workers().max(1))
    }

    /// Takes a place out of the idle lists, wherever it stands.
    pub(super) fn untake(&mut self, slot: u32) {
        if self.idle.take(slot).is_some()
            && let Some(node) = self.crew.at(slot).map(|member| Arc::clone(&member.node))
        {
            let desk = self.desk(&node);
            desk.idle -= 1;
            desk.post();
        }
    }

    /// The shard's counts.
    pub(super) fn view(&self) -> ShardView {
        let count = |doing| self.crew.iter().filter(|member| member.doing == doing).count();
        ShardView {
            opening: count(Doing::Opening),
            idle: self.idle.len(),
            leased: count(Doing::Lent),
            cleaning: count(Doing::Cleaning),
            waiting: self.desks.iter().map(|desk| desk.line.len()).sum::<usize>()
                + self.homeless.len()
                + self.held.len(),
        }
    }

    /// Brings this worker's counts to where they are scraped from.
    pub(super) fn publish(&mut self) {
        for desk in &self.desks {
            let here = |member: &&super::Member| Arc::ptr_eq(&member.node, &desk.node);
            let mut counts = [0_usize; 4];
            for member in self.crew.iter().filter(here) {
                if let Some(count) = counts.get_mut(member.doing as usize) {
                    *count += 1;
                }
            }
            self.local.tally.pool(&desk.node.settings().name, counts, desk.line.len());
        }
        self.local.observed.publish();
        self.local.tally.flush();
    }
}
