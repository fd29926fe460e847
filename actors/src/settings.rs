//! What an operator decided, checked and typed: the value that a running Greenroom is born from.
//!
//! Nothing here reads a file. A reload makes a new value; what lives already keeps the one that it was born with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::login::rsa::NodeKey;
use greenroom_protocol::proxy_header::Version;
use greenroom_protocol::secret::Secret;

use crate::networks::Network;
use crate::tls::{EndpointTls, NodeTls};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Limits of the process itself.
    pub server: ServerSettings,
    /// Every server that endpoints may use.
    pub nodes: Vec<Arc<NodeSettings>>,
    /// Every address that clients may connect to.
    pub endpoints: Vec<Arc<EndpointSettings>>,
    /// Known users; empty where every user is learned.
    pub users: Vec<UserSettings>,
    /// What users and databases may have at most.
    pub limits: Vec<LimitSettings>,
    /// How servers are asked what they are.
    pub monitor: MonitorSettings,
    /// Where metrics and health are served, if anywhere.
    pub http: Option<SocketAddr>,
    /// The administrators' console, if there is one.
    pub admin: Option<AdminSettings>,
    /// How long a pause holds sessions back before their `lease_timeout` counts.
    pub pause_limit: Duration,
    /// What statements are watched for.
    pub queries: QuerySettings,
    /// Where those go that belong to a trace, if anywhere.
    pub tracing: Option<TracingSettings>,
    /// The instances that share the nodes' connections, if this is one of several.
    pub fleet: Option<Arc<FleetSettings>>,
}

/// Where statements go that belong to a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingSettings {
    /// The whole URL.
    pub otlp_endpoint: String,
    /// What Greenroom is called there.
    pub service_name: String,
    /// One in so many statements without a trace begins one; `None`: none.
    pub sample_one_in: Option<usize>,
    /// Statements that may wait to be sent there.
    pub span_queue: usize,
}

/// What statements are watched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySettings {
    /// Statements are counted by their shapes.
    pub query_statistics: bool,
    /// Shapes that are told apart.
    pub query_shapes: usize,
    /// Statements that take so long are logged; `None`: none.
    pub slow_query_time: Option<Duration>,
    /// So many of them a second at most.
    pub slow_query_rate: usize,
}

/// Instances that share the nodes' connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSettings {
    /// Where they meet: members of one etcd cluster; never empty.
    pub etcd: Vec<EtcdAddress>,
    /// Which fleet it is, of those that meet there.
    pub name: String,
    /// How long after its last word an instance counts as gone; whole seconds.
    pub ttl: Duration,
    /// Whom to log in to etcd as, if that is asked for there.
    pub account: Option<EtcdAccount>,
    /// Of how many an instance takes itself for one, where etcd cannot be asked from the start.
    pub expected_members: usize,
}

/// Where a member of an etcd cluster listens for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAddress {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encryption towards it.
    pub tls: NodeTls,
}

impl EtcdAddress {
    /// As URLs and headers have it.
    #[must_use]
    pub fn authority(&self) -> String {
        Address::Tcp { host: self.host.clone(), port: self.port }.to_string()
    }
}

/// Whom to log in to etcd as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAccount {
    /// As etcd knows it.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// The administrators' console.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may log in.
    pub user: String,
    /// What he must prove.
    pub secret: UserSecret,
    /// Encryption towards his client.
    pub tls: EndpointTls,
}

/// What the sessions of a user, of a database, or of a user in a database, may have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Name in errors.
    pub name: String,
    /// As clients name it; `None`: everybody.
    pub user: Option<String>,
    /// The database that a session uses; `None`: any.
    pub database: Option<String>,
    /// Client sessions at once, by the database of their login; `None`: any number.
    pub max_clients: Option<usize>,
    /// Server connections in use at once; `None`: any number.
    pub max_connections: Option<usize>,
}

/// How servers are asked what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSettings {
    /// Whom the monitor logs in as; `None`: as whoever has logged in to that server last.
    pub account: Option<MonitorAccount>,
    /// How often a server is asked.
    pub interval: Duration,
    /// How many results in a row change the judgement of a server.
    pub results: usize,
}

/// Whom the monitor logs in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorAccount {
    /// As servers know it.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// Limits of the process itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Worker threads; never 0 here (0 in a file means one a CPU).
    pub workers: usize,
    /// Client sessions at once; one more is refused with 1040.
    pub max_clients: usize,
    /// Those of them who have not logged in; one more is refused likewise.
    pub max_logins: usize,
    /// Bytes of one packet that a session keeps whole in memory; a longer one is streamed or refused.
    pub max_packet: usize,
    /// How long a client may take to log in.
    pub login_timeout: Duration,
    /// The longest wait for a verdict after repeated wrong passwords; zero: none.
    pub login_failure_delay: Duration,
    /// How long open transactions may go on after a request to stop.
    pub drain_timeout: Duration,
    /// How long clients may stay after another process has taken over; `None`: as long as they like.
    pub upgrade_timeout: Option<Duration>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSettings {
    /// Name in logs, metrics and errors.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// What it is for.
    pub role: Role,
    /// Its share of a read-only endpoint's leases, against the other nodes' weights; never 0.
    pub weight: usize,
    /// How far it may be behind its source and still be preferred for reads; `None`: that is not looked at.
    pub max_lag: Option<Duration>,
    /// Every backend connection to this node, pins included, over all workers.
    pub max_connections: usize,
    /// So many of the server's own connections are left to others.
    pub reserve: usize,
    /// Idle pooled connections that the expiry leaves open.
    pub min_idle: usize,
    /// Age at which a backend connection is retired when it next becomes idle; `None`: never.
    pub max_lifetime: Option<Duration>,
    /// How long connecting and logging in may take.
    pub connect_timeout: Duration,
    /// In which version of the PROXY protocol it is told for whom a connection is, if in any.
    pub proxy_protocol: Option<Version>,
    /// Encryption towards it.
    pub tls: NodeTls,
    /// The server may have passwords in clear text over a secure channel (`mysql_clear_password`).
    pub clear_text: bool,
    /// Its RSA key for passwords; `None`: as it says itself at the first login that needs one.
    pub rsa_key: Option<NodeKey>,
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Takes reads only.
    Replica,
    /// What the server says that it is, by its `read_only`.
    Auto,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `host:port`; the host may be a name.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

impl Address {
    /// The socket address, where it is one: not a name, not a path.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp { host, port } => host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, *port)),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One listening address and what stands behind it.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// Name in logs, metrics and errors.
    pub name: String,
    /// Where clients connect.
    pub listen: Address,
    /// Whether writes are meant to come this way.
    pub access: Access,
    /// Who has a backend connection, and how long.
    pub pool: PoolMode,
    /// How readily a session is pinned.
    pub pinning: Pinning,
    /// Where sessions have connections of their own: it is looked what a transaction pool would do.
    pub shadow: bool,
    /// The nodes behind it, in the order of the file.
    pub nodes: Vec<Arc<NodeSettings>>,
    /// A read-only endpoint may use the primary when no replica is healthy.
    pub fallback_to_primary: bool,
    /// Where reads go to replicas: how long they may wait there for the session's own writes; `None`: they need not see them.
    pub causal_timeout: Option<Duration>,
    /// How long a pooled connection may lie idle after its return.
    pub idle_timeout: Duration,
    /// How long a session waits for a backend connection.
    pub lease_timeout: Duration,
    /// Client sessions at once; `None`: as many as the process allows.
    pub max_clients: Option<usize>,
    /// Backend connections that its sessions may use at once; `None`: as many as the nodes allow.
    pub max_connections: Option<usize>,
    /// Sessions that may wait for a backend connection at once; `None`: any number.
    pub max_waiters: Option<usize>,
    /// Closes a client that sends nothing for so long outside a transaction.
    pub client_idle_timeout: Option<Duration>,
    /// Closes a client that sends nothing for so long inside a transaction.
    pub client_idle_in_transaction_timeout: Option<Duration>,
    /// The client's address is part of the pool key in every mode.
    pub pool_by_client_ip: bool,
    /// Where credentials come from.
    pub credentials: CredentialSource,
    /// Which user of the configuration reads the account table, where logins go by it.
    pub query_user: Option<String>,
    /// How long what a server has said of an account is believed; `None`: until it says otherwise.
    pub credential_ttl: Option<Duration>,
    /// Who may say, by the PROXY protocol, for which client it speaks.
    pub proxy_protocol_networks: Vec<Network>,
    /// Encryption towards clients.
    pub tls: EndpointTls,
}

impl EndpointSettings {
    /// Whether a PROXY header from there is believed.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.proxy_protocol_networks.iter().any(|network| network.contains(peer))
    }

    /// Whether a server connection is only ever used for clients of one address.
    #[must_use]
    pub fn separates_clients(&self) -> bool {
        self.pool != PoolMode::Transaction || self.pool_by_client_ip
    }

    /// Whether servers are told from which address a client comes.
    #[must_use]
    pub fn shows_clients(&self) -> bool {
        self.separates_clients() && self.nodes.iter().any(|node| node.proxy_protocol.is_some())
    }
}

/// Whether writes are meant to come through an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The primary.
    ReadWrite,
    /// The replicas.
    ReadOnly,
    /// The primary, and the replicas for what only reads.
    Split,
}

/// Who has a backend connection, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolMode {
    /// Every session its own, closed with it.
    None,
    /// Every session its own while it lives, kept for the next.
    Session,
    /// A session has one while a transaction runs.
    Transaction,
}

/// How readily a session is pinned to its backend connection in transaction mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// Only where needed and as long as needed.
    Tracked,
    /// As the vendors' proxies do: any of their seven operations pins to the end.
    Strict,
}

/// Where an endpoint's credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSource {
    /// Only the users of the configuration may log in.
    Static,
    /// The users of the configuration, and any other whose password the server itself accepts.
    Learned,
    /// The users of the configuration, and those of the server's account table.
    Query,
}

/// One user of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    /// As clients name it.
    pub name: String,
    /// What a client must prove.
    pub secret: UserSecret,
    /// As the server knows it, where that differs.
    pub backend_user: Option<String>,
    /// The server's password, where that differs.
    pub backend_password: Option<Secret>,
    /// Whose certificate a client must show, if that matters.
    pub tls_subject: Option<String>,
}

/// What a login is checked against.
#[derive(Clone, PartialEq, Eq)]
pub enum UserSecret {
    /// The password itself.
    Password(Secret),
    /// `SHA1(SHA1(password))`, the server's `*HEX`: verifies `mysql_native_password` and derives its backend login.
    NativeDoubleSha1([u8; 20]),
    /// `SHA256(SHA256(password))`: verifies `caching_sha2_password`'s fast path and derives its fast backend login.
    Sha2Double([u8; 32]),
}

impl fmt::Debug for UserSecret {
    /// Names the kind only: a double hash logs in as well as a password does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::NativeDoubleSha1(_) => "NativeDoubleSha1(…)",
            Self::Sha2Double(_) => "Sha2Double(…)",
        })
    }
}
