//! Panics in every actor, under load: who can be had again is started again, and nobody else notices.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, sleep},
    time::Duration,
};

use greenroom::demo::server::Server;

use super::setup;
use crate::support::{
    crew::{Crew, LOSSES, TABLE},
    observe::until,
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy},
    servers::{Tenant, each_server},
    wire::{Login, Wire, WireError},
};

const WIDTH: usize = 4;
/// Panics of an actor in one test: fewer than it takes to be given up.
const PANICS: usize = 3;

/// A crew at work, and a proxy whose actors are made to panic.
fn under_load(label: &str, tolerated: &[u16], actor: &str, after: impl Fn(&Server, &Proxy, &Tenant)) {
    each_server(|server| {
        let tenant = Tenant::new(server, label);
        let proxy = setup(server, &tenant, WIDTH).endpoint("lease_timeout = \"10s\"").start();
        tenant.connect(proxy.address()).ok(TABLE);
        let crew = Crew::new(&tenant, &proxy, 8, WIDTH, tolerated);
        crew.work(|| {
            for round in 1..=PANICS {
                panic_of(&proxy, &tenant, actor);
                until("the panic is counted", || panics(&proxy) >= round as f64);
                crew.goes_on("the crew works on");
            }
            after(server, &proxy, &tenant);
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// Asks for a panic; the statement itself goes to the server, which does not understand it.
fn panic_of(proxy: &Proxy, tenant: &Tenant, actor: &str) {
    let asked = tenant.connect(proxy.address()).query(&format!("greenroom: panic {actor}"));
    drop(asked);
}

fn panics(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("greenroom_panics_total", &[])
}

fn restarts(proxy: &Proxy, actor: &str) -> f64 {
    proxy.metrics().sum("greenroom_actor_restarts_total", &[&format!("actor=\"{actor}\"")])
}

/// Each start is counted, and logged beside the panic's own line.
fn expect_restarts(proxy: &Proxy, actor: &str, least: usize) {
    until("restarts are counted", || restarts(proxy, actor) >= least as f64);
    until("the log tells of it", || {
        let log = proxy.log();
        log.contains("asked for by a test") && log.contains("an actor panicked and is started again")
    });
}

#[test]
fn listeners_that_panic_listen_again() {
    under_load("listener", &[], "listener", |_, proxy, tenant| {
        // Two workers, each with its own.
        expect_restarts(proxy, "listener", 2 * PANICS);
        // Nobody waits in the line of a socket that nobody accepts from.
        let all: Vec<Wire> = (0..40).map(|_| tenant.connect(proxy.address())).collect();
        assert_eq!(all.len(), 40);
    });
}

#[test]
fn a_monitor_that_panics_watches_again() {
    under_load("monitor", &[], "monitor", |_, proxy, _| {
        expect_restarts(proxy, "monitor", PANICS);
        until("ready", || proxy.get("/readyz").0 == 200);
    });
}

#[test]
fn a_console_that_panics_answers_again_and_keeps_whom_it_has() {
    each_server(|server| {
        let tenant = Tenant::new(server, "console");
        let proxy = setup(server, &tenant, WIDTH).start();
        let login = || Login::new(ADMIN_USER, ADMIN_PASSWORD);
        let mut there = Wire::connect(proxy.admin(), &login()).unwrap();
        for round in 1..=PANICS {
            panic_of(&proxy, &tenant, "console");
            expect_restarts(&proxy, "console", round);
            assert!(!there.rows("SHOW POOLS").is_empty(), "who is there stays");
            let mut next = Wire::connect(proxy.admin(), &login()).unwrap();
            assert!(!next.rows("SHOW NODES").is_empty());
        }
    });
}

#[test]
fn connections_that_panic_are_replaced() {
    // Who was to get one of them waits for another; who has one keeps it.
    under_load("connection", &LOSSES, "connection", |_, proxy, _| {
        let ends = || proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"panicked\""]);
        until("ends are counted", || ends() >= PANICS as f64);
        until("restarts are counted", || restarts(proxy, "backend_connection") >= PANICS as f64);
        until("the log says why", || proxy.log().contains("end: panicked"));
    });
}

#[test]
fn pins_of_a_connection_that_panicked_are_not_counted_any_more() {
    each_server(|server| {
        let tenant = Tenant::new(server, "pins");
        let proxy = setup(server, &tenant, WIDTH).start();
        let mut pinned = tenant.connect(proxy.address());
        pinned.ok("CREATE TEMPORARY TABLE t (a INT)");
        until("it is pinned", || proxy.metrics().sum("greenroom_pinned", &[]) == 1.0);
        panic_of(&proxy, &tenant, "connection");
        until("the panic", || panics(&proxy) >= 1.0);
        pinned.ok("INSERT INTO t VALUES (1)");
        drop(pinned);
        until("rest", || proxy.is_at_rest());
    });
}

#[test]
fn an_actor_that_panics_again_and_again_ends_the_process() {
    each_server(|server| {
        let tenant = Tenant::new(server, "again");
        let mut proxy = setup(server, &tenant, WIDTH).start();
        let mut asks = tenant.connect(proxy.address());
        for _ in 0..5 {
            let before = restarts(&proxy, "monitor");
            drop(asks.query("greenroom: panic monitor"));
            until("it is started again", || restarts(&proxy, "monitor") > before);
            // Longer than the longest pause before a new start so far.
            sleep(Duration::from_millis(400));
        }
        // The sixth within half a minute is one too many.
        drop(asks.query("greenroom: panic monitor"));
        until("the log says it", || proxy.log().contains("an actor panics again and again; the process stops"));
        assert!(!proxy.wait().success());
    });
}

/// Without them nothing can go on: a service manager starts the process anew.
#[test]
fn a_shard_or_a_supervisor_that_panics_ends_the_process_and_says_so() {
    for (actor, line) in [
        ("shard", "a pool shard panicked; the process stops"),
        ("supervisor", "the supervisor panicked; the process stops"),
    ] {
        each_server(|server| {
            let tenant = Tenant::new(server, "fatal");
            let mut proxy = setup(server, &tenant, WIDTH).start();
            panic_of(&proxy, &tenant, actor);
            assert!(!proxy.wait().success(), "{}", proxy.log());
            assert!(proxy.log().contains(line), "{}", proxy.log());
        });
    }
}

/// Connections cannot be opened: after a few attempts the node is given up, and asked once a second from then on.
#[test]
fn a_node_whose_connections_fail_at_once_is_not_tried_without_end() {
    each_server(|server| {
        let tenant = Tenant::new(server, "breaker");
        let (address, count) = closer(server.address());
        let proxy = setup(server, &tenant, WIDTH).first_node(address, &["tls = \"disabled\""]).start();
        until("the node has greeted", || Wire::open(proxy.address()).is_ok());
        // The database is asked for by a connection of the login's.
        for _ in 0..CLIENTS {
            match Wire::connect(proxy.address(), &tenant.login()) {
                Err(WireError::Refused(error)) => assert_eq!(error.code, 1429, "{error}"),
                other => panic!("{other:?}"),
            }
        }
        until("it is said", || proxy.log().contains("node fails again and again"));
        until("it is down", || proxy.metrics().sum("greenroom_node_up", &[]) == 0.0);
        let tried = count.load(Ordering::SeqCst);
        assert!(tried <= ATTEMPTS * CLIENTS, "{tried} attempts for {CLIENTS} logins");
        sleep(Duration::from_secs(3));
        let more = count.load(Ordering::SeqCst) - tried;
        assert!(more <= 6, "{more} attempts in three seconds in which nobody wanted anything");
    });
}

/// Attempts after which a node is given up, with the probes between.
const ATTEMPTS: usize = 8;
const CLIENTS: usize = 6;

/// Accepts, greets the first with a real server's greeting and says nothing to anybody else; closes; counts.
fn closer(server: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // The monitor's, without which clients could not be greeted.
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let mut greeting = [0; 512];
                let length = TcpStream::connect(server).unwrap().read(&mut greeting).unwrap();
                let _ = client.write_all(&greeting[..length]);
            }
        }
    });
    (address, count)
}
