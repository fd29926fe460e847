//! Who is started, where and in which order.

use std::io;
use std::sync::Arc;

use actix::{Addr, Arbiter, AsyncContext, Context};
use greenroom_protocol::login::rsa::{RsaError, RsaKey};
use rustc_hash::FxHashMap;
use slog::Logger;

use super::doors::Doors;
use super::revive::Part;
use super::{Drain, Expiries, HandOver, House, Reload, ShardLost, Sockets, Supervisor, console, watch};
use crate::console::{Office, Status, gather};
use crate::credentials::Credentials;
use crate::endpoint::{self, Endpoint};
use crate::fleet::{Fleet, FleetMember};
use crate::gate::Gate;
use crate::inherited::{Bound, Handed, Inherited};
use crate::listener::{Listener, Peers};
use crate::local::Local;
use crate::monitor::NodeMonitor;
use crate::node::Node;
use crate::pool::{PoolShard, Snapshot};
use crate::settings::{Address, EndpointSettings, NodeSettings, Settings};
use crate::spans::Tracer;
use crate::stage::{Main, Sluiced, Stage};

/// Why Greenroom did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An endpoint's address can not be listened on.
    #[error("endpoint '{endpoint}' cannot listen on {address}: {cause}")]
    Listen {
        /// The endpoint's name.
        endpoint: String,
        /// Its address.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// The console's address can not be listened on.
    #[error("the console cannot listen on {listen}: {cause}")]
    Console {
        /// Its address.
        listen: std::net::SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A worker's thread ended at once.
    #[error("worker {0} did not start")]
    Worker(usize),
    /// No key for the password exchange could be made.
    #[error(transparent)]
    Rsa(#[from] RsaError),
}

/// A running Greenroom.
#[derive(Clone)]
pub struct Running {
    supervisor: Addr<Supervisor>,
    stage: Arc<Stage>,
}

impl Running {
    /// New settings, for what is born from now on. Comes back when they are in force.
    ///
    /// # Errors
    /// Addresses that cannot be listened on: nothing has changed then.
    pub async fn reload(&self, settings: Settings) -> Result<(), Vec<StartError>> {
        // The supervisor lives as long as the process: there is an answer.
        self.supervisor.send(Reload(Box::new(settings))).await.unwrap_or(Ok(()))
    }

    /// Stops: comes back when the last client has left, or was cut off at `drain_timeout`; `patient`: is never cut off.
    pub async fn drain(&self, patient: bool) {
        // The supervisor lives as long as the process: there is an answer.
        let _ = self.supervisor.send(Drain { patient }).await;
    }

    /// How things stand.
    pub async fn status(&self) -> Status {
        gather(&self.stage).await
    }

    /// The listening sockets, for another process to share.
    ///
    /// # Errors
    /// When there are no more file descriptors.
    pub async fn sockets(&self) -> io::Result<Vec<Handed>> {
        self.supervisor.send(Sockets).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Another process listens on the sockets from now on: comes back when nobody is accepted here any more. Whoever is
    /// here stays.
    pub async fn hand_over(&self) {
        let _ = self.supervisor.send(HandOver).await;
    }

    /// Comes back when every worker has answered.
    pub async fn pulse(&self) {
        for shard in self.stage.shards() {
            let _ = shard.send(Snapshot).await;
        }
    }

    /// Whether clients can be served.
    ///
    /// # Errors
    /// Why not, in a line.
    pub fn ready(&self) -> Result<(), String> {
        if self.stage.is_draining() {
            return Err("greenroom is stopping".to_owned());
        }
        let nodes = self.stage.nodes();
        let unknown = nodes.iter().find(|node| node.facts().is_none() || !node.is_up());
        match unknown {
            Some(node) if node.is_up() => Err(format!("node '{}' has not answered yet", node.settings().name)),
            Some(node) => Err(format!("node '{}' is down: {}", node.settings().name, node.fault())),
            None if self.stage.fleet().is_some_and(|fleet| !fleet.is_decided()) => {
                Err("the fleet has not given this instance a share yet".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Comes back when the process can not go on and should end with a failure.
    pub async fn broken(&self) {
        self.stage.broken.notified().await;
    }

    /// Client sessions now.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.stage.clients()
    }
}

/// Starts everybody, inside an actix system. Listens before anything else is started, so that a start either
/// succeeds whole or leaves nothing behind. Endpoints listen on the sockets that are theirs among those handed over, and open
/// their own where none are. Without an office there is no console.
///
/// # Errors
/// [`StartError`].
pub fn start(
    settings: Settings,
    inherited: &mut Inherited,
    log: Logger,
    office: Option<Arc<dyn Office>>,
) -> Result<Running, StartError> {
    let workers = settings.server.workers.max(1);
    let admin = settings.admin.clone().filter(|_| office.is_some());
    admin.iter().try_for_each(|admin| console::is_free(admin.listen, inherited, &[]))?;
    let doors = Doors::find_all(&settings.endpoints, inherited, workers)?;
    let admin = admin.map(|admin| console::bind(&admin, inherited).map(|bound| (admin, bound))).transpose()?;
    let rsa = Arc::new(RsaKey::generate()?);
    let stage = Arc::new(Stage::new(log, &settings.server, &settings.monitor, inherited.generation()));
    stage.limit_pauses(settings.pause_limit);
    stage.watching.resettle(&settings.queries);
    trace(&stage, office.as_ref(), &settings);
    settings.fleet.iter().for_each(|fleet| stage.join(Arc::new(Fleet::new(Arc::clone(fleet)))));
    let mut nodes = FxHashMap::default();
    for (index, node) in settings.nodes.iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        nodes.insert(node.name.clone(), new_node(&stage, index, node));
    }
    let arbiters: Vec<_> = (0..workers).map(|_| Arbiter::new()).collect();
    let shards = arbiters.iter().enumerate().map(|(worker, arbiter)| shard(worker, arbiter, &stage));
    let shards = shards.collect::<Result<_, _>>()?;
    let mut all: Vec<_> = nodes.values().cloned().collect();
    all.sort_by_key(|node| node.index);
    let mut supervisor = Supervisor {
        stage: Arc::clone(&stage),
        made_nodes: u16::try_from(all.len()).unwrap_or(u16::MAX),
        nodes: all.clone(),
        houses: Vec::new(),
        gates: FxHashMap::default(),
        workers: arbiters,
        backoffs: FxHashMap::default(),
        relapses: FxHashMap::default(),
        settings: settings.clone(),
        office,
        console: None,
        expiries: Expiries::default(),
    };
    supervisor.expiries.watch(&settings.endpoints, &settings.nodes);
    stage.limits.resettle(&settings.limits);
    // Everybody must be known before the first client is let in.
    let ctx = Context::new();
    let main = Main { supervisor: ctx.address(), credentials: Credentials::new(settings.users, rsa) };
    stage.fill(shards, main);
    for node in &all {
        supervisor.attend(node);
    }
    stage.set_nodes(all);
    supervisor.take_part();
    for (endpoint, doors) in settings.endpoints.iter().zip(doors) {
        supervisor.open(endpoint, doors);
    }
    supervisor.show_endpoints();
    if let Some((admin, bound)) = admin {
        supervisor.open_console(admin, bound);
    }
    let left = Arc::clone(&stage);
    let supervisor = watch::run(ctx, supervisor, move |panicked| {
        if panicked {
            slog::crit!(left.log, "the supervisor panicked; the process stops");
            left.broken.notify_one();
        }
    });
    Ok(Running { supervisor, stage })
}

/// A node; in a fleet without a share of its connections, until it is given one.
pub(super) fn new_node(stage: &Stage, index: u16, settings: &Arc<NodeSettings>) -> Arc<Node> {
    let sluice = stage.sluice(Sluiced::Node, &settings.name);
    let node = Node::new(index, Arc::clone(settings), stage.workers(), sluice);
    if stage.fleet().is_some() {
        node.set_share(0);
    }
    Arc::new(node)
}

/// Statements of sampled traces are told of, where somebody wants to hear of them.
fn trace(stage: &Stage, office: Option<&Arc<dyn Office>>, settings: &Settings) {
    if let Some(sink) = office.and_then(|office| office.spans()) {
        let one_in = settings.tracing.as_ref().and_then(|tracing| tracing.sample_one_in);
        stage.trace(Tracer { sink, one_in });
    }
}

fn shard(worker: usize, arbiter: &Arbiter, stage: &Arc<Stage>) -> Result<Addr<PoolShard>, StartError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let stage = Arc::clone(stage);
    arbiter.spawn_fn(move || {
        let lost = Arc::clone(&stage);
        let shard = PoolShard::new(worker, stage, Local::here());
        let addr = watch::start(shard, move |panicked| {
            if let (true, Some(main)) = (panicked, lost.main()) {
                main.supervisor.do_send(ShardLost { shard: worker });
            }
        });
        // The receiver waits for just this.
        let _ = sender.send(addr);
    });
    receiver.recv().map_err(|_| StartError::Worker(worker))
}

impl Supervisor {
    /// Has a node watched.
    pub(super) fn attend(&self, node: &Arc<Node>) {
        let monitor = NodeMonitor::new(Arc::clone(node), Arc::clone(&self.stage));
        node.watch(watch::start(monitor, self.mourn(Part::Monitor { node: node.index })));
    }

    /// Takes part in the fleet, if this is one of several.
    pub(super) fn take_part(&self) {
        if let Some(fleet) = self.stage.fleet() {
            let member = FleetMember::new(Arc::clone(fleet), Arc::clone(&self.stage));
            fleet.is_served_by(watch::start(member, self.mourn(Part::Fleet)));
        }
    }

    pub(super) fn endpoint(&mut self, settings: &Arc<EndpointSettings>) -> Arc<Endpoint> {
        let node = |wanted: &Arc<NodeSettings>| {
            self.nodes.iter().rev().find(|node| node.settings().name == wanted.name).cloned()
        };
        let nodes = settings.nodes.iter().filter_map(node).collect();
        let gate = self.gate(settings);
        let sluice = self.stage.sluice(Sluiced::Endpoint, &settings.name);
        Arc::new(Endpoint { settings: Arc::clone(settings), nodes, gate, sluice })
    }

    /// The gate of an endpoint, which goes on counting whom it counts under another address, too.
    fn gate(&mut self, settings: &EndpointSettings) -> Arc<Gate> {
        let new = || Arc::new(Gate::new(format!("endpoint '{}'", settings.name), endpoint::bounds(settings)));
        let gate = self.gates.entry(settings.name.clone()).or_insert_with(new);
        gate.resettle(endpoint::bounds(settings));
        Arc::clone(gate)
    }

    /// Starts an endpoint's listeners, one a worker.
    pub(super) fn open(&mut self, settings: &Arc<EndpointSettings>, doors: Doors) {
        let endpoint = self.endpoint(settings);
        let listeners: Vec<_> = self
            .workers
            .iter()
            .zip(doors.shares)
            .enumerate()
            .map(|(worker, (arbiter, bound))| self.listener(arbiter, worker, bound, Arc::clone(&endpoint)))
            .collect();
        for listener in &listeners {
            listener.do_send(Peers(listeners.clone()));
        }
        slog::info!(self.stage.log, "listening"; "endpoint" => &settings.name, "address" => doors.place, "inherited" => doors.inherited);
        let (name, listen) = (settings.name.clone(), settings.listen.clone());
        self.houses.push(House { name, listen, listeners, sockets: doors.sockets });
    }

    /// Starts one listener.
    pub(super) fn listener(
        &self,
        arbiter: &Arbiter,
        worker: usize,
        bound: Vec<Bound>,
        endpoint: Arc<Endpoint>,
    ) -> Addr<Listener> {
        let fallen = self.mourn(Part::Listener { endpoint: endpoint.settings.name.clone(), worker });
        let stage = Arc::clone(&self.stage);
        watch::start_in(arbiter, move || Listener::new(bound, endpoint, worker, stage), fallen)
    }

    /// The limits of the process itself.
    pub(super) fn resettle(&self) {
        self.stage.resettle(&self.settings.server);
        self.stage.limit_pauses(self.settings.pause_limit);
        self.stage.watching.resettle(&self.settings.queries);
    }

    /// Lets administrators see which endpoints there are.
    pub(super) fn show_endpoints(&mut self) {
        let endpoints = self.settings.endpoints.clone();
        let endpoints = endpoints.iter().map(|endpoint| self.endpoint(endpoint)).collect();
        self.stage.set_endpoints(endpoints);
    }
}
