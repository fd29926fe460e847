//! What of a session is counted for its user and database.

use greenroom_protocol::sql::PinSet;

use super::conversation::Conversation;
use crate::observed::{Name, Presence, Whose};

impl Conversation {
    /// It has logged in, as its present user.
    pub(super) fn attend(&mut self, database: Option<&[u8]>) {
        let Some(account) = &self.account else { return };
        let whose = Whose::One(account.user.clone(), Box::from(database.unwrap_or_default()));
        let name = Name { endpoint: self.endpoint.settings.name.clone(), whose };
        let worker = (self.seat.worker(), self.stage.workers());
        // Who goes on as another user has left as the one before.
        (self.activity, self.presence) = (None, None);
        self.lift_shadow();
        let whole = self.shadow.is_some();
        self.presence = Some(Presence::new(&self.local.observed, &self.stage.boards, name, worker, whole));
    }

    /// It has a lease from now on; or where it has a connection of its own, would need one.
    pub(super) fn begin_activity(&mut self) {
        if self.activity.is_none() {
            self.activity = self.presence.as_ref().map(Presence::begin);
        }
    }

    /// A statement is over: what has a connection of its own needs none but inside a transaction.
    pub(super) fn end_activity(&mut self) {
        let needs = self.shadow.as_ref().map_or_else(|| self.hold.is_open(), |shadow| shadow.holds());
        if !self.shares() && !needs {
            self.activity = None;
        }
    }

    /// No pin holds it.
    pub(super) fn held_no_more(&self) {
        if let Some(presence) = &self.presence {
            presence.held_by(PinSet::EMPTY);
        }
    }

    /// Its client has left.
    pub(super) fn leaves(&self) {
        if let Some(presence) = &self.presence {
            presence.leaves();
        }
    }
}
