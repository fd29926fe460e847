//! The limit of a node, and sharing out what there is of it over workers.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::workers;
use crate::support::{
    observe::{Root, until},
    servers::{Tenant, each_server},
    wire::Wire,
};

const CLIENTS: usize = 200;
const LIMIT: usize = 7;
/// Statements that each client runs under load.
const ROUNDS: usize = 12;

#[test]
fn two_workers_never_open_more_than_the_limit() {
    never_more_than_the_limit(2);
}

#[test]
fn four_workers_never_open_more_than_the_limit() {
    never_more_than_the_limit(4);
}

fn never_more_than_the_limit(count: usize) {
    each_server(|server| {
        let tenant = Tenant::new(server, "limit");
        let mut root = Root::on(server);
        let limit = format!("max_connections = {LIMIT}");
        let proxy = workers(server, &tenant, count)
            .first_node(server.address(), &[&limit])
            .endpoint("lease_timeout = \"60s\"")
            .start();
        let (left, ran) = (AtomicUsize::new(CLIENTS), AtomicUsize::new(0));
        let mut most = 0;
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (left, ran, proxy, tenant) = (&left, &ran, &proxy, &tenant);
                scope.spawn(move || {
                    let leave = Leave(left);
                    let mut wire = tenant.connect(proxy.address());
                    for round in 0..ROUNDS {
                        let sum = (number + round).to_string();
                        if round % 4 == 3 {
                            wire.ok("START TRANSACTION");
                        }
                        assert_eq!(wire.scalar(&format!("SELECT {number} + {round}")), Some(sum));
                        if round % 4 == 3 {
                            wire.ok("COMMIT");
                        }
                        ran.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(leave);
                });
            }
            while left.load(Ordering::Relaxed) > 0 {
                most = most.max(root.connections(&tenant.name).len());
                assert!(most <= LIMIT, "{most} connections where {LIMIT} are allowed");
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), CLIENTS * ROUNDS);
        assert_eq!(most, LIMIT, "the load uses what it may");
        until("no client", || proxy.clients() == 0.0);
        assert_eq!(proxy.backends("leased"), 0.0);
        assert_eq!(proxy.metrics().sum("greenroom_waiters", &[]), 0.0);
    });
}

/// Counts a client out, however it ends.
struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_starving_worker_gets_what_idles_on_another() {
    each_server(|server| {
        let tenant = Tenant::new(server, "starve");
        let mut root = Root::on(server);
        let proxy = workers(server, &tenant, 2).first_node(server.address(), &["max_connections = 4"]).start();
        let mut wires: Vec<Wire> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
        // Sessions of one worker share its idle connection; those of the other have one of their own.
        let homes: Vec<u64> = wires.iter_mut().map(|wire| root.backend_of(wire)).collect();
        let first = homes[0];
        let (mut here, mut there): (Vec<_>, Vec<_>) = wires.iter_mut().zip(&homes).partition(|(_, id)| **id == first);
        assert_eq!((here.len(), there.len()), (4, 4), "sessions are shared out evenly: {homes:?}");
        // All four connections to one worker: the last two come from the other's idle one and from the server.
        for (wire, _) in &mut here {
            wire.ok("START TRANSACTION");
        }
        let all = root.connections(&tenant.name);
        assert_eq!(all.len(), 4);
        here.iter_mut().for_each(|(wire, _)| drop(wire.ok("COMMIT")));
        proxy.wait_until_idle(4);
        let before = proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"transferred\""]);
        let begun = Instant::now();
        assert_eq!(there[0].0.scalar("SELECT 1").as_deref(), Some("1"));
        let took = begun.elapsed();
        // "At once" is less than the tick that mends lost messages and far less than idle_timeout.
        assert!(took < Duration::from_millis(90), "{took:?}");
        assert_eq!(root.connections(&tenant.name), all, "none was closed or opened");
        until("a transfer", || {
            proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"transferred\""]) > before
        });
    });
}

#[test]
fn what_one_worker_has_learned_of_a_collation_the_others_know() {
    each_server(|server| {
        let tenant = Tenant::new(server, "named");
        let mut root = Root::on(server);
        let proxy = workers(server, &tenant, 4).first_node(server.address(), &["max_connections = 1"]).start();
        let mut first = tenant.connect(proxy.address());
        let id = root.backend_of(&mut first);
        // One on each worker: the connection goes from one to the other, and none has to log in with the collation anew.
        let mut others: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
        for wire in &mut others {
            assert_eq!(root.backend_of(wire), id);
        }
        let moved = || proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"transferred\""]);
        until("a transfer to each worker", || moved() >= 3.0);
        assert_eq!(proxy.metrics().sum("greenroom_backend_opens_total", &[]), 1.0);
    });
}

#[test]
fn two_users_who_compete_for_one_connection_both_get_it() {
    each_server(|server| {
        let (one, two) = (Tenant::new(server, "one"), Tenant::new(server, "two"));
        let proxy = workers(server, &one, 2)
            .user(&two.name, &two.password)
            .first_node(server.address(), &["max_connections = 1"])
            .start();
        let stop = AtomicBool::new(false);
        let counts = [(); 6].map(|()| AtomicUsize::new(0));
        thread::scope(|scope| {
            for (number, count) in counts.iter().enumerate() {
                let (tenant, proxy, stop) = ([&one, &two][number % 2], &proxy, &stop);
                scope.spawn(move || {
                    let mut wire = tenant.connect(proxy.address());
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(wire.scalar("SELECT USER()").unwrap().split('@').next(), Some(&*tenant.name));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // Everybody is served again and again while everybody else asks without a pause.
            let served = || counts.iter().all(|count| count.load(Ordering::Relaxed) >= 3);
            let begun = Instant::now();
            while !served() && begun.elapsed() < Duration::from_secs(20) {
                thread::sleep(Duration::from_millis(10));
            }
            stop.store(true, Ordering::Relaxed);
            assert!(served(), "{counts:?}");
        });
    });
}

#[test]
fn a_user_who_floods_the_line_leaves_others_their_share() {
    share_between_users(1);
}

#[test]
fn nor_does_he_take_it_over_several_workers() {
    share_between_users(2);
}

fn share_between_users(count: usize) {
    each_server(|server| {
        let (many, few) = (Tenant::new(server, "many"), Tenant::new(server, "few"));
        let proxy = workers(server, &many, count)
            .user(&few.name, &few.password)
            .first_node(server.address(), &["max_connections = 6"])
            .endpoint("lease_timeout = \"60s\"")
            .start();
        let (stop, counts) = (AtomicBool::new(false), [(); 2].map(|()| AtomicUsize::new(0)));
        thread::scope(|scope| {
            for number in 0..72 {
                let of = usize::from(number % 6 == 5);
                let (tenant, proxy, stop, count) = ([&many, &few][of], &proxy, &stop, &counts[of]);
                scope.spawn(move || {
                    let mut wire = tenant.connect(proxy.address());
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(wire.scalar("SELECT SLEEP(0.02)").as_deref(), Some("0"));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let total = || counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
            until("it is under way", || total() > 300);
            counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
            until("many statements", || total() > 900);
            stop.store(true, Ordering::Relaxed);
        });
        let [many, few] = counts.map(AtomicUsize::into_inner);
        // By the number of their sessions it would be a fifth.
        assert!(few * 2 >= many, "{few} of the few, {many} of the many");
    });
}
