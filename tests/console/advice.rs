//! `SHOW ADVICE`: what the running proxy recommends by what it has really served.

use mysql_common::constants::Command;

use crate::{
    cell, console,
    support::{
        observe::until,
        proxy::Setup,
        servers::{Tenant, each_server},
    },
};

/// More of these at once than are few.
const MANY: usize = 25;

#[test]
fn many_idle_sessions_that_share_want_a_transaction_pool_of_the_size_that_they_used() {
    each_server(|server| {
        let tenant = Tenant::new(server, "idlers");
        tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 40"]);
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut sessions: Vec<_> = (0..MANY).map(|_| tenant.connect(proxy.address())).collect();
        for round in 0..40 {
            for at in 0..3 {
                sessions[(round + at) % MANY].ok("BEGIN");
                sessions[(round + at) % MANY].ok("INSERT INTO t VALUES (1)");
            }
            (0..3).for_each(|at| {
                _ = sessions[(round + at) % MANY].ok("COMMIT");
            });
        }
        let mut admin = console(&proxy);
        let mine = format!("SHOW ADVICE WHERE user = '{}'", tenant.name);
        let row = admin.result(&mine);
        let of = |column| cell(&row, column).unwrap();
        assert_eq!(["endpoint", "database", "pool", "basis"].map(of), ["app", &tenant.name, "transaction", "leases"]);
        assert_eq!(["advice", "reason"].map(of), ["transaction", "many_mostly_idle"], "{}", of("why"));
        assert_eq!(
            ["connections", "connections_at_once", "leases"].map(of),
            [&MANY.to_string(), &MANY.to_string(), "120"]
        );
        assert_eq!(["statements", "pinned_sessions", "pins"].map(of), ["360", "0", ""]);
        // Others' leases are heard of a tenth of a second late: of three on two workers, some may not be seen, or some twice.
        let size: u64 = of("size").parse().unwrap();
        assert!((1..=6).contains(&size), "{size}");
        // What leaves pinned, and why.
        for session in &mut sessions[..MANY / 2] {
            session.ok("CREATE TEMPORARY TABLE mine SELECT 'hush' AS a");
        }
        until("they are pinned", || cell(&admin.result(&mine), "pinned_sessions") == Some((MANY / 2).to_string()));
        let row = admin.result(&mine);
        let of = |column| cell(&row, column).unwrap();
        assert_eq!(["advice", "reason"].map(of), ["none", "lasting_and_pinned"], "{}", of("why"));
        assert_eq!(of("pins"), format!("temporary_table:{}", MANY / 2));
        assert_eq!(of("statement"), "CREATE TEMPORARY TABLE mine SELECT ? AS a");
        sessions.into_iter().for_each(|session| {
            _ = session.quit().unwrap();
        });
        // Every statement that pinned is named, with its own count and what to do instead.
        let causes = format!("SHOW CAUSES WHERE user = '{}'", tenant.name);
        let row = admin.result(&causes);
        let of = |column| cell(&row, column).unwrap();
        assert_eq!(["endpoint", "database", "reason"].map(of), ["app", &tenant.name, "temporary_table"]);
        assert_eq!(of("count"), (MANY / 2).to_string());
        assert_eq!(of("statement"), "CREATE TEMPORARY TABLE mine SELECT ? AS a");
        assert!(of("remedy").starts_with("use a regular table"), "{}", of("remedy"));
        let mut locking = tenant.connect(proxy.address());
        locking.ok("DO GET_LOCK('hush', 1)");
        until("there is another", || admin.rows(&causes).len() == 2);
        let fewest = admin.result(&format!("{causes} ORDER BY count LIMIT 1"));
        assert_eq!(cell(&fewest, "reason").as_deref(), Some("user_lock"));
        assert_eq!(cell(&fewest, "statement").as_deref(), Some("DO GET_LOCK(?, ?)"));
        locking.ok("DO RELEASE_LOCK('hush')");
        locking.quit().unwrap();
        // The counts outlive them.
        until("nobody is there", || proxy.clients() == 0.0);
        let row = admin.result(&mine);
        assert_eq!(cell(&row, "pinned_sessions"), Some((MANY / 2).to_string()));
        assert_eq!(cell(&row, "connections_at_once"), Some(MANY.to_string()));
    });
}

#[test]
fn sessions_with_connections_of_their_own_are_judged_by_their_transactions() {
    each_server(|server| {
        for mode in ["none", "session"] {
            let tenant = Tenant::new(server, "own");
            tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.environment("GREENROOM__SERVER__WORKERS", "1");
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            let mut sessions: Vec<_> = (0..6).map(|_| tenant.connect(proxy.address())).collect();
            for session in &mut sessions {
                session.result("SELECT 1");
            }
            sessions[..2].iter_mut().for_each(|session| {
                _ = session.ok("BEGIN");
            });
            sessions[..2].iter_mut().for_each(|session| {
                _ = session.ok("INSERT INTO t VALUES (1)");
            });
            sessions[..2].iter_mut().for_each(|session| {
                _ = session.ok("COMMIT");
            });
            let mut admin = console(&proxy);
            let row = admin.result(&format!("SHOW ADVICE WHERE user = '{}'", tenant.name));
            assert_eq!(cell(&row, "pool").as_deref(), Some(mode));
            assert_eq!(cell(&row, "basis").as_deref(), Some("transactions"));
            let of = |column| cell(&row, column).unwrap();
            assert_eq!(["leases", "size", "size_max", "connections_at_once"].map(of), ["8", "2", "2", "6"]);
            assert_eq!((cell(&row, "pinned_sessions"), cell(&row, "pins")), (None, None));
            // What would pin is not known there, so nothing is named.
            sessions[0].ok("DO GET_LOCK('mine', 1)");
            assert!(admin.rows("SHOW CAUSES").is_empty());
        }
    });
}

#[test]
fn who_asks_for_statistics_all_the_time_is_better_without_a_pool() {
    each_server(|server| {
        let tenant = Tenant::new(server, "asking");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let mut session = tenant.connect(proxy.address());
        for _ in 0..100 {
            session.send(Command::COM_STATISTICS, b"").unwrap();
            session.packet().unwrap();
        }
        let mut admin = console(&proxy);
        let row = admin.result(&format!("SHOW ADVICE WHERE user = '{}'", tenant.name));
        assert_eq!(cell(&row, "reason").as_deref(), Some("frequent_statistics"));
        assert_eq!(cell(&row, "advice").as_deref(), Some("none"));
    });
}
