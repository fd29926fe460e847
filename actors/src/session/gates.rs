//! The gates that a session passes: at its login, and before it asks for a connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use greenroom_protocol::error::SqlError;

use super::conversation::Conversation;
use super::lease::NoLease;
use crate::end::SessionEnd;
use crate::gate::{Gate, Pass, Standing};

/// What a session has that is through.
#[derive(Default)]
pub(super) struct Through {
    pub(super) passes: Vec<Pass>,
    /// When it began to wait, if it had to.
    pub(super) since: Option<Instant>,
    /// It goes on being counted among those who wait: nobody may take the place from it.
    pub(super) standing: Option<Standing>,
}

impl Conversation {
    /// Counts the session by its user and database, in the place of what it was counted by before.
    pub(super) fn count_in(&mut self, user: &[u8], database: Option<&[u8]>) -> Result<(), SqlError> {
        self.counted = None;
        let counted = self.stage.limits.count(user, database);
        self.counted = counted.map_err(|full| SqlError::no_place(full.name(), "max_clients", full.max_clients()))?;
        Ok(())
    }

    /// A pass of each gate that concerns the session.
    pub(super) async fn pass_gates(&mut self) -> Result<Through, NoLease> {
        // The usual case, which costs nothing.
        if self.counted.is_none() && !self.endpoint.gate.limits_connections() {
            return Ok(Through::default());
        }
        let database = self.state.database();
        let rules = self.counted.iter().flat_map(|counted| &counted.rules);
        let concerned = rules.filter(|rule| rule.concerns(database)).map(|rule| &rule.gate);
        let gates = concerned.chain([&self.endpoint.gate]).filter(|gate| gate.limits_connections());
        let gates: Vec<_> = gates.map(Arc::clone).collect();
        let mut through = Through { passes: Vec::with_capacity(gates.len()), ..Through::default() };
        for gate in gates {
            let pass = match gate.try_pass() {
                Some(pass) => pass,
                None => {
                    if through.standing.is_none() {
                        let own = &self.endpoint.gate;
                        // Nobody is turned away for having waited behind a pause.
                        let standing = if self.endpoint.is_paused() { Some(own.stand_by()) } else { own.stand() };
                        through.standing = Some(standing.ok_or_else(|| NoLease::Refused(too_many_wait(own)))?);
                    }
                    self.await_pass(&gate, *through.since.get_or_insert_with(Instant::now)).await?
                }
            };
            through.passes.push(pass);
        }
        Ok(through)
    }

    /// Waits for a pass until its lease is due, unless the client vanishes or is killed meanwhile.
    async fn await_pass(&mut self, gate: &Arc<Gate>, since: Instant) -> Result<Pass, NoLease> {
        // While an administrator has paused what is behind the gate, nobody comes back from there.
        let due = || self.endpoint.due(since, self.stage.pause_limit());
        // Looked at in between: the end of a pause brings it nearer.
        let look_again = || due().min(Instant::now() + self.endpoint.settings.lease_timeout);
        let mut pass = pin!(gate.pass());
        let mut late = pin!(tokio::time::sleep_until(look_again().into()));
        let mut look = true;
        let passed = poll_fn(|cx| {
            if let Poll::Ready(pass) = pass.as_mut().poll(cx) {
                return Poll::Ready(Ok(pass));
            }
            if self.control.is_killed() {
                return Poll::Ready(Err(NoLease::Ended(SessionEnd::Killed)));
            }
            if self.client.vanished(&mut look, cx) {
                return Poll::Ready(Err(NoLease::Ended(SessionEnd::ClientClosed)));
            }
            if late.as_mut().poll(cx).is_ready() && due() > Instant::now() {
                late.as_mut().reset(look_again().into());
            }
            late.as_mut().poll(cx).map(|()| {
                let error = SqlError::gate_timeout(gate.name(), gate.max_connections(), since.elapsed());
                Err(NoLease::Refused(error))
            })
        })
        .await;
        if !matches!(passed, Err(NoLease::Ended(_))) {
            let user = || self.account.as_ref().map(|account| account.name().into_owned()).unwrap_or_default();
            self.local.waited(since.elapsed(), passed.is_ok(), || (self.endpoint.settings.name.clone(), user()));
        }
        passed
    }
}

/// Nobody else may wait at this endpoint.
pub(super) fn too_many_wait(gate: &Gate) -> SqlError {
    SqlError::too_many_wait(gate.name(), gate.max_waiters())
}
