//! The shard's messages: each decides by the pure parts, acts, answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Context, Handler};

use super::crew::Doing;
use super::{
    Adopt, Drain, Gone, Health, Lease, NodeChanged, Pinned, PoolShard, Ready, Refusal, Regate, Release, Room,
    ShardView, Snapshot, Tick, Transfer, Unpinned,
};
use crate::backend::Start;
use crate::end::BackendEnd;
use crate::supervisor::{Failed, Recovered};

/// How long nothing is opened that nobody needs, after it could not be.
const SPARE_PAUSE: Duration = Duration::from_secs(10);

impl Handler<Lease> for PoolShard {
    type Result = ();

    fn handle(&mut self, lease: Lease, ctx: &mut Context<Self>) {
        if self.draining {
            return refuse(lease, Refusal::Draining);
        }
        let endpoint = &lease.ticket.endpoint;
        let (since, deadline) = match lease.since {
            // Who has waited at a gate may have done so for the end of a pause.
            Some(since) => (since, endpoint.due(since, Duration::ZERO)),
            None => {
                let now = Instant::now();
                (now, now + endpoint.settings.lease_timeout)
            }
        };
        self.route(lease, since, deadline, ctx);
    }
}

impl Handler<Release> for PoolShard {
    type Result = ();

    fn handle(&mut self, release: Release, _: &mut Context<Self>) {
        let Some(member) = self.crew.get_mut(release.backend) else { return };
        if std::mem::take(&mut member.counted) {
            member.node.returned();
        }
        match release.rest {
            Some(rest) => self.place(release.backend.slot, rest, None, release.at),
            None => member.doing = Doing::Cleaning,
        }
    }
}

impl Handler<Ready> for PoolShard {
    type Result = ();

    fn handle(&mut self, ready: Ready, ctx: &mut Context<Self>) {
        let Some(member) = self.crew.get_mut(ready.backend) else { return };
        (member.retire, member.thread_id) = (ready.retire, Some(ready.thread_id));
        let (was, key, node) = (member.doing, member.key, Arc::clone(&member.node));
        if was == Doing::Opening {
            member.account.quotas.of(node.index).accepted();
            self.opened(key, &node);
            self.tell_limit(&node);
            if std::mem::take(&mut self.desk(&node).failing) {
                self.stage.recovered(Recovered { node: node.index });
            }
        }
        self.place(ready.backend.slot, ready.rest, ready.opened, Instant::now());
        self.stock(&node, None, ctx);
    }
}

impl Handler<Gone> for PoolShard {
    type Result = ();

    fn handle(&mut self, gone: Gone, ctx: &mut Context<Self>) {
        self.untake(gone.backend.slot);
        let Some(member) = self.crew.remove(gone.backend) else { return };
        let node = member.node;
        if member.counted {
            node.returned();
        }
        self.local.tally.ended(gone.end);
        if member.doing == Doing::Opening {
            self.opened(member.key, &node);
        }
        let shares = self.keys.shares(member.key);
        if !member.evicted {
            let user = self.keys.user(member.key);
            self.desk(&node).lose(user);
        }
        self.keys.leave(member.key);
        // Nobody misses it, and what there is may go on: a server that has no room for more is not down.
        if shares && gone.refusal.as_ref().is_some_and(Refusal::is_about_the_user) {
            self.note_full(&member.account, &node);
        } else if member.spare && matches!(gone.end, BackendEnd::ConnectFailed | BackendEnd::Refused) {
            self.desk(&node).no_spare_before = Some(Instant::now() + SPARE_PAUSE);
        } else {
            let opened_with = (member.key, member.database.as_deref());
            self.bury(opened_with, &node, gone.end, gone.refusal, member.evicted);
        }
        // One that was too many leaves its place to nobody.
        let mut permit = gone.permit.filter(|_| !member.surplus);
        if member.surplus {
            node.surplus_closed();
        }
        if let Some(creditor) = self.desk(&node).creditors.pop_front() {
            creditor.do_send(Room { node: node.index, permit: permit.take() });
        }
        self.stock(&node, permit, ctx);
    }
}

impl Handler<Pinned> for PoolShard {
    type Result = ();

    fn handle(&mut self, pinned: Pinned, _: &mut Context<Self>) {
        self.local.tally.pinned(pinned.reason);
    }
}

impl Handler<Unpinned> for PoolShard {
    type Result = ();

    fn handle(&mut self, unpinned: Unpinned, _: &mut Context<Self>) {
        self.local.tally.unpinned(unpinned.reason);
    }
}

impl Handler<Tick> for PoolShard {
    type Result = ();

    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        self.expire_idle(tick.now);
        self.refuse_late(tick.now);
        self.refuse_homeless(tick.now);
        self.refuse_held(tick.now);
        for node in self.nodes() {
            // An answer to our begging may have been lost with the shard that it was asked of.
            self.desk(&node).answered();
            self.forget_full(&node);
            self.thin_out_idle(&node);
            self.stock(&node, None, ctx);
            self.keep_warm(&node, ctx);
        }
        self.publish();
    }
}

impl Handler<NodeChanged> for PoolShard {
    type Result = ();

    fn handle(&mut self, changed: NodeChanged, ctx: &mut Context<Self>) {
        match changed.health {
            Health::Up | Health::Retry => {
                if let Some(desk) = self.desk_of(changed.node) {
                    desk.closed = false;
                    let node = Arc::clone(&desk.node);
                    self.stock(&node, None, ctx);
                }
                if changed.health == Health::Up {
                    self.reroute(changed.node, ctx);
                }
            }
            Health::Role => self.reroute(changed.node, ctx),
            Health::Down => self.desert(changed.node, ctx),
        }
    }
}

impl Handler<Regate> for PoolShard {
    type Result = ();

    fn handle(&mut self, _: Regate, ctx: &mut Context<Self>) {
        self.regate(ctx);
    }
}

impl Handler<Transfer> for PoolShard {
    type Result = ();

    fn handle(&mut self, want: Transfer, ctx: &mut Context<Self>) {
        let Some(desk) = self.desk_of(want.key.node) else { return };
        let (node, of) = (Arc::clone(&desk.node), want.of);
        desk.want(want);
        // What idles here serves the other's line at once, unless somebody here waits for it.
        let keys = &self.keys;
        let is_his = |key| of.is_none_or(|of| keys.user(key) == of);
        let idle = self.idle.oldest(|shelf| keys.node(shelf.key) == Some(node.index) && is_his(shelf.key));
        let Some(slot) = self.preferred(of, &node).or(idle) else { return };
        if let Some(resting) = self.idle.get(slot) {
            self.give_away(slot, resting.shelf.key, resting.rest(), &node);
        }
        self.stock(&node, None, ctx);
    }
}

impl Handler<Adopt> for PoolShard {
    type Result = ();

    fn handle(&mut self, adopt: Adopt, ctx: &mut Context<Self>) {
        let node = Arc::clone(adopt.card.permit.node());
        let key = self.keys.enter(&adopt.key);
        self.desk(&node).answered();
        let start = Start::Adopt { crated: adopt.crated, card: Box::new(adopt.card) };
        self.enlist(key, node, Doing::Cleaning, start, ctx);
        self.keys.leave(key);
    }
}

impl Handler<Room> for PoolShard {
    type Result = ();

    fn handle(&mut self, room: Room, ctx: &mut Context<Self>) {
        let Some(desk) = self.desk_of(room.node) else { return };
        desk.answered();
        let node = Arc::clone(&desk.node);
        self.stock(&node, room.permit, ctx);
    }
}

impl Handler<Drain> for PoolShard {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.draining = true;
        while let Some(slot) = self.idle.oldest(|_| true) {
            self.expire(slot, BackendEnd::Drained);
        }
    }
}

impl Handler<Snapshot> for PoolShard {
    type Result = ShardView;

    fn handle(&mut self, _: Snapshot, _: &mut Context<Self>) -> ShardView {
        self.view()
    }
}

/// A waiter that went away does not care.
pub(super) fn refuse(lease: Lease, refusal: Refusal) {
    let _ = lease.reply.send(Err(refusal));
}

pub(super) fn down(node: &crate::node::Node) -> Refusal {
    Refusal::Down { node: Arc::from(node.settings().name.as_str()), reason: node.obstacle() }
}

impl PoolShard {
    /// What a connection's end means for those who wait.
    fn bury(
        &mut self,
        (key, database): (u32, Option<&[u8]>),
        node: &Arc<crate::node::Node>,
        end: BackendEnd,
        refusal: Option<Refusal>,
        evicted: bool,
    ) {
        let index = self.index;
        let desk = self.desk(node);
        if evicted {
            desk.evicting = desk.evicting.saturating_sub(1);
        }
        desk.closed |= end == BackendEnd::ConnectFailed;
        desk.failing |= end == BackendEnd::ConnectFailed;
        let reason = refusal.as_ref().map_or_else(|| end.to_string(), ToString::to_string);
        let full = refusal.as_ref().is_some_and(Refusal::is_about_room);
        if end == BackendEnd::Refused
            && let Some(refusal) = refusal
        {
            // Whoever wants another database has nothing to do with it.
            let any = !refusal.is_about_the_database();
            let concerned = |lease: &Lease| any || lease.ticket.state.database() == database;
            if let Some(waiter) = desk.line.serve(key, Instant::now(), concerned) {
                self.keys.leave(key);
                refuse(waiter.request, refusal);
            }
        }
        if end.is_fault() {
            node.suspect();
            self.stage.failed(Failed { shard: index, node: node.index, end, reason, full });
        }
    }
}
