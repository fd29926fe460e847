//! Who is there: a worker's sessions by the ids that their clients know.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Addr, Context, Handler, Message, MessageResult};
use rustc_hash::FxHashMap;

use super::control::{Control, Place};
use super::ids::Plan;
use super::{ClientSession, Drain};
use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::pool::PoolShard;
use crate::sluice::Sluice;
use crate::stage::Stage;

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

/// Every session is to end at the next opportunity, or every one of an endpoint.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct SendAway {
    pub(crate) endpoint: Option<Arc<Sluice>>,
}

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

    /// An id that nobody here has. They come round again, outside of a fleet after a thousand million sessions.
    fn next_id(&self, worker: usize, plan: Plan) -> u32 {
        loop {
            let given = self.given.replace((self.given.get() + 1) % plan.span());
            let id = plan.id(worker, given);
            if !self.entries.borrow().contains_key(&id) {
                return id;
            }
        }
    }
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
        let id = local.sessions.next_id(worker, stage.id_plan());
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

    fn handle(&mut self, sent: SendAway, _: &mut Context<Self>) {
        for entry in Local::here().sessions.entries.borrow().values() {
            if sent.endpoint.as_ref().is_none_or(|sluice| Arc::ptr_eq(sluice, &entry.endpoint.sluice)) {
                entry.addr.do_send(Drain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sessions, host};
    use crate::session::ids::{FIRST_ID, Plan};

    #[test]
    fn ids_come_round_and_none_is_given_twice() {
        let (sessions, plan) = (Sessions::default(), Plan { workers: 4, generation: 0, instance: None, begin: 0 });
        let ids: Vec<u32> = (0..3).map(|_| sessions.next_id(1, plan)).collect();
        assert_eq!(ids, [FIRST_ID + 1, FIRST_ID + 5, FIRST_ID + 9]);
        sessions.given.set(FIRST_ID / 4 - 1);
        assert_eq!(sessions.next_id(3, plan), 2 * FIRST_ID - 1);
        assert_eq!(sessions.next_id(3, plan), FIRST_ID + 3);
    }

    #[test]
    fn hosts_are_written_as_servers_do() {
        assert_eq!(host("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80");
        assert_eq!(host("[::ffff:10.0.0.1]:80".parse().unwrap()), "10.0.0.1:80");
        assert_eq!(host("[::1]:80".parse().unwrap()), "::1:80");
    }
}
