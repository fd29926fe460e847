//! What the clock does to connections: expiry, retirement, keeping warm.

use std::thread;
use std::time::{Duration, Instant};

use super::one_worker;
use crate::support::{
    observe::{Root, until, within},
    proxy::Setup,
    servers::{Tenant, each_server},
};

/// How long after its return an idle connection leaves the server's own list.
fn expiry(server: &'static greenroom::demo::server::Server, change: impl Fn(Setup) -> Setup) -> Duration {
    let tenant = Tenant::new(server, "expiry");
    let mut root = Root::on(server);
    let proxy = change(one_worker(server, &tenant)).start();
    let mut wire = tenant.connect(proxy.address());
    // A statement in the middle counts anew: what counts is the last return.
    wire.scalar("SELECT 1");
    within(Duration::from_millis(700), "half a second", {
        let begun = Instant::now();
        move || begun.elapsed() >= Duration::from_millis(500)
    });
    wire.scalar("SELECT 2");
    let returned = Instant::now();
    assert_eq!(root.connections(&tenant.name).len(), 1);
    until("expiry", || root.connections(&tenant.name).is_empty());
    returned.elapsed()
}

/// In seconds, three at once: a busy machine may see any one of them late, but none too soon.
fn expiries(server: &'static greenroom::demo::server::Server, change: impl Fn(Setup) -> Setup + Sync) -> Vec<f64> {
    thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|_| scope.spawn(|| expiry(server, &change).as_secs_f64())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn an_idle_connection_is_closed_ten_seconds_after_its_return() {
    each_server(|server| {
        let times = expiries(server, |setup| setup);
        assert!(times.iter().any(|took| (9.8..=10.2).contains(took)), "{times:?} s");
        assert!(times.iter().all(|took| *took >= 9.8), "{times:?} s");
    });
}

#[test]
fn an_idle_connection_is_closed_after_the_time_configured() {
    each_server(|server| {
        let times = expiries(server, |setup| setup.endpoint("idle_timeout = \"1s\""));
        assert!(times.iter().any(|took| (0.8..=1.2).contains(took)), "{times:?} s");
        assert!(times.iter().all(|took| *took >= 0.8), "{times:?} s");
    });
}

#[test]
fn an_old_connection_is_retired_at_its_return() {
    each_server(|server| {
        let tenant = Tenant::new(server, "old");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant)
            .first_node(server.address(), &["max_connections = 10", "max_lifetime = \"1s\""])
            .start();
        let mut wire = tenant.connect(proxy.address());
        let born = Instant::now();
        let first = root.backend_of(&mut wire);
        wire.ok("START TRANSACTION");
        until("a second and a half", || born.elapsed() > Duration::from_millis(1500));
        assert_eq!(root.connections(&tenant.name), [first], "a lease is not cut off");
        wire.ok("COMMIT");
        root.wait_for(&tenant.name, 0);
        assert_ne!(root.backend_of(&mut wire), first);
        until("counted", || proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"lifetime\""]) == 1.0);
    });
}

#[test]
fn an_old_connection_is_retired_while_it_idles() {
    each_server(|server| {
        let tenant = Tenant::new(server, "idler");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant)
            .first_node(server.address(), &["max_connections = 10", "max_lifetime = \"1s\""])
            .endpoint("idle_timeout = \"1h\"")
            .start();
        let mut wire = tenant.connect(proxy.address());
        wire.scalar("SELECT 1");
        within(Duration::from_secs(5), "retirement", || root.connections(&tenant.name).is_empty());
    });
}

#[test]
fn a_warm_connection_is_kept_and_replaced() {
    each_server(|server| {
        let tenant = Tenant::new(server, "warm");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant)
            .first_node(server.address(), &["max_connections = 10", "min_idle = 2"])
            .endpoint("idle_timeout = \"500ms\"")
            .start();
        let mut wires = [(); 4].map(|()| tenant.connect(proxy.address()));
        wires.iter_mut().for_each(|wire| drop(wire.ok("START TRANSACTION")));
        // The warm ones may be on their way beside them.
        assert!(root.connections(&tenant.name).len() >= 4);
        wires.iter_mut().for_each(|wire| drop(wire.ok("COMMIT")));
        // Those beyond the two are closed, and the two stay well past their time.
        let kept = root.wait_for(&tenant.name, 2);
        let since = Instant::now();
        until("three times idle_timeout", || {
            assert_eq!(root.connections(&tenant.name), kept);
            since.elapsed() > Duration::from_millis(1500)
        });
        root.kill(kept[0]);
        until("a new one", || {
            let now = root.connections(&tenant.name);
            now.len() == 2 && !now.contains(&kept[0])
        });
    });
}
