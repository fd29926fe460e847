//! What is shown over HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use crate::support::{
    authority::{Authority, Wish},
    observe::{Root, until, within},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server, each_server},
    wire::{Login, Wire},
};

/// Every name in the list of metrics, read from where it is kept.
fn names() -> Vec<String> {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/actors/src/metrics.rs")).unwrap();
    let consts = source.lines().filter(|line| line.starts_with("pub const "));
    let names: Vec<String> = consts.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect();
    assert!(names.len() > 15, "{names:?}");
    names
}

/// A bit of everything: waits, timeouts, pins, errors, a panic, a killed connection.
fn traffic(proxy: &Proxy, tenant: &Tenant, root: &mut Root) {
    let mut one = tenant.connect(proxy.address());
    let mut two = tenant.connect(proxy.address());
    assert!(Wire::connect(proxy.address(), &Login::new(&tenant.name, "guess")).is_err());
    one.ok("CREATE TABLE t (a INT)");
    one.ok("SET time_zone = '+01:00'");
    two.scalar("SELECT 1");
    one.ok("START TRANSACTION");
    assert_eq!(two.err("SELECT 2").code, 1040);
    one.ok("COMMIT");
    one.ok("GET DIAGNOSTICS @pin = NUMBER");
    until("the pin is seen", || proxy.metrics().sum("greenroom_pinned", &["reason=\"user_variable\""]) == 1.0);
    one.quit().unwrap();
    until("it left", || proxy.clients() == 1.0);
    proxy.wait_until_idle(1);
    let ids = root.connections(&tenant.name);
    assert_eq!(ids.len(), 1);
    root.kill(ids[0]);
    within(Duration::from_secs(5), "the end is noticed", || proxy.backends("idle") == 0.0);
    two.scalar("SELECT 3");
    two.quit().unwrap();
    until("everybody left", || proxy.clients() == 0.0);
}

/// Every series has the labels that its row in the page has, so that alerts and dashboards may go by the page.
fn labels_are_as_documented(served: &str) {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `greenroom_"));
    let documented: BTreeMap<String, (BTreeSet<&str>, bool)> = rows
        .filter_map(|row| {
            let (name, cells) = row.split_once('`')?;
            let labels = cells.split('|').nth(2)?;
            let either = labels.contains(" or ");
            Some((format!("greenroom_{name}"), (labels.split('`').skip(1).step_by(2).collect(), either)))
        })
        .collect();
    let mut seen = BTreeSet::new();
    for series in served.lines().filter(|line| line.starts_with("greenroom_")) {
        let (series, _) = series.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let name = parts.filter(|base| documented.contains_key(*base)).unwrap_or(name);
        let keys = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',', '{']).next());
        let keys: BTreeSet<&str> = keys.filter(|key| !key.is_empty() && !["le", "}"].contains(key)).collect();
        let (wanted, either) = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert!(if *either { keys.is_subset(wanted) } else { keys == *wanted }, "{series}: {wanted:?}");
        seen.insert(name.to_owned());
    }
    assert!(seen.len() > 25, "{seen:?}");
}

#[test]
fn every_metric_is_there_after_some_traffic_and_makes_sense() {
    each_server(|server| {
        let tenant = Tenant::new(server, "metrics");
        let mut root = Root::on(server);
        let identity = Authority::new("metrics").issue(&Wish::of(&["localhost"]));
        let proxy = Setup::new(server.address())
            .endpoint(&format!("tls_cert = \"{}\"", identity.cert.display()))
            .endpoint(&format!("tls_key = \"{}\"", identity.key.display()))
            .user(&tenant.name, &tenant.password)
            .first_node(server.address(), &["max_connections = 1"])
            .endpoint("lease_timeout = \"2s\"")
            .start();
        traffic(&proxy, &tenant, &mut root);
        until("the connection is counted idle", || proxy.backends("idle") == 1.0);
        let (status, text) = proxy.get("/metrics");
        assert_eq!(status, 200);
        // Endpoints that split have them (`tests/split`), those with a shadow (`tests/console`), and fleets (`tests/fleet`).
        let elsewhere = |name: &str| {
            ["greenroom_routed_statements_total", "greenroom_shadow_", "greenroom_fleet_"]
                .iter()
                .any(|start| name.starts_with(start))
        };
        for name in names().iter().filter(|name| !elsewhere(name)) {
            assert!(text.contains(&format!("\n# TYPE {name} ")), "{name} has no type:\n{text}");
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
        labels_are_as_documented(&text);
        let metrics = proxy.metrics();
        let sum = |name: &str, label: &str| metrics.sum(name, &[label]);
        assert_eq!(sum("greenroom_logins_total", "result=\"ok\""), 2.0);
        assert_eq!(sum("greenroom_logins_total", "result=\"denied\""), 1.0);
        assert_eq!(metrics.sum("greenroom_lease_timeouts_total", &[]), 1.0);
        assert_eq!(sum("greenroom_errors_total", "code=\"1040\""), 1.0);
        assert_eq!(sum("greenroom_errors_total", "code=\"1045\""), 1.0);
        assert_eq!(sum("greenroom_pins_total", "reason=\"user_variable\""), 1.0);
        assert_eq!(metrics.sum("greenroom_pinned", &[]), 0.0);
        assert_eq!(metrics.get("greenroom_node_up{node=\"db1\"}"), Some(1.0));
        assert_eq!(metrics.sum("greenroom_queries_total", &[]), 7.0, "those that a server answered");
        assert_eq!(sum("greenroom_session_ends_total", "reason=\"quit\""), 2.0);
        assert_eq!(
            sum("greenroom_backend_ends_total", "reason=\"server_closed\"")
                + sum("greenroom_backend_ends_total", "reason=\"unexpected\""),
            1.0
        );
        assert!(metrics.sum("greenroom_backend_opens_total", &[]) >= 2.0);
        assert!(sum("greenroom_leases_total", "found=\"opened\"") >= 2.0);
        assert!(metrics.sum("greenroom_adapts_total", &[]) >= 1.0);
        for histogram in [
            "greenroom_query_seconds",
            "greenroom_lease_seconds",
            "greenroom_lease_wait_seconds",
            "greenroom_backend_open_seconds",
        ] {
            let (count, total) =
                (metrics.sum(&format!("{histogram}_count"), &[]), metrics.sum(&format!("{histogram}_sum"), &[]));
            assert!(count >= 1.0 && total > 0.0 && total < 60.0, "{histogram}: {count} {total}");
        }
        assert!(sum("greenroom_bytes_total", "direction=\"to_clients\"") > 300.0);
    });
}

#[test]
fn readiness_follows_the_server_and_health_does_not() {
    each_private_server(&greenroom::demo::server::Options::default(), |mut server| {
        let tenant = Tenant::new(&server, "ready");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        until("ready", || proxy.get("/readyz") == (200, "ready\n".into()));
        let mut wire = tenant.connect(proxy.address());
        wire.scalar("SELECT 1");
        server.kill().unwrap();
        // Nobody asks a server that was up: the traffic does.
        until("not ready", || {
            let _ = wire.query("SELECT 1");
            proxy.get("/readyz").0 == 503
        });
        let (_, reason) = proxy.get("/readyz");
        assert!(reason.contains("db1") && reason.lines().count() == 1, "{reason}");
        assert_eq!(proxy.metrics().get("greenroom_node_up{node=\"db1\"}"), Some(0.0));
        assert_eq!(proxy.get("/healthz"), (200, "ok\n".into()));
        server.restart().unwrap();
        until("ready", || proxy.get("/readyz").0 == 200);
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
    });
}
