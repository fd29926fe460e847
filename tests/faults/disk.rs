//! Disks of servers that fill up to their last byte: small file systems of a test's own, which hold a server's binary log, or
//! what a replica has fetched. A table's own file is left out: what comes of an insert that finds no room differs from one time to
//! the next (1114, or the end of the connection or of the server; measured).

use std::{path::Path, thread, time::Duration};

use greenroom::demo::server::Flavor;

use super::WIDTH;
use crate::support::{
    namespaces::{Filler, with_disks},
    observe::{until, within},
    pair::{Pair, login},
    servers::{has_mysql, skipped},
    wire::{Reply, Wire},
};

/// Servers that wait for room look for it once a minute (measured).
const A_MINUTE: Duration = Duration::from_secs(90);

fn flavors() -> Vec<Flavor> {
    if has_mysql() {
        return Flavor::ALL.to_vec();
    }
    skipped();
    vec![Flavor::MariaDb]
}

/// What a statement is told: the number of an error, or 0.
fn told(wire: &mut Wire, sql: &str) -> u16 {
    match wire.one(sql) {
        Reply::Err(error) => error.code,
        _ => 0,
    }
}

/// Writers wait, on the server's word and for up to a minute after there is room again (measured); they hold their connections.
/// Reads go to the replica, and nobody who waits in line is kept longer than `lease_timeout`.
#[test]
fn a_server_whose_binary_log_has_no_room_is_waited_for_while_replicas_are_read() {
    let test = "disk::a_server_whose_binary_log_has_no_room_is_waited_for_while_replicas_are_read";
    with_disks(test, &[("MySQL", 8), ("MariaDB", 8)], |disks| {
        thread::scope(|scope| {
            // Side by side, for each takes the minute.
            for flavor in flavors() {
                scope.spawn(move || binary_log_without_room(flavor, &disks.join(flavor.to_string())));
            }
        });
    });
}

fn binary_log_without_room(flavor: Flavor, disk: &Path) {
    let pair =
        Pair::replicating(flavor, &[format!("--log-bin={}/binlog", disk.display()), "--binlog-format=ROW".into()], &[]);
    let width = [format!("max_connections = {WIDTH}")];
    let lines = |role: &str| [format!("role = \"{role}\""), width[0].clone()];
    let [primary, replica] = [lines("primary"), lines("replica")];
    let [primary, replica] = [&primary, &replica].map(|lines| lines.each_ref().map(String::as_str));
    let setup = pair.fixed("").first_node(pair.address(0), &primary).node("db2", pair.address(1), &replica);
    let proxy = setup.endpoint("access = \"split\"").endpoint("lease_timeout = \"2s\"").start();
    // Without ids of the server's making, for which writers would wait for each other.
    pair.root(0).0.ok("CREATE TABLE app.rows_written (tag CHAR(40)) ENGINE = InnoDB");
    let here = "SELECT side FROM app.here";
    let mut reader = Wire::connect(proxy.address(), &login()).unwrap();
    until("reads go to the replica", || reader.scalar(here).as_deref() == Some("replica"));
    let filler = Filler::fill(disk);
    let insert = "INSERT INTO app.rows_written SELECT REPEAT('x', 40) FROM information_schema.COLUMNS a, information_schema.COLUMNS b LIMIT 2000";
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WIDTH)
            .map(|_| {
                let mut wire = Wire::connect(proxy.address(), &login()).unwrap();
                wire.set_timeout(A_MINUTE);
                scope.spawn(move || wire.one(insert))
            })
            .collect();
        until("all wait", || proxy.backends("leased") >= WIDTH as f64);
        thread::sleep(Duration::from_secs(1));
        assert!(writers.iter().all(|writer| !writer.is_finished()), "there was room");
        // Whoever only reads goes on, and who would write is told in time.
        for _ in 0..20 {
            assert_eq!(reader.scalar(here).as_deref(), Some("replica"));
        }
        let mut late = Wire::connect(proxy.address(), &login()).unwrap();
        assert_eq!(told(&mut late, insert), 1040);
        assert_eq!(late.scalar(here).as_deref(), Some("replica"), "the session lives on");
        assert_eq!(told(&mut late, insert), 1040);
        drop(filler);
        for writer in writers {
            let reply = writer.join().unwrap();
            assert!(matches!(reply, Reply::Ok(_)), "who has waited has written: {reply:?}");
        }
    });
    let count = |at: usize| pair.root(at).0.scalar("SELECT COUNT(*) FROM app.rows_written");
    let all = Some((WIDTH * 2000).to_string());
    assert_eq!(count(0), all);
    within(A_MINUTE, "the replica has it all", || count(1) == all);
    drop(reader);
    until("rest", || proxy.is_at_rest());
}

/// It fetches no more, and says so to nobody: its own word is that it is not behind.
#[test]
fn a_replica_that_has_no_room_for_what_it_fetches_serves_nobody_a_stale_read_of_his_own() {
    let test = "disk::a_replica_that_has_no_room_for_what_it_fetches_serves_nobody_a_stale_read_of_his_own";
    with_disks(test, &[("MySQL", 8), ("MariaDB", 8)], |disks| {
        thread::scope(|scope| {
            for flavor in flavors() {
                scope.spawn(move || replica_without_room(flavor, &disks.join(flavor.to_string())));
            }
        });
    });
}

/// Which server was asked, and how many rows it has.
fn seen(session: &mut Wire, sql: &str) -> (String, String) {
    let rows = session.rows(sql);
    let [side, count] = [0, 1].map(|at| rows[0][at].clone().unwrap());
    (side, count)
}

fn replica_without_room(flavor: Flavor, disk: &Path) {
    let pair =
        Pair::replicating(flavor, &["--binlog-format=ROW".into()], &[format!("--relay-log={}/relay", disk.display())]);
    let proxy = pair.fixed("").endpoint("access = \"split\"").endpoint("causal_timeout = \"300ms\"").start();
    let mut session = Wire::connect(proxy.address(), &login()).unwrap();
    let here = "SELECT side, (SELECT COUNT(*) FROM app.w) FROM app.here";
    until("reads go to the replica", || seen(&mut session, here).0 == "replica");
    let filler = Filler::fill(disk);
    let insert = "INSERT INTO app.w (tag) SELECT REPEAT('x', 40) FROM information_schema.COLUMNS a, information_schema.COLUMNS b LIMIT 1000";
    for round in 1..=5 {
        session.ok(insert);
        assert_eq!(seen(&mut session, here), ("primary".to_owned(), (round * 1000).to_string()));
    }
    let mut other = Wire::connect(proxy.address(), &login()).unwrap();
    assert_eq!(seen(&mut other, here).0, "replica", "who has written nothing reads there");
    drop(filler);
    within(A_MINUTE, "the replica goes on", || pair.rows(1) == 5000);
    other.ok(insert);
    until("it is read from again", || seen(&mut other, here) == ("replica".to_owned(), "6000".to_owned()));
}
