//! The shapes of the file: every section, every key and its type, before anything is checked across keys.
//!
//! One table serves as shape, as the list of known keys and as the reader. It is not serde's, because serde stops at
//! the first mistake and forgets where a value came from. Units, defaults and meaning: `config/default.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use greenroom_actors::settings::{Access, Address, Pinning, PoolMode, Role};
use greenroom_actors::tls::{EndpointTlsMode, NodeTlsMode};
use greenroom_protocol::secret::Secret;

use super::choice::{CausalReads, Credentials, ProxyProtocol, Shadow};
use super::inventory::{Effect, Item, Show};
use super::reader::{Field, Reader, Table};
use super::value::{Listed, OrOff, Size};
use crate::telemetry::log::Format;

/// Declares sections: the struct, the names of its keys, how a table is read into it, and when a reload of them takes effect.
macro_rules! sections {
    ($($(#[$about:meta])* $name:ident [$usual:ident] {
        $($(#[$key_about:meta])* $key:ident: $kind:ty $([$effect:ident])?,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Debug)]
        pub(super) struct $name {
            $($(#[$key_about])* pub(super) $key: Field<$kind>,)*
        }

        impl $name {
            /// Every key of this section.
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            /// Each key with its type and when a reload of it takes effect, for `docs/reference.md`.
            #[cfg(test)]
            pub(super) const TYPES: &'static [(&'static str, &'static str, Effect)] = &[$({
                let [effect, ..] = [$(Effect::$effect,)? Effect::$usual];
                (stringify!($key), stringify!($kind), effect)
            }),*];

            /// Reads each key; what is wrong is noted with the reader.
            pub(super) fn read(reader: &mut Reader<'_>, table: &Table) -> Self {
                Self { $($key: reader.field(table, stringify!($key)),)* }
            }

            /// Each key with its value, for a list of what has changed.
            pub(super) fn items(&self) -> Vec<Item> {
                vec![$({
                    let [effect, ..] = [$(Effect::$effect,)? Effect::$usual];
                    Item::new(stringify!($key), self.$key.value.as_ref().map(Show::show), effect)
                }),*]
            }
        }
    )*};
}

sections! {
    /// `[server]`: the process as a whole.
    RawServer [Now] {
        /// Worker threads; 0 is one a CPU.
        workers: usize [Restart],
        /// Client connections at once.
        max_clients: usize,
        /// Those of them who have not logged in.
        max_logins: usize,
        /// The longest command that a client may send.
        max_packet: Size,
        /// From connecting to being logged in.
        login_timeout: Duration [NewSessions],
        /// The longest wait after repeated wrong passwords.
        login_failure_delay: Duration,
        /// What open transactions get after a request to stop.
        drain_timeout: Duration,
        /// What clients get after another process has taken over.
        upgrade_timeout: OrOff<Duration>,
    }

    /// An entry of `[[nodes]]`: one database server.
    RawNode [NewConnections] {
        /// Unique name.
        name: String,
        /// Where it listens.
        address: Address [NewSessions],
        /// What it is for.
        role: Role [Now],
        /// Its share of reads.
        weight: usize [Now],
        /// How far behind it may be for reads.
        max_lag: OrOff<Duration> [Now],
        /// Server connections at most.
        max_connections: usize [Now],
        /// Of the server's own limit, what is left to others.
        reserve: usize [Now],
        /// Idle connections that are left open.
        min_idle: usize [Now],
        /// Age at which a connection is retired.
        max_lifetime: OrOff<Duration>,
        /// For connecting and logging in.
        connect_timeout: Duration,
        /// Telling it for whom a connection is.
        proxy_protocol: ProxyProtocol,
        /// Whether the server may have passwords in clear text.
        allow_cleartext_over_tls: bool,
        /// The file with the server's RSA key.
        rsa_key_file: String,
        /// Encryption towards the server.
        tls: NodeTlsMode,
        /// Authorities that its certificate may come from.
        tls_ca: String,
        /// The certificate to show it.
        tls_cert: String,
        /// That one's key.
        tls_key: String,
        /// The name that its certificate must be for.
        tls_server_name: String,
    }

    /// An entry of `[[endpoints]]`: one address for applications.
    RawEndpoint [NewSessions] {
        /// Unique name.
        name: String,
        /// Where clients connect.
        listen: Address [Now],
        /// For writes or for reads.
        access: Access,
        /// Who has a server connection, and how long.
        pool: PoolMode,
        /// How readily a session is pinned.
        pinning: Pinning,
        /// The mode that is tried without being used.
        shadow: Shadow,
        /// Names of nodes; absent is all.
        nodes: Vec<Listed>,
        /// The primary for reads, where no replica is healthy.
        fallback_to_primary: bool,
        /// Which writes reads must see.
        causal_reads: CausalReads,
        /// How long a replica may take to have them.
        causal_timeout: Duration,
        /// Of a pooled connection.
        idle_timeout: Duration,
        /// Waiting for a server connection.
        lease_timeout: Duration,
        /// Clients at once.
        max_clients: OrOff<usize> [Now],
        /// Server connections in use at once.
        max_connections: OrOff<usize> [Now],
        /// Sessions that wait at once.
        max_waiters: OrOff<usize> [Now],
        /// Of a client outside a transaction.
        client_idle_timeout: OrOff<Duration>,
        /// Of a client inside a transaction.
        client_idle_in_transaction_timeout: OrOff<Duration>,
        /// Separate connections for each client address.
        pool_by_client_ip: bool,
        /// Whom to let in.
        credentials: Credentials,
        /// Who reads the server's account table.
        query_user: String,
        /// How long servers' word of an account holds.
        credential_ttl: OrOff<Duration>,
        /// Who may say for whom it speaks.
        proxy_protocol_networks: Vec<Listed>,
        /// Encryption towards clients.
        tls: EndpointTlsMode,
        /// The certificate to show them.
        tls_cert: String,
        /// That one's key.
        tls_key: String,
        /// Authorities that clients' certificates may come from.
        tls_ca: String,
    }

    /// An entry of `[[users]]`: one that may log in.
    RawUser [NewSessions] {
        /// As clients name it.
        name: String,
        /// The password itself.
        password: Secret,
        /// The file that holds it.
        password_file: String,
        /// The environment variable that holds it.
        password_env: String,
        /// What the server keeps of it.
        password_hash: Secret,
        /// As the server names the user.
        backend_user: String,
        /// The server's password.
        backend_password: Secret,
        /// The file that holds it.
        backend_password_file: String,
        /// The environment variable that holds it.
        backend_password_env: String,
        /// Whose certificate the client must show.
        tls_subject: String,
    }

    /// An entry of `[[limits]]`: what a user, a database, or a user in a database may have at most.
    RawLimit [Now] {
        /// Unique name.
        name: String,
        /// As clients name it; absent is everybody.
        user: String [NewSessions],
        /// As sessions use it; absent is any.
        database: String [NewSessions],
        /// Clients at once.
        max_clients: OrOff<usize>,
        /// Server connections in use at once.
        max_connections: OrOff<usize>,
    }

    /// `[monitor]`: how servers are asked what they are.
    RawMonitor [Now] {
        /// Whom to log in as; absent is whoever was there last.
        user: String,
        /// The password itself.
        password: Secret,
        /// The file that holds it.
        password_file: String,
        /// The environment variable that holds it.
        password_env: String,
        /// Between two questions.
        interval: Duration,
        /// Results in a row that change the judgement.
        results: usize,
    }

    /// `[fleet]`: instances that share the servers' connections.
    RawFleet [Restart] {
        /// Where etcd is; none is no fleet.
        etcd: Vec<Listed>,
        /// Which of the fleets that meet there.
        name: String,
        /// After which silence an instance counts as gone.
        ttl: Duration,
        /// Of how many it is one while nobody can be asked.
        expected_members: usize,
        /// As etcd names the user.
        user: String,
        /// The password itself.
        password: Secret,
        /// The file that holds it.
        password_file: String,
        /// The environment variable that holds it.
        password_env: String,
        /// Authorities that etcd's certificate may come from.
        tls_ca: String,
        /// The certificate to show it.
        tls_cert: String,
        /// That one's key.
        tls_key: String,
    }

    /// `[http]`: metrics and health.
    RawHttp [Restart] {
        /// Where it listens.
        listen: OrOff<SocketAddr>,
    }

    /// `[admin]`: the console.
    RawAdmin [Now] {
        /// Where it listens.
        listen: OrOff<SocketAddr>,
        /// Who may log in.
        user: String,
        /// The password itself.
        password: Secret,
        /// The file that holds it.
        password_file: String,
        /// The environment variable that holds it.
        password_env: String,
        /// What a server would keep of it.
        password_hash: Secret,
        /// Encryption towards administrators' clients.
        tls: EndpointTlsMode,
        /// The certificate to show them.
        tls_cert: String,
        /// That one's key.
        tls_key: String,
        /// Authorities that their certificates may come from.
        tls_ca: String,
        /// How long a pause holds sessions back.
        pause_limit: Duration,
    }

    /// `[queries]`: what statements are watched for.
    RawQueries [Now] {
        /// Counting them by their shapes.
        query_statistics: bool,
        /// Shapes that are told apart.
        query_shapes: usize,
        /// From when on one is slow.
        slow_query_time: OrOff<Duration>,
        /// Slow ones a second that are logged.
        slow_query_rate: usize,
    }

    /// `[tracing]`: statements that belong to a trace.
    RawTracing [Restart] {
        /// Where they are sent.
        otlp_endpoint: OrOff<String>,
        /// What Greenroom is called there.
        service_name: String,
        /// Traces of Greenroom's own.
        sample_one_in: OrOff<usize>,
        /// Statements that wait.
        span_queue: usize,
    }

    /// `[log]`: log lines.
    RawLog [Restart] {
        /// The least severe level that is written.
        level: slog::Level [Now],
        /// How a line looks.
        format: Format,
    }
}

/// The whole file.
#[derive(Debug)]
pub(super) struct Raw {
    /// `[server]`.
    pub(super) server: RawServer,
    /// `[[nodes]]`.
    pub(super) nodes: Vec<RawNode>,
    /// `[[endpoints]]`.
    pub(super) endpoints: Vec<RawEndpoint>,
    /// `[[users]]`.
    pub(super) users: Vec<RawUser>,
    /// `[[limits]]`.
    pub(super) limits: Vec<RawLimit>,
    /// `[monitor]`.
    pub(super) monitor: RawMonitor,
    /// `[fleet]`.
    pub(super) fleet: RawFleet,
    /// `[http]`.
    pub(super) http: RawHttp,
    /// `[admin]`.
    pub(super) admin: RawAdmin,
    /// `[queries]`.
    pub(super) queries: RawQueries,
    /// `[tracing]`.
    pub(super) tracing: RawTracing,
    /// `[log]`.
    pub(super) log: RawLog,
}
