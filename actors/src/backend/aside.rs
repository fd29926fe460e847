//! A word with a server over a connection that lives no longer than that, and is nobody's.

use std::sync::Arc;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::command::Command;

use super::connect::{Blueprint, Start, begin};
use super::exchange::Batch;
use crate::account::Account;
use crate::local::Local;
use crate::node::Permit;
use crate::pool::Refusal;
use crate::settings::PoolMode;
use crate::wire::Wire;

/// What was heard.
#[derive(Debug)]
pub(crate) struct Aside {
    /// The server's id of the connection.
    pub(crate) thread_id: u32,
    /// Empty where the server did not answer all of it.
    pub(crate) answers: Vec<Answer>,
}

/// A connection that is there to be looked at.
pub(crate) struct Bystander(Box<Wire>);

impl Bystander {
    /// One of this account's, in the place of `permit`.
    ///
    /// # Errors
    /// Why there was none.
    pub(crate) async fn open(permit: Permit, account: Arc<Account>) -> Result<Self, Refusal> {
        open(permit, account).await.map(Self)
    }

    /// The server's id of it.
    pub(crate) fn thread_id(&self) -> u32 {
        self.0.card.thread_id
    }

    /// It is not needed any more.
    pub(crate) async fn leave(self) {
        drop(super::clean::farewell(self.0).await);
    }
}

async fn open(permit: Permit, account: Arc<Account>) -> Result<Box<Wire>, Refusal> {
    // As an account that the server knows by the client's address, only that address may log in.
    let route = super::introduction::route(account.client);
    let place = account.quotas.of(permit.node().index).enter();
    let blueprint = Blueprint {
        account,
        route,
        database: None,
        collation: 0,
        capabilities: Capabilities::NONE,
        attributes: None,
        gtids: false,
        mode: PoolMode::None,
    };
    let start = Start::Open { permit, place, blueprint: Box::new(blueprint) };
    begin(start, Local::here()).await.map_err(|(_, refusal)| refusal)
}

/// Says something to a server as this account, over a connection that takes the place of `permit`.
///
/// # Errors
/// Why there was no connection.
pub(crate) async fn aside(
    permit: Permit,
    account: Arc<Account>,
    commands: &[(Command, &[u8])],
) -> Result<Aside, Refusal> {
    let mut wire = open(permit, account).await?;
    let mut batch = Batch::new(wire.card.capabilities);
    for (command, argument) in commands {
        batch.add(*command, argument);
    }
    let thread_id = wire.card.thread_id;
    let answers = batch.run(&mut wire.stream).await.map(|outcome| outcome.answers).unwrap_or_default();
    drop(super::clean::farewell(wire).await);
    Ok(Aside { thread_id, answers })
}
