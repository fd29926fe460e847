//! Actors of which there is one for all, or one a worker, are started anew after a panic: what they own is little, and can be
//! had again. Sessions end with theirs, connections are replaced by their shard, and without its shard a worker is lost.

use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context, Handler, Message};
use metrics::counter;

use super::backoff::Decision;
use super::{Supervisor, chance};
use crate::listener::Peers;
use crate::metrics::RESTARTS;

/// Who can be started anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Listener { endpoint: String, worker: usize },
    Monitor { node: u16 },
    Console,
    Fleet,
}

/// One of these has panicked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Fallen(Part);

impl Part {
    /// As in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Listener { .. } => "listener",
            Self::Monitor { .. } => "monitor",
            Self::Console => "console",
            Self::Fleet => "fleet_member",
        }
    }
}

impl Supervisor {
    /// What tells the supervisor that this one has panicked.
    pub(super) fn mourn(&self, part: Part) -> impl FnOnce(bool) + Send + use<> {
        let stage = Arc::clone(&self.stage);
        move |panicked| {
            if let (true, Some(main)) = (panicked, stage.main()) {
                main.supervisor.do_send(Fallen(part));
            }
        }
    }

    fn revive(&mut self, part: &Part) {
        match part {
            Part::Listener { endpoint, worker } => self.revive_listener(endpoint, *worker),
            Part::Monitor { node } => {
                if let Some(node) = self.nodes.iter().find(|known| known.index == *node).cloned() {
                    self.attend(&node);
                }
            }
            Part::Console => self.revive_console(),
            Part::Fleet => self.take_part(),
        }
    }

    /// On the sockets that it had: who waits in their lines is accepted.
    fn revive_listener(&mut self, name: &str, worker: usize) {
        let Some(settings) = self.settings.endpoints.iter().find(|endpoint| endpoint.name == name).cloned() else {
            return;
        };
        let endpoint = self.endpoint(&settings);
        let Some(house) = self.houses.iter().find(|house| house.name == name) else { return };
        // A reload may have made others meanwhile.
        if house.listeners.get(worker).is_none_or(actix::Addr::connected) {
            return;
        }
        let share = house.sockets.iter().skip(worker).step_by(self.workers.len().max(1));
        let (bound, arbiter) = match (share.map(super::Handed::bound).collect(), self.workers.get(worker)) {
            (Ok(bound), Some(arbiter)) => (bound, arbiter),
            (Err(error), _) => {
                let error: std::io::Error = error;
                slog::error!(self.stage.log, "a listener could not be started again"; "endpoint" => name, "reason" => %error);
                return;
            }
            (_, None) => return,
        };
        let listener = self.listener(arbiter, worker, bound, endpoint);
        let Some(house) = self.houses.iter_mut().find(|house| house.name == name) else { return };
        if let Some(place) = house.listeners.get_mut(worker) {
            *place = listener;
        }
        for listener in &house.listeners {
            listener.do_send(Peers(house.listeners.clone()));
        }
    }
}

impl Handler<Fallen> for Supervisor {
    type Result = ();

    fn handle(&mut self, fallen: Fallen, ctx: &mut Context<Self>) {
        let part = fallen.0;
        counter!(RESTARTS, "actor" => part.name()).increment(1);
        let backoff = self.relapses.entry(part.clone()).or_default();
        match backoff.failed(Instant::now(), chance()) {
            Decision::Retry(delay) => {
                slog::error!(self.stage.log, "an actor panicked and is started again"; "actor" => ?part);
                ctx.run_later(delay, move |this, _| {
                    this.relapses.entry(part.clone()).or_default().retried();
                    this.revive(&part);
                });
            }
            Decision::Pending => {}
            // The instance goes on with the share that it has.
            Decision::GiveUp if part == Part::Fleet => {
                let delay = backoff.carry_on(chance());
                ctx.run_later(delay, move |this, _| {
                    this.relapses.entry(Part::Fleet).or_default().retried();
                    this.take_part();
                });
            }
            // It would only burn the processor, and what it does is not done.
            Decision::GiveUp => {
                slog::crit!(self.stage.log, "an actor panics again and again; the process stops"; "actor" => ?part);
                self.stage.broken.notify_one();
            }
        }
    }
}
