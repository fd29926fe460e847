//! A session that keeps its connection outside a transaction, while an administrator has paused its endpoint or server: its
//! next command waits as those do that need a lease.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use greenroom_protocol::error::SqlError;

use super::command::Incoming;
use super::conversation::Conversation;
use crate::end::SessionEnd;
use crate::sluice::Sluice;
use crate::tally::ClientState;

impl Conversation {
    /// Whether its next command has to wait. What is in a transaction goes on to its end.
    pub(super) fn is_paused(&self) -> bool {
        self.grant.is_some() && !self.hold.is_open() && self.closed_sluice().is_some()
    }

    fn closed_sluice(&self) -> Option<&Arc<Sluice>> {
        let node = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        let own = Some(&self.endpoint.sluice).filter(|sluice| sluice.is_closed());
        own.or_else(|| node.map(|node| &node.sluice).filter(|sluice| sluice.is_closed()))
    }

    /// Waits for the end of the pause. `false`: that took too long, and the client has been told.
    pub(super) async fn wait_behind_pause(&mut self, incoming: &mut Incoming) -> Result<bool, SessionEnd> {
        self.gauge.set(ClientState::Waiting);
        self.control.stir(true);
        let mut over = Ok(true);
        while let (Ok(true), Some(sluice)) = (&over, self.closed_sluice().cloned()) {
            let timeout = self.endpoint.settings.lease_timeout;
            let deadline = sluice.deadline(self.clock, self.stage.pause_limit(), timeout);
            over = self.wait_for(&sluice, deadline).await;
        }
        self.control.stir(false);
        self.gauge.set(ClientState::Active);
        if !matches!(over, Ok(false)) {
            return over;
        }
        self.skip(incoming).await?;
        let error = SqlError::paused(&self.endpoint.settings.name, self.clock.elapsed());
        self.send_error(incoming.seq(), &error).await.map(|()| false)
    }

    async fn wait_for(&mut self, sluice: &Sluice, deadline: Instant) -> Result<bool, SessionEnd> {
        let mut opened = Box::pin(tokio::time::timeout_at(deadline.into(), sluice.opened()));
        let mut look = true;
        poll_fn(|cx| {
            if let Poll::Ready(opened) = opened.as_mut().poll(cx) {
                return Poll::Ready(Ok(opened.is_ok()));
            }
            if self.control.is_killed() {
                return Poll::Ready(Err(SessionEnd::Killed));
            }
            if self.client.vanished(&mut look, cx) {
                return Poll::Ready(Err(SessionEnd::ClientClosed));
            }
            Poll::Pending
        })
        .await
    }
}
