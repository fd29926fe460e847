//! The servers' account tables, as last read: what logins are judged by where `credentials = "query"`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use greenroom_protocol::accounts::Accounts;
use rustc_hash::FxHashMap;
use tokio::sync::MutexGuard;

/// A table is not read more often: whoever guesses passwords would have it read with every guess.
const PAUSE: Duration = Duration::from_millis(100);

/// One table for each node.
#[derive(Debug, Default)]
pub(crate) struct Rosters(Mutex<FxHashMap<u16, Arc<Roster>>>);

/// A node's table.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    latest: Mutex<Option<(Instant, Arc<Accounts>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Rosters {
    /// That of a node.
    pub(crate) fn of(&self, node: u16) -> Arc<Roster> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(node).or_default())
    }

    /// Nothing of what was read is believed any more.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Roster {
    /// What was read at this time or later.
    pub(crate) fn since(&self, due: Option<Instant>) -> Option<Arc<Accounts>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().filter(|(read, _)| due.is_none_or(|due| *read >= due)).map(|(_, accounts)| Arc::clone(accounts))
    }

    /// The right to read it next, when it may be read again. Many who want it wait for one.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.turn.lock().await;
        let read = self.latest.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(read, _)| *read);
        if let Some(left) = read.and_then(|read| PAUSE.checked_sub(read.elapsed())) {
            tokio::time::sleep(left).await;
        }
        turn
    }

    /// It was read, by a question asked at this time.
    pub(crate) fn put(&self, asked: Instant, accounts: Arc<Accounts>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, accounts));
    }
}
