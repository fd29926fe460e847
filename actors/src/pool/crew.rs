//! The backend connections of a shard, each in a numbered place. Pure.

use std::sync::Arc;
use std::time::Instant;

use actix::Addr;

use super::BackendId;
use crate::account::Account;
use crate::backend::BackendConnection;
use crate::node::Node;

/// What a connection is doing, as its shard knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    /// Connecting and logging in.
    Opening,
    /// Waiting for somebody to need it.
    Idle,
    /// With a session.
    Lent,
    /// Being reset, or on its way to its end.
    Cleaning,
}

/// One backend connection.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) addr: Addr<BackendConnection>,
    pub(crate) key: u32,
    pub(crate) node: Arc<Node>,
    pub(crate) doing: Doing,
    /// Whose it is.
    pub(crate) account: Arc<Account>,
    /// The server's id of it, once it is open.
    pub(crate) thread_id: Option<u32>,
    /// When it came here.
    pub(crate) since: Instant,
    /// The database that it was to be opened with.
    pub(crate) database: Option<Box<[u8]>>,
    /// When it should be retired.
    pub(crate) retire: Option<Instant>,
    /// It was opened for nobody in particular.
    pub(crate) spare: bool,
    /// It was told to end to make room.
    pub(crate) evicted: bool,
    /// It was told to end because there are more than may be.
    pub(crate) surplus: bool,
    /// The endpoint of the session that has it, or had it last, by [`Sluice::mark`].
    pub(crate) borrower: usize,
    /// Its lease is counted at the node (read-only endpoints choose by that).
    pub(crate) counted: bool,
}

/// Every connection of a shard.
#[derive(Debug)]
pub(crate) struct Crew {
    shard: u16,
    places: Vec<(u32, Option<Member>)>,
    free: Vec<u32>,
}

impl Crew {
    pub(crate) fn new(shard: u16) -> Self {
        Self { shard, places: Vec::new(), free: Vec::new() }
    }

    /// Makes a place and fills it with what `member` makes of the connection's name.
    pub(crate) fn add(&mut self, member: impl FnOnce(BackendId) -> Member) -> BackendId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.places.get(slot as usize).map_or(0, |(generation, _)| *generation);
        let id = BackendId { shard: self.shard, slot, generation };
        let member = member(id);
        if let Some((_, place)) = self.places.get_mut(slot as usize) {
            *place = Some(member);
        }
        id
    }

    /// The connection of this name, if it still lives.
    pub(crate) fn get_mut(&mut self, id: BackendId) -> Option<&mut Member> {
        let (generation, member) = self.places.get_mut(id.slot as usize)?;
        (*generation == id.generation && id.shard == self.shard).then_some(member.as_mut()).flatten()
    }

    /// Whether the connection of this name still lives.
    pub(crate) fn is(&self, id: BackendId) -> bool {
        let place = self.places.get(id.slot as usize);
        id.shard == self.shard
            && place.is_some_and(|(generation, member)| *generation == id.generation && member.is_some())
    }

    /// The connection in a place.
    pub(crate) fn at(&mut self, slot: u32) -> Option<&mut Member> {
        self.places.get_mut(slot as usize).and_then(|(_, member)| member.as_mut())
    }

    /// Takes a connection out; its name will never be given again.
    pub(crate) fn remove(&mut self, id: BackendId) -> Option<Member> {
        self.get_mut(id)?;
        let (generation, member) = self.places.get_mut(id.slot as usize)?;
        *generation = generation.wrapping_add(1);
        self.free.push(id.slot);
        member.take()
    }

    /// The places of idle connections whose time is over.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<u32> {
        let due = |member: &Member| member.doing == Doing::Idle && member.retire.is_some_and(|at| at <= now);
        let places = self.places.iter().zip(0..);
        places.filter(|((_, member), _)| member.as_ref().is_some_and(due)).map(|(_, slot)| slot).collect()
    }

    /// Every connection with its name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (BackendId, &Member)> {
        let places = self.places.iter().zip(0..);
        places.filter_map(|((generation, member), slot)| {
            Some((BackendId { shard: self.shard, slot, generation: *generation }, member.as_ref()?))
        })
    }

    /// Every connection.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.places.iter().filter_map(|(_, member)| member.as_ref())
    }
}
