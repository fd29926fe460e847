//! Every metric: name, unit, help. Names are stable; labels are few and bounded (endpoints, nodes, enums).

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Client sessions now, by `endpoint` and `state` (`login`, `idle`, `active`, `waiting`).
pub const CLIENTS: &str = "greenroom_clients";
/// Backend connections now, by `node` and `state` (`opening`, `idle`, `leased`, `cleaning`).
pub const BACKEND_CONNECTIONS: &str = "greenroom_backend_connections";
/// Leases granted, by `found` (`own`, `equal`, `other`, `opened`).
pub const LEASES: &str = "greenroom_leases_total";
/// Leases before which a session's state had to be restored.
pub const ADAPTS: &str = "greenroom_adapts_total";
/// Statements that were prepared anew on a connection that lacked them.
pub const PREPARES: &str = "greenroom_prepares_total";
/// Backend connections opened.
pub const OPENS: &str = "greenroom_backend_opens_total";
/// How long opening took.
pub const OPEN_SECONDS: &str = "greenroom_backend_open_seconds";
/// Backend connections ended, by `reason`.
pub const ENDS: &str = "greenroom_backend_ends_total";
/// Client sessions ended, by `reason`.
pub const SESSION_ENDS: &str = "greenroom_session_ends_total";
/// Sessions in the waiting line now, by `node`.
pub const WAITERS: &str = "greenroom_waiters";
/// How long those who had to wait for a connection waited.
pub const WAIT_SECONDS: &str = "greenroom_lease_wait_seconds";
/// Waits that ended at `lease_timeout`.
pub const LEASE_TIMEOUTS: &str = "greenroom_lease_timeouts_total";
/// Logins that servers refused since the user had as many connections as he may.
pub const USER_LIMITS: &str = "greenroom_user_limit_refusals_total";
/// How long leases lasted.
pub const LEASE_SECONDS: &str = "greenroom_lease_seconds";
/// How long commands took, from their last byte in to their last byte out.
pub const QUERY_SECONDS: &str = "greenroom_query_seconds";
/// Commands relayed, by `endpoint`.
pub const QUERIES: &str = "greenroom_queries_total";
/// Statements that took longer than `slow_query_time`, by `endpoint`.
pub const SLOW: &str = "greenroom_slow_queries_total";
/// Statements of endpoints that split, by `endpoint`, `side` (`primary`, `replica`) and `reason` (`docs/splitting.md`).
pub const ROUTED: &str = "greenroom_routed_statements_total";
/// Pins begun, by `reason`.
pub const PINS: &str = "greenroom_pins_total";
/// Pins now, by `reason`.
pub const PINNED: &str = "greenroom_pinned";
/// Leases that a transaction pool would have granted, by `endpoint` with a `shadow`.
pub const SHADOW_LEASES: &str = "greenroom_shadow_leases_total";
/// Server connections that would have been out at each of these, itself counted, by `endpoint`.
pub const SHADOW_CONNECTIONS: &str = "greenroom_shadow_connections";
/// Pins that would have begun, by `endpoint` and `reason`.
pub const SHADOW_PINS: &str = "greenroom_shadow_pins_total";
/// Bytes relayed, by `endpoint` and `direction` (`from_clients`, `to_clients`).
pub const BYTES: &str = "greenroom_bytes_total";
/// Errors given to clients, by `code`; errors of servers by their number where they are Greenroom's business.
pub const ERRORS: &str = "greenroom_errors_total";
/// Logins, by `endpoint` and `result` (`ok`, `denied`, `failed`).
pub const LOGINS: &str = "greenroom_logins_total";
/// Logins of clients, by `endpoint` and how their connections are encrypted: `version`, `cipher`, `handshake` (`full`, `resumed`),
/// or `none` in all three.
pub const TLS_LOGINS: &str = "greenroom_tls_logins_total";
/// Backend connections opened, by `node` and the same three.
pub const TLS_OPENS: &str = "greenroom_tls_backend_opens_total";
/// For how long configured certificates are still valid, by `endpoint` or `node`.
pub const TLS_EXPIRY: &str = "greenroom_tls_certificate_expiry_seconds";
/// Whether a node answers: 1 or 0.
pub const NODE_UP: &str = "greenroom_node_up";
/// What a node is taken for, by `role` (`primary`, `replica`, `unknown`): 1 or 0.
pub const NODE_ROLE: &str = "greenroom_node_role";
/// How far a node is behind its source.
pub const NODE_LAG_SECONDS: &str = "greenroom_node_lag_seconds";
/// Instances of the fleet.
pub const FLEET_MEMBERS: &str = "greenroom_fleet_members";
/// Connections that this instance of a fleet may have, by `node`.
pub const FLEET_SHARE: &str = "greenroom_fleet_share";
/// Whether the fleet's etcd answers: 1 or 0.
pub const FLEET_ETCD_UP: &str = "greenroom_fleet_etcd_up";
/// Failed actors that the supervisor saw to, by `actor`.
pub const RESTARTS: &str = "greenroom_actor_restarts_total";

/// Tells the recorder what each metric is.
pub fn describe() {
    describe_gauge!(CLIENTS, "Client sessions, by endpoint and state");
    describe_gauge!(BACKEND_CONNECTIONS, "Backend connections, by node and state");
    describe_counter!(LEASES, "Leases granted, by how the connection was found");
    describe_counter!(ADAPTS, "Leases before which the session's state had to be restored");
    describe_counter!(PREPARES, "Statements prepared anew on a backend connection that lacked them");
    describe_counter!(OPENS, "Backend connections opened");
    describe_histogram!(OPEN_SECONDS, Unit::Seconds, "Time to open a backend connection");
    describe_counter!(ENDS, "Backend connections ended, by reason");
    describe_counter!(SESSION_ENDS, "Client sessions ended, by reason");
    describe_gauge!(WAITERS, "Sessions waiting for a backend connection, by node");
    describe_histogram!(WAIT_SECONDS, Unit::Seconds, "Time waited for a backend connection, by those who had to wait");
    describe_counter!(LEASE_TIMEOUTS, "Waits for a backend connection that ended at lease_timeout");
    describe_counter!(USER_LIMITS, "Logins that servers refused by max_user_connections");
    describe_histogram!(LEASE_SECONDS, Unit::Seconds, "Time from a lease's grant to its release");
    describe_histogram!(
        QUERY_SECONDS,
        Unit::Seconds,
        "Time from a command's last byte in to its reply's last byte out"
    );
    describe_counter!(QUERIES, "Commands relayed, by endpoint");
    describe_counter!(SLOW, "Statements that took longer than slow_query_time, by endpoint");
    describe_counter!(ROUTED, "Statements of endpoints that split, by the side where they ran and why");
    describe_counter!(PINS, "Pins begun, by reason");
    describe_gauge!(PINNED, "Pins in force, by reason");
    describe_counter!(SHADOW_LEASES, "Leases that a transaction pool would have granted, by endpoint");
    describe_histogram!(SHADOW_CONNECTIONS, "Server connections that would have been out at each of them, by endpoint");
    describe_counter!(SHADOW_PINS, "Pins that a transaction pool would have begun, by endpoint and reason");
    describe_counter!(BYTES, Unit::Bytes, "Bytes relayed, by endpoint and direction");
    describe_counter!(ERRORS, "Greenroom's own errors given to clients, by error number");
    describe_counter!(LOGINS, "Logins, by endpoint and result");
    describe_counter!(TLS_LOGINS, "Logins that succeeded, by endpoint, TLS version, cipher and kind of handshake");
    describe_counter!(TLS_OPENS, "Backend connections opened, by node, TLS version, cipher and kind of handshake");
    describe_gauge!(TLS_EXPIRY, Unit::Seconds, "Time until a configured certificate expires, by endpoint or node");
    describe_gauge!(NODE_UP, "Whether the node answers: 1 or 0");
    describe_gauge!(NODE_ROLE, "What the node is taken for: 1 for its role, 0 for the others");
    describe_gauge!(NODE_LAG_SECONDS, Unit::Seconds, "How far the node is behind its source");
    describe_gauge!(FLEET_MEMBERS, "Instances of the fleet, as last heard of");
    describe_gauge!(FLEET_SHARE, "Connections to the node that this instance of the fleet may have");
    describe_gauge!(FLEET_ETCD_UP, "Whether the fleet's etcd answers: 1 or 0");
    describe_counter!(RESTARTS, "Failed actors that the supervisor saw to, by actor");
}
