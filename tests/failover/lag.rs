//! Replicas that fall behind, and how reads are spread.

use std::collections::BTreeMap;

use greenroom::demo::server::{APP, Flavor};

use super::{
    insert,
    support::{
        observe::until,
        pair::{Pair, each_pair, login, monitor},
        proxy::Proxy,
        wire::Wire,
    },
};

fn lag(proxy: &Proxy) -> Option<f64> {
    proxy.metrics().get("greenroom_node_lag_seconds{node=\"db2\"}")
}

fn grant(pair: &Pair) {
    let right = if pair.servers[0].flavor() == Flavor::MySql { "REPLICATION CLIENT" } else { "SLAVE MONITOR" };
    pair.root(1).0.ok(&format!("GRANT {right} ON *.* TO '{}'@'%'", APP.user));
}

#[test]
fn a_replica_that_is_too_far_behind_serves_only_while_nobody_else_does() {
    each_pair(|mut pair| {
        grant(&pair);
        pair.follow();
        let reads = ["access = \"read_only\"", "fallback_to_primary = true"];
        let auto = ["role = \"auto\"", "max_connections = 20", "max_lag = \"1s\""];
        let setup = pair.before(&monitor(), &reads).first_node(pair.address(0), &auto);
        let proxy = setup.node("db2", pair.address(1), &auto).start();
        let [primary, replica] = [0, 1].map(|at| Some(pair.address(at).port().to_string()));
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        let mut source = Wire::connect(pair.address(0), &login()).unwrap();
        source.ok(&insert("one"));
        until("it follows", || pair.rows(1) == 1 && lag(&proxy) == Some(0.0));
        assert_eq!(session.scalar("SELECT @@port"), replica);
        pair.applier("STOP");
        source.ok(&insert("two"));
        until("it is behind", || lag(&proxy).is_some_and(|lag| lag > 1.0));
        until("the primary serves", || session.scalar("SELECT @@port") == primary);
        assert_eq!(session.scalar("SELECT COUNT(*) FROM app.w").as_deref(), Some("2"));
        // Nobody else is there: late data are better than none.
        pair.servers[0].kill().unwrap();
        until(
            "the replica serves again",
            || matches!(session.query("SELECT @@port").as_deref(), Ok([super::Reply::Rows(rows)]) if rows.rows[0][0] == replica),
        );
        pair.servers[0].restart().unwrap();
        pair.applier("START");
        until("it has caught up", || pair.rows(1) == 2 && lag(&proxy) == Some(0.0));
        until("it serves", || session.scalar("SELECT @@port") == replica);
    });
}

#[test]
fn a_lag_that_may_not_be_seen_is_said_to_be_unknown() {
    each_pair(|pair| {
        pair.follow();
        let replica = ["role = \"replica\"", "max_lag = \"1s\""];
        let setup = pair.fixed(&monitor()).first_node(pair.address(0), &["role = \"primary\""]);
        let proxy = setup.node("db2", pair.address(1), &replica).endpoint("access = \"read_only\"").start();
        until("it is logged", || proxy.log().contains("how far the node is behind cannot be seen"));
        until("it is shown", || lag(&proxy).is_some_and(f64::is_nan));
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        assert_eq!(session.scalar("SELECT @@port"), Some(pair.address(1).port().to_string()));
    });
}

#[test]
fn reads_are_spread_by_weight() {
    each_pair(|pair| {
        let lines = |weight| [String::from("role = \"replica\""), format!("weight = {weight}")];
        let [light, heavy] = [lines(1), lines(3)];
        let [light, heavy] = [&light, &heavy].map(|lines| lines.each_ref().map(String::as_str));
        let setup = pair.fixed("").first_node(pair.address(0), &light).node("db2", pair.address(1), &heavy);
        let proxy = setup.endpoint("access = \"read_only\"").start();
        // Each keeps its connection, so that leases outstanding are those of all.
        let mut sessions = Vec::new();
        let mut ports = BTreeMap::new();
        for _ in 0..8 {
            let mut session = Wire::connect(proxy.address(), &login()).unwrap();
            session.ok("BEGIN");
            *ports.entry(session.scalar("SELECT @@port").unwrap()).or_insert(0) += 1;
            sessions.push(session);
        }
        let [light, heavy] = [0, 1].map(|at| ports.get(&pair.address(at).port().to_string()).copied());
        assert_eq!([light, heavy], [Some(2), Some(6)]);
    });
}
