//! Limits of endpoints, users and databases, of those who wait, and of what a server has left.

use std::{
    ffi::OsString,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use greenroom::demo::server::{Options, Server, free_port};
use mysql_common::constants::Command;

use super::workers;
use crate::support::{
    observe::{Root, until},
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy, Setup},
    servers::{Tenant, each_private_server, each_server},
    wire::{ErrPacket, Login, Reply, Wire, WireError},
};

/// A proxy on two workers, with `[[limits]]` or other tables besides.
fn limited(server: &Server, tenant: &Tenant, more: &str) -> Setup {
    workers(server, tenant, 2).endpoint("lease_timeout = \"1500ms\"").extra(more)
}

fn refusal(login: Result<Wire, WireError>) -> ErrPacket {
    match login {
        Err(WireError::Refused(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn begin(wire: &mut Wire) {
    wire.ok("START TRANSACTION");
    wire.scalar("SELECT 1");
}

#[test]
fn an_endpoint_has_its_own_limit_of_clients() {
    each_server(|server| {
        let tenant = Tenant::new(server, "clients");
        let proxy = limited(server, &tenant, "").endpoint("max_clients = 2").start();
        until("nobody is there", || proxy.clients() == 0.0);
        let mut two = [(); 2].map(|()| tenant.connect(proxy.address()));
        let error = refusal(Wire::connect(proxy.address(), &tenant.login()));
        assert_eq!(error.code, 1040);
        let text = "Too many connections: all 2 places for clients of endpoint 'app' are taken; close some, or raise its max_clients";
        assert_eq!(error.message, text);
        assert_eq!(two[0].scalar("SELECT 1").as_deref(), Some("1"));
        let [one, _other] = two;
        one.quit().unwrap();
        until("there is a place", || Wire::connect(proxy.address(), &tenant.login()).is_ok());
    });
}

#[test]
fn a_user_has_a_limit_of_clients() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "mine"), Tenant::new(server, "other"));
        let limit = format!("[[limits]]\nname = \"mine\"\nuser = \"{}\"\nmax_clients = 1\n", tenant.name);
        let proxy = limited(server, &tenant, &limit).user(&other.name, &other.password).start();
        let first = tenant.connect(proxy.address());
        let error = refusal(Wire::connect(proxy.address(), &tenant.login()));
        assert_eq!((error.code, error.state.as_str()), (1040, "08004"));
        assert!(error.message.contains("all 1 places for clients of limit 'mine'"), "{error}");
        // Who has not proven who he is does not learn it.
        assert_eq!(refusal(Wire::connect(proxy.address(), &Login::new(&tenant.name, "guess"))).code, 1045);
        let mut others = [(); 2].map(|()| other.connect(proxy.address()));
        match others[0].change_user(&tenant.login()) {
            Err(WireError::Refused(error)) => assert_eq!(error.code, 1040),
            other => panic!("{other:?}"),
        }
        first.quit().unwrap();
        until("there is a place", || Wire::connect(proxy.address(), &tenant.login()).is_ok());
        // Who becomes somebody else takes no place any more.
        let mut last = None;
        until("there is a place", || {
            last = Wire::connect(proxy.address(), &tenant.login()).ok();
            last.is_some()
        });
        last.unwrap().change_user(&other.login()).unwrap();
        tenant.connect(proxy.address());
    });
}

#[test]
fn a_user_has_a_limit_of_connections_in_use() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "inuse"), Tenant::new(server, "other"));
        let limit = format!("[[limits]]\nname = \"few\"\nuser = \"{}\"\nmax_connections = 2\n", tenant.name);
        let proxy = limited(server, &tenant, &limit).user(&other.name, &other.password).start();
        let mut wires: Vec<Wire> = (0..4).map(|_| tenant.connect(proxy.address())).collect();
        begin(&mut wires[0]);
        begin(&mut wires[1]);
        let error = wires[2].err("SELECT 1");
        assert_eq!((error.code, error.state.as_str()), (1040, "HY000"));
        let text = "Too many connections: all 2 of limit 'few' were in use for ";
        assert!(
            error.message.starts_with(text) && error.message.contains("max_connections or lease_timeout"),
            "{error}"
        );
        wires[2].ok_ping();
        // Nobody else is held up.
        let mut others: Vec<Wire> = (0..4).map(|_| other.connect(proxy.address())).collect();
        others.iter_mut().for_each(begin);
        wires[2].send(Command::COM_QUERY, b"SELECT 'served'").unwrap();
        proxy.wait_for_waiting_clients(1);
        wires[0].ok("COMMIT");
        let replies = wires[2].replies().unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Rows(rows)] if rows.rows[0][0].as_deref() == Some("served")));
        // Who vanishes with a connection gives his pass back, and so does one that waits.
        begin(&mut wires[0]);
        wires[3].send(Command::COM_QUERY, b"SELECT 1").unwrap();
        proxy.wait_for_waiting_clients(1);
        drop(wires.split_off(1));
        until("they are gone", || proxy.clients() == 5.0);
        let mut again = tenant.connect(proxy.address());
        begin(&mut again);
        until("the refusal is counted", || proxy.metrics().sum("greenroom_lease_timeouts_total", &[]) == 1.0);
    });
}

#[test]
fn a_database_has_a_limit_of_connections_in_use() {
    each_server(|server| {
        let tenant = Tenant::new(server, "indb");
        let limit = format!("[[limits]]\nname = \"db\"\ndatabase = \"{}\"\nmax_connections = 1\n", tenant.name);
        let proxy = limited(server, &tenant, &limit).start();
        let mut wires: Vec<Wire> = (0..2).map(|_| tenant.connect(proxy.address())).collect();
        begin(&mut wires[0]);
        assert!(wires[1].err("SELECT 1").message.contains("limit 'db'"));
        // In another database it is not concerned.
        let mut elsewhere = Wire::connect(proxy.address(), &Login::new(&tenant.name, &tenant.password)).unwrap();
        begin(&mut elsewhere);
        elsewhere.ok("COMMIT");
        wires[0].ok("COMMIT");
        assert_eq!(wires[1].scalar("SELECT 1").as_deref(), Some("1"));
    });
}

#[test]
fn an_endpoint_serves_those_who_wait_for_its_limit_in_the_order_of_their_coming() {
    each_server(|server| {
        let tenant = Tenant::new(server, "order");
        let setup = limited(server, &tenant, "").endpoint("max_connections = 1");
        let proxy = setup.environment("GREENROOM__ENDPOINTS__0__LEASE_TIMEOUT", "20s").start();
        let mut waiters: Vec<Wire> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
        let mut holder = tenant.connect(proxy.address());
        holder.ok("CREATE TABLE line (place INT AUTO_INCREMENT PRIMARY KEY, who INT)");
        begin(&mut holder);
        for (number, waiter) in waiters.iter_mut().enumerate() {
            waiter.send(Command::COM_QUERY, format!("INSERT INTO line (who) VALUES ({number})").as_bytes()).unwrap();
            proxy.wait_for_waiting_clients(number as u32 + 1);
        }
        holder.ok("COMMIT");
        for waiter in &mut waiters {
            assert!(matches!(waiter.replies().unwrap().as_slice(), [Reply::Ok(_)]));
        }
        let order = holder.scalar("SELECT GROUP_CONCAT(who ORDER BY place) FROM line");
        assert_eq!(order.as_deref(), Some("0,1,2,3,4,5,6,7"));
    });
}

/// As many wait as may: for a node's connection, and for a pass of the endpoint's.
#[test]
fn one_too_many_is_told_at_once_instead_of_waiting() {
    for (node, endpoint) in [("max_connections = 1", "max_waiters = 2"), ("", "max_waiters = 2\nmax_connections = 1")] {
        each_server(|server| {
            let tenant = Tenant::new(server, "crowd");
            // Longer than the test: who is refused has not waited.
            let setup = limited(server, &tenant, "").environment("GREENROOM__ENDPOINTS__0__LEASE_TIMEOUT", "10m");
            let proxy = setup.first_node(server.address(), &[node]).endpoint(endpoint).start();
            let mut waiters: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
            let mut holder = tenant.connect(proxy.address());
            begin(&mut holder);
            let mut last = waiters.pop().unwrap();
            for (number, waiter) in waiters.iter_mut().enumerate() {
                waiter.send(Command::COM_QUERY, b"SELECT 'served'").unwrap();
                proxy.wait_for_waiting_clients(number as u32 + 1);
            }
            let error = last.err("SELECT 1");
            assert_eq!((error.code, error.state.as_str()), (1040, "HY000"));
            let text = "2 sessions of endpoint 'app' wait for a server connection already; try again, or raise its max_waiters";
            assert!(error.message.ends_with(text), "{error}");
            holder.ok("COMMIT");
            for waiter in &mut waiters {
                assert!(matches!(waiter.replies().unwrap().as_slice(), [Reply::Rows(_)]));
            }
            assert_eq!(last.scalar("SELECT 'lives on'").as_deref(), Some("lives on"));
        });
    }
}

/// Who has waited for a pass has its place among those who wait, also in the line that comes then.
#[test]
fn who_is_through_keeps_its_place_among_those_who_wait() {
    each_server(|server| {
        let tenant = Tenant::new(server, "place");
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let other = format!("[[endpoints]]\nname = \"other\"\nlisten = \"{listen}\"\nnodes = [\"db1\"]\n");
        let setup = limited(server, &tenant, &other).first_node(server.address(), &["max_connections = 1"]);
        let setup = setup.endpoint("max_connections = 2").endpoint("max_waiters = 3");
        let proxy = setup.environment("GREENROOM__ENDPOINTS__0__LEASE_TIMEOUT", "10m").start();
        let mut waiters: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
        let mut holder = tenant.connect(listen);
        begin(&mut holder);
        for (number, waiter) in waiters.iter_mut().enumerate() {
            waiter.send(Command::COM_QUERY, b"SELECT 'served'").unwrap();
            proxy.wait_for_waiting_clients(number as u32 + 1);
        }
        proxy.rewrite(|text| text.replace("max_waiters = 3", "max_waiters = 1"));
        proxy.hup();
        until("reloaded", || proxy.log().contains("configuration reloaded"));
        drop(waiters.remove(0));
        proxy.wait_for_waiting_clients(2);
        let mut last = waiters.pop().unwrap();
        holder.ok("COMMIT");
        assert!(matches!(last.replies().unwrap().as_slice(), [Reply::Rows(_)]));
    });
}

#[test]
fn a_pause_takes_nothing_of_the_time_of_those_who_wait_for_a_pass() {
    each_server(|server| {
        let tenant = Tenant::new(server, "paused");
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let other = format!("[[endpoints]]\nname = \"other\"\nlisten = \"{listen}\"\nnodes = [\"db1\"]\n");
        let setup = limited(server, &tenant, &other).first_node(server.address(), &["max_connections = 1"]);
        let setup = setup.endpoint("max_connections = 1").endpoint("max_waiters = 1");
        let proxy = setup.environment("GREENROOM__ENDPOINTS__0__LEASE_TIMEOUT", "3s").start();
        let mut admin = Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).unwrap();
        let [mut holder, mut waiter, mut another] = [(); 3].map(|()| tenant.connect(proxy.address()));
        let mut next = tenant.connect(listen);
        begin(&mut holder);
        assert_eq!(admin.err("PAUSE app WAIT 10ms").code, 1205);
        waiter.send(Command::COM_QUERY, b"SELECT 'served'").unwrap();
        proxy.wait_for_waiting_clients(1);
        // One more than may wait without a pause.
        another.send(Command::COM_QUERY, b"SELECT 'served'").unwrap();
        proxy.wait_for_waiting_clients(2);
        // Longer than it may wait without a pause.
        thread::sleep(Duration::from_millis(3200));
        next.send(Command::COM_QUERY, b"START TRANSACTION").unwrap();
        proxy.wait_for_waiting_clients(3);
        admin.ok("RESUME");
        holder.ok("COMMIT");
        assert!(matches!(next.replies().unwrap().as_slice(), [Reply::Ok(_)]));
        next.scalar("SELECT 1");
        // The shard looks ten times a second whose time is over.
        thread::sleep(Duration::from_millis(300));
        next.ok("COMMIT");
        for waiter in [&mut waiter, &mut another] {
            let replies = waiter.replies().unwrap();
            assert!(matches!(replies.as_slice(), [Reply::Rows(_)]), "{replies:?}");
        }
    });
}

#[test]
fn a_reload_changes_limits_for_those_who_are_there() {
    each_server(|server| {
        let tenant = Tenant::new(server, "reload");
        let limit = format!("[[limits]]\nname = \"mine\"\nuser = \"{}\"\nmax_connections = 1\n", tenant.name);
        let proxy: Proxy = limited(server, &tenant, &limit).start();
        let mut wires: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
        begin(&mut wires[0]);
        assert_eq!(wires[1].err("SELECT 1").code, 1040);
        let reload = |from: &str, to: &str, count: usize| {
            proxy.rewrite(|text| text.replace(from, to));
            proxy.hup();
            until("reloaded", || proxy.log().matches("configuration reloaded").count() == count);
        };
        reload("max_connections = 1\n", "max_connections = 2\n", 1);
        begin(&mut wires[1]);
        assert_eq!(wires[2].err("SELECT 1").code, 1040);
        reload("max_connections = 2\n", "max_connections = 1\n", 2);
        wires[0].ok("COMMIT");
        assert_eq!(wires[2].err("SELECT 1").code, 1040, "one is still in use");
        wires[1].ok("COMMIT");
        begin(&mut wires[2]);
    });
}

#[test]
fn what_the_server_needs_for_others_is_left_to_them() {
    let extra_args: Vec<OsString> = vec!["--max-connections=12".into()];
    each_private_server(&Options { extra_args, ..Options::default() }, |server| {
        let tenant = Tenant::new(&server, "reserve");
        let mut root = Root::on(&server);
        let setup = workers(&server, &tenant, 2).endpoint("lease_timeout = \"1500ms\"");
        let node = ["max_connections = 50", "reserve = 4"];
        let proxy = setup.first_node(server.address(), &node).start();
        let mut wires: Vec<Wire> = (0..16).map(|_| tenant.connect(proxy.address())).collect();
        // The first login tells it; who comes with it may be one too many for a moment.
        wires[0].scalar("SELECT 1");
        let begun = wires.iter_mut().map(|wire| wire.one("START TRANSACTION"));
        let refused = begun.filter(|reply| matches!(reply, Reply::Err(error) if error.code == 1040));
        assert_eq!(refused.count(), 8);
        assert_eq!(root.connections(&tenant.name).len(), 8);
        let error = wires[15].err("SELECT 1");
        assert!(error.message.contains("all 8 of pool 'app/db1'"), "{error}");
        let log = proxy.log();
        let line = log.lines().find(|line| line.contains("more than its server leaves")).unwrap();
        for part in ["configured: 50", "used: 8", "of the server: 12", "reserve: 4"] {
            assert!(line.contains(part), "{line}");
        }
        // Administrators get in.
        let _others = [(); 3].map(|()| Root::on(&server));
    });
}

/// Sessions for each connection.
const OVERSUBSCRIPTION: usize = 10;
const CONNECTIONS: usize = 6;

#[test]
fn ten_times_as_many_sessions_as_connections_share_them_evenly_and_none_is_refused() {
    each_server(|server| {
        let tenant = Tenant::new(server, "share");
        let limit = format!("max_connections = {CONNECTIONS}");
        let proxy = workers(server, &tenant, 2)
            .first_node(server.address(), &[&limit])
            .endpoint("lease_timeout = \"60s\"")
            .start();
        let counts: Vec<AtomicUsize> = (0..CONNECTIONS * OVERSUBSCRIPTION).map(|_| AtomicUsize::new(0)).collect();
        let (stop, ready) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for count in &counts {
                let (stop, ready, tenant, proxy, all) = (&stop, &ready, &tenant, &proxy, counts.len());
                scope.spawn(move || {
                    let mut wire = tenant.connect(proxy.address());
                    ready.fetch_add(1, Ordering::Relaxed);
                    while ready.load(Ordering::Relaxed) < all {
                        thread::yield_now();
                    }
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(wire.scalar("SELECT SLEEP(0.002)").as_deref(), Some("0"), "nobody is refused");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let total = || counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
            until("many statements", || total() > counts.len() * 40);
            stop.store(true, Ordering::Relaxed);
        });
        let counts: Vec<usize> = counts.into_iter().map(AtomicUsize::into_inner).collect();
        let (least, most) = (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
        assert!(least * 2 >= most, "{counts:?}");
    });
}
