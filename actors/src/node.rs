//! A server as all workers see it: what it is, whether it answers, how many sockets lead to it, who waits.
//!
//! The counters are the only thing that workers share on the way of a query, and only when a connection
//! is opened or closed or somebody has to wait.

mod share;
mod standing;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix::Addr;
use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::greeting::Greeting;
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::rsa::NodeKey;
use greenroom_protocol::state::Names;
use greenroom_protocol::track::ClientTrackers;
use rustc_hash::FxHashMap;

use crate::account::Account;
use crate::cluster::Membership;
use crate::monitor::{Accuse, NodeMonitor};
use crate::settings::NodeSettings;
use crate::sluice::Sluice;
use crate::sql_modes::SqlModes;
use crate::surveys::Surveys;

/// How old the answer to a `COM_STATISTICS` may be when it is given to somebody else.
const STATISTICS_AGE: Duration = Duration::from_secs(1);

/// What a server says of itself before anybody logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The version text of its greeting, given to clients as it is.
    pub(crate) version: String,
    /// Whose dialect it speaks.
    pub(crate) flavor: Flavor,
    /// The version as a number: 90704, 101119.
    pub(crate) number: u32,
    /// What it can do.
    pub(crate) capabilities: Capabilities,
    /// Its default collation, as the greeting gives it.
    pub(crate) charset: u8,
    /// The authentication plugin that its greeting names.
    pub(crate) plugin: String,
}

impl Facts {
    /// Reads a greeting. MariaDB up to 10.11 puts a version that old clients like before its own.
    pub(crate) fn of(greeting: &Greeting) -> Self {
        let maria = greeting.version.contains("MariaDB");
        let own = greeting.version.strip_prefix("5.5.5-").filter(|_| maria).unwrap_or(&greeting.version);
        let mut parts = own.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0_u32));
        let mut part = || parts.next().unwrap_or(0).min(99);
        Self {
            version: greeting.version.clone(),
            flavor: if maria { Flavor::MariaDb } else { Flavor::MySql },
            number: part() * 10_000 + part() * 100 + part(),
            capabilities: greeting.capabilities,
            charset: greeting.charset,
            plugin: greeting.plugin.clone(),
        }
    }

    /// The plugin to offer to clients: the server's own, if it is spoken here and answers a greeting.
    pub(crate) fn plugin(&self) -> Plugin {
        let own = Plugin::from_name(self.plugin.as_bytes());
        own.filter(|plugin| plugin.answers_greeting()).unwrap_or(Plugin::CachingSha2)
    }
}

/// `max_prepared_stmt_count` of a server that nobody has changed; its own value is read at each login.
const STATEMENTS: usize = 16_382;

/// One server.
pub(crate) struct Node {
    /// Its place in the configuration.
    pub(crate) index: u16,
    /// Whether administrators let anybody have it.
    pub(crate) sluice: Arc<Sluice>,
    settings: RwLock<Arc<NodeSettings>>,
    facts: RwLock<Option<Arc<Facts>>>,
    /// Why it is down, if it is.
    fault: RwLock<Option<Arc<str>>>,
    up: AtomicBool,
    /// What it is taken for, as a [`Role`].
    role: AtomicU8,
    /// When it became a primary, of all such events; 0: before anybody looked.
    promoted: AtomicU64,
    /// It is further behind than its `max_lag`.
    lagging: AtomicBool,
    /// Every write of a session has a GTID.
    gtids: AtomicBool,
    /// What its monitor has heard of its cluster; `None`: it has not been asked yet.
    membership: RwLock<Option<Membership>>,
    /// It takes writes, and another member of its cluster is the primary.
    peer: AtomicBool,
    /// Members of its cluster cannot be asked to wait for each other's GTIDs.
    unawaited: AtomicBool,
    weight: AtomicUsize,
    /// Who has logged in to it last.
    account: RwLock<Option<Arc<Account>>>,
    /// A reload has taken it out of the configuration; sessions that were born with it may still use it.
    retired: AtomicBool,
    limit: AtomicUsize,
    /// What the server allows by its own `max_connections`, and how many of these are not for us.
    server_limit: AtomicUsize,
    reserve: AtomicUsize,
    /// That it is less than is configured has not been said yet.
    untold: AtomicBool,
    /// Of a fleet's instances, what this one may have; `usize::MAX` where there is no fleet.
    share: AtomicUsize,
    /// More are open than may be.
    crowded: AtomicBool,
    /// Those of them that are being closed for that.
    leaving: AtomicUsize,
    open: AtomicUsize,
    leased: AtomicUsize,
    /// Statements that are prepared on its connections, and how many may be.
    statements: AtomicUsize,
    statement_limit: AtomicUsize,
    sql_modes: SqlModes,
    /// What it makes of a collation id sent at login. Servers differ, and fall back for ids they do not know.
    charsets: RwLock<FxHashMap<u16, Names>>,
    trackers: RwLock<Option<Arc<ClientTrackers>>>,
    seats: Box<[Seat]>,
    rsa_key: RwLock<Option<NodeKey>>,
    statistics: Mutex<Option<(Instant, Arc<[u8]>)>>,
    surveys: Surveys,
    monitor: RwLock<Option<Addr<NodeMonitor>>>,
}

/// What one worker's shard lets the others see.
// On a cache line of its own: each shard writes its seat with every lease and return.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Seat {
    waiting: AtomicUsize,
    idle: AtomicUsize,
}

/// The right to one socket to a node. It counts until dropped, and so lives inside the connection.
pub(crate) struct Permit {
    node: Arc<Node>,
    /// Statements prepared over it.
    statements: usize,
    /// Whether it counts against the limit.
    counted: bool,
}

impl Node {
    pub(crate) fn new(index: u16, settings: Arc<NodeSettings>, workers: usize, sluice: Arc<Sluice>) -> Self {
        Self {
            index,
            sluice,
            limit: AtomicUsize::new(settings.max_connections),
            reserve: AtomicUsize::new(settings.reserve),
            facts: RwLock::new(None),
            fault: RwLock::new(None),
            up: AtomicBool::new(true),
            role: AtomicU8::new(settings.role as u8),
            promoted: AtomicU64::new(0),
            lagging: AtomicBool::new(false),
            gtids: AtomicBool::new(false),
            membership: RwLock::new(None),
            peer: AtomicBool::new(false),
            unawaited: AtomicBool::new(false),
            weight: AtomicUsize::new(settings.weight),
            settings: RwLock::new(settings),
            account: RwLock::new(None),
            retired: AtomicBool::new(false),
            server_limit: AtomicUsize::new(usize::MAX),
            untold: AtomicBool::new(false),
            share: AtomicUsize::new(usize::MAX),
            crowded: AtomicBool::new(false),
            leaving: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            leased: AtomicUsize::new(0),
            statements: AtomicUsize::new(0),
            statement_limit: AtomicUsize::new(STATEMENTS),
            sql_modes: SqlModes::default(),
            charsets: RwLock::default(),
            trackers: RwLock::new(None),
            seats: (0..workers).map(|_| Seat::default()).collect(),
            rsa_key: RwLock::new(None),
            statistics: Mutex::new(None),
            surveys: Surveys::default(),
            monitor: RwLock::new(None),
        }
    }

    /// The settings for what is born now.
    pub(crate) fn settings(&self) -> Arc<NodeSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New settings, for what is born from now on.
    pub(crate) fn resettle(&self, settings: Arc<NodeSettings>) {
        self.limit.store(settings.max_connections, Ordering::Relaxed);
        self.reserve.store(settings.reserve, Ordering::Relaxed);
        self.untold.store(true, Ordering::Relaxed);
        self.weight.store(settings.weight, Ordering::Relaxed);
        if self.settings().role != settings.role {
            self.role.store(settings.role as u8, Ordering::Relaxed);
            self.promoted.store(0, Ordering::Relaxed);
            self.note_peer(false);
        }
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// What is known of the server, if it ever answered.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what the server said of itself; a restarted server may be another version.
    pub(crate) fn learn(&self, facts: &Facts) {
        let mut known = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(facts) {
            *known = Some(Arc::new(facts.clone()));
        }
    }

    /// Whether connections may be tried.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether new leases may go there.
    pub(crate) fn is_open(&self) -> bool {
        self.is_up() && !self.sluice.is_drained()
    }

    /// Sockets that lead to it now.
    pub(crate) fn sockets(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether it is no longer configured: another server may have its name now.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Says whether it is no longer configured.
    pub(crate) fn retire(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Why it is down, or was when it last was: who is told so may hear of it when that is over.
    pub(crate) fn fault(&self) -> Arc<str> {
        let fault = self.fault.read().unwrap_or_else(PoisonError::into_inner);
        fault.clone().unwrap_or_else(|| Arc::from("no reason is known"))
    }

    /// Why no new lease goes there, or last did not. Drained is who is nothing else: it may have come up meanwhile.
    pub(crate) fn obstacle(&self) -> Arc<str> {
        if self.is_up() && self.sluice.is_drained() {
            Arc::from("an administrator has drained it")
        } else {
            self.fault()
        }
    }

    /// Who watches it from now on.
    pub(crate) fn watch(&self, monitor: Addr<NodeMonitor>) {
        *self.monitor.write().unwrap_or_else(PoisonError::into_inner) = Some(monitor);
    }

    /// Who watches it. Not asked for on the way of a query.
    pub(crate) fn monitor(&self) -> Option<Addr<NodeMonitor>> {
        self.monitor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is stored there, as its accounts see it.
    pub(crate) fn surveys(&self) -> &Surveys {
        &self.surveys
    }

    /// The server's RSA key, if it is configured or some login has asked for it.
    pub(crate) fn rsa_key(&self) -> Option<NodeKey> {
        let given = self.settings().rsa_key.clone();
        given.or_else(|| self.kept_rsa_key())
    }

    fn kept_rsa_key(&self) -> Option<NodeKey> {
        self.rsa_key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the server's RSA key, or forgets it.
    pub(crate) fn keep_rsa_key(&self, key: Option<NodeKey>) {
        *self.rsa_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// What it last answered to a `COM_STATISTICS`, if that was just now.
    pub(crate) fn statistics(&self) -> Option<Arc<[u8]>> {
        let kept = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.as_ref().filter(|(since, _)| since.elapsed() <= STATISTICS_AGE);
        fresh.map(|(_, text)| Arc::clone(text))
    }

    /// Keeps an answer to a `COM_STATISTICS`.
    pub(crate) fn keep_statistics(&self, text: Box<[u8]>) {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), text.into()));
    }

    /// Connections to it fail again and again: its monitor is to judge, and says so to everybody.
    pub(crate) fn accuse(&self, reason: &str) {
        if let Some(monitor) = self.monitor() {
            monitor.do_send(Accuse(reason.to_owned()));
        }
    }

    /// Up (`None`), or down for a reason.
    pub(crate) fn mark(&self, fault: Option<&str>) {
        if let Some(fault) = fault {
            *self.fault.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::from(fault));
        }
        self.up.store(fault.is_none(), Ordering::Relaxed);
    }

    /// Leases outstanding, over all workers.
    pub(crate) fn leased(&self) -> usize {
        self.leased.load(Ordering::Relaxed)
    }

    /// Counts a lease.
    pub(crate) fn lent(&self) {
        self.leased.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a lease's end.
    pub(crate) fn returned(&self) {
        self.leased.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes the server's own `max_connections`.
    pub(crate) fn note_server_limit(&self, limit: usize) {
        if self.server_limit.swap(limit, Ordering::Relaxed) != limit {
            self.untold.store(true, Ordering::Relaxed);
        }
    }

    /// The server's own `max_connections`, once where it leaves less to us than is configured.
    pub(crate) fn tell_server_limit(&self) -> Option<usize> {
        if !self.untold.load(Ordering::Relaxed) || !self.untold.swap(false, Ordering::Relaxed) {
            return None;
        }
        let is_less = self.ceiling() < self.limit.load(Ordering::Relaxed);
        is_less.then(|| self.server_limit.load(Ordering::Relaxed))
    }

    /// Whether one more socket may be opened.
    pub(crate) fn has_room(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.limit()
    }

    /// A permit for the monitor's socket, which the limit does not count.
    pub(crate) fn beside(self: &Arc<Self>) -> Permit {
        Permit { node: Arc::clone(self), statements: 0, counted: false }
    }

    /// A permit for one more socket, unless the limit is reached.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        let limit = self.limit();
        let admitted =
            self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| (open < limit).then_some(open + 1));
        let permit = admitted.ok().map(|_| Permit { node: Arc::clone(self), statements: 0, counted: true })?;
        // What a share has lost goes to another instance once no more than the rest are open: either whoever looks for that
        // has seen this one, or the new share is seen here.
        permit.is_within_limit().then_some(permit)
    }

    /// How many statements the server lets all its clients prepare (`max_prepared_stmt_count`).
    pub(crate) fn statement_limit(&self) -> usize {
        self.statement_limit.load(Ordering::Relaxed)
    }

    /// Notes what the server says of that.
    pub(crate) fn limit_statements(&self, limit: usize) {
        self.statement_limit.store(limit, Ordering::Relaxed);
    }

    /// The SQL modes that its connections have after their logins.
    pub(crate) fn sql_modes(&self) -> &SqlModes {
        &self.sql_modes
    }

    /// What it makes of a collation id, if a login has shown it. Workers keep what they have read.
    pub(crate) fn charset(&self, collation: u16) -> Option<Names> {
        self.charsets.read().unwrap_or_else(PoisonError::into_inner).get(&collation).cloned()
    }

    /// Notes what a login with a collation id led to.
    pub(crate) fn note_charset(&self, collation: u16, names: &Names) {
        let mut known = self.charsets.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(collation).or_insert_with(|| names.clone());
    }

    /// What its sessions' clients hear of their state unless they ask for something else, if anybody has logged in yet.
    pub(crate) fn trackers(&self) -> Option<Arc<ClientTrackers>> {
        self.trackers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what a connection has found of that.
    pub(crate) fn keep_trackers(&self, trackers: ClientTrackers) {
        let mut kept = self.trackers.write().unwrap_or_else(PoisonError::into_inner);
        if kept.as_deref() != Some(&trackers) {
            *kept = Some(Arc::new(trackers));
        }
    }

    /// Whether another statement is only prepared where one is let go. A quarter is left to others, and to those that
    /// sessions have to themselves.
    pub(crate) fn is_full_of_statements(&self) -> bool {
        self.statements.load(Ordering::Relaxed) >= self.statement_limit() / 4 * 3
    }

    /// Says how many wait in a shard and how many connections idle there.
    pub(crate) fn post(&self, shard: usize, waiting: usize, idle: usize) {
        if let Some(seat) = self.seats.get(shard) {
            seat.waiting.store(waiting, Ordering::Relaxed);
            seat.idle.store(idle, Ordering::Relaxed);
        }
    }

    /// How many wait in a shard.
    pub(crate) fn waiting(&self, shard: usize) -> usize {
        self.seats.get(shard).map_or(0, |seat| seat.waiting.load(Ordering::Relaxed))
    }

    /// The other shards, those with the most idle connections first.
    pub(crate) fn richest_first(&self, shard: usize) -> Vec<usize> {
        let mut others: Vec<_> = (0..self.seats.len()).filter(|index| *index != shard).collect();
        others.sort_by_key(|index| {
            std::cmp::Reverse(self.seats.get(*index).map_or(0, |seat| seat.idle.load(Ordering::Relaxed)))
        });
        others
    }
}

impl Permit {
    /// Whether the limit, which a reload may have lowered, still allows as many as there are.
    pub(crate) fn is_within_limit(&self) -> bool {
        self.node.open.load(Ordering::SeqCst) <= self.node.limit()
    }

    /// The node that it leads to.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// So many statements are prepared over this socket now.
    pub(crate) fn count_statements(&mut self, count: usize) {
        let before = std::mem::replace(&mut self.statements, count);
        if count >= before {
            self.node.statements.fetch_add(count - before, Ordering::Relaxed);
        } else {
            self.node.statements.fetch_sub(before - count, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.index)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.node.index)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.count_statements(0);
        if self.counted {
            self.node.open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
