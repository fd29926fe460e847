//! Where a lease goes: to a node, and there to a connection or into the line; or it waits for a primary.

use std::sync::Arc;
use std::time::Instant;

use actix::Context;
use greenroom_protocol::state::Charset;

use super::handlers::{down, refuse};
use super::line::Waiter;
use super::{Lease, PoolShard, Refusal, Ticket};
use crate::end::BackendEnd;
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
    pub(super) fn route(&mut self, mut lease: Lease, since: Instant, deadline: Instant, ctx: &Context<Self>) {
        if lease.ticket.endpoint.sluice.is_closed() {
            return self.hold_back(lease, since, None);
        }
        let node = match lease.ticket.endpoint.pick(lease.ticket.side) {
            Choice::Node(node) => Arc::clone(node),
            Choice::NoPrimary => {
                if let Err(refusal) = stand(&mut lease, false) {
                    return refuse(lease, refusal);
                }
                return self.homeless.push(Waiter { key: 0, user: 0, since, deadline, request: lease });
            }
            Choice::Nowhere => {
                let name = lease.ticket.endpoint.settings.name.clone();
                return refuse(lease, Refusal::NoNode(name));
            }
        };
        if node.sluice.is_closed() {
            return self.hold_back(lease, since, Some(&node));
        }
        if !node.is_open() {
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
        let room = self.desk(&node).has_room(&lease.ticket, since);
        if let Err(refusal) = stand(&mut lease, room) {
            return refuse(lease, refusal);
        }
        let key = self.keys.enter(&lease.ticket.key);
        let user = lease.ticket.key.account;
        self.desk(&node).line.join(Waiter { key, user, since, deadline, request: lease });
        self.stock(&node, None, ctx);
    }

    /// Whether an idle connection can serve a ticket at all.
    fn takes_idle(&self, ticket: &Ticket, node: &Node) -> bool {
        let named = match ticket.state.charset() {
            Charset::Handshake(id) => self.local.charset(node, *id).is_some(),
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
            self.route(waiter.request, waiter.since, waiter.deadline, ctx);
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
                true => self.route(waiter.request, waiter.since, waiter.deadline, ctx),
                false => refuse(waiter.request, down(&node)),
            }
        }
    }

    /// A pause of its endpoint, or of this node, lets it wait.
    fn hold_back(&mut self, mut lease: Lease, since: Instant, node: Option<&Node>) {
        let endpoint = &lease.ticket.endpoint;
        // Nobody is turned away for having waited behind a pause.
        lease.standing.get_or_insert_with(|| endpoint.gate.stand_by());
        let sluice = node.map_or(&endpoint.sluice, |node| &node.sluice);
        let deadline = sluice.deadline(since, self.stage.pause_limit(), endpoint.settings.lease_timeout);
        self.held.push(Waiter { key: 0, user: 0, since, deadline, request: lease });
    }

    /// Sluices have been opened or closed: who waits is routed again, in the order in which they came, and what idles at a
    /// drained node goes.
    pub(super) fn regate(&mut self, ctx: &Context<Self>) {
        let now = Instant::now();
        let mut moved = std::mem::take(&mut self.held);
        for waiter in &mut moved {
            // What a pause took of its time is given back.
            waiter.deadline = now + waiter.request.ticket.endpoint.settings.lease_timeout;
        }
        moved.append(&mut self.homeless);
        for node in self.nodes() {
            let shut = node.sluice.is_closed() || node.sluice.is_drained();
            let desk = self.desk(&node);
            let leaving = desk.line.remove(|waiter| shut || waiter.request.ticket.endpoint.sluice.is_closed());
            desk.post();
            for waiter in leaving {
                self.keys.leave(waiter.key);
                moved.push(waiter);
            }
            if node.sluice.is_drained() {
                self.clear_out(&node);
            }
        }
        moved.sort_by_key(|waiter| waiter.since);
        for waiter in moved.into_iter().filter(|waiter| !waiter.request.reply.is_closed()) {
            self.route(waiter.request, waiter.since, waiter.deadline, ctx);
        }
    }

    /// Closes what idles at a node.
    fn clear_out(&mut self, node: &Arc<Node>) {
        while let Some(slot) = {
            let keys = &self.keys;
            self.idle.oldest(|shelf| keys.node(shelf.key) == Some(node.index))
        } {
            self.expire(slot, BackendEnd::Drained);
        }
    }

    /// Refuses those whom a pause has held for longer than it may, and forgets those who went away.
    pub(super) fn refuse_held(&mut self, now: Instant) {
        let late = |waiter: &mut Waiter<Lease>| waiter.deadline <= now || waiter.request.reply.is_closed();
        for waiter in self.held.extract_if(.., late).collect::<Vec<_>>() {
            let waited = now.saturating_duration_since(waiter.since);
            self.local.waited(waited, false, || waiter.request.ticket.who());
            let what = waiter.request.ticket.endpoint.settings.name.clone();
            refuse(waiter.request, Refusal::Paused { what, waited });
        }
    }

    /// Refuses those for whom no primary came in time, and forgets those who went away.
    pub(super) fn refuse_homeless(&mut self, now: Instant) {
        let late = |waiter: &mut Waiter<Lease>| waiter.deadline <= now || waiter.request.reply.is_closed();
        for waiter in self.homeless.extract_if(.., late).collect::<Vec<_>>() {
            let waited = now.saturating_duration_since(waiter.since);
            self.local.waited(waited, false, || waiter.request.ticket.who());
            let endpoint = waiter.request.ticket.endpoint.settings.name.clone();
            refuse(waiter.request, Refusal::NoPrimary { endpoint, waited });
        }
    }
}
