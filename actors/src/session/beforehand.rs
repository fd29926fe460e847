//! What Greenroom has the server do before a client's statement.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::sql::PinReason;
use greenroom_protocol::track::ClientTrackers;

use super::conversation::Conversation;
use super::pump::Fault;
use crate::backend::exchange::Batch;

/// Gives the trackers back to the client, who wants to set them: back to what a login finds.
const HAND_OVER: &[u8] =
    b"SET @@SESSION.session_track_system_variables=DEFAULT, @@SESSION.session_track_schema=DEFAULT, \
    @@SESSION.session_track_state_change=DEFAULT, @@SESSION.session_track_transaction_info=DEFAULT";

/// The same of the tracker that only MySQL has.
const HAND_OVER_GTIDS: &[u8] = b"SET @@SESSION.session_track_gtids=DEFAULT";

/// Empties the list of warnings. On MariaDB only a statement with a table does (measured).
const CLEAR: &[u8] = b"SELECT 0 FROM (SELECT 0) nothing";

impl Conversation {
    /// The session's last statement left no warnings, else it would have kept its connection; but restoring its state
    /// on this one may have (a deprecated character set).
    pub(super) async fn clear_diagnostics(&mut self) -> Result<(), Fault> {
        self.ask_beforehand(CLEAR).await
    }

    /// Has the server do something before the client's statement, which has not been sent then.
    async fn ask_beforehand(&mut self, sql: &[u8]) -> Result<(), Fault> {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
            return Err(Fault::Unsent("there is no connection".to_owned()));
        };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, sql);
        batch.run(&mut wire.stream).await.map(drop).map_err(|error| Fault::Unsent(error.to_string()))
    }

    /// The client sets trackers itself: from now on they are its own, and so is the connection.
    pub(super) async fn hand_over(&mut self) -> Result<(), Fault> {
        if self.hold.pins.contains(PinReason::TrackerSettings) {
            return Ok(());
        }
        self.ask_beforehand(HAND_OVER).await?;
        if self.grant.as_ref().and_then(|grant| grant.card()).is_some_and(|card| card.gtids) {
            self.ask_beforehand(HAND_OVER_GTIDS).await?;
            self.lose_track();
        }
        let before = self.hold.pins;
        self.hold.pins.insert(PinReason::TrackerSettings);
        self.tell_pins(before);
        (self.client.trackers, self.client.trackers_presumed) = (Arc::new(ClientTrackers::everything()), false);
        Ok(())
    }
}
