//! What a client hears of its session's state: what it would from a server of its own, until it asks for something else.

use std::sync::Arc;

use greenroom_protocol::track::ClientTrackers;

use super::conversation::Conversation;

impl Conversation {
    /// A session begins, or begins anew: it hears what the server's own settings say, which a connection may still have
    /// to find out.
    pub(super) fn begin_tracking(&mut self) {
        let usual = || if self.shares() { ClientTrackers::defaults(self.flavor) } else { ClientTrackers::everything() };
        self.client.trackers = Arc::new(usual());
        self.client.trackers_presumed = self.shares();
        self.learn_trackers();
    }

    /// Takes what the server at hand, or the one that is most likely to come, is known to tell its sessions.
    pub(super) fn learn_trackers(&mut self) {
        if !self.client.trackers_presumed {
            return;
        }
        let here = self.grant.as_ref().and_then(|grant| grant.card()).map(|card| card.permit.node());
        if let Some(trackers) = here.or_else(|| self.endpoint.choose()).and_then(|node| node.trackers()) {
            (self.client.trackers, self.client.trackers_presumed) = (trackers, false);
        }
    }
}
