//! A server that lets a user have fewer connections than the node may (`max_user_connections`): its sessions wait for one
//! of those in use.

use std::{
    thread,
    time::{Duration, Instant},
};

use greenroom::demo::server::{Options, Server};
use mysql_common::constants::{CapabilityFlags, Command};

use super::workers;
use crate::support::{
    observe::{Root, until, within},
    proxy::Proxy,
    servers::{Tenant, each_private_server, each_server},
    wire::{Reply, Wire},
};

/// A user who may have so many connections.
fn limited(server: &Server, limit: usize) -> Tenant {
    let tenant = Tenant::new(server, "few");
    limit_to(&tenant, limit);
    tenant
}

fn limit_to(tenant: &Tenant, limit: usize) {
    tenant.administer(&[format!("ALTER USER {}@'%' WITH MAX_USER_CONNECTIONS {limit}", tenant.name)]);
}

fn proxy(server: &Server, tenant: &Tenant, count: usize, lease_timeout: &str) -> Proxy {
    workers(server, tenant, count).endpoint(&format!("lease_timeout = \"{lease_timeout}\"")).start()
}

fn refusals(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("greenroom_user_limit_refusals_total", &[])
}

/// Sessions that keep connections busy get no error, and the server hears of few attempts to have more.
fn works_with(server: &Server, tenant: &Tenant, limit: usize, count: usize) {
    let proxy = proxy(server, tenant, count, "20s");
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut wire = tenant.connect(proxy.address());
                for _ in 0..15 {
                    wire.ok("START TRANSACTION");
                    assert_eq!(wire.scalar("SELECT SLEEP(0.01)").as_deref(), Some("0"));
                    wire.ok("COMMIT");
                }
            });
        }
    });
    // As many as the server allows are to be had, though logins at the same time may have been refused without need.
    let mut all: Vec<Wire> = (0..limit).map(|_| tenant.connect(proxy.address())).collect();
    all.iter_mut().for_each(|wire| drop(wire.ok("START TRANSACTION")));
    // MariaDB also lists a login that it is about to refuse.
    Root::on(server).wait_for(&tenant.name, limit);
    until("refusals are counted", || refusals(&proxy) >= 1.0);
    // At first, and when a limit turns out higher, each worker may have some under way at once; else it is tried about once a second.
    let few = 16.0 * count as f64 + begun.elapsed().as_secs_f64();
    assert!(refusals(&proxy) <= few, "{} refusals, {few} at most", refusals(&proxy));
}

#[test]
fn sessions_of_one_worker_share_what_an_account_may_have() {
    each_server(|server| works_with(server, &limited(server, 2), 2, 1));
}

#[test]
fn sessions_of_several_workers_take_turns_with_the_only_connection() {
    each_server(|server| works_with(server, &limited(server, 1), 1, 3));
}

#[test]
fn the_servers_own_limit_for_all_users_is_heeded_alike() {
    let options = Options { extra_args: vec!["--max-user-connections=3".into()], ..Options::default() };
    each_private_server(&options, |server| works_with(&server, &Tenant::new(&server, "all"), 3, 2));
}

#[test]
fn who_waits_in_vain_is_told_of_the_limit_and_holds_up_nobody_else() {
    each_server(|server| {
        let (tenant, other) = (limited(server, 1), Tenant::new(server, "free"));
        let proxy = workers(server, &tenant, 1)
            .user(&other.name, &other.password)
            .endpoint("lease_timeout = \"700ms\"")
            .start();
        let mut sessions: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
        let mut free = other.connect(proxy.address());
        sessions[0].ok("START TRANSACTION");
        for session in &mut sessions[1..] {
            session.send(Command::COM_QUERY, b"SELECT 1").unwrap();
        }
        proxy.wait_for_waiters(2);
        let begun = Instant::now();
        free.ok("START TRANSACTION");
        assert!(begun.elapsed() < Duration::from_millis(300), "{:?}", begun.elapsed());
        for session in &mut sessions[1..] {
            let replies = session.replies().unwrap();
            let [Reply::Err(error)] = replies.as_slice() else { panic!("{replies:?}") };
            assert_eq!((error.code, error.state.as_str()), (1040, "HY000"));
            let begin =
                format!("Too many connections: server 'db1' lets user '{}' have 1 (max_user_connections)", tenant.name);
            assert!(error.message.starts_with(&begin), "{error}");
            session.ok_ping();
        }
        assert!(proxy.log().contains("max_user_connections"), "it is logged:\n{}", proxy.log());
        sessions[0].ok("COMMIT");
        assert_eq!(sessions[1].scalar("SELECT 1").as_deref(), Some("1"));
        assert_eq!(proxy.metrics().sum("greenroom_lease_timeouts_total", &[]), 2.0);
    });
}

#[test]
fn an_idle_connection_of_another_kind_makes_way() {
    each_server(|server| {
        let tenant = limited(server, 1);
        for count in [1, 2] {
            let proxy = proxy(server, &tenant, count, "10s");
            let mut one = tenant.connect(proxy.address());
            let login = tenant.login().with(CapabilityFlags::CLIENT_FOUND_ROWS);
            let mut other = Wire::connect(proxy.address(), &login).unwrap();
            let begun = Instant::now();
            for _ in 0..3 {
                assert_eq!(one.scalar("SELECT 1").as_deref(), Some("1"));
                assert_eq!(other.scalar("SELECT 2").as_deref(), Some("2"));
            }
            assert!(begun.elapsed() < Duration::from_secs(3), "{count}: {:?}", begun.elapsed());
        }
    });
}

#[test]
fn a_raised_limit_is_noticed_and_so_is_a_connection_that_somebody_else_closes() {
    each_server(|server| {
        let tenant = limited(server, 1);
        let proxy = proxy(server, &tenant, 1, "10s");
        let mut sessions: Vec<Wire> = (0..2).map(|_| tenant.connect(proxy.address())).collect();
        sessions[0].ok("START TRANSACTION");
        sessions[1].send(Command::COM_QUERY, b"START TRANSACTION").unwrap();
        proxy.wait_for_waiters(1);
        limit_to(&tenant, 2);
        within(Duration::from_secs(4), "a second connection", || Root::on(server).connections(&tenant.name).len() == 2);
        assert!(matches!(sessions[1].replies().unwrap().as_slice(), [Reply::Ok(_)]));
        sessions.iter_mut().for_each(|session| drop(session.ok("COMMIT")));
        // Now somebody who does not come through the proxy has them all.
        drop(proxy);
        until("they are closed", || Root::on(server).connections(&tenant.name).is_empty());
        let direct = [(); 2].map(|()| tenant.connect(server.address()));
        let proxy = self::proxy(server, &tenant, 1, "10s");
        thread::scope(|scope| {
            let session = scope.spawn(|| tenant.connect(proxy.address()).scalar("SELECT 3"));
            until("it is refused", || refusals(&proxy) >= 1.0);
            proxy.wait_for_waiters(1);
            for wire in direct {
                wire.quit().unwrap();
            }
            assert_eq!(session.join().unwrap().as_deref(), Some("3"));
        });
    });
}
