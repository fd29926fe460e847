//! What the actors of one worker share: counts, who is there, and the names behind handshake collations. Never leaves its thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::state::{Charset, Names, SessionState};
use rustc_hash::FxHashMap;

use crate::node::Node;
use crate::observed::Observed;
use crate::queries::Table;
use crate::session::Sessions;
use crate::tally::Tally;
use crate::waits::Waits;
use crate::wire::Birth;

/// An account's id, and a database's name.
type AccountDatabase = (u32, Box<[u8]>);

/// A worker's own.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) tally: Tally,
    /// What its sessions were seen to do.
    pub(crate) observed: Observed,
    /// Whom it serves.
    pub(crate) sessions: Sessions,
    /// Its statements, by their shapes.
    pub(crate) queries: RefCell<Table>,
    /// What its sessions waited for longest.
    pub(crate) waits: RefCell<Waits>,
    /// Where a shape is written before it is looked up.
    pub(crate) shape_room: Cell<Vec<u8>>,
    /// Statements without a trace of their own since one of them began one.
    pub(crate) traceless: Cell<usize>,
    /// What each node makes of a collation id sent at login, as far as anybody here had to know.
    charsets: RefCell<FxHashMap<(u16, u16), Names>>,
    /// When a server last let an account into a database.
    databases: RefCell<FxHashMap<AccountDatabase, Instant>>,
    /// States in which sessions were lately, each other than all others.
    states: RefCell<VecDeque<Arc<SessionState>>>,
}

/// How long it is believed that an account may use a database at login; after that the next login asks the server.
const DATABASE_TRUST: Duration = Duration::from_secs(10);

/// Databases remembered at most.
const DATABASES: usize = 10_000;

/// States remembered at most: all are looked at.
const STATES: usize = 8;

thread_local! {
    static HERE: Rc<Local> = Rc::default();
}

impl Local {
    /// This worker's.
    pub(crate) fn here() -> Rc<Self> {
        HERE.with(Rc::clone)
    }

    /// A session's time in a line is over. `served`: it got what it waited for. `who`: the endpoint's name and the user's.
    pub(crate) fn waited(&self, time: Duration, served: bool, who: impl FnOnce() -> (String, String)) {
        if served {
            self.tally.waited(time);
        } else {
            self.tally.timed_out(time);
        }
        self.waits.borrow_mut().note(time, served, who);
    }

    /// Remembers what a login with a collation id led to, for all workers.
    pub(crate) fn note_charset(&self, node: &Node, birth: &Birth) {
        // With init_connect the names may be its doing, and then hold for this login alone.
        if let (Charset::Named(names), false) = (birth.state.charset(), birth.init_connect) {
            self.charsets.borrow_mut().entry((node.index, birth.collation)).or_insert_with(|| {
                node.note_charset(birth.collation, names);
                names.clone()
            });
        }
    }

    /// A server has let an account into a database.
    pub(crate) fn note_database(&self, account: u32, name: &[u8]) {
        let mut databases = self.databases.borrow_mut();
        if databases.len() >= DATABASES {
            databases.clear();
        }
        databases.insert((account, Box::from(name)), Instant::now());
    }

    /// Whether a server has done so lately.
    pub(crate) fn knows_database(&self, account: u32, name: &[u8]) -> bool {
        let since = self.databases.borrow().get(&(account, Box::from(name))).copied();
        since.is_some_and(|since| since.elapsed() < DATABASE_TRUST)
    }

    /// Puts what others have in place of an equal state, so that most sessions share a few.
    pub(crate) fn share(&self, state: &mut Arc<SessionState>) {
        let mut states = self.states.borrow_mut();
        match states.iter().find(|known| known.print() == state.print() && **known == *state) {
            Some(known) => *state = Arc::clone(known),
            None => {
                states.truncate(STATES - 1);
                states.push_front(Arc::clone(state));
            }
        }
    }

    /// What a node makes of a collation id, if some login has shown it, on whichever worker.
    pub(crate) fn charset(&self, node: &Node, collation: u16) -> Option<Names> {
        let mut known = self.charsets.borrow_mut();
        if let Some(names) = known.get(&(node.index, collation)) {
            return Some(names.clone());
        }
        let names = node.charset(collation)?;
        known.insert((node.index, collation), names.clone());
        Some(names)
    }
}
