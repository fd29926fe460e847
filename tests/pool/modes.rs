//! The three modes: whose a connection is, and what of a session the next one finds.

use std::{io::Write, net::Ipv4Addr};

use mysql_common::constants::Command;

use super::one_worker;
use crate::support::{
    observe::{Root, until},
    proxy::Proxy,
    servers::{Tenant, each_server},
    wire::{Login, Wire},
};

/// What a client is in the middle of, and how it gets there.
type Leaving = (&'static str, fn(&mut Wire));

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[test]
fn a_session_pool_gives_a_connection_only_to_the_same_user_address_and_database() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "key"), Tenant::new(server, "other"));
        let mut root = Root::on(server);
        let setup = one_worker(server, &tenant).user(&other.name, &other.password).endpoint("pool = \"session\"");
        let proxy = setup.start();
        let bare = Login::new(&tenant.name, &tenant.password);
        let first = visit(&proxy, &mut root, HERE, &tenant.login(), 1);
        assert_eq!(visit(&proxy, &mut root, HERE, &tenant.login(), 1), first, "all the same: reused");
        let second = visit(&proxy, &mut root, THERE, &tenant.login(), 2);
        assert_ne!(second, first, "another address");
        let third = visit(&proxy, &mut root, HERE, &bare, 3);
        assert!(third != first && third != second, "no database");
        let fourth = visit(&proxy, &mut root, HERE, &other.login(), 4);
        assert!(![first, second, third].contains(&fourth), "another user");
        // Each is found again by its like.
        for (source, login, id) in [(THERE, tenant.login(), second), (HERE, bare, third), (HERE, other.login(), fourth)]
        {
            assert_eq!(visit(&proxy, &mut root, source, &login, 4), id);
        }
    });
}

/// Comes, looks which connection it has, leaves, and waits until it is back among so many idle ones.
fn visit(proxy: &Proxy, root: &mut Root, source: Ipv4Addr, login: &Login, idle: u32) -> u64 {
    let mut wire = Wire::connect_from(source, proxy.address(), login).unwrap();
    let id = root.backend_of(&mut wire);
    assert!(wire.quit().unwrap());
    proxy.wait_until_idle(idle);
    id
}

#[test]
fn a_session_pool_keeps_a_connection_whether_its_client_says_good_bye_or_not() {
    each_server(|server| {
        let tenant = Tenant::new(server, "bye");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant).endpoint("pool = \"session\"").start();
        let first = visit(&proxy, &mut root, HERE, &tenant.login(), 1);
        let mut wire = tenant.connect(proxy.address());
        assert_eq!(root.backend_of(&mut wire), first);
        drop(wire);
        until("no client", || proxy.clients() == 0.0);
        proxy.wait_until_idle(1);
        assert_eq!(visit(&proxy, &mut root, HERE, &tenant.login(), 1), first);
    });
}

#[test]
fn a_session_pool_closes_a_connection_that_its_client_left_in_the_middle_of_something() {
    each_server(|server| {
        let tenant = Tenant::new(server, "middle");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant).endpoint("pool = \"session\"").start();
        tenant.connect(server.address()).ok("CREATE TABLE t (a INT, b LONGTEXT)");
        let leaving: [Leaving; 5] = [
            ("in a transaction", |wire| {
                wire.ok("START TRANSACTION");
                wire.ok("INSERT INTO t VALUES (1, '')");
            }),
            ("without autocommit", |wire| {
                wire.ok("SET autocommit = 0");
                wire.ok("INSERT INTO t VALUES (2, '')");
            }),
            ("before the result", |wire| wire.send(Command::COM_QUERY, b"SELECT SLEEP(3)").unwrap()),
            ("amid a result", |wire| {
                // Far more than the sockets between us hold.
                wire.send(Command::COM_QUERY, b"SELECT REPEAT('x', 8000000)").unwrap();
            }),
            ("amid a command", |wire| {
                let mut begun = (1_000_000_u32).to_le_bytes();
                begun[3] = 0;
                wire.send_raw(&begun).unwrap();
                wire.send_raw(&[&b"\x03INSERT INTO t VALUES (3, '"[..], &[b'x'; 400_000]].concat()).unwrap();
                wire.stream().flush().unwrap();
            }),
        ];
        for (what, leave) in leaving {
            let mut wire = tenant.connect(proxy.address());
            let id = root.backend_of(&mut wire);
            leave(&mut wire);
            if what.contains("command") {
                // The first part is on its way to the server, or it would be no command under way there.
                until("bytes from the client", || proxy.metrics().sum("greenroom_bytes_total", &[]) > 300_000.0);
            }
            drop(wire);
            until(&format!("{what}: closed"), || !root.connections(&tenant.name).contains(&id));
            proxy.wait_until_idle(0);
        }
        let mut wire = tenant.connect(proxy.address());
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"), "all of it was rolled back");
    });
}

#[test]
fn a_session_pool_leaves_nothing_of_a_session_to_the_next() {
    each_server(|server| {
        let tenant = Tenant::new(server, "clean");
        let mut root = Root::on(server);
        tenant.administer(&[
            format!("CREATE DATABASE {}_b", tenant.name),
            format!("GRANT ALL ON {0}_b.* TO {0}@'%'", tenant.name),
        ]);
        let proxy = one_worker(server, &tenant).endpoint("pool = \"session\"").start();
        let look = "SELECT DATABASE(), @@sql_mode, @@character_set_client, @@character_set_results, \
                    @@collation_connection, @@time_zone, @@autocommit, @v, LAST_INSERT_ID(), @@group_concat_max_len";
        let mut wire = tenant.connect(proxy.address());
        let (id, before) = (root.backend_of(&mut wire), wire.rows(look));
        for sql in [
            "SET @v = 'mine', sql_mode = 'ANSI_QUOTES', time_zone = '+07:00', group_concat_max_len = 77",
            "CREATE TEMPORARY TABLE temporary (a INT)",
            "SET NAMES latin1",
            "PREPARE p FROM 'SELECT 1'",
            "DO LAST_INSERT_ID(4711)",
            "LOCK TABLES temporary WRITE",
            &format!("USE {}_b", tenant.name),
        ] {
            wire.ok(sql);
        }
        assert_ne!(wire.rows(look), before);
        wire.quit().unwrap();
        proxy.wait_until_idle(1);
        let mut next = tenant.connect(proxy.address());
        assert_eq!(root.backend_of(&mut next), id, "the same connection");
        assert_eq!(next.rows(look), before);
        assert_eq!(next.err("SELECT * FROM temporary").code, 1146);
        assert_eq!(next.err("EXECUTE p").code, 1243);
        tenant.administer(&[format!("DROP DATABASE {}_b", tenant.name)]);
    });
}

#[test]
fn a_session_pool_gives_a_connection_that_had_a_role_to_nobody() {
    each_server(|server| {
        let tenant = Tenant::new(server, "role");
        let mut root = Root::on(server);
        let role = format!("{}_role", tenant.name);
        tenant.administer(&[format!("CREATE ROLE {role}"), format!("GRANT {role} TO {}@'%'", tenant.name)]);
        let proxy = one_worker(server, &tenant).endpoint("pool = \"session\"").start();
        // Set to nothing again, it has had one all the same.
        for statements in [&[&*format!("SET ROLE {role}")][..], &[&*format!("SET ROLE {role}"), "SET ROLE NONE"]] {
            let mut wire = tenant.connect(proxy.address());
            let id = root.backend_of(&mut wire);
            statements.iter().for_each(|sql| drop(wire.ok(sql)));
            wire.quit().unwrap();
            until("closed", || !root.connections(&tenant.name).contains(&id));
        }
        tenant.administer(&[format!("DROP ROLE {role}")]);
    });
}

#[test]
fn without_a_pool_every_session_has_a_connection_of_its_own() {
    each_server(|server| {
        let tenant = Tenant::new(server, "none");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant).endpoint("pool = \"none\"").start();
        let mut wires: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
        let ids = root.wait_for(&tenant.name, 3);
        let mut seen: Vec<u64> = wires.iter_mut().map(|wire| root.backend_of(wire)).collect();
        seen.sort_unstable();
        assert_eq!(seen, ids);
        wires.pop().unwrap().quit().unwrap();
        root.wait_for(&tenant.name, 2);
        drop(wires);
        root.wait_for(&tenant.name, 0);
        let mut fresh = tenant.connect(proxy.address());
        assert!(!ids.contains(&root.backend_of(&mut fresh)));
    });
}

#[test]
fn a_transaction_pool_opens_nothing_at_login_and_one_connection_serves_many() {
    each_server(|server| {
        let tenant = Tenant::new(server, "lazy");
        let mut root = Root::on(server);
        let proxy = one_worker(server, &tenant).start();
        let bare = Login::new(&tenant.name, &tenant.password);
        let mut wires: Vec<Wire> = (0..5).map(|_| Wire::connect(proxy.address(), &bare).unwrap()).collect();
        assert!(root.connections(&tenant.name).is_empty(), "a login needs no server");
        assert!(Wire::connect(proxy.address(), &Login::new(&tenant.name, "guess")).is_err());
        for wire in &mut wires {
            assert_eq!(wire.scalar("SELECT 7").as_deref(), Some("7"));
        }
        assert_eq!(root.connections(&tenant.name).len(), 1);
        // Two transactions at once need two.
        wires[0].ok("START TRANSACTION");
        wires[1].ok("START TRANSACTION");
        assert_eq!(root.connections(&tenant.name).len(), 2);
    });
}
