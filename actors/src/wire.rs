//! A backend connection's socket with all that is known of the server's end: the thing that a lease moves.

use std::sync::Arc;
use std::time::Instant;

use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::state::{SessionState, Variable};
use greenroom_protocol::statement::Cache;

use crate::account::Account;
use crate::node::Permit;
use crate::quota::Place;
use crate::stream::{Crated, Stream};
use crate::surveys::Claim;

/// One logged-in server connection with no reply outstanding.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    pub(crate) card: Card,
}

/// What is known of the server's end of a [`Wire`].
#[derive(Debug)]
pub(crate) struct Card {
    /// Counts the socket against the node's limit for as long as it exists.
    pub(crate) permit: Permit,
    /// Counts it among those of its account.
    pub(crate) _place: Place,
    /// The server's id of the connection.
    pub(crate) thread_id: u32,
    /// Whose it is.
    pub(crate) account: Arc<Account>,
    /// Its next reset is to take a survey of what is stored.
    pub(crate) claim: Option<Claim>,
    /// What was agreed at login.
    pub(crate) capabilities: CapabilityFlags,
    /// What it was like after login, and is again after a reset.
    pub(crate) birth: Arc<Birth>,
    /// The state that it is in.
    pub(crate) state: Arc<SessionState>,
    /// What `LAST_INSERT_ID()` gives on it.
    pub(crate) last_insert_id: u64,
    /// What is prepared on it, in transaction mode.
    pub(crate) statements: Cache,
    /// The trackers are on: it serves transaction mode.
    pub(crate) tracked: bool,
    /// So is MySQL's tracker of GTIDs.
    pub(crate) gtids: bool,
    /// MariaDB's count of triggers that ran, when it was last read.
    pub(crate) triggers: u64,
    /// What `FOUND_ROWS()` gives on it, where that is known.
    pub(crate) found_rows: Option<u64>,
    /// A role or an option (`COM_SET_OPTION`) was set, which outlive every reset (measured), or a `KILL QUERY` may still
    /// arrive: nobody else may have this connection.
    pub(crate) tainted: bool,
    /// When it should be retired.
    pub(crate) retire: Option<Instant>,
}

/// A connection's state after login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) state: SessionState,
    /// The collation id sent at login.
    pub(crate) collation: u16,
    /// Values of variables that many clients set, often to what they are anyway.
    pub(crate) defaults: Box<[Variable]>,
    /// `CURRENT_ROLE()`.
    pub(crate) role: Option<Box<[u8]>>,
    /// `init_connect` has run for it; a reset undoes what that did and does not run it again.
    pub(crate) init_connect: bool,
}

impl Wire {
    /// Takes the connection off this arbiter.
    pub(crate) fn pack(self) -> std::io::Result<(Crated, Card)> {
        Ok((self.stream.pack()?, self.card))
    }
}
