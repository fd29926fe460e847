//! owns: the cast list, the clock that expires and refuses, restart budgets, the state of draining.
//! is told: `Failed`, `Recovered`, `ShardLost`, `Fallen`, `Reload`, `Change`, `Current`, `Sockets`, `HandOver`, `Drain`.
//! tells: shards `Tick`, `NodeChanged`, `SendAway`, `Drain`; listeners `Rearm`, `Cease`, `Drain`; the console `Rewrite`, `Drain`.
//! ends when: the process does.

mod backoff;
mod cast;
mod change;
mod console;
mod doors;
mod expiry;
#[cfg(feature = "faults")]
pub(crate) mod faults;
mod reload;
mod revive;
pub(crate) mod watch;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, Addr, Arbiter, AsyncContext, Context, Handler, Message, ResponseActFuture, ResponseFuture,
    WrapFuture,
};
use metrics::counter;
use rustc_hash::FxHashMap;

use self::backoff::{Backoff, Decision};
pub use self::cast::{Running, StartError, start};
pub(crate) use self::change::{Change, Current, Setting};
use self::console::Console;
use self::expiry::Expiries;
use self::revive::Part;
use crate::console::Office;
use crate::end::BackendEnd;
use crate::gate::Gate;
use crate::inherited::Handed;
use crate::listener::{self, Listener};
use crate::metrics::RESTARTS;
use crate::node::Node;
use crate::pool::{self, Health, NodeChanged, Tick};
use crate::session::SendAway;
use crate::settings::{Address, Settings};
use crate::stage::Stage;

/// The clock: idle connections are closed, and late waiters refused, within this of their time.
const TICK: Duration = Duration::from_millis(100);

/// How often it is shown for how long certificates are still valid.
const EXPIRY_LOOK: Duration = Duration::from_secs(10);

/// How often draining looks whether everybody has left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How long connections to servers may take to say good-bye when the process stops.
const DRAIN_FAREWELL: Duration = Duration::from_millis(200);

/// How long the last connections to servers are waited for before others are given this instance's share of them.
const LAST_CLOSED: Duration = Duration::from_secs(2);

/// Sees to everybody else.
pub(crate) struct Supervisor {
    stage: Arc<Stage>,
    /// All that there ever were: sessions may still be with those of an earlier configuration.
    nodes: Vec<Arc<Node>>,
    houses: Vec<House>,
    /// Endpoints' limits, by name.
    gates: FxHashMap<String, Arc<Gate>>,
    workers: Vec<Arbiter>,
    backoffs: FxHashMap<u16, Backoff>,
    /// Of those that have panicked.
    relapses: FxHashMap<Part, Backoff>,
    /// Those in force, with what administrators have changed of them.
    settings: Settings,
    office: Option<Arc<dyn Office>>,
    console: Option<Console>,
    expiries: Expiries,
    made_nodes: u16,
}

/// An endpoint's listeners.
struct House {
    name: String,
    listen: Address,
    listeners: Vec<Addr<Listener>>,
    sockets: Vec<Handed>,
}

/// A backend connection, or a whole shard, has failed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Failed {
    pub(crate) shard: usize,
    pub(crate) node: u16,
    pub(crate) end: BackendEnd,
    pub(crate) reason: String,
    /// The server has no room for more connections: it is not down.
    pub(crate) full: bool,
}

/// A node answers again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Recovered {
    pub(crate) node: u16,
}

/// A pool shard panicked: what it held is lost, and so is the worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ShardLost {
    pub(crate) shard: usize,
}

/// The configuration was read again.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Vec<StartError>>")]
pub(crate) struct Reload(pub(crate) Box<Settings>);

/// Asks for the listening sockets, to hand them to another process.
#[derive(Debug, Message)]
#[rtype(result = "io::Result<Vec<Handed>>")]
pub(crate) struct Sockets;

/// Another process listens from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct HandOver;

/// Stop: no new clients, transactions to their end within the timeout, then everything closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain {
    /// There is no timeout.
    pub(crate) patient: bool,
}

impl Supervisor {
    fn tell_shard(&self, shard: usize, node: u16, health: Health) {
        if let Some(shard) = self.stage.shard(shard) {
            shard.do_send(NodeChanged { node, health });
        }
    }

    /// Puts the failed connection's shard on its feet again after a pause, as often as the budget allows.
    fn restart(&mut self, failed: &Failed, ctx: &mut Context<Self>) {
        let (shard, node) = (failed.shard, failed.node);
        let backoff = self.backoffs.entry(node).or_default();
        let delay = match backoff.failed(Instant::now(), chance()) {
            Decision::Retry(delay) => delay,
            // The attempt that is due opens this shard's desk as well.
            Decision::Pending => return,
            // Whoever waits is told at his `lease_timeout` that there were no connections.
            Decision::GiveUp if failed.full => backoff.carry_on(chance()),
            Decision::GiveUp => {
                slog::warn!(self.stage.log, "node fails again and again"; "node" => node, "shard" => shard, "reason" => &failed.reason);
                if let Some(node) = self.nodes.iter().find(|known| known.index == node) {
                    node.accuse(&failed.reason);
                }
                return;
            }
        };
        ctx.run_later(delay, move |this, _| {
            this.backoffs.entry(node).or_default().retried();
            for shard in 0..this.stage.workers() {
                this.tell_shard(shard, node, Health::Retry);
            }
        });
    }
}

/// Spreads delays over processes; nothing depends on its being unguessable.
fn chance() -> u8 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.subsec_micros().to_le_bytes()[0])
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |this, _| {
            let now = Instant::now();
            for shard in this.stage.shards() {
                shard.do_send(Tick { now });
            }
        });
        ctx.run_interval(EXPIRY_LOOK, |this, _| this.expiries.show());
    }
}

impl Handler<Failed> for Supervisor {
    type Result = ();

    fn handle(&mut self, failed: Failed, ctx: &mut Context<Self>) {
        counter!(RESTARTS, "actor" => "backend_connection").increment(1);
        slog::info!(self.stage.log, "backend connection failed"; "shard" => failed.shard, "node" => failed.node,
            "end" => failed.end.name(), "reason" => &failed.reason);
        match failed.end {
            BackendEnd::ConnectFailed | BackendEnd::Panicked => self.restart(&failed, ctx),
            // One that was lost is no sign that the next will be: a timeout or a KILL of the server's.
            _ => self.tell_shard(failed.shard, failed.node, Health::Retry),
        }
    }
}

impl Handler<Recovered> for Supervisor {
    type Result = ();

    fn handle(&mut self, recovered: Recovered, _: &mut Context<Self>) {
        self.backoffs.entry(recovered.node).or_default().recovered();
    }
}

impl Handler<ShardLost> for Supervisor {
    type Result = ();

    fn handle(&mut self, lost: ShardLost, _: &mut Context<Self>) {
        slog::crit!(self.stage.log, "a pool shard panicked; the process stops"; "shard" => lost.shard);
        self.stage.broken.notify_one();
    }
}

impl Handler<Reload> for Supervisor {
    type Result = ResponseFuture<Result<(), Vec<StartError>>>;

    fn handle(&mut self, reload: Reload, _: &mut Context<Self>) -> Self::Result {
        let applied = self.apply(*reload.0);
        Box::pin(async move {
            for house in applied? {
                house.close().await;
            }
            Ok(())
        })
    }
}

impl Handler<Sockets> for Supervisor {
    type Result = io::Result<Vec<Handed>>;

    fn handle(&mut self, _: Sockets, _: &mut Context<Self>) -> Self::Result {
        self.sockets().map(Handed::again).collect()
    }
}

impl Supervisor {
    /// All that this process listens on for clients and administrators.
    fn sockets(&self) -> impl Iterator<Item = &Handed> {
        let console = self.console.iter().map(|console| &console.socket);
        self.houses.iter().flat_map(|house| &house.sockets).chain(console)
    }
}

impl Handler<HandOver> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: HandOver, _: &mut Context<Self>) -> Self::Result {
        self.stage.retire();
        self.leave_console();
        let houses = std::mem::take(&mut self.houses);
        Box::pin(async move {
            for listener in houses.iter().flat_map(|house| &house.listeners) {
                // One that has failed accepts nobody either.
                let _ = listener.send(listener::Cease).await;
            }
        })
    }
}

impl Handler<Drain> for Supervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) -> Self::Result {
        self.stage.drain();
        // With the sockets kept to be handed over: nobody may wait to be accepted where nobody accepts.
        for house in std::mem::take(&mut self.houses) {
            house.listeners.iter().for_each(|listener| listener.do_send(listener::Drain));
        }
        for shard in self.stage.shards() {
            shard.do_send(SendAway { endpoint: None });
        }
        let (stage, until) = (Arc::clone(&self.stage), Instant::now() + self.settings.server.drain_timeout);
        let left = async move {
            while stage.clients() > 0 && (drain.patient || Instant::now() < until) {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            if stage.clients() > 0 {
                slog::warn!(stage.log, "drain_timeout is over; the remaining clients are cut off"; "clients" => stage.clients());
            }
            for shard in stage.shards() {
                shard.do_send(pool::Drain);
            }
            tokio::time::sleep(DRAIN_FAREWELL).await;
            if let Some(fleet) = stage.fleet() {
                let until = Instant::now() + LAST_CLOSED;
                // Others may open as many as soon as this one has left.
                while stage.nodes().iter().any(|node| node.occupied() > 0) && Instant::now() < until {
                    tokio::time::sleep(DRAIN_LOOK).await;
                }
                fleet.leave().await;
            }
        };
        Box::pin(left.into_actor(self).map(|(), this, _| {
            for worker in &this.workers {
                worker.stop();
            }
        }))
    }
}
