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
use crate::gate::{Gate, Pass};

impl Conversation {
    /// Counts the session by its user and database, in the place of what it was counted by before.
    pub(super) fn count_in(&mut self, user: &[u8], database: Option<&[u8]>) -> Result<(), SqlError> {
        self.counted = None;
        let counted = self.stage.limits.count(user, database);
        self.counted = counted.map_err(|full| SqlError::no_place(full.name(), "max_clients", full.max_clients()))?;
        Ok(())
    }

    /// A pass of each gate that concerns the session, and when it began to wait if it had to.
    pub(super) async fn pass_gates(&mut self) -> Result<(Vec<Pass>, Option<Instant>), NoLease> {
        // The usual case, which costs nothing.
        if self.counted.is_none() && !self.endpoint.gate.limits_connections() {
            return Ok((Vec::new(), None));
        }
        let database = self.state.database();
        let rules = self.counted.iter().flat_map(|counted| &counted.rules);
        let concerned = rules.filter(|rule| rule.concerns(database)).map(|rule| &rule.gate);
        let gates = concerned.chain([&self.endpoint.gate]).filter(|gate| gate.limits_connections());
        let gates: Vec<_> = gates.map(Arc::clone).collect();
        let (mut passes, mut since) = (Vec::with_capacity(gates.len()), None);
        for gate in gates {
            let pass = match gate.try_pass() {
                Some(pass) => pass,
                None => self.await_pass(&gate, *since.get_or_insert_with(Instant::now)).await?,
            };
            passes.push(pass);
        }
        Ok((passes, since))
    }

    /// Waits for a pass until its lease is due, unless the client vanishes or is killed meanwhile.
    async fn await_pass(&mut self, gate: &Arc<Gate>, since: Instant) -> Result<Pass, NoLease> {
        let Some(_standing) = self.endpoint.gate.stand() else {
            return Err(NoLease::Refused(too_many_wait(&self.endpoint.gate)));
        };
        // While an administrator has paused what is behind the gate, nobody comes back from there.
        let due = || self.endpoint.due(since, self.stage.pause_limit());
        let mut pass = pin!(gate.pass());
        let mut late = pin!(tokio::time::sleep_until(due().into()));
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
                late.as_mut().reset(due().into());
            }
            late.as_mut().poll(cx).map(|()| {
                let error = SqlError::gate_timeout(gate.name(), gate.max_connections(), since.elapsed());
                Err(NoLease::Refused(error))
            })
        })
        .await;
        match &passed {
            Ok(_) => self.local.tally.waited(since.elapsed()),
            Err(NoLease::Refused(_)) => self.local.tally.timed_out(since.elapsed()),
            Err(NoLease::Ended(_)) => {}
        }
        passed
    }
}

/// Nobody else may wait at this endpoint.
pub(super) fn too_many_wait(gate: &Gate) -> SqlError {
    SqlError::too_many_wait(gate.name(), gate.max_waiters())
}
