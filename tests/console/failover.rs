//! Pauses and drained nodes, under load, on real pairs of servers.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use greenroom::demo::server::{Options, free_port};
use mysql_common::constants::Command;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cell, console,
    support::{
        observe::until,
        pair::{each_pair, login, monitor},
        proxy::{Proxy, Setup},
        servers::{Tenant, each_private_server, each_server},
        wire::{Reply, Wire, WireError},
    },
};

/// Sessions that work all the while.
const WORKERS: usize = 8;

/// How often the primary is another.
const SWITCHES: usize = 4;

fn insert(tag: &str) -> String {
    format!("INSERT INTO app.w (tag, at) VALUES ('{tag}', @@port)")
}

/// Single statements, prepared ones, and transactions of two inserts, until told to end; every answer must be good.
fn work(proxy: &Proxy, worker: usize, done: &AtomicBool, written: &AtomicUsize) {
    let mut session = Wire::connect(proxy.address(), &login()).unwrap();
    let prepared = session.prepare("INSERT INTO app.w (tag, at) VALUES ('row', @@port)").unwrap();
    for turn in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let rows = match (worker + turn) % 3 {
            0 => {
                session.ok(&insert("row"));
                1
            }
            1 => {
                let replies = session.execute(&prepared, &[]).unwrap();
                assert!(matches!(&replies[..], [Reply::Ok(ok)] if ok.affected_rows == 1), "{replies:?}");
                1
            }
            _ => {
                session.ok("BEGIN");
                session.ok(&insert("two"));
                session.ok(&insert("two"));
                session.ok("COMMIT");
                2
            }
        };
        written.fetch_add(rows, Ordering::Relaxed);
    }
}

#[test]
fn a_primary_is_switched_under_load_without_an_error() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &[]).start();
        let (done, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (proxy, done, written) = (&proxy, &done, &written);
                scope.spawn(move || work(proxy, worker, done, written));
            }
            let mut admin = console(&proxy);
            for switch in 0..SWITCHES {
                let before = written.load(Ordering::Relaxed);
                until("they write", || written.load(Ordering::Relaxed) > before + 60);
                let (old, new) = (switch % 2, (switch + 1) % 2);
                // By the endpoint, by the node, and everything.
                let (pause, resume) = match switch {
                    0 => ("PAUSE app", "RESUME app".to_owned()),
                    1 => ("PAUSE db2 WAIT 20", "RESUME db2".to_owned()),
                    _ => ("PAUSE", "RESUME".to_owned()),
                };
                assert!(admin.ok(pause).info.contains("quiet"));
                let quiet = pair.rows(0) + pair.rows(1);
                pair.demote(old);
                pair.promote(new);
                assert_eq!(pair.rows(0) + pair.rows(1), quiet, "something was written behind a pause");
                assert!(admin.ok(&resume).info.contains("resumed"));
            }
            let before = written.load(Ordering::Relaxed);
            until("they write", || written.load(Ordering::Relaxed) > before + 60);
            done.store(true, Ordering::Relaxed);
        });
        let [one, other] = [0, 1].map(|at| pair.rows(at));
        assert!(one > 0 && other > 0, "{one} and {other}");
        assert_eq!(one + other, written.load(Ordering::Relaxed), "a write was lost or doubled");
    });
}

#[test]
fn a_pause_waits_for_transactions_and_says_for_whose() {
    each_pair(|pair| {
        let proxy = pair.before(&monitor(), &[]).start();
        let mut admin = console(&proxy);
        let [mut open, mut idle, mut pinned] = [(); 3].map(|()| Wire::connect(proxy.address(), &login()).unwrap());
        open.ok("BEGIN");
        open.ok(&insert("open"));
        pinned.ok("CREATE TEMPORARY TABLE app.t (a INT)");
        let id = open.scalar("SELECT CONNECTION_ID()").unwrap();
        let error = admin.err("PAUSE app WAIT 100ms");
        assert!(
            error.code == 1205 && error.message.contains(&id) && error.message.contains("a transaction"),
            "{error}"
        );
        thread::scope(|scope| {
            let waiting = [&mut idle, &mut pinned].map(|session| scope.spawn(|| session.scalar("SELECT 7")));
            until("both wait", || proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 2.0);
            assert_eq!(cell(&admin.result("SHOW ENDPOINTS"), "traffic").as_deref(), Some("paused"));
            // What is in a transaction goes on.
            open.ok(&insert("open"));
            let pausing = scope.spawn(|| console(&proxy).ok("PAUSE app").info);
            open.ok("COMMIT");
            assert!(pausing.join().unwrap().contains("quiet"));
            // A new one does not begin.
            let begins = scope.spawn(|| open.ok("BEGIN"));
            until("three wait", || proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 3.0);
            admin.ok("RESUME");
            for session in waiting {
                assert_eq!(session.join().unwrap().as_deref(), Some("7"));
            }
            begins.join().unwrap();
        });
        assert_eq!(pinned.scalar("SELECT COUNT(*) FROM app.t").as_deref(), Some("0"));
        assert!(admin.ok("RESUME").info.ends_with("nothing was paused"));
        assert!(admin.err("PAUSE ap").message.contains("did you mean app?"));
        assert!(admin.err("RESUME db3").message.contains("did you mean db"));
    });
}

#[test]
fn a_pause_holds_sessions_for_its_limit_and_their_timeout() {
    each_pair(|pair| {
        let proxy = pair.before(&monitor(), &["lease_timeout = \"1s\""]).start();
        let mut admin = console(&proxy);
        let [mut session, mut pinned] = [(); 2].map(|()| Wire::connect(proxy.address(), &login()).unwrap());
        pinned.ok("CREATE TEMPORARY TABLE app.t (a INT)");
        admin.ok("SET pause_limit = 300ms");
        admin.ok("PAUSE app");
        for session in [&mut session, &mut pinned] {
            let error = session.err("SELECT 1");
            assert!(error.code == 1040 && error.message.contains("'app' has been paused"), "{error}");
        }
        // Nothing is lost by it.
        admin.ok("RESUME app");
        assert_eq!(session.scalar("SELECT 1").as_deref(), Some("1"));
        assert_eq!(pinned.scalar("SELECT COUNT(*) FROM app.t").as_deref(), Some("0"));
        // Who leaves, or is killed, waits no more.
        admin.ok("SET pause_limit = 1m");
        admin.ok("PAUSE app");
        let id = cell(&admin.result("SHOW CLIENTS WHERE pins = 'temporary_table'"), "id").unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| pinned.query("SELECT 1"));
            until("it waits", || proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 1.0);
            admin.ok(&format!("KILL {id}"));
            assert!(waiting.join().unwrap().is_err());
        });
    });
}

#[test]
fn a_drained_endpoint_sends_its_clients_away_and_takes_no_others() {
    each_server(|server| {
        let tenant = Tenant::new(server, "drained");
        let port = free_port().unwrap();
        let beside = format!("[[endpoints]]\nname = \"beside\"\nlisten = \"127.0.0.1:{port}\"\n");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(&beside);
        let proxy = setup.start();
        let mut admin = console(&proxy);
        let [mut idle, mut busy] = [(); 2].map(|()| tenant.connect(proxy.address()));
        let mut other = tenant.connect(([127, 0, 0, 1], port).into());
        busy.ok("BEGIN");
        assert!(admin.ok("DRAIN app").info.contains("takes no new clients"));
        until("who is idle is gone", || idle.query("SELECT 1").is_err());
        assert_eq!(busy.scalar("SELECT 2").as_deref(), Some("2"), "a transaction goes on");
        busy.ok("COMMIT");
        until("it is over", || busy.query("SELECT 1").is_err());
        assert_eq!(other.scalar("SELECT 3").as_deref(), Some("3"), "the other endpoint is not concerned");
        let refused = || match Wire::connect(proxy.address(), &tenant.login()) {
            Err(WireError::Refused(error)) => (error.code, error.message.contains("'app' is drained")),
            _ => panic!("it is drained"),
        };
        assert_eq!(refused(), (1053, true));
        admin.ok("RELOAD");
        assert_eq!(refused(), (1053, true), "over a reload it stays so");
        assert_eq!(cell(&admin.result("SHOW ENDPOINTS WHERE name = 'app'"), "traffic").as_deref(), Some("drained"));
        admin.ok("ENABLE app");
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 4").as_deref(), Some("4"));
        assert_eq!(admin.err("DRAIN nosuch").code, 1146);
    });
}

#[test]
fn a_drained_node_is_left_without_an_error() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &["access = \"read_only\"", "fallback_to_primary = true"]).start();
        pair.demote(0);
        until("both are replicas", || [0, 1].map(|at| pair.role(&proxy, at)) == ["replica"; 2]);
        let mut admin = console(&proxy);
        let (done, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    let mut session = Wire::connect(proxy.address(), &login()).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        session.ok("BEGIN");
                        let one = session.scalar("SELECT @@port");
                        thread::sleep(Duration::from_millis(1));
                        assert_eq!(session.scalar("SELECT @@port"), one);
                        session.ok("COMMIT");
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let on = |admin: &mut Wire, node: &str| {
                let rows = admin.result(&format!("SHOW NODES WHERE name = '{node}'"));
                cell(&rows, "connections").unwrap().parse::<usize>().unwrap()
            };
            for node in ["db1", "db2", "db1"] {
                until("both are used", || on(&mut admin, "db1") > 0 && on(&mut admin, "db2") > 0);
                assert!(admin.ok(&format!("DRAIN {node}")).info.contains("takes no new leases"));
                until("it is empty", || on(&mut admin, node) == 0);
                let before = turns.load(Ordering::Relaxed);
                until("they go on", || turns.load(Ordering::Relaxed) > before + 50);
                assert_eq!(on(&mut admin, node), 0);
                admin.ok(&format!("ENABLE {node}"));
            }
            done.store(true, Ordering::Relaxed);
        });
        // Over a reload it stays drained, and with both there is nowhere to go.
        admin.ok("DRAIN db1");
        admin.ok("RELOAD");
        admin.ok("DRAIN db2");
        let mut session = Wire::connect(proxy.address(), &login()).unwrap();
        let error = session.err("SELECT 1");
        assert!(error.code == 1429 && error.message.contains("drained"), "{error}");
        admin.ok("ENABLE db2");
        let port = pair.address(1).port().to_string();
        assert_eq!(session.scalar("SELECT @@port"), Some(port));
        assert!(admin.err("DRAIN db").message.contains("did you mean db"));
    });
}

#[test]
fn sessions_of_an_endpoint_that_is_configured_no_more_are_let_go_on() {
    each_pair(|pair| {
        let proxy = pair.before(&monitor(), &[]).start();
        let mut admin = console(&proxy);
        for resume in ["RESUME app", "RESUME"] {
            // A reload's new listener may be a moment behind the old one's end.
            let mut session = None;
            until("somebody is let in", || {
                session = Wire::connect(proxy.address(), &login()).ok();
                session.is_some() && cell(&admin.result("SHOW CLIENTS"), "endpoint").as_deref() == Some("app")
            });
            let mut session = session.unwrap();
            admin.ok("PAUSE app");
            let config = std::fs::read_to_string(proxy.config()).unwrap();
            proxy.rewrite(|text| text.replace("name = \"app\"\nlisten", "name = \"other\"\nlisten"));
            admin.ok("RELOAD");
            assert_eq!(cell(&admin.result("SHOW ENDPOINTS"), "name").as_deref(), Some("other"));
            thread::scope(|scope| {
                let waiting = scope.spawn(|| session.scalar("SELECT 7"));
                until("it waits", || proxy.metrics().sum("greenroom_clients", &["state=\"waiting\""]) == 1.0);
                assert!(admin.ok(resume).info.ends_with("resumed"));
                assert_eq!(waiting.join().unwrap().as_deref(), Some("7"));
            });
            proxy.rewrite(|_| config);
            admin.ok("RELOAD");
        }
    });
}

/// Whether each thread of a process has stopped: a signal reaches one after the other.
fn stands_still(pid: Pid) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap();
    tasks.flatten().all(|task| {
        // The state stands behind the name, which is in parentheses.
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

#[test]
fn a_pause_does_not_wait_for_what_another_endpoint_has_on_the_same_node() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "others");
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let other = format!("[[endpoints]]\nname = \"other\"\nlisten = \"{listen}\"\nnodes = [\"db1\"]\n");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.user(&tenant.name, &tenant.password).extra(&other).start();
        let mut admin = console(&proxy);
        let [mut one, mut two] = [(); 2].map(|()| tenant.connect(listen));
        one.scalar("SELECT 1");
        two.ok("SET time_zone = '+03:00'");
        until("it is idle", || admin.result("SHOW BACKENDS WHERE state = 'idle'").rows.len() == 1);
        // A lease whose connection does not come to be in its session's state, for the server does not answer.
        let pid = Pid::from_raw(i32::try_from(server.pid().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        until("it stands still", || stands_still(pid));
        one.send(Command::COM_QUERY, b"SELECT 2").unwrap();
        until("it is lent", || admin.result("SHOW BACKENDS WHERE state = 'leased'").rows.len() == 1);
        let [own, others] = ["app", "other"].map(|name| admin.query(&format!("PAUSE {name} WAIT 200ms")).unwrap());
        kill_process(pid, Signal::CONT).unwrap();
        assert!(matches!(&own[..], [Reply::Ok(ok)] if ok.info.contains("quiet")), "{own:?}");
        assert!(matches!(&others[..], [Reply::Err(error)] if error.code == 1205), "{others:?}");
        admin.ok("RESUME");
        assert!(matches!(one.replies().unwrap().as_slice(), [Reply::Rows(_)]));
    });
}

#[test]
fn a_paused_replica_leaves_reads_to_the_others() {
    each_pair(|mut pair| {
        let proxy = pair.before(&monitor(), &["access = \"read_only\"", "fallback_to_primary = true"]).start();
        pair.demote(0);
        until("both are replicas", || [0, 1].map(|at| pair.role(&proxy, at)) == ["replica"; 2]);
        let mut admin = console(&proxy);
        for (paused, other) in [("db1", 1), ("db2", 0)] {
            admin.ok(&format!("PAUSE {paused}"));
            let port = pair.address(other).port().to_string();
            for _ in 0..4 {
                let mut session = Wire::connect(proxy.address(), &login()).unwrap();
                assert_eq!(session.scalar("SELECT @@port"), Some(port.clone()));
            }
            admin.ok("RESUME");
        }
    });
}
