//! What administrators see of a worker's sessions. Asked for rarely, and answered between two statements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actix::{Context, Handler, Message, MessageResult};
use greenroom_protocol::sql::PinReason;
use greenroom_protocol::state::SessionState;

use super::census::{Entry, host};
use super::control::{Pinning, Place};
use crate::account::Account;
use crate::endpoint::Endpoint;
use crate::local::Local;
use crate::pool::PoolShard;
use crate::sluice::Sluice;
use crate::waits::Waits;

/// Asks a worker for all its sessions.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Attendee>")]
pub(crate) struct ShowClients;

/// A session, as administrators see it. What is written of it is written on their own thread.
#[derive(Debug, Clone)]
pub(crate) struct Attendee {
    pub(crate) id: u32,
    /// `None` while it logs in.
    pub(crate) account: Option<Arc<Account>>,
    peer: Option<SocketAddr>,
    pub(crate) endpoint: Arc<Endpoint>,
    state: Option<Arc<SessionState>>,
    pub(crate) place: Place,
    pub(crate) is_running: bool,
    pub(crate) is_open: bool,
    /// It waits behind a pause of its endpoint.
    pub(crate) is_held: bool,
    /// When it last became idle, or began to wait.
    pub(crate) since: Option<Instant>,
    pub(crate) pins: Vec<Pinning>,
}

/// Asks a worker how many sessions each endpoint has there, and what pins them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Headcount")]
pub(crate) struct CountClients;

/// How many there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headcount {
    pub(crate) endpoints: Vec<(Arc<Endpoint>, Counts)>,
    /// By reason: how many, and since when the first of them.
    pub(crate) pins: Vec<(PinReason, usize, Instant)>,
    /// The slowest of lately.
    pub(crate) waits: Waits,
}

/// Sessions of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) clients: usize,
    pub(crate) active: usize,
    pub(crate) waiting: usize,
    pub(crate) backends: usize,
    pub(crate) pinned: usize,
}

impl Counts {
    /// Adds others.
    pub(crate) fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.active += other.active;
        self.waiting += other.waiting;
        self.backends += other.backends;
        self.pinned += other.pinned;
    }
}

impl Headcount {
    fn note(&mut self, entry: &Entry) {
        let control = &entry.control;
        let place = control.place();
        let known = self.endpoints.iter().position(|(endpoint, _)| Arc::ptr_eq(endpoint, &entry.endpoint));
        let at = known.unwrap_or_else(|| {
            self.endpoints.push((Arc::clone(&entry.endpoint), Counts::default()));
            self.endpoints.len() - 1
        });
        let pinned = control.each_pin(|pin| self.pin(pin.reason, 1, pin.since));
        if let Some((_, counts)) = self.endpoints.get_mut(at) {
            counts.add(Counts {
                clients: 1,
                active: usize::from(control.is_running()),
                waiting: usize::from(place == Place::Waiting),
                backends: usize::from(place.lease().is_some()),
                pinned: usize::from(pinned),
            });
        }
    }

    /// Counts pins of one reason.
    pub(crate) fn pin(&mut self, reason: PinReason, count: usize, since: Instant) {
        match self.pins.iter_mut().find(|(known, ..)| *known == reason) {
            Some((_, sum, first)) => (*sum, *first) = (*sum + count, since.min(*first)),
            None => self.pins.push((reason, count, since)),
        }
    }
}

impl Attendee {
    /// Address and port; `localhost` on a Unix socket.
    pub(crate) fn host(&self) -> String {
        self.peer.map_or_else(|| "localhost".to_owned(), host)
    }

    /// The default database that it had when it last rested.
    pub(crate) fn database(&self) -> Option<&[u8]> {
        self.state.as_ref().and_then(|state| state.database())
    }

    /// As the client names it.
    pub(crate) fn user(&self) -> Option<&[u8]> {
        self.account.as_ref().map(|account| &*account.user)
    }
}

/// Asks a worker what still goes on where an administrator has paused something.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Noise")]
pub(crate) struct Unrest {
    /// All sessions of the endpoint whose sluice this is, and what they have.
    pub(crate) endpoint: Option<Arc<Sluice>>,
    /// All that is leased of these nodes, of that endpoint's sessions if there is one.
    pub(crate) nodes: Arc<[u16]>,
}

/// What goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noise {
    /// Sessions with a statement or a transaction under way.
    pub(crate) sessions: Vec<Attendee>,
    /// Connections on their way between the pool and a session.
    pub(crate) passing: usize,
}

impl Entry {
    pub(super) fn attendee(&self, id: u32) -> Attendee {
        let control = &self.control;
        let place = control.place();
        let gated = self.endpoint.sluice.is_closed();
        Attendee {
            id,
            account: control.account(),
            peer: self.peer,
            endpoint: Arc::clone(&self.endpoint),
            state: control.state(),
            place,
            is_running: control.is_running(),
            is_open: control.is_open() && place.lease().is_some(),
            is_held: gated && place == Place::Waiting,
            since: control.since(),
            pins: control.pins(),
        }
    }
}

impl Handler<ShowClients> for PoolShard {
    type Result = MessageResult<ShowClients>;

    fn handle(&mut self, _: ShowClients, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Local::here().sessions.each(|id, entry| Some(entry.attendee(id))))
    }
}

impl Handler<CountClients> for PoolShard {
    type Result = MessageResult<CountClients>;

    fn handle(&mut self, _: CountClients, _: &mut Context<Self>) -> Self::Result {
        let mut all = Headcount::default();
        let local = Local::here();
        local.sessions.visit(|_, entry| all.note(entry));
        all.waits = local.waits.borrow_mut().lately();
        MessageResult(all)
    }
}

impl Handler<Unrest> for PoolShard {
    type Result = MessageResult<Unrest>;

    fn handle(&mut self, unrest: Unrest, _: &mut Context<Self>) -> Self::Result {
        let local = Local::here();
        let leased = |entry: &Entry| entry.control.place().lease().filter(|(node, _)| unrest.nodes.contains(node));
        let own =
            |entry: &Entry| unrest.endpoint.as_ref().is_none_or(|sluice| Arc::ptr_eq(&entry.endpoint.sluice, sluice));
        let holders = local.sessions.each(|_, entry| leased(entry).filter(|_| own(entry))).len();
        let concerned = |entry: &Entry| match &unrest.endpoint {
            Some(_) => own(entry),
            None => leased(entry).is_some(),
        };
        let sessions = local
            .sessions
            .each(|id, entry| (concerned(entry) && entry.control.is_restless()).then(|| entry.attendee(id)));
        // A lease that its session does not know of yet, or no more.
        let lent = self.lent(&unrest.nodes, unrest.endpoint.as_deref());
        MessageResult(Noise { sessions, passing: lent.saturating_sub(holders) })
    }
}
