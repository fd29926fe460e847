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
use crate::fleet::{Ask, Reply, mark};
use crate::stage::Stage;

/// How long a connection stands by to be judged.
const STAND_BY: Duration = Duration::from_secs(10);

/// Why nobody could judge.
const UNJUDGED: &str = "whether you may kill it, no server could be asked";

/// How many connections stand by at most: they are none of any share.
const MOST: usize = 4;

/// Connections that stand by to be judged, by tickets, until told that they need not.
#[derive(Default)]
pub(crate) struct Bystanders(RefCell<FxHashMap<String, Standing>>);

/// What is to be judged.
struct Standing {
    /// The session's id, and the account that it had.
    id: u32,
    account: Arc<Account>,
    _dismiss: oneshot::Sender<()>,
}

impl Bystanders {
    /// A ticket for one more, if there are not too many, and what ends with it.
    fn admit(&self, id: u32, account: &Arc<Account>) -> Option<(String, oneshot::Receiver<()>)> {
        let mut standing = self.0.borrow_mut();
        if standing.len() >= MOST {
            return None;
        }
        let (ticket, (dismiss, dismissed)) = (mark(), oneshot::channel());
        standing.insert(ticket.clone(), Standing { id, account: Arc::clone(account), _dismiss: dismiss });
        Some((ticket, dismissed))
    }

    /// It has been judged: of which account this session must be to be killed. Nobody's, where the ticket is for another one.
    fn judged(&self, ticket: &str, id: u32) -> Option<Arc<Account>> {
        let standing = self.0.borrow_mut().remove(ticket)?;
        (standing.id == id).then_some(standing.account)
    }

    /// It needs not stand by any more.
    fn dismiss(&self, ticket: &str) {
        self.0.borrow_mut().remove(ticket);
    }
}

/// Does what another instance asks.
pub(crate) async fn heed(stage: Arc<Stage>, bystanders: Rc<Bystanders>, ask: Ask) -> Reply {
    match ask {
        Ask::Dismiss { ticket } => {
            bystanders.dismiss(&ticket);
            Reply::Done
        }
        Ask::Kill { id, query, by, ticket } => {
            let what = if query { What::Query } else { What::Connection };
            let judged = ticket.map(|ticket| bystanders.judged(&ticket, id));
            match (by, judged) {
                (Some(by), _) => kill_for(&stage, &bystanders, id, what, by).await,
                // An administrator's, who asks nobody.
                (None, None) => told(fell_here(&stage, id, what).await),
                (None, Some(Some(account))) => kill_judged(&stage, id, what, &account).await,
                (None, Some(None)) => Reply::Failed(UNJUDGED.to_owned()),
            }
        }
    }
}

/// Ends the session, or its statement, if it still is of the account that a server has judged about.
async fn kill_judged(stage: &Arc<Stage>, id: u32, what: What, account: &Account) -> Reply {
    let Some(session) = find(stage, id).await else { return Reply::Unknown };
    match session.send(Kill { what, by: Some(account.user.clone()) }).await {
        Ok(Killed::Idle | Killed::Ending) => Reply::Done,
        Ok(Killed::Busy(busy)) => told(end_statement(stage, &busy).await),
        Ok(Killed::Foreign { .. }) => Reply::Failed(UNJUDGED.to_owned()),
        Ok(Killed::Denied) | Err(_) => Reply::Unknown,
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
        Ok(Killed::Foreign { account, endpoint, .. }) => stand_by(bystanders, id, account, &endpoint).await,
        Ok(Killed::Denied) | Err(_) => Reply::Unknown,
    }
}

/// Opens a connection as this account, for a server to say whether somebody may kill those of its.
async fn stand_by(bystanders: &Rc<Bystanders>, id: u32, account: Arc<Account>, endpoint: &Endpoint) -> Reply {
    let mut nodes = endpoint.nodes.iter();
    let node = nodes.clone().find(|node| node.is_up()).or_else(|| nodes.next());
    let Some(node) = node else { return Reply::Failed(UNJUDGED.to_owned()) };
    let Some((ticket, dismissed)) = bystanders.admit(id, &account) else { return Reply::Failed(UNJUDGED.to_owned()) };
    // Not one of the share: that may all be busy with what is to be ended.
    let Ok(bystander) = Bystander::open(node.beside(), account).await else {
        bystanders.dismiss(&ticket);
        return Reply::Failed(UNJUDGED.to_owned());
    };
    let reply =
        Reply::Judge { node: node.settings().name.clone(), thread_id: bystander.thread_id(), ticket: ticket.clone() };
    let bystanders = Rc::clone(bystanders);
    actix_rt::spawn(async move {
        let _ = tokio::time::timeout(STAND_BY, dismissed).await;
        bystanders.dismiss(&ticket);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use greenroom_protocol::login::client::BackendSecret;
    use greenroom_protocol::secret::Secret;

    use super::{Bystanders, MOST};
    use crate::account::{Account, Proven};
    use crate::quota::Quotas;

    #[test]
    fn a_ticket_is_for_one_session_once_and_there_are_few() {
        let account = Arc::new(Account {
            id: 1,
            user: b"victim".as_slice().into(),
            backend_user: b"victim".as_slice().into(),
            client: None,
            secret: BackendSecret::Password(Secret::new(b"secret".to_vec())),
            proven: Proven::default(),
            quotas: Quotas::default(),
        });
        let bystanders = Bystanders::default();
        let mut tickets: Vec<_> = (0..MOST).map_while(|_| bystanders.admit(7, &account)).collect();
        assert!(tickets.len() == MOST && bystanders.admit(7, &account).is_none());
        let (mut next, mut dismissed) = tickets.pop().unwrap();
        assert!(dismissed.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty));
        assert!(bystanders.judged(&next, 8).is_none(), "it was about another one");
        assert!(dismissed.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed));
        assert!(bystanders.judged(&next, 7).is_none(), "once");
        (next, _) = bystanders.admit(7, &account).unwrap();
        assert!(bystanders.judged(&next, 7).is_some_and(|judged| Arc::ptr_eq(&judged, &account)));
        bystanders.dismiss(&tickets[0].0);
        assert!(bystanders.judged(&tickets[0].0, 7).is_none());
    }
}
