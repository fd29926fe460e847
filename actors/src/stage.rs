//! Where everybody finds those whom they may tell something. Made once, filled before the first client.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use actix::Addr;
use rustc_hash::FxHashMap;
use slog::Logger;
use tokio::sync::Notify;

use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::fleet::Fleet;
use crate::gate::{Gate, Guest};
use crate::limits::Limits;
use crate::monitor::Watch;
use crate::node::Node;
use crate::observed::Boards;
use crate::pool::PoolShard;
use crate::queries::Watching;
use crate::session::Plan;
use crate::settings::{MonitorSettings, ServerSettings};
use crate::sluice::Sluice;
use crate::spans::Tracer;
use crate::supervisor::{Failed, Recovered, Supervisor};
use crate::throttle::Throttle;

/// The cast's address book.
pub(crate) struct Stage {
    pub(crate) log: Logger,
    shards: OnceLock<Vec<Addr<PoolShard>>>,
    main: OnceLock<Main>,
    /// Client sessions per worker.
    sessions: Box<[AtomicUsize]>,
    max_clients: AtomicUsize,
    /// Those of them who have not logged in.
    newcomers: AtomicUsize,
    max_logins: AtomicUsize,
    login_timeout_ms: AtomicU64,
    pub(crate) throttle: Throttle,
    max_packet: AtomicUsize,
    /// The nodes of the configuration in force.
    nodes: RwLock<Vec<Arc<Node>>>,
    watch: RwLock<Arc<Watch>>,
    /// The limits of users and databases.
    pub(crate) limits: Limits,
    /// What sessions were seen to do, as far as workers share it.
    pub(crate) boards: Boards,
    /// The endpoints of the configuration in force.
    endpoints: RwLock<Vec<Arc<Endpoint>>>,
    /// What administrators have closed or may close, for as long as the process lives.
    sluices: Mutex<FxHashMap<(Sluiced, String), Arc<Sluice>>>,
    pause_limit_ms: AtomicU64,
    /// What statements are watched for.
    pub(crate) watching: Watching,
    tracer: OnceLock<Tracer>,
    draining: AtomicBool,
    /// Another process has taken over.
    retiring: AtomicBool,
    /// How many processes handed over to each other before this one.
    generation: u32,
    /// Of which instances it is one, if it is one of several.
    fleet: OnceLock<Arc<Fleet>>,
    /// Rung when the process can not go on.
    pub(crate) broken: Notify,
}

/// What there is one of for all workers.
pub(crate) struct Main {
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) credentials: Credentials,
}

/// What a sluice is of: an endpoint and a node may have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sluiced {
    Endpoint,
    Node,
}

/// A session's place under `max_clients`, of the process and of its endpoint, counted until dropped; under `max_logins`, too,
/// until it has logged in.
pub(crate) struct Seat {
    stage: Arc<Stage>,
    worker: usize,
    is_new: bool,
    _guest: Guest,
}

/// There is no place for another client.
pub(crate) struct Full {
    /// Whose limit it is, which one, and how many that are.
    pub(crate) whose: String,
    pub(crate) key: &'static str,
    pub(crate) limit: usize,
}

impl Stage {
    pub(crate) fn new(log: Logger, settings: &ServerSettings, monitor: &MonitorSettings, generation: u32) -> Self {
        let workers = settings.workers.max(1);
        Self {
            log,
            shards: OnceLock::new(),
            main: OnceLock::new(),
            sessions: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            max_clients: AtomicUsize::new(settings.max_clients),
            newcomers: AtomicUsize::new(0),
            max_logins: AtomicUsize::new(settings.max_logins),
            login_timeout_ms: AtomicU64::new(millis(settings.login_timeout)),
            throttle: Throttle::new(settings.login_failure_delay),
            max_packet: AtomicUsize::new(settings.max_packet),
            nodes: RwLock::default(),
            watch: RwLock::new(Arc::new(Watch::new(monitor))),
            limits: Limits::default(),
            boards: Boards::default(),
            endpoints: RwLock::default(),
            sluices: Mutex::default(),
            pause_limit_ms: AtomicU64::new(0),
            watching: Watching::default(),
            tracer: OnceLock::new(),
            draining: AtomicBool::new(false),
            retiring: AtomicBool::new(false),
            generation,
            fleet: OnceLock::new(),
            broken: Notify::new(),
        }
    }

    /// Fills the book; a second time changes nothing.
    pub(crate) fn fill(&self, shards: Vec<Addr<PoolShard>>, main: Main) {
        let _ = self.shards.set(shards);
        let _ = self.main.set(main);
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.sessions.len()
    }

    /// The shard of a worker.
    pub(crate) fn shard(&self, worker: usize) -> Option<&Addr<PoolShard>> {
        self.shards.get().and_then(|shards| shards.get(worker))
    }

    /// Every shard.
    pub(crate) fn shards(&self) -> &[Addr<PoolShard>] {
        self.shards.get().map_or(&[], Vec::as_slice)
    }

    /// What there is one of; there from the moment that clients are let in.
    pub(crate) fn main(&self) -> Option<&Main> {
        self.main.get()
    }

    /// Tells the supervisor that something failed.
    pub(crate) fn failed(&self, failed: Failed) {
        if let Some(main) = self.main() {
            main.supervisor.do_send(failed);
        }
    }

    /// Tells the supervisor that a node that failed takes connections again.
    pub(crate) fn recovered(&self, recovered: Recovered) {
        if let Some(main) = self.main() {
            main.supervisor.do_send(recovered);
        }
    }

    /// The nodes of the configuration in force.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another configuration is in force.
    pub(crate) fn set_nodes(&self, nodes: Vec<Arc<Node>>) {
        *self.nodes.write().unwrap_or_else(PoisonError::into_inner) = nodes;
    }

    /// How nodes are watched.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nodes are watched otherwise from now on.
    pub(crate) fn set_watch(&self, watch: Watch) {
        *self.watch.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(watch);
    }

    /// The endpoints of the configuration in force.
    pub(crate) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.endpoints.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other endpoints are in force.
    pub(crate) fn set_endpoints(&self, endpoints: Vec<Arc<Endpoint>>) {
        *self.endpoints.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
    }

    /// The sluice of what has this name.
    pub(crate) fn sluice(&self, of: Sluiced, name: &str) -> Arc<Sluice> {
        let mut sluices = self.sluices.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sluices.entry((of, name.to_owned())).or_default())
    }

    /// All that is paused, with its name: also what a reload has taken out of the configuration, for its sessions may still be here.
    pub(crate) fn paused(&self) -> Vec<(String, Arc<Sluice>)> {
        let sluices = self.sluices.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = sluices.iter().filter(|(_, sluice)| sluice.is_closed());
        paused.map(|((_, name), sluice)| (name.clone(), Arc::clone(sluice))).collect()
    }

    /// Statements that belong to a trace are told of from now on.
    pub(crate) fn trace(&self, tracer: Tracer) {
        if self.tracer.set(tracer).is_ok() {
            self.watching.trace();
        }
    }

    /// Where spans go, if anywhere.
    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.tracer.get()
    }

    /// How long a pause holds sessions back before their `lease_timeout` counts.
    pub(crate) fn pause_limit(&self) -> Duration {
        Duration::from_millis(self.pause_limit_ms.load(Ordering::Relaxed))
    }

    /// Another limit for pauses.
    pub(crate) fn limit_pauses(&self, limit: Duration) {
        self.pause_limit_ms.store(millis(limit), Ordering::Relaxed);
    }

    /// The process is stopping.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Another process has taken over: what is here goes on to its end.
    pub(crate) fn retire(&self) {
        self.retiring.store(true, Ordering::Relaxed);
    }

    /// Whether another process has taken over.
    pub(crate) fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Relaxed)
    }

    /// How ids are given to sessions now.
    pub(crate) fn id_plan(&self) -> Plan {
        let (instance, begin) = self.fleet().map(|fleet| (fleet.number(), fleet.begin())).unzip();
        let begin = begin.unwrap_or(0);
        Plan { workers: self.workers(), generation: self.generation, instance, begin }
    }

    /// Of which instances it is one, if it is one of several.
    pub(crate) fn fleet(&self) -> Option<&Arc<Fleet>> {
        self.fleet.get()
    }

    /// It is one of several; a second time changes nothing.
    pub(crate) fn join(&self, fleet: Arc<Fleet>) {
        let _ = self.fleet.set(fleet);
    }

    /// Client sessions now.
    pub(crate) fn clients(&self) -> usize {
        self.sessions.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Changes the limits for sessions to come.
    pub(crate) fn resettle(&self, settings: &ServerSettings) {
        self.max_clients.store(settings.max_clients, Ordering::Relaxed);
        self.max_logins.store(settings.max_logins, Ordering::Relaxed);
        self.login_timeout_ms.store(millis(settings.login_timeout), Ordering::Relaxed);
        self.throttle.resettle(settings.login_failure_delay);
        self.max_packet.store(settings.max_packet, Ordering::Relaxed);
    }

    /// The longest command that a client may send, in bytes.
    pub(crate) fn max_packet(&self) -> usize {
        self.max_packet.load(Ordering::Relaxed)
    }

    /// How long a client may take to log in.
    pub(crate) fn login_timeout(&self) -> Duration {
        Duration::from_millis(self.login_timeout_ms.load(Ordering::Relaxed))
    }

    /// The worker that a session accepted on `here` should live on: `here`, unless that has clearly more than its share.
    pub(crate) fn place(&self, here: usize) -> usize {
        let load = |worker: usize| self.sessions.get(worker).map_or(0, |count| count.load(Ordering::Relaxed));
        let least = (0..self.sessions.len()).min_by_key(|worker| load(*worker)).unwrap_or(here);
        // A twentieth of imbalance costs less than moving every other client.
        if load(here) > load(least) + load(least) / 20 { least } else { here }
    }

    /// A seat on a worker, unless `max_clients` are there, or `max_logins` who have not logged in, or as many as the endpoint's
    /// gate lets in. Counted before the session exists, so that a burst does not slip past.
    pub(crate) fn seat(self: &Arc<Self>, worker: usize, gate: &Arc<Gate>) -> Result<Seat, Full> {
        let full = |whose: &str, key, limit| Full { whose: whose.to_owned(), key, limit };
        let guest = gate.enter();
        let guest = guest.ok_or_else(|| full(gate.name(), "max_clients", gate.max_clients()))?;
        if let Some(count) = self.sessions.get(worker) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let newcomers = self.newcomers.fetch_add(1, Ordering::Relaxed) + 1;
        let seat = Seat { stage: Arc::clone(self), worker, is_new: true, _guest: guest };
        let (limit, logins) = (self.max_clients.load(Ordering::Relaxed), self.max_logins.load(Ordering::Relaxed));
        if self.clients() > limit {
            return Err(full("[server]", "max_clients", limit));
        }
        if newcomers > logins { Err(full("[server]", "max_logins", logins)) } else { Ok(seat) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Seat {
    /// The worker that the seat is on.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// Its client has logged in.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_new) {
            self.stage.newcomers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.settle();
        if let Some(count) = self.stage.sessions.get(self.worker) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
