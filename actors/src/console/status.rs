//! Everything at a glance, as values: for the status page, and whoever else wants to show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_protocol::advice::Suspect;
use greenroom_protocol::sql::PinReason;

use super::gather::{headcount, of_endpoint, pools};
use super::tables::{health, traffic};
use crate::endpoint::Endpoint;
use crate::node::Node;
use crate::observed::{Seen, Whose, seen};
use crate::pool::PoolView;
use crate::session::{Counts, Headcount};
use crate::settings::{Access, EndpointSettings, PoolMode, Role};
use crate::stage::Stage;
use crate::waits::Wait;

/// How things stand.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// By the order of the configuration.
    pub endpoints: Vec<EndpointStatus>,
    /// By the order of the configuration.
    pub nodes: Vec<NodeStatus>,
    /// By reason, the most frequent first.
    pub pins: Vec<PinStatus>,
    /// The slowest waits for a server connection that ended in the last quarter of an hour, the slowest first.
    pub waits: Vec<WaitStatus>,
    /// Transaction pools that are tried in the shadow of other modes, by endpoint.
    pub shadows: Vec<ShadowStatus>,
    /// Workers that did not answer within two seconds: what they have is not counted.
    pub silent_workers: usize,
    /// The process is stopping.
    pub stopping: bool,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// `read_write`, `read_only` or `split`.
    pub access: &'static str,
    /// `none`, `session` or `transaction`.
    pub pool: &'static str,
    /// `open` or `paused`.
    pub traffic: &'static str,
    /// Client sessions.
    pub clients: usize,
    /// Of these, those with a statement under way on a server.
    pub active: usize,
    /// Of these, those that wait for a server connection.
    pub waiting: usize,
    /// Server connections that they hold.
    pub backends: usize,
    /// Of these, those that are kept past their transaction.
    pub pinned: usize,
}

/// One node.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// `primary`, `replica` or `unknown`.
    pub role: &'static str,
    /// `up`, `down` or `unknown`.
    pub health: &'static str,
    /// Why it is down.
    pub fault: Option<String>,
    /// `open`, `paused`, `drained`, or the latter two.
    pub traffic: &'static str,
    /// It is further behind than its `max_lag`.
    pub lagging: bool,
    /// The server's version, once it has answered.
    pub version: Option<String>,
    /// Connections to it, the monitor's aside.
    pub connections: usize,
    /// As many as there may be.
    pub max_connections: usize,
    /// Idle ones.
    pub idle: usize,
    /// Those that sessions have.
    pub leased: usize,
    /// Sessions in its waiting line.
    pub waiting: usize,
}

/// Pins of one reason.
#[derive(Debug, Clone)]
pub struct PinStatus {
    /// Its name.
    pub reason: &'static str,
    /// Sessions that have it now.
    pub sessions: usize,
    /// How long the first of them has had it.
    pub longest: Duration,
    /// What an application can do about it.
    pub remedy: &'static str,
}

/// A session's stay in a line for a server connection.
#[derive(Debug, Clone)]
pub struct WaitStatus {
    /// The endpoint's name.
    pub endpoint: String,
    /// Whose session it was, as the server knows him.
    pub user: String,
    /// How long it stood there.
    pub waited: Duration,
    /// How long ago that ended.
    pub ago: Duration,
    /// `served`, or `gave_up`: its time was over, or its client had gone.
    pub end: &'static str,
}

/// What a transaction pool would have done at an endpoint of another mode, since the process started.
#[derive(Debug, Clone)]
pub struct ShadowStatus {
    /// The endpoint's name.
    pub endpoint: String,
    /// Leases that it would have granted.
    pub leases: u64,
    /// At 99 of 100 of these no more server connections would have been out, itself counted.
    pub size: u64,
    /// Most that would have been out at once.
    pub size_max: u64,
    /// Sessions that there were, and most of them at once: each had a server connection.
    pub connections: [u64; 2],
    /// Sessions that a pin would hold, or would have held when they left.
    pub pinned: u64,
    /// Statements that would have pinned for longer than to the next one: reason, remedy, shape, how often.
    pub pins: Vec<(&'static str, &'static str, String, u64)>,
}

/// What an application can do about pins of the reason with this name.
#[must_use]
pub fn pin_remedy(reason: &str) -> &'static str {
    PinReason::ALL.iter().find(|known| known.name() == reason).map_or("", |known| known.remedy())
}

/// Asks everybody.
pub(crate) async fn gather(stage: &Stage) -> Status {
    let ((pools, silent), (heads, others)) = (pools(stage).await, headcount(stage).await);
    Status {
        endpoints: stage.endpoints().iter().map(|endpoint| endpoint_status(endpoint, &heads)).collect(),
        nodes: stage.nodes().iter().map(|node| node_status(node, &pools)).collect(),
        pins: pins(&heads),
        waits: heads.waits.list().iter().map(wait_status).collect(),
        shadows: seen(stage).await.iter().filter_map(shadow_status).collect(),
        silent_workers: silent.max(others),
        stopping: stage.is_draining(),
    }
}

fn shadow_status(seen: &Seen) -> Option<ShadowStatus> {
    let traffic = &seen.traffic;
    let pin = |it: Suspect| (it.reason.name(), it.reason.remedy(), it.shape, it.count);
    (seen.name.whose == Whose::All).then(|| ShadowStatus {
        endpoint: seen.name.endpoint.clone(),
        leases: traffic.transactions,
        size: traffic.size,
        size_max: traffic.most,
        connections: [traffic.connections, traffic.peak_connections],
        pinned: traffic.pinned,
        pins: seen.suspects.list().into_iter().map(pin).collect(),
    })
}

fn endpoint_status(endpoint: &Arc<Endpoint>, heads: &Headcount) -> EndpointStatus {
    let settings = &endpoint.settings;
    let (access, pool) = endpoint_words(settings);
    let Counts { clients, active, waiting, backends, pinned } = of_endpoint(heads, &settings.name);
    EndpointStatus {
        name: settings.name.clone(),
        listen: settings.listen.to_string(),
        access,
        pool,
        traffic: traffic(&endpoint.sluice),
        clients,
        active,
        waiting,
        backends,
        pinned,
    }
}

fn node_status(node: &Arc<Node>, pools: &PoolView) -> NodeStatus {
    let settings = node.settings();
    let (idle, leased, waiting) = of_node(pools, node.index);
    NodeStatus {
        name: settings.name.clone(),
        address: settings.address.to_string(),
        role: role_word(node.role()),
        health: health(node),
        fault: (!node.is_up()).then(|| node.fault().to_string()),
        traffic: traffic(&node.sluice),
        lagging: node.is_lagging(),
        version: node.facts().map(|facts| facts.version.clone()),
        connections: node.sockets(),
        max_connections: node.limit(),
        idle,
        leased,
        waiting,
    }
}

/// A node's idle and leased connections, and the sessions that wait for one.
pub(super) fn of_node(view: &PoolView, node: u16) -> (usize, usize, usize) {
    let own = view.pools.iter().filter(|pool| pool.node == node);
    own.fold((0, 0, 0), |(idle, leased, waiting), pool| {
        let [_, resting, lent, _] = pool.counts;
        (idle + resting, leased + lent, waiting + pool.waiting)
    })
}

fn pins(heads: &Headcount) -> Vec<PinStatus> {
    let pin = |(reason, sessions, since): &(PinReason, usize, Instant)| PinStatus {
        reason: reason.name(),
        sessions: *sessions,
        longest: since.elapsed(),
        remedy: reason.remedy(),
    };
    let mut all: Vec<_> = heads.pins.iter().map(pin).collect();
    all.sort_by(|one, other| (other.sessions, one.reason).cmp(&(one.sessions, other.reason)));
    all
}

fn wait_status(wait: &Wait) -> WaitStatus {
    WaitStatus {
        endpoint: wait.endpoint.clone(),
        user: wait.user.clone(),
        waited: wait.waited,
        ago: wait.ended.elapsed(),
        end: if wait.served { "served" } else { "gave_up" },
    }
}

/// An endpoint's access and mode, as the configuration writes them.
pub(super) fn endpoint_words(settings: &EndpointSettings) -> (&'static str, &'static str) {
    let access = match settings.access {
        Access::ReadWrite => "read_write",
        Access::ReadOnly => "read_only",
        Access::Split => "split",
    };
    (access, mode_word(settings.pool))
}

/// A mode, as the configuration writes it.
pub(super) fn mode_word(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::None => "none",
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    }
}

/// What a node is taken for, as in the metrics.
pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
        Role::Auto => "unknown",
    }
}
