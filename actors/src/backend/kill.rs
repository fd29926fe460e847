//! Ending something on the server over a connection of its own: what a vanished client had begun would run on, and
//! hold its locks, until it wrote a row.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use slog::Logger;

use super::aside::aside;
use crate::account::Account;
use crate::node::Permit;

/// Kills a server connection, or its statement, by the same account over another connection, which takes the place of
/// `permit`. Says whether it could be tried.
pub(crate) async fn kill(permit: Permit, account: Arc<Account>, statement: String, log: Logger) -> bool {
    // It may have ended by itself: then the server knows no such id, which is as well.
    match aside(permit, account, &[(Command::Query, statement.as_bytes())]).await {
        Ok(_) => true,
        Err(refusal) => {
            slog::warn!(log, "a statement could not be killed"; "reason" => %refusal);
            false
        }
    }
}
