//! KILL of a session of another instance of the fleet, on both sides.
//!
//! ```text
//! instance that is asked              the session's instance
//!   │ Kill{id, by}                       │
//!   ├───────────────────────────────────>│ of the same user: ends it, or its statement by its own account
//!   │<──── Done | Unknown | Failed ──────┤
//!   │<──── Judge{node, thread_id} ───────┤ of another user: opens a connection as that one's account
//!   │ has the node judge: KILL QUERY thread_id, by the rights of the session that asks
//!   ├───── Kill{id, allowed} | Dismiss ─>│ ends it; closes the connection
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::error::{GENERAL, SqlError};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::command::Incoming;
use super::conversation::Conversation;
use super::kill::Shooting;
use super::operator::{Felled, end_statement, fell_here, find};
use super::{Kill, Killed, What};
use crate::account::Account;
use crate::backend::Bystander;
use crate::end::SessionEnd;
use crate::endpoint::Endpoint;
use crate::fleet::{Ask, Reply};
use crate::random::random_text;
use crate::stage::Stage;

/// How long a connection stands by to be judged.
const STAND_BY: Duration = Duration::from_secs(10);

/// Why nobody could judge.
const UNJUDGED: &str = "whether you may kill it, no server could be asked";

/// Connections that stand by to be judged, until told that they need not.
pub(crate) type Bystanders = RefCell<FxHashMap<String, oneshot::Sender<()>>>;

/// Does what another instance asks.
pub(crate) async fn heed(stage: Arc<Stage>, bystanders: Rc<Bystanders>, ask: Ask) -> Reply {
    match ask {
        Ask::Dismiss { ticket } => {
            bystanders.borrow_mut().remove(&ticket);
            Reply::Done
        }
        Ask::Kill { id, query, by, ticket } => {
            if let Some(ticket) = ticket {
                bystanders.borrow_mut().remove(&ticket);
            }
            let what = if query { What::Query } else { What::Connection };
            match by {
                None => told(fell_here(&stage, id, what).await),
                Some(by) => kill_for(&stage, &bystanders, id, what, by).await,
            }
        }
    }
}

fn told(felled: Felled) -> Reply {
    match felled {
        Felled::Done | Felled::Idle => Reply::Done,
        Felled::Unknown => Reply::Unknown,
        Felled::Failed(reason) => Reply::Failed(reason),
    }
}

async fn kill_for(stage: &Arc<Stage>, bystanders: &Rc<Bystanders>, id: u32, what: What, by: Vec<u8>) -> Reply {
    let Some(session) = find(stage, id).await else { return Reply::Unknown };
    match session.send(Kill { what, by: Some(by.into()) }).await {
        Ok(Killed::Idle | Killed::Ending) => Reply::Done,
        Ok(Killed::Busy(busy)) => told(end_statement(stage, &busy).await),
        Ok(Killed::Foreign { account, endpoint, .. }) => stand_by(bystanders, account, &endpoint).await,
        Ok(Killed::Denied) | Err(_) => Reply::Unknown,
    }
}

/// Opens a connection as this account, for a server to say whether somebody may kill those of its.
async fn stand_by(bystanders: &Rc<Bystanders>, account: Arc<Account>, endpoint: &Endpoint) -> Reply {
    let mut nodes = endpoint.nodes.iter();
    let node = nodes.clone().find(|node| node.is_up()).or_else(|| nodes.next());
    let Some(node) = node else { return Reply::Failed(UNJUDGED.to_owned()) };
    // Not one of the share: that may all be busy with what is to be ended.
    let Ok(bystander) = Bystander::open(node.beside(), account).await else {
        return Reply::Failed(UNJUDGED.to_owned());
    };
    let ticket: String = random_text::<8>().iter().map(|byte| format!("{byte:02x}")).collect();
    let reply =
        Reply::Judge { node: node.settings().name.clone(), thread_id: bystander.thread_id(), ticket: ticket.clone() };
    let (dismiss, dismissed) = oneshot::channel();
    bystanders.borrow_mut().insert(ticket.clone(), dismiss);
    let bystanders = Rc::clone(bystanders);
    actix_rt::spawn(async move {
        let _ = tokio::time::timeout(STAND_BY, dismissed).await;
        bystanders.borrow_mut().remove(&ticket);
        bystander.leave().await;
    });
    reply
}

impl Conversation {
    /// `KILL [QUERY] id`, of another instance's session.
    pub(super) async fn kill_afar(
        &mut self,
        command: Command,
        incoming: Incoming,
        (instance, id): (u8, u32),
        what: What,
    ) -> Result<(), SessionEnd> {
        let by = self.account.as_ref().map(|account| account.user.to_vec()).unwrap_or_default();
        let ask = Ask::Kill { id, query: what == What::Query, by: Some(by), ticket: None };
        match self.ask(instance, ask).await {
            Reply::Judge { node, thread_id, ticket } => {
                self.have_judged(command, incoming, (instance, id), what, Judged { node, thread_id, ticket }).await
            }
            reply => self.tell_of(command, incoming, id, reply).await,
        }
    }

    async fn ask(&self, instance: u8, ask: Ask) -> Reply {
        match self.stage.fleet() {
            Some(fleet) => fleet.call(instance, ask).await,
            None => Reply::Unknown,
        }
    }

    /// Has a server say whether the session of another user may be killed.
    async fn have_judged(
        &mut self,
        command: Command,
        mut incoming: Incoming,
        (instance, id): (u8, u32),
        what: What,
        Judged { node, thread_id, ticket }: Judged,
    ) -> Result<(), SessionEnd> {
        let known = self.endpoint.nodes.iter().find(|known| known.settings().name == node).map(|node| node.index);
        let Some(node) = known else {
            self.ask(instance, Ask::Dismiss { ticket }).await;
            return self.unknown(command, incoming, id).await;
        };
        if !self.acquire_or_refuse(&mut incoming).await? {
            self.ask(instance, Ask::Dismiss { ticket }).await;
            return Ok(());
        }
        match self.say_kill(node, thread_id).await? {
            Shooting::Answered(answer @ Answer::Failed(_)) => {
                self.ask(instance, Ask::Dismiss { ticket }).await;
                self.relay(answer, thread_id, id, incoming).await
            }
            Shooting::Answered(answer) => {
                let ask = Ask::Kill { id, query: what == What::Query, by: None, ticket: Some(ticket) };
                match self.ask(instance, ask).await {
                    // It may have gone by itself meanwhile.
                    Reply::Done | Reply::Unknown => self.relay(answer, thread_id, id, incoming).await,
                    reply => self.tell_of(command, incoming, id, reply).await,
                }
            }
            Shooting::Over | Shooting::Unsent | Shooting::Astray => {
                self.ask(instance, Ask::Dismiss { ticket }).await;
                let text = format!("You are not owner of thread {id}: {UNJUDGED}");
                self.relay(Answer::Failed(SqlError::new(1095, GENERAL, text)), 0, 0, incoming).await
            }
        }
    }

    async fn tell_of(
        &mut self,
        command: Command,
        mut incoming: Incoming,
        id: u32,
        reply: Reply,
    ) -> Result<(), SessionEnd> {
        match reply {
            Reply::Done => {
                self.skip(&mut incoming).await?;
                self.previous.answered(0);
                self.send_ok(incoming.seq()).await
            }
            Reply::Unknown => self.unknown(command, incoming, id).await,
            Reply::Judge { .. } | Reply::Failed(_) => {
                self.skip(&mut incoming).await?;
                let reason = if let Reply::Failed(reason) = reply { reason } else { UNJUDGED.to_owned() };
                let text = format!("thread {id} could not be killed: {reason}");
                self.send_error(incoming.seq(), &SqlError::new(1105, GENERAL, text)).await
            }
        }
    }
}

/// A connection that stands by, as another instance has named it.
struct Judged {
    node: String,
    thread_id: u32,
    ticket: String,
}
