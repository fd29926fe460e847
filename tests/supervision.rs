//! What fails is replaced, and nobody else notices: sessions, connections, whole servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "supervision/abort.rs"]
mod abort;
#[path = "supervision/kill.rs"]
mod kill;
#[path = "supervision/panics.rs"]
mod panics;
#[path = "supervision/restart.rs"]
mod restart;

use greenroom::demo::server::Server;
use support::{
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{Reply, Wire},
};

fn setup(server: &Server, tenant: &Tenant, limit: usize) -> Setup {
    Setup::new(server.address())
        .user(&tenant.name, &tenant.password)
        .first_node(server.address(), &[&format!("max_connections = {limit}")])
}

/// All connections are in as many transactions at once.
fn full_width(proxy: &Proxy, tenant: &Tenant, limit: usize) {
    let mut wires: Vec<Wire> = (0..limit).map(|_| tenant.connect(proxy.address())).collect();
    for wire in &mut wires {
        wire.ok("START TRANSACTION");
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
    }
    until("all are leased", || proxy.backends("leased") == limit as f64);
    wires.iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
}

#[test]
fn a_panic_ends_one_session_and_closes_its_connection() {
    each_server(|server| {
        let tenant = Tenant::new(server, "panic");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut bystander = tenant.connect(proxy.address());
        bystander.ok("START TRANSACTION");
        bystander.ok("DO 1");
        let theirs = root.connections(&tenant.name);
        for round in 0..5 {
            let mut victim = tenant.connect(proxy.address());
            victim.ok("START TRANSACTION");
            victim.ok("SET @a = 1");
            let ours: Vec<u64> = root.connections(&tenant.name).into_iter().filter(|id| !theirs.contains(id)).collect();
            assert_eq!(ours.len(), 1);
            assert!(victim.query("greenroom: panic").is_err(), "the session is over");
            root.wait_for(&tenant.name, theirs.len());
            // One that has nothing may panic, too.
            let mut bare = tenant.connect(proxy.address());
            assert!(bare.query("greenroom: panic").is_err());
            assert_eq!(bystander.scalar("SELECT @a, 1"), None, "round {round}");
        }
        bystander.ok("COMMIT");
        full_width(&proxy, &tenant, 4);
        bystander.quit().unwrap();
        until("rest", || proxy.is_at_rest());
        let ends = proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"abandoned\""]);
        assert_eq!(ends, 5.0);
        assert!(proxy.log().contains("asked for by a test"), "the log says what happened");
    });
}

#[test]
fn a_server_that_is_not_there_gives_an_error_in_time() {
    let nowhere = ([127, 0, 0, 1], greenroom::demo::server::free_port().unwrap()).into();
    let proxy = Setup::new(nowhere).start();
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        let refused = Wire::open(proxy.address()).expect_err("there is no server to greet for").to_string();
        assert!(refused.contains("1429") && refused.contains("db1") && refused.contains("refused"), "{refused}");
        assert!(begun.elapsed().as_secs() < 5);
    }
    let (status, text) = proxy.get("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("db1") && text.contains("refused"), "{text}");
}

fn is_ok(replies: &[Reply]) -> bool {
    matches!(replies, [Reply::Ok(_) | Reply::Rows(_)])
}
