//! owns: the idle connections of one worker by key and state, and the line of those who wait for one.
//! is told: `Lease`, `Release`, `Ready`, `Gone`, `Pinned`, `Unpinned`, `Tick`, `NodeChanged`, `Transfer`, `Adopt`, `Room`, `Drain`, `Snapshot`, `Census`,
//!     `Regate`, `ShowPool`, `ShowClients`, `ShowQueries`, `Unrest`.
//! tells: connections `Lend`, `Expire`, `Move`; other shards `Transfer`, `Room`; the supervisor `Failed`.
//! ends when: its worker does.

mod crew;
mod desk;
#[cfg(feature = "faults")]
mod faults;
mod handlers;
mod idle;
mod keys;
mod line;
mod messages;
mod refusal;
mod route;
mod shown;
mod upkeep;
mod users;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, AsyncContext, Context};

use self::crew::{Crew, Doing, Member};
use self::desk::Desk;
use self::idle::{Idle, Resting};
use self::keys::Keys;
use self::line::{Shares, Turn, Waiter};
pub(crate) use self::messages::{
    Adopt, BackendId, Drain, Gone, Health, Lease, NodeChanged, Pinned, Ready, Regate, Release, Rest, Room, ShardView,
    Snapshot, Tick, Ticket, Transfer, Unpinned,
};
pub(crate) use self::refusal::{DATABASE_REFUSED, Refusal};
pub(crate) use self::shown::{PoolView, ShowPool, ShownPool};
use crate::backend::{BackendConnection, Blueprint, Expire, Lend, Move, Start};
use crate::end::BackendEnd;
use crate::grant::Found;
use crate::local::Local;
use crate::node::{Node, Permit};
use crate::quota::Place;
use crate::stage::Stage;
use crate::supervisor::watch;

/// What a desk's line has to know of connections.
struct Held<'s> {
    desk: &'s Desk,
    keys: &'s Keys,
    /// Whose connection has come free, and when.
    user: u32,
    now: Instant,
}

impl Shares for Held<'_> {
    fn held(&self, user: u32) -> usize {
        let promised = self.desk.promised.iter().filter(|key| self.keys.user(**key) == user).count();
        self.desk.held.get(&user).copied().unwrap_or(0) + promised
    }

    fn coming(&self, key: u32) -> usize {
        // Nobody makes way for him in vain: only one of his own connections does.
        if self.keys.user(key) != self.user && self.desk.is_full(self.keys, key, self.now) {
            return usize::MAX;
        }
        self.keys.opening(key) + self.desk.promised.iter().filter(|promised| **promised == key).count()
    }
}

/// The pool of one worker.
pub(crate) struct PoolShard {
    index: usize,
    stage: Arc<Stage>,
    local: Rc<Local>,
    keys: Keys,
    crew: Crew,
    idle: Idle,
    desks: Vec<Desk>,
    /// Those who wait for some node to become a primary.
    homeless: Vec<Waiter<Lease>>,
    /// Those whom a pause holds back.
    held: Vec<Waiter<Lease>>,
    draining: bool,
}

impl Actor for PoolShard {
    type Context = Context<Self>;
}

impl PoolShard {
    /// The shard of the worker with this index.
    pub(crate) fn new(index: usize, stage: Arc<Stage>, local: Rc<Local>) -> Self {
        let crew = Crew::new(u16::try_from(index).unwrap_or(u16::MAX));
        Self {
            index,
            stage,
            local,
            keys: Keys::default(),
            crew,
            idle: Idle::default(),
            desks: Vec::new(),
            homeless: Vec::new(),
            held: Vec::new(),
            draining: false,
        }
    }

    fn desk(&mut self, node: &Arc<Node>) -> &mut Desk {
        let place = match self.desks.iter().position(|desk| Arc::ptr_eq(&desk.node, node)) {
            Some(place) => place,
            None => {
                self.desks.push(Desk::new(Arc::clone(node), self.index));
                self.desks.len() - 1
            }
        };
        &mut self.desks[place]
    }

    fn desk_of(&mut self, node: u16) -> Option<&mut Desk> {
        self.desks.iter_mut().find(|desk| desk.node.index == node)
    }

    /// The best idle connection for a ticket: its own last, then one in the same state, then any that can be made to fit.
    fn pick(&self, key: u32, ticket: &Ticket) -> Option<(u32, Found)> {
        let print = ticket.state.print();
        let shelf = Rest::of(&ticket.state).shelf(key);
        let own = ticket.last.and_then(|id| self.own(id, key));
        if let Some((slot, resting)) = own
            && resting.print == print
        {
            return Some((slot, Found::Own));
        }
        if let Some(slot) = self.idle.equal(shelf, print) {
            return Some((slot, Found::Equal));
        }
        // The one whose state was not wanted for longest: states that are wanted often keep theirs. A database can be
        // selected, but never taken away; user variables only by a reset.
        shelf.usable().find_map(|shelf| self.idle.stalest(shelf)).map(|slot| (slot, Found::Other))
    }

    /// A lease found a connection, in its state or not. Where too many do not, one more lets states keep theirs; it goes
    /// when nobody has needed it for a while, or when somebody else waits.
    fn grow(&mut self, key: u32, found: Found, ticket: &Ticket, node: &Arc<Node>, ctx: &Context<Self>) {
        if !self.keys.leased(key, found != Found::Other) || self.stage.is_retiring() {
            return;
        }
        let desk = self.desk(node);
        let paused = desk.no_spare_before.is_some_and(|until| Instant::now() < until);
        if desk.may_open()
            && desk.line.len() == 0
            && !paused
            // Where there is no room anyway, the quota's lock is not taken for it.
            && node.has_room()
            && let quota = ticket.account.quotas.of(node.index)
            && quota.limit().is_none()
            && let Some(permit) = node.admit()
        {
            let id = self.open(key, (permit, quota.enter()), Blueprint::of(ticket), ctx);
            if let Some(member) = self.crew.get_mut(id) {
                member.spare = true;
            }
        }
    }

    fn own(&self, id: BackendId, key: u32) -> Option<(u32, Resting)> {
        let resting = self.idle.get(id.slot).filter(|resting| resting.shelf.key == key)?;
        self.crew.is(id).then_some((id.slot, resting))
    }

    fn lend(&mut self, slot: u32, found: Found, mut lease: Lease) {
        lease.standing = None;
        self.untake(slot);
        let Some(member) = self.crew.at(slot) else { return };
        member.doing = Doing::Lent;
        member.borrower = lease.ticket.endpoint.sluice.mark();
        member.counted = lease.ticket.endpoint.nodes.len() > 1;
        if member.counted {
            member.node.lent();
        }
        self.local.tally.leased(found);
        member.addr.do_send(Lend { lease });
    }

    /// A connection is free: who waited longest gets it, else it rests.
    fn place(&mut self, slot: u32, rest: Rest, opened: Option<u16>, now: Instant) {
        let Some(member) = self.crew.at(slot) else { return };
        let (key, node) = (member.key, Arc::clone(&member.node));
        if self.draining || node.sluice.is_drained() {
            return self.expire(slot, BackendEnd::Drained);
        }
        if node.is_crowded() && self.thin_out(slot, &node) {
            return;
        }
        if self.give_away(slot, key, rest, &node) {
            return;
        }
        match self.turn(key, &node) {
            Turn::Same => self.serve(slot, key, rest, opened, &node),
            Turn::Other(other) => {
                self.desk(&node).promised.push_back(other);
                self.evict(slot);
            }
            Turn::Nobody => self.rest(slot, key, rest, now),
        }
    }

    /// Whose turn it is to have a connection of this key.
    fn turn(&mut self, key: u32, node: &Arc<Node>) -> Turn {
        let (keys, user) = (&self.keys, self.keys.user(key));
        let Some(desk) = self.desks.iter().find(|desk| Arc::ptr_eq(&desk.node, node)) else { return Turn::Nobody };
        // The usual case, for which no clock need be asked.
        if desk.line.len() == 0 {
            return Turn::Nobody;
        }
        let now = Instant::now();
        desk.line.turn(key, user, now, &Held { desk, keys, user, now })
    }

    fn serve(&mut self, slot: u32, key: u32, rest: Rest, opened: Option<u16>, node: &Arc<Node>) {
        let now = Instant::now();
        let local = Rc::clone(&self.local);
        let is_named = |id| local.charset(node, id).is_some();
        // By its login the node may just have shown that it is not what it was taken for.
        let fits = |lease: &Lease| {
            lease.ticket.endpoint.admits(node, lease.ticket.side) && lease.ticket.suits(rest, opened, is_named)
        };
        while let Some(waiter) = self.desk(node).line.serve(key, now, fits) {
            self.keys.leave(key);
            self.desk(node).post();
            let lease = waiter.request;
            if lease.reply.is_closed() {
                continue;
            }
            self.local.waited(now.saturating_duration_since(waiter.since), true, || lease.ticket.who());
            let found = match lease.ticket.state.print() == rest.print {
                _ if opened.is_some() => Found::Opened,
                true => Found::Equal,
                false => Found::Other,
            };
            return self.lend(slot, found, lease);
        }
        // It does for nobody who waits: make way for one that does, unless that is on its way already.
        if self.desk(node).line.waiting_for(key) > self.keys.opening(key) {
            self.evict(slot);
        } else {
            self.rest(slot, key, rest, now);
        }
    }

    fn rest(&mut self, slot: u32, key: u32, rest: Rest, now: Instant) {
        let shelf = rest.shelf(key);
        let Some(member) = self.crew.at(slot) else { return };
        member.doing = Doing::Idle;
        let node = Arc::clone(&member.node);
        self.idle.put(slot, Resting { shelf, print: rest.print, since: now });
        let desk = self.desk(&node);
        desk.idle += 1;
        desk.post();
    }

    /// Opens connections for those who wait and for whom nothing is on its way; the first by the permit that is there.
    fn stock(&mut self, node: &Arc<Node>, mut permit: Option<Permit>, ctx: &Context<Self>) {
        let now = Instant::now();
        loop {
            let keys = &self.keys;
            let Some(desk) = self.desks.iter_mut().find(|desk| Arc::ptr_eq(&desk.node, node)) else { return };
            desk.post();
            if !desk.may_open() {
                return;
            }
            let promised = desk.heir(keys).filter(|key| !desk.is_full(keys, *key, now));
            let waiter = match promised {
                Some(key) => desk.line.unmet_of(key, keys.opening(key)),
                None => {
                    desk.line.unmet(|key| if desk.is_full(keys, key, now) { usize::MAX } else { keys.opening(key) })
                }
            };
            let Some(waiter) = waiter else { return self.press(node, ctx) };
            let (key, ticket) = (waiter.key, &waiter.request.ticket);
            let quota = ticket.account.quotas.of(node.index);
            // Where there is no room anyway, nothing is made ready for it: that is what each of a crowd comes upon.
            if permit.is_none() && quota.limit().is_none() && !node.has_room() {
                let has_database = ticket.state.database().is_some() && !ticket.may_be_behind();
                return self.make_room(key, has_database, node, ctx);
            }
            let blueprint = Blueprint::of(ticket);
            let quota = blueprint.account.quotas.of(node.index);
            // Whose connection is his own to the end is told what the server says.
            let place = if keys.shares(key) { quota.admit(now) } else { Some(quota.enter()) };
            let Some(place) = place else {
                desk.fill(blueprint.account.id, quota);
                continue;
            };
            match permit.take().filter(Permit::is_within_limit).or_else(|| node.admit()) {
                Some(permit) => {
                    if promised.is_some() {
                        desk.promised.pop_front();
                    }
                    self.open(key, (permit, place), blueprint, ctx);
                }
                None => return self.make_room(key, blueprint.database.is_some(), node, ctx),
            }
        }
    }

    fn open(
        &mut self,
        key: u32,
        (permit, place): (Permit, Place),
        blueprint: Blueprint,
        ctx: &Context<Self>,
    ) -> BackendId {
        let node = Arc::clone(permit.node());
        let favourite = self.keys.get(key).map(|known| (known.key.clone(), blueprint.clone()));
        let desk = self.desk(&node);
        desk.opening += 1;
        desk.favourite = favourite;
        if let Some(known) = self.keys.get_mut(key) {
            known.opening += 1;
        }
        self.enlist(key, node, Doing::Opening, Start::Open { permit, place, blueprint: Box::new(blueprint) }, ctx)
    }

    fn enlist(&mut self, key: u32, node: Arc<Node>, doing: Doing, start: Start, ctx: &Context<Self>) -> BackendId {
        self.keys.again(key);
        let user = self.keys.user(key);
        self.desk(&node).gain(user);
        let (local, stage) = (Rc::clone(&self.local), Arc::clone(&self.stage));
        let (database, account, thread_id) = (start.database().map(Box::from), start.account(), start.thread_id());
        let since = Instant::now();
        self.crew.add(|id| {
            let actor = BackendConnection::new(id, start, ctx.address(), local, stage);
            let shard = ctx.address();
            let addr = watch::start(actor, move |panicked| {
                if panicked {
                    shard.do_send(Gone { backend: id, end: BackendEnd::Panicked, refusal: None, permit: None });
                }
            });
            Member {
                addr,
                key,
                node,
                doing,
                account,
                thread_id,
                since,
                database,
                retire: None,
                spare: false,
                evicted: false,
                surplus: false,
                borrower: 0,
                counted: false,
            }
        })
    }

    /// The limit is reached: close what idles here for somebody else, or ask the other shards.
    fn make_room(&mut self, key: u32, has_database: bool, node: &Arc<Node>, ctx: &Context<Self>) {
        let keys = &self.keys;
        let idle = self.idle.oldest(|shelf| keys.node(shelf.key) == Some(node.index));
        let waiting = self.desk(node).line.len();
        match idle {
            Some(slot) if self.desk(node).evicting < waiting => self.evict(slot),
            Some(_) => {}
            None => self.beg(key, has_database, node, ctx),
        }
    }

    fn beg(&mut self, key: u32, has_database: bool, node: &Arc<Node>, ctx: &Context<Self>) {
        let desk = self.desk(node);
        if desk.begging {
            return;
        }
        let Some((since, due)) = desk.line.oldest().zip(desk.line.due()) else { return };
        let Some(key) = self.keys.get(key).map(|known| known.key.clone()) else { return };
        self.desk(node).begging = true;
        self.ask_others(
            &Transfer { to: ctx.address(), from: self.index, since, due, key, has_database, of: None },
            node,
        );
    }

    fn ask_others(&self, want: &Transfer, node: &Arc<Node>) {
        for other in node.richest_first(self.index) {
            if let Some(shard) = self.stage.shard(other) {
                shard.do_send(want.clone());
            }
        }
    }

    /// Gives a free connection to another shard whose longest waiter came well before ours.
    fn give_away(&mut self, slot: u32, key: u32, rest: Rest, node: &Arc<Node>) -> bool {
        let user = self.keys.user(key);
        let Some(want) = self.desk(node).claim(user) else { return false };
        let same = self.keys.get(key).is_some_and(|known| known.key == want.key);
        if same && (want.has_database || !rest.has_database) {
            self.send_away(slot, want);
        } else {
            self.desk(node).creditors.push_back(want.to);
            self.expire(slot, BackendEnd::Evicted);
        }
        true
    }

    fn send_away(&mut self, slot: u32, want: Transfer) {
        self.untake(slot);
        if let Some(member) = self.crew.at(slot) {
            member.doing = Doing::Cleaning;
            member.addr.do_send(Move { to: want.to, key: want.key });
        }
    }

    fn evict(&mut self, slot: u32) {
        let Some(member) = self.crew.at(slot) else { return };
        member.evicted = true;
        let (node, key) = (Arc::clone(&member.node), member.key);
        let user = self.keys.user(key);
        let desk = self.desk(&node);
        desk.evicting += 1;
        desk.lose(user);
        self.expire(slot, BackendEnd::Evicted);
    }

    fn expire(&mut self, slot: u32, end: BackendEnd) {
        self.untake(slot);
        if let Some(member) = self.crew.at(slot) {
            member.doing = Doing::Cleaning;
            member.addr.do_send(Expire { end });
        }
    }
}
