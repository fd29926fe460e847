//! Users whom a server lets have no more connections (`max_user_connections`): their sessions wait for one of those in use, as
//! all do where the node's own limit is reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{AsyncContext, Context};

use super::desk::Desk;
use super::keys::Keys;
use super::line::Waiter;
use super::{Lease, PoolShard, Refusal, Ticket};
use crate::account::Account;
use crate::node::Node;
use crate::quota::Quota;
use crate::settings::PoolMode;

/// A user who had as many connections as he may when somebody last wanted one more.
#[derive(Debug)]
pub(crate) struct Full {
    quota: Arc<Quota>,
    /// The other shards have been asked for one of his and have not answered.
    pub(super) begging: bool,
}

impl Desk {
    /// Takes note of a user who may have no more connections.
    pub(super) fn fill(&mut self, user: u32, quota: Arc<Quota>) {
        self.full.entry(user).or_insert(Full { quota, begging: false });
    }

    /// Whether no connection can be opened for a key, since its user has as many as he may.
    pub(super) fn is_full(&self, keys: &Keys, key: u32, now: Instant) -> bool {
        // The usual case, for which nothing need be looked up.
        !self.full.is_empty() && keys.shares(key) && self.is_full_of(keys.user(key), now)
    }

    fn is_full_of(&self, user: u32, now: Instant) -> bool {
        self.full.get(&user).is_some_and(|full| !full.quota.has_room(now))
    }

    /// Whether a connection could be opened for a ticket.
    pub(super) fn has_room(&self, ticket: &Ticket, now: Instant) -> bool {
        let full = ticket.key.mode != PoolMode::None && self.is_full_of(ticket.key.account, now);
        self.node.has_room() && !full
    }

    /// Why a waiter's time is over.
    pub(super) fn late(&self, waiter: &Waiter<Lease>, waited: Duration) -> Refusal {
        let node = Arc::from(self.node.settings().name.as_str());
        let Ticket { account, key, .. } = &waiter.request.ticket;
        let full = self.full.get(&waiter.user).filter(|_| key.mode != PoolMode::None);
        match full.and_then(|full| full.quota.limit()) {
            Some(limit) => Refusal::UserFull { node, account: Arc::clone(account), limit, waited },
            None => Refusal::Timeout { node, limit: self.node.limit(), waited },
        }
    }

    /// The longest waiter of a user for whom nothing is on its way.
    fn unmet_of_user(&self, keys: &Keys, user: u32) -> Option<&Waiter<Lease>> {
        let is_his = |key| keys.user(key) == user && keys.shares(key);
        self.line.unmet(|key| if is_his(key) { keys.opening(key) } else { usize::MAX })
    }
}

impl PoolShard {
    /// The server has refused a login, since this user has as many connections as he may.
    pub(super) fn note_full(&mut self, account: &Account, node: &Arc<Node>) {
        let quota = account.quotas.of(node.index);
        if quota.refused(Instant::now()) {
            slog::warn!(self.stage.log, "the server lets a user have no more connections (max_user_connections): sessions wait for those in use";
                "node" => &node.settings().name, "user" => %account.name(),
                "connections" => quota.limit());
        }
        self.local.tally.user_was_full();
        self.desk(node).fill(account.id, quota);
    }

    /// For those who wait while their users may have no more connections: what idles here for the same user in another
    /// kind makes way, or the other shards are asked.
    pub(super) fn press(&mut self, node: &Arc<Node>, ctx: &Context<Self>) {
        let users: Vec<u32> = self.desk(node).full.keys().copied().collect();
        for user in users {
            let keys = &self.keys;
            let Some(desk) = self.desks.iter().find(|desk| Arc::ptr_eq(&desk.node, node)) else { return };
            let Some(waiter) = desk.unmet_of_user(keys, user) else { continue };
            let (key, since, evicting) = (waiter.key, waiter.since, desk.evicting);
            let has_database = waiter.request.ticket.state.database().is_some();
            let idle =
                self.idle.oldest(|shelf| keys.node(shelf.key) == Some(node.index) && keys.user(shelf.key) == user);
            match idle {
                // One at a time: its end brings us back here.
                Some(slot) if evicting == 0 => self.evict(slot),
                Some(_) => {}
                None => self.beg_for(user, key, (since, has_database), node, ctx),
            }
        }
    }

    fn beg_for(
        &mut self,
        user: u32,
        key: u32,
        (since, has_database): (Instant, bool),
        node: &Arc<Node>,
        ctx: &Context<Self>,
    ) {
        let Some(key) = self.keys.get(key).map(|known| known.key.clone()) else { return };
        let Some(full) = self.desk(node).full.get_mut(&user) else { return };
        if !std::mem::replace(&mut full.begging, true) {
            self.ask_others(
                &super::Transfer {
                    to: ctx.address(),
                    from: self.index,
                    since,
                    due: since,
                    key,
                    has_database,
                    of: Some(user),
                },
                node,
            );
        }
    }

    /// Forgets users whose limits are not known any more.
    pub(super) fn forget_full(&mut self, node: &Arc<Node>) {
        self.desk(node).full.retain(|_, full| full.quota.limit().is_some());
    }
}
