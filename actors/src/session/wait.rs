//! Waiting for the client's next command, holding nothing.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use greenroom_protocol::error::SqlError;
use greenroom_protocol::packet::HEADER;

use super::conversation::{Conversation, client_failed};
use crate::buffer;
use crate::end::SessionEnd;

impl Conversation {
    /// Comes back when the head of a command (its header and first byte) is there.
    pub(super) async fn wait_for_command(&mut self) -> Result<(), SessionEnd> {
        let limit = if self.hold.is_open() {
            self.endpoint.settings.client_idle_in_transaction_timeout
        } else {
            self.endpoint.settings.client_idle_timeout
        };
        match limit {
            None => poll_fn(|cx| self.poll_command(cx)).await,
            Some(limit) => self.wait_at_most(limit).await,
        }
    }

    async fn wait_at_most(&mut self, limit: Duration) -> Result<(), SessionEnd> {
        match tokio::time::timeout(limit, poll_fn(|cx| self.poll_command(cx))).await {
            Ok(arrived) => arrived,
            Err(_) => {
                self.send_error(0, &SqlError::idle_client()).await?;
                Err(SessionEnd::ClientIdle)
            }
        }
    }

    fn poll_command(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionEnd>> {
        if self.control.is_killed() {
            return Poll::Ready(Err(SessionEnd::Killed));
        }
        loop {
            // What has been sent is served, even while draining: only an idle client is sent away.
            if self.client.inlet.as_ref().is_some_and(|inlet| has_head(inlet.filled())) {
                return Poll::Ready(Ok(()));
            }
            if self.control.is_draining() && !self.hold.is_open() {
                return Poll::Ready(Err(SessionEnd::Drained));
            }
            let count = ready!(buffer::poll_fill(&mut self.client.inlet, &mut self.client.stream, cx));
            match count {
                Ok(0) => return Poll::Ready(Err(SessionEnd::ClientClosed)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(client_failed(error))),
            }
        }
    }
}

/// An empty packet has no first byte to wait for.
fn has_head(bytes: &[u8]) -> bool {
    bytes.len() > HEADER || bytes.starts_with(&[0, 0, 0]) && bytes.len() == HEADER
}
