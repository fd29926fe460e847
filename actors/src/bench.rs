//! A pool with connections that no server is behind, for a bench to lend them and have them back: the way of a lease
//! through the same actors as in a running Greenroom, but for what a session does with it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr};
use actix_rt::{System, SystemRunner};
use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::login::client::BackendSecret;
use greenroom_protocol::secret::Secret;
use greenroom_protocol::state::{Charset, Names, SessionState};
use greenroom_protocol::statement::Cache;
use slog::{Discard, Logger, o};
use tokio::sync::oneshot;

use crate::account::{Account, PoolKey, Proven};
use crate::endpoint::{Endpoint, Side};
use crate::gate::{Bounds, Gate};
use crate::grant::Condition;
use crate::local::Local;
use crate::node::{Node, Permit};
use crate::pool::{Adopt, BackendId, Lease, PoolShard, Snapshot, Ticket};
use crate::quota::Quotas;
use crate::settings::{
    Access, Address, CredentialSource, EndpointSettings, MonitorSettings, NodeSettings, Pinning, PoolMode, Role,
    ServerSettings,
};
use crate::stage::Stage;
use crate::stream::{Crated, Loose};
use crate::tls::{EndpointTls, NodeTls};
use crate::wire::{Birth, Card};

/// `utf8mb4_general_ci`.
const COLLATION: u16 = 45;

/// Longer than any bench.
const LONG: Duration = Duration::from_secs(3600);

/// How often to look whether the connections are there, a millisecond apart.
const SETTLES: u32 = 10_000;

/// The pool of one worker, all its connections idle and in the same state.
pub struct Pool {
    system: SystemRunner,
    shard: Addr<PoolShard>,
    endpoint: Arc<Endpoint>,
    account: Arc<Account>,
    key: PoolKey,
    state: Arc<SessionState>,
    last: Option<BackendId>,
    /// The other ends of the connections: an idle one whose peer has gone is closed.
    _servers: Vec<UnixStream>,
}

impl Pool {
    /// A pool of so many connections.
    ///
    /// # Errors
    /// Where there are no sockets to be had, or the pool does not take them in.
    pub fn new(connections: usize) -> io::Result<Self> {
        let system = System::new();
        let (node, endpoint) = endpoint(connections);
        let (account, key, state) = (account(), key(), state());
        let stage = Arc::new(Stage::new(Logger::root(Discard, o!()), &server(), &monitor(), 0));
        let shard = system.block_on(async { PoolShard::new(0, stage, Local::here()).start() });
        let mut servers = Vec::with_capacity(connections);
        for _ in 0..connections {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            servers.push(theirs);
            let permit = node.admit().ok_or_else(|| io::Error::other("the node takes no more connections"))?;
            shard.do_send(Adopt {
                key: key.clone(),
                crated: Crated::Plain(Loose::Unix(ours)),
                card: card(permit, &state, &account),
            });
        }
        let mut pool = Self { system, shard, endpoint, account, key, state, last: None, _servers: servers };
        pool.settle(connections)?;
        Ok(pool)
    }

    /// So many leases, one after the other, each given back in the state that it was found in. `own`: by one session,
    /// which gets its last connection again; else each by another, which gets the one that came back last.
    ///
    /// # Errors
    /// Where a lease is refused.
    pub fn rounds(&mut self, times: u64, own: bool) -> io::Result<()> {
        let Self { system, shard, endpoint, account, key, state, last, .. } = self;
        system.block_on(async {
            for _ in 0..times {
                let ticket = Ticket {
                    side: Side::Primary,
                    endpoint: Arc::clone(endpoint),
                    account: Arc::clone(account),
                    key: key.clone(),
                    state: Arc::clone(state),
                    collation: COLLATION,
                    last: last.filter(|_| own),
                    fresh: false,
                    attributes: None,
                    route: None,
                };
                let (reply, answer) = oneshot::channel();
                shard.do_send(Lease { ticket, reply, since: None, standing: None });
                let mut grant = answer.await.ok().and_then(Result::ok).ok_or_else(|| io::Error::other("no lease"))?;
                *last = Some(grant.backend());
                // In hand, as by a statement: what was not touched would come back by another way.
                grant.wire();
                grant.release(Condition::Clean, Instant::now());
            }
            Ok(())
        })
    }

    /// Waits until all connections are idle.
    fn settle(&mut self, connections: usize) -> io::Result<()> {
        let Self { system, shard, .. } = self;
        system.block_on(async {
            for _ in 0..SETTLES {
                if shard.send(Snapshot).await.is_ok_and(|view| view.idle == connections) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(io::Error::other("the pool did not take its connections in"))
        })
    }
}

fn monitor() -> MonitorSettings {
    MonitorSettings { account: None, interval: LONG, results: 1 }
}

fn node_settings(connections: usize) -> NodeSettings {
    NodeSettings {
        name: "db1".to_owned(),
        address: Address::Unix("nowhere".into()),
        role: Role::Primary,
        weight: 1,
        max_lag: None,
        max_connections: connections,
        reserve: 0,
        min_idle: 0,
        max_lifetime: None,
        connect_timeout: LONG,
        proxy_protocol: None,
        tls: NodeTls::disabled(),
        clear_text: false,
        rsa_key: None,
    }
}

fn endpoint(connections: usize) -> (Arc<Node>, Arc<Endpoint>) {
    let settings = Arc::new(node_settings(connections));
    let node = Arc::new(Node::new(0, Arc::clone(&settings), 1, Arc::default()));
    let settings = EndpointSettings {
        name: "app".to_owned(),
        listen: Address::Unix("nowhere".into()),
        access: Access::ReadWrite,
        pool: PoolMode::Transaction,
        pinning: Pinning::Tracked,
        shadow: false,
        nodes: vec![settings],
        fallback_to_primary: false,
        causal_timeout: None,
        idle_timeout: LONG,
        lease_timeout: LONG,
        max_clients: None,
        max_connections: None,
        max_waiters: None,
        client_idle_timeout: None,
        client_idle_in_transaction_timeout: None,
        pool_by_client_ip: false,
        credentials: CredentialSource::Static,
        query_user: None,
        credential_ttl: None,
        proxy_protocol_networks: Vec::new(),
        tls: EndpointTls::disabled(),
    };
    let gate = Arc::new(Gate::new("endpoint 'app'".to_owned(), Bounds::default()));
    let (settings, nodes) = (Arc::new(settings), vec![Arc::clone(&node)]);
    let endpoint = Arc::new(Endpoint { settings, nodes, gate, sluice: Arc::default() });
    (node, endpoint)
}

fn server() -> ServerSettings {
    let (workers, max_clients, max_packet) = (1, 1, 1 << 20);
    ServerSettings {
        workers,
        max_clients,
        max_logins: max_clients,
        max_packet,
        login_timeout: LONG,
        login_failure_delay: LONG,
        drain_timeout: LONG,
        upgrade_timeout: None,
    }
}

fn account() -> Arc<Account> {
    let secret = BackendSecret::Password(Secret::new([]));
    Arc::new(Account {
        id: 1,
        user: (*b"app").into(),
        backend_user: (*b"app").into(),
        client: None,
        secret,
        proven: Proven::default(),
        quotas: Quotas::default(),
    })
}

fn key() -> PoolKey {
    PoolKey {
        node: 0,
        mode: PoolMode::Transaction,
        account: 1,
        capabilities: Capabilities::NONE,
        client: None,
        database: None,
        gtids: false,
        idle_timeout: LONG,
    }
}

fn state() -> Arc<SessionState> {
    let names = Names {
        client: (*b"utf8mb4").into(),
        results: Some((*b"utf8mb4").into()),
        connection: (*b"utf8mb4_general_ci").into(),
    };
    let mut state = SessionState::new(Some(b"app"), Charset::Named(names));
    state.set_variable(b"autocommit", b"ON");
    Arc::new(state)
}

fn card(permit: Permit, state: &Arc<SessionState>, account: &Arc<Account>) -> Card {
    let birth =
        Birth { state: (**state).clone(), collation: COLLATION, defaults: [].into(), role: None, init_connect: false };
    Card {
        permit,
        _place: account.quotas.of(0).enter(),
        thread_id: 1,
        account: Arc::clone(account),
        claim: None,
        capabilities: Capabilities::NONE.flags,
        birth: Arc::new(birth),
        state: Arc::clone(state),
        last_insert_id: 0,
        statements: Cache::default(),
        tracked: true,
        gtids: false,
        triggers: 0,
        found_rows: None,
        tainted: false,
        retire: None,
    }
}
