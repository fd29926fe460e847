//! Replicas that go.

use std::thread;

use super::{
    SIDE, connect, side, splitting,
    support::{
        observe::until,
        pair::{each_replicating_pair, login},
        wire::Wire,
    },
};

#[test]
fn a_read_whose_replica_dies_runs_on_the_primary() {
    each_replicating_pair(|mut pair| {
        let proxy = splitting(&pair, &[]).start();
        let mut session = connect(&proxy);
        let mut idle = connect(&proxy);
        let mut open = connect(&proxy);
        open.ok("START TRANSACTION READ ONLY");
        assert_eq!(side(&mut open, SIDE), "replica");
        // Two that keep their connections for warnings: one reads on, the other asks.
        let [mut warned, mut asking] = [(); 2].map(|()| connect(&proxy));
        for session in [&mut warned, &mut asking] {
            assert_eq!(side(session, "SELECT side, CAST('x' AS SIGNED) FROM app.here"), "replica");
        }
        thread::scope(|scope| {
            let readers = [&mut session, &mut warned];
            let reading = readers.map(|session| scope.spawn(|| side(session, "SELECT side, SLEEP(3) FROM app.here")));
            let mut root = pair.root(1);
            until("it reads there", || {
                let listed = root
                    .0
                    .rows("SELECT info FROM information_schema.processlist WHERE info LIKE 'SELECT side, SLEEP%'");
                listed.len() == 2
            });
            pair.servers[1].kill().unwrap();
            for reading in reading {
                assert_eq!(reading.join().unwrap(), "primary");
            }
        });
        assert_eq!(asking.err("SHOW WARNINGS").code, 1105);
        assert_eq!(side(&mut asking, SIDE), "primary");
        let error = open.err(SIDE);
        assert_eq!(error.code, 1180, "{error:?}");
        // Whoever comes while there is none is served by the primary.
        for _ in 0..5 {
            assert_eq!(side(&mut idle, SIDE), "primary");
            assert_eq!(side(&mut open, SIDE), "primary");
            idle.ok("INSERT INTO app.w (tag) VALUES ('written')");
        }
        pair.servers[1].restart().unwrap();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        until("the replica serves again", || side(&mut session, SIDE) == "replica");
        assert_eq!(pair.rows(0), 5);
    });
}

#[test]
fn a_replica_that_lets_nobody_in_is_done_without() {
    each_replicating_pair(|pair| {
        let mut root = pair.root(1).0;
        let alter = |password: &str| format!("ALTER USER app@'%' IDENTIFIED BY '{password}'");
        let log = if pair.replica() == "SLAVE" { "SET sql_log_bin = 0" } else { "SET SESSION sql_log_bin = 0" };
        root.ok(log);
        root.ok(&alter("another"));
        let proxy = splitting(&pair, &[]).start();
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        for _ in 0..20 {
            assert_eq!(side(&mut session, SIDE), "primary");
        }
        until("a read was meant for it", || {
            side(&mut session, SIDE);
            proxy.metrics().sum("greenroom_routed_statements_total", &["reason=\"no_replica\""]) > 0.0
        });
        assert_eq!(side(&mut session, SIDE), "primary");
    });
}

/// Whoever has waited in vain is told so once, and reads from replicas as before.
#[test]
fn a_full_line_is_no_replica_that_is_gone() {
    each_replicating_pair(|pair| {
        let proxy = splitting(&pair, &["max_connections = 1", "lease_timeout = \"1s\""]).start();
        let mut holder = connect(&proxy);
        let mut session = connect(&proxy);
        until("the replica serves", || side(&mut session, SIDE) == "replica");
        holder.ok("BEGIN");
        holder.ok("INSERT INTO app.w (tag) VALUES ('held')");
        let refused = proxy.metrics().sum("greenroom_lease_timeouts_total", &[]);
        assert_eq!(session.err(SIDE).code, 1040);
        until("it has waited once", || proxy.metrics().sum("greenroom_lease_timeouts_total", &[]) == refused + 1.0);
        holder.ok("COMMIT");
        assert_eq!(side(&mut session, SIDE), "replica");
    });
}
