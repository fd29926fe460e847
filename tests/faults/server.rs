//! Faults of the server as a whole: killed, stopped in its tracks, full, read-only.

use std::{thread::sleep, time::Duration};

use greenroom::demo::server::{Flavor, Options, Server};
use rustix::process::{Pid, Signal, kill_process};

use super::{CREW, WIDTH, bed};
use crate::support::{
    crew::{Crew, LOSSES},
    observe::{Root, until},
    servers::{Tenant, each_private_server, each_server},
    wire::{Login, Reply, Wire},
};

#[test]
fn a_server_that_is_killed_and_started_again_loses_what_was_under_way() {
    each_private_server(&Options::default(), |mut server| {
        let (tenant, proxy) = bed(&server, server.address(), "crash", &[], &["lease_timeout = \"5s\""]);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &LOSSES);
        crew.work(|| {
            server.kill().unwrap();
            // Nothing listens there: connections are refused.
            crew.is_told("somebody is told");
            until("it is down", || proxy.metrics().sum("greenroom_node_up", &[]) == 0.0);
            let (status, text) = proxy.get("/readyz");
            assert!(status == 503 && text.contains("db1"), "{status} {text}");
            server.restart().unwrap();
            crew.goes_on("everybody works again");
            server.stop().unwrap();
            crew.is_told("somebody is told");
            server.restart().unwrap();
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// Stops the server's process as it is, and lets it go on when dropped.
struct Frozen(Pid);

impl Frozen {
    fn new(server: &Server) -> Self {
        let pid = Pid::from_raw(i32::try_from(server.pid().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// It takes connections, as the kernel does for it, and never says a word.
#[test]
fn a_server_that_falls_silent_is_waited_for_and_answers_whom_it_should() {
    each_private_server(&Options::default(), |server| {
        let node = ["connect_timeout = \"1s\""];
        let (tenant, proxy) = bed(&server, server.address(), "silent", &node, &["lease_timeout = \"2s\""]);
        let tolerated: Vec<u16> = LOSSES.into_iter().chain([1040]).collect();
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &tolerated);
        crew.work(|| {
            let frozen = Frozen::new(&server);
            // Four wait for an answer; those behind them are told that no connection came free.
            crew.is_told("those in the line are told");
            let idlers: Vec<Wire> = (0..4).map(|_| tenant.connect(proxy.address())).collect();
            // Who leaves takes nothing with him.
            drop(idlers);
            sleep(Duration::from_secs(2));
            drop(frozen);
        });
        assert!(crew.told(1040) > 0, "there is a line");
        assert_eq!(crew.told(1105), 0, "nothing was lost: the server was only slow");
        crew.leaves_nothing(WIDTH);
    });
}

/// Nobody has a connection yet, and none can be opened: the kernel accepts, the server never greets.
#[test]
fn a_server_that_greets_nobody_is_given_up_in_time() {
    each_private_server(&Options::default(), |server| {
        let node = ["connect_timeout = \"500ms\""];
        let (tenant, proxy) = bed(&server, server.address(), "mute", &node, &["lease_timeout = \"2s\""]);
        until("it has greeted", || Wire::open(proxy.address()).is_ok());
        let mut wires: Vec<Wire> = (0..CREW).map(|_| tenant.connect(proxy.address())).collect();
        let mut root = Root::on(&server);
        root.connections(&tenant.name).into_iter().for_each(|id| root.kill(id));
        until("no connection is left", || proxy.metrics().sum("greenroom_backend_connections", &[]) == 0.0);
        let frozen = Frozen::new(&server);
        for wire in &mut wires {
            let error = wire.err("SELECT 1");
            assert!([1429, 1040].contains(&error.code), "{error}");
        }
        drop(frozen);
        for (at, wire) in wires.iter_mut().enumerate() {
            let sql = format!("SELECT 'mine-{at}'");
            until("it is used again", || match wire.one(&sql) {
                Reply::Rows(rows) => {
                    assert_eq!(rows.rows, [[Some(format!("mine-{at}"))]]);
                    true
                }
                _ => false,
            });
        }
        drop(wires);
        until("rest", || proxy.is_at_rest());
    });
}

#[test]
fn connections_that_are_killed_one_by_one_cost_what_ran_on_them() {
    each_server(|server| {
        let (tenant, proxy) = bed(server, server.address(), "killed", &[], &["lease_timeout = \"10s\""]);
        let mut root = Root::on(server);
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &LOSSES);
        crew.work(|| {
            for round in 0..60 {
                let ids: Vec<u64> = root.all_connections(&tenant.name).into_keys().collect();
                if let Some(id) = ids.get(round % ids.len().max(1)) {
                    root.kill(*id);
                }
                sleep(Duration::from_millis(15));
            }
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// The server has room for fewer connections than Greenroom may open, and then for none at all.
#[test]
fn a_server_without_connections_left_is_waited_for_by_sessions_that_live_on() {
    each_private_server(&Options::default(), |server| {
        let (tenant, proxy) = bed(&server, server.address(), "full", &[], &["lease_timeout = \"1s\""]);
        until("it has greeted", || Wire::open(proxy.address()).is_ok());
        let mut waiting = tenant.connect(proxy.address());
        let mut root = Root::on(&server);
        // MariaDB's least limit is ten.
        root.0.ok("SET GLOBAL max_connections = 10");
        let other = Tenant::new(&server, "other");
        root.connections(&tenant.name).into_iter().for_each(|id| root.kill(id));
        until("no connection is left", || proxy.metrics().sum("greenroom_backend_connections", &[]) == 0.0);
        let mut others = Vec::new();
        while let Ok(wire) = Wire::connect(server.address(), &other.login()) {
            others.push(wire);
            assert!(others.len() <= 10);
        }
        let error = waiting.err("SELECT 1");
        assert_eq!(error.code, 1040, "{error}");
        assert!(!proxy.log().contains("node is down"), "it is not taken for down: {}", proxy.log());
        drop(others);
        until(
            "there is room again",
            || matches!(waiting.one("SELECT 'mine'"), Reply::Rows(rows) if rows.rows[0][0].as_deref() == Some("mine")),
        );
        drop(waiting);
        // Room for two of the four.
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &[1040]);
        crew.work(|| {
            let others: Vec<_> = (0..4).filter_map(|_| Wire::connect(server.address(), &other.login()).ok()).collect();
            for _ in 0..3 {
                crew.goes_on("those that there are go round");
            }
            drop(others);
        });
        root.0.ok("SET GLOBAL max_connections = 100");
        crew.leaves_nothing(WIDTH);
    });
}

/// What it refuses it refuses in its own words, and reads go on; so does everything when it takes writes again.
#[test]
fn a_server_that_takes_no_writes_is_read_from() {
    each_private_server(&Options::default(), |server| {
        let node = ["role = \"primary\""];
        let (tenant, proxy) = bed(&server, server.address(), "readonly", &node, &["lease_timeout = \"5s\""]);
        let mut root = Root::on(&server);
        let on = ["SET GLOBAL read_only = 1", "SET GLOBAL super_read_only = 1"];
        let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &[1290]);
        crew.work(|| {
            for sql in &on[..if server.flavor() == Flavor::MySql { 2 } else { 1 }] {
                root.0.ok(sql);
                crew.is_told("writes are refused");
                crew.goes_on("reads go on");
            }
            root.0.ok("SET GLOBAL read_only = 0");
        });
        let writes = crew.told(1290);
        assert!(writes > 0);
        crew.leaves_nothing(WIDTH);
        let mut direct = Wire::connect(proxy.address(), &Login::new(&tenant.name, &tenant.password)).unwrap();
        direct.ok(&format!("INSERT INTO {}.crew (tag) VALUES ('last')", tenant.name));
    });
}
