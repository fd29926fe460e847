//! Ten thousand clients that go away at any moment, and what is left of them: nothing.

use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use mysql_common::constants::Command;

use super::{full_width, is_ok, setup};
use crate::support::{
    dice::Dice,
    observe::{Root, until},
    proxy::Proxy,
    servers::{Tenant, each_server},
    wire::Wire,
};

/// How many clients in all; where it is not set, as many as half a minute's share allows.
const COUNT: &str = "GREENROOM_TEST_ABORTS";
const ABORTS: usize = 10_000;
const TIME: Duration = Duration::from_secs(14);
const THREADS: usize = 6;
const LIMIT: usize = 5;

#[test]
fn random_aborts_leave_nothing_behind() {
    each_server(|server| {
        let tenant = Tenant::new(server, "abort");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, LIMIT).endpoint("lease_timeout = \"20s\"").start();
        tenant.connect(proxy.address()).ok("CREATE TABLE t (a INT)");
        full_width(&proxy, &tenant, LIMIT);
        until("rest", || proxy.is_at_rest());
        let files = proxy.open_files();
        let (wanted, time) = match env::var(COUNT) {
            Ok(count) => (count.parse().expect("a number"), Duration::from_secs(3600)),
            Err(_) => (ABORTS, TIME),
        };
        let (taken, until_when) = (AtomicUsize::new(0), Instant::now() + time);
        thread::scope(|scope| {
            for seed in 0..THREADS as u64 {
                let (taken, tenant, proxy) = (&taken, &tenant, &proxy);
                scope.spawn(move || {
                    let mut dice = Dice::new(seed);
                    while Instant::now() < until_when && taken.fetch_add(1, Ordering::Relaxed) < wanted {
                        abort(tenant, proxy, &mut dice);
                    }
                });
            }
        });
        println!("{} aborts on {}", taken.load(Ordering::Relaxed).min(wanted), server.flavor());
        until("rest", || proxy.is_at_rest());
        full_width(&proxy, &tenant, LIMIT);
        until("rest", || proxy.is_at_rest());
        let idle = proxy.backends("idle");
        assert!(idle <= LIMIT as f64);
        // The server agrees with our counts, once it has noticed the last who went.
        until("the server agrees", || root.connections(&tenant.name).len() as f64 == proxy.backends("idle"));
        until("no more open files than before", || proxy.open_files() <= files);
        let mut last = tenant.connect(proxy.address());
        assert_eq!(last.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"), "nothing was committed");
    });
}

/// Comes, gets as far as the dice say, and is gone. Nothing of it may fail before that.
fn abort(tenant: &Tenant, proxy: &Proxy, dice: &mut Dice) {
    let place = dice.roll(10);
    if place == 0 {
        return drop(std::net::TcpStream::connect(proxy.address()));
    }
    if place == 1 {
        let mut greeted = Wire::open(proxy.address()).unwrap();
        // Part of a login, or a whole packet of rubbish.
        let part = dice.roll(40);
        return greeted.send_raw(&[&[36, 0, 0, 1][..], &vec![0x85; part]].concat()).unwrap();
    }
    let mut wire = tenant.connect(proxy.address());
    match place {
        2 => {}
        3 => drop(wire.send_raw(&[200, 0, 0, 0, 3, b'S', b'E'])),
        4 => wire.send(Command::COM_QUERY, b"SELECT SLEEP(0.02)").unwrap(),
        5 => wire.send(Command::COM_QUERY, b"SELECT 1").unwrap(),
        6 => wire.send(Command::COM_QUERY, b"SELECT REPEAT('x', 3000000)").unwrap(),
        7 => {
            // In a transaction, and amid a statement of it.
            wire.send(Command::COM_QUERY, b"START TRANSACTION").unwrap();
            wire.send(Command::COM_QUERY, b"INSERT INTO t VALUES (1)").unwrap();
            if dice.roll(2) == 0 && wire.replies().is_ok_and(|replies| is_ok(&replies)) {
                let _ = wire.replies();
            }
        }
        8 => {
            wire.ok("START TRANSACTION");
            wire.ok("INSERT INTO t VALUES (2)");
        }
        _ => {
            wire.ok("SET @a = 1");
            if dice.roll(2) == 0 {
                wire.quit().unwrap();
            }
        }
    }
}
