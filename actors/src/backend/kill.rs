//! Ending something on the server over a connection of its own: what a vanished client had begun would run on, and
//! hold its locks, until it wrote a row.

use std::sync::Arc;

use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::command::Command;
use slog::Logger;

use super::connect::{Blueprint, Start, begin};
use super::exchange::Batch;
use crate::account::Account;
use crate::local::Local;
use crate::node::Permit;
use crate::settings::PoolMode;

/// Kills a server connection, or its statement, by the same account over another connection, which takes the place of
/// `permit`. Says whether it could be tried.
pub(crate) async fn kill(permit: Permit, account: Arc<Account>, statement: String, log: Logger) -> bool {
    let blueprint = Blueprint {
        account,
        database: None,
        collation: 0,
        capabilities: Capabilities::NONE,
        attributes: None,
        mode: PoolMode::None,
    };
    let start = Start::Open { permit, blueprint: Box::new(blueprint) };
    match begin(start, Local::here()).await {
        Ok(mut wire) => {
            let mut batch = Batch::new(wire.card.capabilities);
            batch.add(Command::Query, statement.as_bytes());
            // It may have ended by itself: then the server knows no such id, which is as well.
            let _ = batch.run(&mut wire.stream).await;
            drop(super::clean::farewell(wire).await);
            true
        }
        Err((_, refusal)) => {
            slog::warn!(log, "a statement could not be killed"; "reason" => %refusal);
            false
        }
    }
}
