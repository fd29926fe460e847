//! `COM_RESET_CONNECTION`: a session as after its login; and what outlives even that.

use greenroom_protocol::command::Command;
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::state::{Charset, SessionState, restore};

use super::command::Incoming;
use super::conversation::{Conversation, Debts};
use super::lease::{Adapted, carry_out, first_state};
use super::turn::Turn;
use crate::backend::exchange::Batch;
use crate::end::SessionEnd;
use crate::grant::Condition;

impl Conversation {
    /// Where connections are shared, the session forgets its state and the connection that it may hold is reset on
    /// its return: nothing needs to be sent. Else the server does it.
    pub(super) async fn reset(&mut self, mut incoming: Incoming) -> Result<(), SessionEnd> {
        if !self.shares() {
            self.statements.clear();
            self.run(Turn::new(Command::ResetConnection, incoming)).await?;
            self.lift_shadow();
            return self.recollate().await;
        }
        self.skip(&mut incoming).await?;
        self.let_go().await;
        let before = self.hold.pins;
        self.hold = super::hold::Hold::default();
        self.sticky = greenroom_protocol::sql::PinSet::EMPTY;
        self.tell_pins(before);
        self.release(Condition::Used);
        // MySQL falls back to its own character sets, as at a login with collation 0; MariaDB to the handshake's (measured).
        if self.flavor == Flavor::MySql {
            self.collation = 0;
        }
        self.begin_anew();
        // A reset keeps the database (measured on both).
        self.state = first_state(self.state.database(), self.collation);
        self.last_insert_id = 0;
        self.previous.reset();
        if self.debts.position {
            self.lose_track();
        }
        self.debts = Debts::default();
        self.computed.clear();
        self.statements.clear();
        self.belongings = None;
        self.prepared = greenroom_protocol::sql::PinSet::EMPTY;
        self.status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
        self.begin_tracking();
        self.send_ok(incoming.seq()).await
    }

    /// Ends what the session holds on its server: locks and transactions must be gone when the client is told so, and
    /// the connection is cleaned, or closed, only after that.
    pub(super) async fn let_go(&mut self) {
        if self.previous.owes() {
            self.resolve_found_rows().await;
        }
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::ResetConnection, &[]);
        if batch.run(&mut wire.stream).await.is_err() {
            self.lose();
        }
    }

    /// `COM_SET_OPTION` says anew whether several statements are allowed. Servers keep that through a reset and a change
    /// of user (measured): whichever connection the session gets next must be opened with it.
    pub(super) fn note_option(&mut self, incoming: &Incoming) {
        let allowed = match self.argument(incoming) {
            [0, 0, ..] => true,
            [1, 0, ..] => false,
            _ => return,
        };
        if self.summary.error.is_none() {
            self.client.capabilities.set(CapabilityFlags::CLIENT_MULTI_STATEMENTS, allowed);
        }
    }

    /// MariaDB's reset gives a connection the collation that it was opened with, which is another session's where it has
    /// come from a pool.
    ///
    /// # Errors
    /// Where it can not be given the session's own: the session ends rather than go on in somebody else's.
    async fn recollate(&mut self) -> Result<(), SessionEnd> {
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return Ok(()) };
        let opened = wire.card.birth.collation;
        if self.flavor == Flavor::MySql || opened == self.collation {
            return Ok(());
        }
        let names = self.local.charset(wire.card.permit.node(), self.collation);
        let own = names.map(|names| SessionState::new(None, Charset::Named(names)));
        let plan = own.map(|own| restore(&own, &first_state(None, opened), &[], wire.card.capabilities, None));
        if let Some(Ok(plan)) = plan
            && matches!(carry_out(plan, None, wire).await, Adapted::Fits)
        {
            return Ok(());
        }
        self.lose();
        Err(SessionEnd::BackendLost)
    }

    /// After a reset or another login MySQL sets again what these set at the first one; MariaDB does not (measured).
    pub(super) fn begin_anew(&mut self) {
        self.warnings_lost = false;
        if self.flavor == Flavor::MariaDb {
            self.client.capabilities -= CapabilityFlags::CLIENT_IGNORE_SPACE | CapabilityFlags::CLIENT_INTERACTIVE;
        }
    }
}
