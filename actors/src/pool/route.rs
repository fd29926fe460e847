//! Where a lease goes: to a node, and there to a connection or into the line; or it waits for a primary.

use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context};
use greenroom_protocol::state::Charset;

use super::handlers::{down, refuse};
use super::line::Waiter;
use super::{Lease, PoolShard, Refusal, Ticket};
use crate::endpoint::{Choice, Side};
use crate::node::Node;
use crate::settings::Access;

/// Counts a lease among those of its endpoint that wait. Where there is room for a connection more, one is as good as opened,
/// and nobody is turned away.
fn stand(lease: &mut Lease, room: bool) -> Result<(), Refusal> {
    if lease.standing.is_none() {
        let gate = &lease.ticket.endpoint.gate;
        let standing = if room { Some(gate.stand_by()) } else { gate.stand() };
        lease.standing = Some(standing.ok_or_else(|| Refusal::Crowded(Arc::clone(gate)))?);
    }
    Ok(())
}

impl PoolShard {
    /// Finds a lease, asked for at `since`, its place.
    pub(super) fn route(&mut self, mut lease: Lease, since: Instant, ctx: &Context<Self>) {
        let settings = Arc::clone(&lease.ticket.endpoint.settings);
        let deadline = since + settings.lease_timeout;
        let node = match lease.ticket.endpoint.pick(lease.ticket.side) {
            Choice::Node(node) => Arc::clone(node),
            Choice::NoPrimary => {
                if let Err(refusal) = stand(&mut lease, false) {
                    return refuse(lease, refusal);
                }
                return self.homeless.push(Waiter { key: 0, user: 0, since, deadline, request: lease });
            }
            Choice::Nowhere => return refuse(lease, Refusal::NoNode(settings.name.clone())),
        };
        if !node.is_up() {
            let refusal = down(&node);
            return refuse(lease, refusal);
        }
        lease.ticket.key.node = node.index;
        let known = self.keys.find(&lease.ticket.key);
        if let Some(key) = known
            && self.takes_idle(&lease.ticket, &node)
            && self.desk(&node).line.waiting_for(key) == 0
            && let Some((slot, found)) = self.pick(key, &lease.ticket)
        {
            self.grow(key, found, &lease.ticket, &node, ctx);
            return self.lend(slot, found, lease);
        }
        if let Err(refusal) = stand(&mut lease, node.has_room()) {
            return refuse(lease, refusal);
        }
        let key = self.keys.enter(&lease.ticket.key);
        let user = lease.ticket.key.account;
        self.desk(&node).line.join(Waiter { key, user, since, deadline, request: lease });
        self.stock(&node, None, &ctx.address());
    }

    /// Whether an idle connection can serve a ticket at all.
    fn takes_idle(&self, ticket: &Ticket, node: &Node) -> bool {
        let named = match ticket.state.charset() {
            Charset::Handshake(id) => self.local.charset(node.index, *id).is_some(),
            Charset::Named(_) => true,
        };
        named && !ticket.fresh
    }

    /// A node has another role, or is up again: who waits for a primary may have one, and who waits for a node that no
    /// longer serves him goes elsewhere.
    pub(super) fn reroute(&mut self, node: u16, ctx: &Context<Self>) {
        let mut moved = std::mem::take(&mut self.homeless);
        if let Some(desk) = self.desk_of(node) {
            let known = Arc::clone(&desk.node);
            let astray =
                desk.line.remove(|waiter| !waiter.request.ticket.endpoint.admits(&known, waiter.request.ticket.side));
            desk.post();
            for waiter in astray {
                self.keys.leave(waiter.key);
                moved.push(waiter);
            }
        }
        moved.sort_by_key(|waiter| waiter.since);
        for waiter in moved.into_iter().filter(|waiter| !waiter.request.reply.is_closed()) {
            self.route(waiter.request, waiter.since, ctx);
        }
    }

    /// A node went down: who waits for it to write is still served where another can take over, and the rest are told.
    pub(super) fn desert(&mut self, node: u16, ctx: &Context<Self>) {
        let Some(desk) = self.desk_of(node) else { return };
        desk.closed = true;
        let node = Arc::clone(&desk.node);
        for waiter in desk.line.remove(|_| true) {
            self.keys.leave(waiter.key);
            let Ticket { endpoint, side, .. } = &waiter.request.ticket;
            let another = || endpoint.nodes.iter().any(|node| node.is_auto());
            let elsewhere = match (endpoint.settings.access, side) {
                (Access::Split, Side::Replica) => true,
                (Access::ReadWrite | Access::Split, _) => another(),
                (Access::ReadOnly, _) => false,
            };
            match elsewhere {
                true => self.route(waiter.request, waiter.since, ctx),
                false => refuse(waiter.request, down(&node)),
            }
        }
    }

    /// Refuses those for whom no primary came in time, and forgets those who went away.
    pub(super) fn refuse_homeless(&mut self, now: Instant) {
        let late = |waiter: &mut Waiter<Lease>| waiter.deadline <= now || waiter.request.reply.is_closed();
        for waiter in self.homeless.extract_if(.., late).collect::<Vec<_>>() {
            let waited = now.saturating_duration_since(waiter.since);
            self.local.tally.timed_out(waited);
            let endpoint = waiter.request.ticket.endpoint.settings.name.clone();
            refuse(waiter.request, Refusal::NoPrimary { endpoint, waited });
        }
    }
}
