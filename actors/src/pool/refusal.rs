//! Why a session gets no connection.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::error::SqlError;

use crate::account::Account;
use crate::gate::Gate;

/// The default database is gone, or the account's right to it.
pub(crate) const DATABASE_REFUSED: [u16; 2] = [1049, 1044];

/// Why a lease is refused; the session lives on.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    /// Nothing came free in time.
    #[error("no backend connection to node '{node}' came free within {waited:?} (limit {limit})")]
    Timeout { node: Arc<str>, limit: usize, waited: Duration },
    /// The server lets the user have no more connections, and none of his came free in time.
    #[error("user '{}' may have {limit} connections to node '{node}', and none came free within {waited:?}", account.name())]
    UserFull { node: Arc<str>, account: Arc<Account>, limit: usize, waited: Duration },
    /// The node does not answer.
    #[error("node '{node}' is down: {reason}")]
    Down { node: Arc<str>, reason: Arc<str> },
    /// The server itself refused the login.
    #[error("the server refused the login: {}", .0.message)]
    Server(SqlError),
    /// The connection could not be opened; the node may still be up.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The endpoint has no node for this.
    #[error("endpoint '{0}' has no node that may serve it")]
    NoNode(String),
    /// No node has become a primary in time.
    #[error("endpoint '{endpoint}' had no primary for {waited:?}")]
    NoPrimary { endpoint: String, waited: Duration },
    /// As many wait as may.
    #[error("as many sessions of {} wait as may", .0.name())]
    Crowded(Arc<Gate>),
    /// An administrator has paused this for longer than it may wait.
    #[error("'{what}' has been paused by an administrator, and this has waited for {waited:?}")]
    Paused { what: String, waited: Duration },
    /// The process is stopping.
    #[error("greenroom is shutting down")]
    Draining,
}

impl Refusal {
    /// Whether the server has no room for more connections.
    pub(super) fn is_about_room(&self) -> bool {
        matches!(self, Self::Server(error) if error.code == 1040)
    }

    /// Whether the server lets this user have no more connections (`max_user_connections`): 1203 is about its variable, 1226 about
    /// the account's own limit, or about one an hour, which no wait would help (MySQL and MariaDB, measured).
    pub(super) fn is_about_the_user(&self) -> bool {
        match self {
            Self::Server(error) => {
                error.code == 1203 || (error.code == 1226 && error.message.contains("max_user_connections"))
            }
            _ => false,
        }
    }

    /// Whether the server refused a database, and not the account.
    pub(super) fn is_about_the_database(&self) -> bool {
        matches!(self, Self::Server(error) if DATABASE_REFUSED.contains(&error.code))
    }
}
