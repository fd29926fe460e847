//! Sessions in different states over few connections: what it costs the server.

use std::time::{Duration, Instant};

use greenroom::demo::server::Options;
use mysql_common::constants::Command;

use super::workers;
use crate::support::{
    observe::{Root, until},
    servers::{Tenant, each_private_server, each_server},
    wire::{Reply, Wire},
};

/// Statements of the server's that restore a state.
fn restores(root: &mut Root) -> u64 {
    ["Com_set_option", "Com_change_db"]
        .iter()
        .map(|name| {
            root.0.rows(&format!("SHOW GLOBAL STATUS LIKE '{name}'"))[0][1].as_ref().unwrap().parse::<u64>().unwrap()
        })
        .sum()
}

#[test]
fn states_that_are_wanted_often_keep_a_connection_each() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "states");
        let other = format!("{}_other", tenant.name);
        tenant.administer(&[
            format!("CREATE DATABASE {other}"),
            format!("GRANT ALL PRIVILEGES ON {other}.* TO {}@'%'", tenant.name),
        ]);
        let mut root = Root::on(&server);
        // Ten connections at most; each worker needs its own for every state.
        let proxy = workers(&server, &tenant, 1).start();
        let states = [
            "DO 0",
            "SET time_zone = '+03:00'",
            "SET sql_mode = 'ANSI_QUOTES'",
            "SET NAMES latin1",
            &format!("USE {other}"),
        ];
        let mut sessions: Vec<_> = (0..50).map(|_| tenant.connect(proxy.address())).collect();
        for (session, state) in sessions.iter_mut().zip(states.iter().cycle()) {
            session.ok(state);
        }
        let mut turn = |rounds: usize| {
            for _ in 0..rounds {
                for (index, session) in sessions.iter_mut().enumerate() {
                    let zone = session.scalar("SELECT @@time_zone").unwrap();
                    assert_eq!(zone == "+03:00", index % 5 == 1, "session {index} is in its own state");
                }
            }
        };
        turn(20);
        let before = restores(&mut root);
        turn(10);
        let restored = restores(&mut root) - before;
        assert!(restored <= 25, "{restored} restored states in 500 statements");
        assert!(root.connections(&tenant.name).len() <= 10);
        drop(sessions);
        tenant.administer(&[format!("DROP DATABASE {other}")]);
    });
}

#[test]
fn a_server_without_room_for_more_is_not_taken_for_down() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "full");
        let mut root = Root::on(&server);
        let proxy = workers(&server, &tenant, 1).start();
        let mut sessions = [(); 2].map(|()| tenant.connect(proxy.address()));
        sessions[0].ok("SET time_zone = '+03:00'");
        // MariaDB's least limit is ten.
        let others: Vec<_> = (0..12).map(|_| tenant.connect(server.address())).collect();
        let connected = root.0.rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0][1].clone().unwrap();
        root.0.ok(&format!("SET GLOBAL max_connections = {connected}"));
        // Long enough for as many attempts as a node is given up after.
        let end = Instant::now() + Duration::from_secs(4);
        while Instant::now() < end {
            for session in &mut sessions {
                assert_eq!(session.scalar("SELECT 1").as_deref(), Some("1"));
            }
        }
        drop(others);
    });
}

/// Connections are opened for several who wait at once; which of them one is for shows when it is refused.
#[test]
fn a_database_that_is_gone_refuses_nobody_who_wants_another() {
    each_server(|server| {
        let tenant = Tenant::new(server, "gone");
        let gone = format!("{}_gone", tenant.name);
        tenant.administer(&[format!("GRANT ALL PRIVILEGES ON {gone}.* TO {}@'%'", tenant.name)]);
        let mut root = Root::on(server);
        let proxy = workers(server, &tenant, 1).start();
        let [mut one, mut other] = [(); 2].map(|()| tenant.connect(proxy.address()));
        for _ in 0..10 {
            root.0.ok(&format!("CREATE DATABASE {gone}"));
            other.ok(&format!("USE {gone}"));
            root.0.ok(&format!("DROP DATABASE {gone}"));
            root.connections(&tenant.name).into_iter().for_each(|id| root.kill(id));
            root.wait_for(&tenant.name, 0);
            until("nothing idles", || proxy.backends("idle") == 0.0);
            for wire in [&mut one, &mut other] {
                wire.send(Command::COM_QUERY, b"SELECT DATABASE()").unwrap();
            }
            let database = |wire: &mut Wire| match wire.replies().unwrap().remove(0) {
                Reply::Rows(rows) => rows.rows[0][0].clone(),
                reply => panic!("{reply:?}"),
            };
            assert_eq!(database(&mut one), Some(tenant.name.clone()));
            assert_eq!(database(&mut other), None);
        }
    });
}
