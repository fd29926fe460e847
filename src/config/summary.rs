//! What a configuration comes to, for people to read; never a secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::settings::{Access, CredentialSource, EndpointSettings, NodeSettings, Pinning, PoolMode, Role};
use greenroom_actors::settings::{
    EtcdAddress, FleetSettings, LimitSettings, MonitorSettings, QuerySettings, ServerSettings, TracingSettings,
    UserSecret, UserSettings,
};
use greenroom_actors::tls::{EndpointTlsMode, NodeTlsMode};

use greenroom_protocol::proxy_header::Version;

use super::Loaded;

/// Shows a [`Loaded`] configuration in a few lines.
#[derive(Debug)]
pub struct Summary<'l>(pub &'l Loaded);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loaded { settings, log, .. } = self.0;
        server(f, &settings.server)?;
        settings.nodes.iter().try_for_each(|it| node(f, it))?;
        settings.endpoints.iter().try_for_each(|it| endpoint(f, it))?;
        settings.limits.iter().try_for_each(|it| limit(f, it))?;
        settings.users.iter().try_for_each(|it| user(f, it))?;
        monitor(f, &settings.monitor)?;
        if let Some(it) = &settings.fleet {
            fleet(f, it)?;
        }
        match settings.http {
            Some(listen) => writeln!(f, "http {listen}: / /api/v1/status /metrics /healthz /readyz")?,
            None => writeln!(f, "http off")?,
        }
        match &settings.admin {
            Some(it) => writeln!(f, "console {} for {:?}, tls {}", it.listen, it.user, endpoint_tls(it.tls.mode()))?,
            None => writeln!(f, "console off")?,
        }
        queries(f, &settings.queries)?;
        match &settings.tracing {
            Some(it) => tracing(f, it)?,
            None => writeln!(f, "tracing off")?,
        }
        writeln!(f, "log level {}, format {}", log.level.as_str().to_lowercase(), log.format)
    }
}

fn server(f: &mut fmt::Formatter<'_>, it: &ServerSettings) -> fmt::Result {
    write!(f, "server workers {}, max_clients {}, max_logins {}", it.workers, it.max_clients, it.max_logins)?;
    write!(f, ", max_packet {} bytes", it.max_packet)?;
    write!(f, ", login_timeout {}", time(it.login_timeout))?;
    write!(f, ", login_failure_delay {}", time(it.login_failure_delay))?;
    writeln!(f, ", drain_timeout {}, upgrade_timeout {}", time(it.drain_timeout), or_off(it.upgrade_timeout))
}

fn node(f: &mut fmt::Formatter<'_>, it: &Arc<NodeSettings>) -> fmt::Result {
    let role = match it.role {
        Role::Primary => "primary",
        Role::Replica => "replica",
        Role::Auto => "auto",
    };
    write!(f, "node {:?} at {}, role {role}", it.name, it.address)?;
    write!(f, ", weight {}, max_lag {}", it.weight, or_off(it.max_lag))?;
    write!(f, ", max_connections {}, reserve {}, min_idle {}", it.max_connections, it.reserve, it.min_idle)?;
    write!(f, ", max_lifetime {}, connect_timeout {}", or_off(it.max_lifetime), time(it.connect_timeout))?;
    let flags = [(it.clear_text, "allow_cleartext_over_tls"), (it.rsa_key.is_some(), "rsa_key_file")];
    flags.iter().filter(|(on, _)| *on).try_for_each(|(_, flag)| write!(f, ", {flag}"))?;
    let version = match it.proxy_protocol {
        None => "",
        Some(Version::V1) => ", proxy_protocol v1",
        Some(Version::V2) => ", proxy_protocol v2",
    };
    writeln!(f, "{version}, tls {}", node_tls(it.tls.mode()))
}

fn monitor(f: &mut fmt::Formatter<'_>, it: &MonitorSettings) -> fmt::Result {
    write!(f, "monitor ")?;
    match &it.account {
        Some(account) => write!(f, "as {:?}", account.user)?,
        None => write!(f, "as whoever logged in last")?,
    }
    writeln!(f, ", interval {}, results {}", time(it.interval), it.results)
}

fn queries(f: &mut fmt::Formatter<'_>, it: &QuerySettings) -> fmt::Result {
    let statistics = if it.query_statistics { "on" } else { "off" };
    write!(f, "queries query_statistics {statistics}, query_shapes {}", it.query_shapes)?;
    writeln!(f, ", slow_query_time {}, slow_query_rate {}", or_off(it.slow_query_time), it.slow_query_rate)
}

fn tracing(f: &mut fmt::Formatter<'_>, it: &TracingSettings) -> fmt::Result {
    write!(f, "tracing to {} as {:?}, sample_one_in ", it.otlp_endpoint, it.service_name)?;
    match it.sample_one_in {
        Some(count) => write!(f, "{count}")?,
        None => write!(f, "off")?,
    }
    writeln!(f, ", span_queue {}", it.span_queue)
}

fn fleet(f: &mut fmt::Formatter<'_>, it: &FleetSettings) -> fmt::Result {
    let etcd: Vec<_> = it.etcd.iter().map(EtcdAddress::authority).collect();
    write!(f, "fleet {:?} by etcd at {}", it.name, etcd.join(", "))?;
    if it.etcd.iter().any(|address| address.tls.mode().verifies()) {
        write!(f, " with tls")?;
    }
    if let Some(account) = &it.account {
        write!(f, ", user {:?}", account.user)?;
    }
    writeln!(f, ", ttl {}, expected_members {}", time(it.ttl), it.expected_members)
}

fn endpoint(f: &mut fmt::Formatter<'_>, it: &Arc<EndpointSettings>) -> fmt::Result {
    let nodes: Vec<_> = it.nodes.iter().map(|node| node.name.as_str()).collect();
    write!(f, "endpoint {:?} on {} to {}", it.name, it.listen, nodes.join(", "))?;
    write!(f, ", access {}, pool {}, pinning {}", access(it.access), pool(it.pool), pinning(it.pinning))?;
    if it.shadow {
        write!(f, ", shadow transaction")?;
    }
    if it.access == Access::Split {
        write!(f, ", causal_timeout {}", or_off(it.causal_timeout))?;
    }
    write!(f, ", credentials {}", credentials(it.credentials))?;
    if let Some(user) = &it.query_user {
        write!(f, ", query_user {user:?}")?;
    }
    write!(f, ", credential_ttl {}", or_off(it.credential_ttl))?;
    write!(f, ", idle_timeout {}, lease_timeout {}", time(it.idle_timeout), time(it.lease_timeout))?;
    let limits =
        [("max_clients", it.max_clients), ("max_connections", it.max_connections), ("max_waiters", it.max_waiters)];
    for (key, limit) in limits.iter().filter_map(|(key, limit)| Some((key, (*limit)?))) {
        write!(f, ", {key} {limit}")?;
    }
    write!(f, ", client_idle_timeout {}", or_off(it.client_idle_timeout))?;
    write!(f, ", client_idle_in_transaction_timeout {}", or_off(it.client_idle_in_transaction_timeout))?;
    let flags = [(it.fallback_to_primary, "fallback_to_primary"), (it.pool_by_client_ip, "pool_by_client_ip")];
    flags.iter().filter(|(on, _)| *on).try_for_each(|(_, flag)| write!(f, ", {flag}"))?;
    if !it.proxy_protocol_networks.is_empty() {
        let networks: Vec<_> = it.proxy_protocol_networks.iter().map(ToString::to_string).collect();
        write!(f, ", proxy_protocol_networks {}", networks.join(" "))?;
    }
    writeln!(f, ", tls {}", endpoint_tls(it.tls.mode()))
}

fn limit(f: &mut fmt::Formatter<'_>, it: &LimitSettings) -> fmt::Result {
    write!(f, "limit {:?}", it.name)?;
    let whose = [("user", &it.user), ("database", &it.database)];
    for (key, name) in whose.iter().filter_map(|(key, name)| Some((key, name.as_ref()?))) {
        write!(f, ", {key} {name:?}")?;
    }
    let limits = [("max_clients", it.max_clients), ("max_connections", it.max_connections)];
    for (key, limit) in limits.iter().filter_map(|(key, limit)| Some((key, (*limit)?))) {
        write!(f, ", {key} {limit}")?;
    }
    writeln!(f)
}

fn user(f: &mut fmt::Formatter<'_>, it: &UserSettings) -> fmt::Result {
    let known_by = match it.secret {
        UserSecret::Password(_) => "password",
        UserSecret::NativeDoubleSha1(_) => "mysql_native_password hash",
        UserSecret::Sha2Double(_) => "caching_sha2_password hash",
    };
    write!(f, "user {:?}, known by its {known_by}", it.name)?;
    if let Some(backend_user) = &it.backend_user {
        write!(f, ", on the server {backend_user:?}")?;
    }
    if it.backend_password.is_some() {
        write!(f, ", on the server with a password of its own")?;
    }
    if let Some(subject) = &it.tls_subject {
        write!(f, ", with the certificate of {subject}")?;
    }
    writeln!(f)
}

fn access(it: Access) -> &'static str {
    match it {
        Access::ReadWrite => "read_write",
        Access::ReadOnly => "read_only",
        Access::Split => "split",
    }
}

fn pool(it: PoolMode) -> &'static str {
    match it {
        PoolMode::None => "none",
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    }
}

fn pinning(it: Pinning) -> &'static str {
    match it {
        Pinning::Tracked => "tracked",
        Pinning::Strict => "strict",
    }
}

fn credentials(it: CredentialSource) -> &'static str {
    match it {
        CredentialSource::Static => "static",
        CredentialSource::Learned => "learned",
        CredentialSource::Query => "query",
    }
}

fn endpoint_tls(it: EndpointTlsMode) -> &'static str {
    match it {
        EndpointTlsMode::Disabled => "disabled",
        EndpointTlsMode::Preferred => "preferred",
        EndpointTlsMode::Required => "required",
        EndpointTlsMode::VerifyClient => "verify-client",
    }
}

fn node_tls(it: NodeTlsMode) -> &'static str {
    match it {
        NodeTlsMode::Disabled => "disabled",
        NodeTlsMode::Preferred => "preferred",
        NodeTlsMode::Required => "required",
        NodeTlsMode::VerifyCa => "verify-ca",
        NodeTlsMode::VerifyIdentity => "verify-identity",
    }
}

fn time(it: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(it)
}

fn or_off(it: Option<Duration>) -> String {
    it.map_or_else(|| "off".to_owned(), |it| time(it).to_string())
}
