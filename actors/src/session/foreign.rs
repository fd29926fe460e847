//! KILL of a session of another user. Whether that is allowed only a server can say, and a session without a server
//! connection is none that it could judge by: so it is asked about a connection that is there for nothing else, opened
//! as the same account, and the session itself ends when the server has allowed that.

use std::sync::Arc;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::error::{GENERAL, SqlError};

use super::command::Incoming;
use super::conversation::Conversation;
use super::kill::Shooting;
use super::{Busy, What};
use crate::account::Account;
use crate::backend::Bystander;
use crate::end::SessionEnd;
use crate::endpoint::Endpoint;
use crate::node::Node;

/// A session of somebody else's.
pub(super) struct Victim {
    pub(super) id: u32,
    pub(super) account: Arc<Account>,
    pub(super) endpoint: Arc<Endpoint>,
    /// What it runs.
    pub(super) busy: Option<Busy>,
}

impl Conversation {
    /// Kills a session of another user, or its statement, if a server allows it.
    pub(super) async fn kill_foreign(
        &mut self,
        command: Command,
        victim: Victim,
        what: What,
        mut incoming: Incoming,
    ) -> Result<(), SessionEnd> {
        let Some(node) = self.common_node(&victim) else { return self.unknown(command, incoming, victim.id).await };
        if !self.acquire_or_refuse(&mut incoming).await? {
            return Ok(());
        }
        let Some((answer, thread_id)) = self.ruling(&victim, what, &node).await? else {
            let text =
                format!("You are not owner of thread {}: whether you may kill it, no server could be asked", victim.id);
            return self.relay(Answer::Failed(SqlError::new(1095, GENERAL, text)), 0, 0, incoming).await;
        };
        if what == What::Connection && !matches!(answer, Answer::Failed(_)) {
            self.tell(victim.id, what, None).await;
        }
        self.relay(answer, thread_id, victim.id, incoming).await
    }

    /// The server's word, and the id that it names.
    async fn ruling(
        &mut self,
        victim: &Victim,
        what: What,
        node: &Arc<Node>,
    ) -> Result<Option<(Answer, u32)>, SessionEnd> {
        if let Some(busy) = &victim.busy {
            match self.shoot(busy).await? {
                Shooting::Answered(answer) => return Ok(Some((answer, busy.thread_id))),
                Shooting::Unsent | Shooting::Astray if what == What::Query => return Ok(None),
                Shooting::Unsent | Shooting::Astray | Shooting::Over => {}
            }
        }
        let Some(permit) = node.admit() else { return Ok(None) };
        let Ok(bystander) = Bystander::open(permit, Arc::clone(&victim.account)).await else { return Ok(None) };
        let thread_id = bystander.thread_id();
        let told = self.say_kill(node.index, thread_id).await;
        bystander.leave().await;
        match told? {
            Shooting::Answered(answer) => Ok(Some((answer, thread_id))),
            Shooting::Over | Shooting::Unsent | Shooting::Astray => Ok(None),
        }
    }

    /// A node that both sessions use.
    fn common_node(&self, victim: &Victim) -> Option<Arc<Node>> {
        let shared = |node: &&Arc<Node>| victim.endpoint.nodes.iter().any(|other| other.index == node.index);
        let mut nodes = self.endpoint.nodes.iter().filter(shared);
        nodes.clone().find(|node| node.is_up()).or_else(|| nodes.next()).cloned()
    }
}
