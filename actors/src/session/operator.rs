//! Ending a session, or what it runs, for an administrator: whoever is let into the console may.

use actix::Addr;
use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;

use super::census::Find;
use super::{Busy, ClientSession, Kill, Killed, What};
use crate::backend::aside;
use crate::fleet::{Ask, Reply};
use crate::stage::Stage;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Felled {
    /// The session ends, or the server has ended its statement.
    Done,
    /// There was no statement to end.
    Idle,
    /// There is no such session.
    Unknown,
    /// Why the server could not be told.
    Failed(String),
}

/// Ends the session with this id, or its statement.
pub(crate) async fn fell(stage: &Stage, id: u32, what: What) -> Felled {
    let felled = fell_here(stage, id, what).await;
    let (Felled::Unknown, Some(instance), Some(fleet)) = (&felled, stage.id_plan().another(id), stage.fleet()) else {
        return felled;
    };
    let ask = Ask::Kill { id, query: what == What::Query, by: None, ticket: None };
    match fleet.call(instance, ask).await {
        Reply::Done => Felled::Done,
        Reply::Unknown => Felled::Unknown,
        Reply::Failed(reason) => Felled::Failed(reason),
        Reply::Judge { .. } => Felled::Failed("the other instance did not understand".to_owned()),
    }
}

/// The session with this id, if it is one of this process's.
pub(super) async fn find(stage: &Stage, id: u32) -> Option<Addr<ClientSession>> {
    let shard = stage.shard(stage.id_plan().worker_of(id)?)?;
    shard.send(Find { id }).await.ok()?
}

/// The same as [`fell`], of this process's sessions alone.
pub(super) async fn fell_here(stage: &Stage, id: u32, what: What) -> Felled {
    let Some(session) = find(stage, id).await else { return Felled::Unknown };
    match session.send(Kill { what, by: None }).await {
        Ok(Killed::Ending) => Felled::Done,
        Ok(Killed::Idle) if what == What::Connection => Felled::Done,
        Ok(Killed::Idle) => Felled::Idle,
        Ok(Killed::Busy(busy)) => end_statement(stage, &busy).await,
        Ok(Killed::Foreign { .. } | Killed::Denied) | Err(_) => Felled::Unknown,
    }
}

/// Has a server end what runs, by the account that runs it.
pub(super) async fn end_statement(stage: &Stage, busy: &Busy) -> Felled {
    let Some(node) = stage.nodes().into_iter().find(|node| node.index == busy.node) else {
        return Felled::Failed("its server is configured no more".to_owned());
    };
    let Some(shot) = busy.claim.fire() else { return Felled::Idle };
    let statement = format!("KILL QUERY {}", busy.thread_id);
    // Not one of the node's max_connections: those may all be busy with what is to be ended.
    let told = aside(node.beside(), busy.account.clone(), &[(Command::Query, statement.as_bytes())]).await;
    match told.map(|told| told.answers.into_iter().next()) {
        Ok(Some(Answer::Failed(error))) => {
            shot.refused();
            Felled::Failed(error.message)
        }
        Ok(Some(_)) => {
            shot.answered();
            Felled::Done
        }
        Ok(None) => Felled::Failed("the server did not answer".to_owned()),
        Err(refusal) => {
            shot.refused();
            Felled::Failed(refusal.to_string())
        }
    }
}
