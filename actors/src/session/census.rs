//! Who is there: a worker's sessions by the ids that their clients know.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Addr, Context, Handler, Message, MessageResult};
use rustc_hash::FxHashMap;

use super::control::{Control, Place};
use super::{ClientSession, Drain};
use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::pool::PoolShard;
use crate::stage::Stage;

/// The first virtual id. Servers count their connections from 1; here no server's count comes in a lifetime,
/// so that a KILL of a virtual id can never hit a server connection that happens to have the same number.
pub(crate) const FIRST_ID: u32 = 0x4000_0000;

/// Processes in a row of upgrades that each begin to count their sessions elsewhere.
const GENERATIONS: u32 = 16;

/// A worker's sessions by their virtual ids.
#[derive(Default)]
pub(crate) struct Sessions {
    entries: RefCell<FxHashMap<u32, Entry>>,
    /// Ids given so far.
    given: Cell<u32>,
}

pub(super) struct Entry {
    addr: Addr<ClientSession>,
    pub(super) control: Rc<Control>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) endpoint: Arc<Endpoint>,
}

/// Keeps a session among its worker's for as long as it lives, however it ends.
pub(super) struct Attendance {
    local: Rc<Local>,
    id: u32,
}

/// Who has this id? Asked of the worker that it is of.
#[derive(Message)]
#[rtype(result = "Option<Addr<ClientSession>>")]
pub(crate) struct Find {
    pub(crate) id: u32,
}

/// Every session is to end at the next opportunity.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SendAway;

/// Asks a worker for its sessions that are logged in and may use one of these nodes.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<Guest>")]
pub(crate) struct Census {
    pub(crate) nodes: Arc<[u16]>,
}

/// A session, as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) id: u32,
    /// As the server knows it.
    pub(crate) user: Box<[u8]>,
    /// Address and port, as servers write them that look up no names.
    pub(crate) host: String,
    pub(crate) database: Option<Box<[u8]>>,
    pub(crate) place: Place,
    /// For how long it has been doing what it does.
    pub(crate) seconds: u64,
}

impl Sessions {
    /// Shows each session to `look`.
    pub(super) fn visit(&self, mut look: impl FnMut(u32, &Entry)) {
        self.entries.borrow().iter().for_each(|(id, entry)| look(*id, entry));
    }

    /// What `shown` makes of each session.
    pub(super) fn each<T>(&self, mut shown: impl FnMut(u32, &Entry) -> Option<T>) -> Vec<T> {
        self.entries.borrow().iter().filter_map(|(id, entry)| shown(*id, entry)).collect()
    }

    /// An id that nobody has. Each of so many workers gives every so-many-th, and they come round again after a thousand
    /// million sessions. A process that took over from another begins elsewhere: an id of a session there must not be one
    /// of another session here.
    fn next_id(&self, worker: usize, workers: usize, generation: u32) -> u32 {
        let (worker, workers) = (u32::try_from(worker).unwrap_or(0), u32::try_from(workers).unwrap_or(1).max(1));
        let span = FIRST_ID / workers;
        let begin = span / GENERATIONS * (generation % GENERATIONS);
        loop {
            let given = self.given.replace((self.given.get() + 1) % span);
            let id = FIRST_ID + (begin + given) % span * workers + worker;
            if !self.entries.borrow().contains_key(&id) {
                return id;
            }
        }
    }
}

/// The worker whose session has this id, if it is a virtual one.
pub(super) fn worker_of(id: u32, workers: usize) -> Option<usize> {
    usize::try_from(id.checked_sub(FIRST_ID)?).ok()?.checked_rem(workers)
}

impl Attendance {
    pub(super) fn new(
        local: Rc<Local>,
        (worker, stage): (usize, &Stage),
        addr: Addr<ClientSession>,
        control: Rc<Control>,
        peer: Option<SocketAddr>,
        endpoint: Arc<Endpoint>,
    ) -> Self {
        let id = local.sessions.next_id(worker, stage.workers(), stage.generation());
        local.sessions.entries.borrow_mut().insert(id, Entry { addr, control, peer, endpoint });
        Self { local, id }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// A proxy has said from where the session's client comes.
    pub(super) fn came_from(&self, peer: Option<SocketAddr>) {
        if let Some(entry) = self.local.sessions.entries.borrow_mut().get_mut(&self.id) {
            entry.peer = peer;
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.local.sessions.entries.borrow_mut().remove(&self.id);
    }
}

impl Entry {
    fn shown(&self, id: u32) -> Option<Guest> {
        let view = self.control.view()?;
        Some(Guest {
            id,
            user: view.account.backend_user.clone(),
            host: self.peer.map_or_else(|| "localhost".to_owned(), host),
            database: view.state.database().map(Box::from),
            place: view.place,
            seconds: view.since.elapsed().as_secs(),
        })
    }
}

pub(super) fn host(peer: SocketAddr) -> String {
    format!("{}:{}", peer.ip().to_canonical(), peer.port())
}

impl Handler<Census> for PoolShard {
    type Result = MessageResult<Census>;

    fn handle(&mut self, census: Census, _: &mut Context<Self>) -> Self::Result {
        let local = Local::here();
        let sessions = local.sessions.entries.borrow();
        let uses = |entry: &Entry| entry.endpoint.nodes.iter().any(|node| census.nodes.contains(&node.index));
        let guests = sessions.iter().filter(|(_, entry)| uses(entry)).filter_map(|(id, entry)| entry.shown(*id));
        MessageResult(guests.collect())
    }
}

impl Handler<Find> for PoolShard {
    type Result = MessageResult<Find>;

    fn handle(&mut self, find: Find, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Local::here().sessions.entries.borrow().get(&find.id).map(|entry| entry.addr.clone()))
    }
}

impl Handler<SendAway> for PoolShard {
    type Result = ();

    fn handle(&mut self, _: SendAway, _: &mut Context<Self>) {
        for entry in Local::here().sessions.entries.borrow().values() {
            entry.addr.do_send(Drain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_ID, Sessions, host, worker_of};

    #[test]
    fn ids_tell_their_worker_and_come_round() {
        let sessions = Sessions::default();
        let ids: Vec<u32> = (0..3).map(|_| sessions.next_id(1, 4, 0)).collect();
        assert_eq!(ids, [FIRST_ID + 1, FIRST_ID + 5, FIRST_ID + 9]);
        assert!(ids.iter().all(|id| worker_of(*id, 4) == Some(1)));
        assert_eq!(worker_of(FIRST_ID - 1, 4), None);
        sessions.given.set(FIRST_ID / 4 - 1);
        assert_eq!(sessions.next_id(3, 4, 0), 2 * FIRST_ID - 1);
        assert_eq!(sessions.next_id(3, 4, 0), FIRST_ID + 3);
    }

    #[test]
    fn a_later_generation_counts_from_elsewhere() {
        let ids = [0, 1, 15, 16].map(|generation| Sessions::default().next_id(1, 4, generation));
        assert_eq!(ids, [FIRST_ID + 1, FIRST_ID + FIRST_ID / 16 + 1, FIRST_ID + FIRST_ID / 16 * 15 + 1, FIRST_ID + 1]);
    }

    #[test]
    fn hosts_are_written_as_servers_do() {
        assert_eq!(host("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80");
        assert_eq!(host("[::ffff:10.0.0.1]:80".parse().unwrap()), "10.0.0.1:80");
        assert_eq!(host("[::1]:80".parse().unwrap()), "::1:80");
    }
}
