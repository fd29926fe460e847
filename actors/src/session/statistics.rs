//! `COM_STATISTICS`: a text about the server, not the session.

use greenroom_protocol::command::Command;

use super::command::Incoming;
use super::conversation::Conversation;
use crate::end::SessionEnd;

impl Conversation {
    /// A server at hand is asked; who has none is told what another session has just heard.
    pub(super) async fn statistics(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        if let Some(presence) = &self.presence {
            presence.statistics();
        }
        let heard = match self.grant {
            Some(_) => None,
            None => self.endpoint.choose().and_then(|node| node.statistics()),
        };
        let Some(text) = heard else { return self.statement(Command::Statistics, incoming).await };
        self.skip(&mut incoming).await?;
        self.send(incoming.seq(), &text).await
    }

    /// Lets others hear what a server has just said.
    pub(super) fn share_statistics(&mut self) {
        if let Some(text) = self.summary.text.take()
            && let Some(card) = self.grant.as_ref().and_then(|grant| grant.card())
        {
            card.permit.node().keep_statistics(text);
        }
    }
}
