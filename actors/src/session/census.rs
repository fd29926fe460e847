//! Who is there: a worker's sessions, as a list of processes shows them.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Context, Handler, Message, MessageResult};
use rustc_hash::FxHashMap;

use super::control::{Control, Place};
use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::pool::PoolShard;

/// A worker's sessions by their virtual ids.
#[derive(Default)]
pub(crate) struct Sessions(RefCell<FxHashMap<u32, Entry>>);

struct Entry {
    control: Rc<Control>,
    peer: Option<SocketAddr>,
    endpoint: Arc<Endpoint>,
}

/// Keeps a session among its worker's for as long as it lives, however it ends.
pub(super) struct Attendance {
    local: Rc<Local>,
    id: u32,
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

impl Attendance {
    pub(super) fn new(
        local: Rc<Local>,
        id: u32,
        control: Rc<Control>,
        peer: Option<SocketAddr>,
        endpoint: Arc<Endpoint>,
    ) -> Self {
        local.sessions.0.borrow_mut().insert(id, Entry { control, peer, endpoint });
        Self { local, id }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.local.sessions.0.borrow_mut().remove(&self.id);
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

fn host(peer: SocketAddr) -> String {
    format!("{}:{}", peer.ip().to_canonical(), peer.port())
}

impl Handler<Census> for PoolShard {
    type Result = MessageResult<Census>;

    fn handle(&mut self, census: Census, _: &mut Context<Self>) -> Self::Result {
        let local = Local::here();
        let sessions = local.sessions.0.borrow();
        let uses = |entry: &Entry| entry.endpoint.nodes.iter().any(|node| census.nodes.contains(&node.index));
        let guests = sessions.iter().filter(|(_, entry)| uses(entry)).filter_map(|(id, entry)| entry.shown(*id));
        MessageResult(guests.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_are_written_as_servers_do() {
        assert_eq!(host("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80");
        assert_eq!(host("[::ffff:10.0.0.1]:80".parse().unwrap()), "10.0.0.1:80");
        assert_eq!(host("[::1]:80".parse().unwrap()), "::1:80");
    }
}
