//! Single connections killed by the server's administrator.

use std::time::{Duration, Instant};

use greenroom::demo::server::Flavor;
use mysql_common::constants::{CapabilityFlags, Command, StatusFlags};

use super::setup;
use crate::support::{
    observe::{Root, until},
    servers::{Tenant, each_server},
    wire::{Reply, Wire, WireError},
};

#[test]
fn an_idle_connection_that_was_killed_is_replaced_silently() {
    each_server(|server| {
        let tenant = Tenant::new(server, "idle");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE t (a INT)");
        // Many times over: such an end says nothing about the server, however often it happens.
        for round in 0..40 {
            wire.ok(&format!("INSERT INTO t VALUES ({round})"));
            for id in root.connections(&tenant.name) {
                root.kill(id);
            }
            root.wait_for(&tenant.name, 0);
            until("nothing idles", || proxy.backends("idle") == 0.0);
        }
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("40"));
        assert!(!proxy.log().contains("node is down"), "{}", proxy.log());
    });
}

#[test]
fn a_connection_killed_right_before_a_read_is_replaced_silently() {
    each_server(|server| {
        let tenant = Tenant::new(server, "race");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        for _ in 0..40 {
            wire.scalar("SELECT 1");
            let ids = root.connections(&tenant.name);
            ids.into_iter().for_each(|id| root.kill(id));
            // No waiting: the proxy may or may not have noticed.
            assert_eq!(wire.scalar("SELECT 2").as_deref(), Some("2"));
            let ids = root.connections(&tenant.name);
            ids.into_iter().for_each(|id| root.kill(id));
            assert!(wire.rows("SHOW WARNINGS").is_empty(), "there were none");
        }
    });
}

#[test]
fn a_statement_whose_connection_is_killed_has_an_unknown_outcome() {
    each_server(|server| {
        let tenant = Tenant::new(server, "unknown");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE t (a INT)");
        wire.ok("SET time_zone = '+05:00'");
        for _ in 0..3 {
            wire.send(Command::COM_QUERY, b"INSERT INTO t SELECT SLEEP(15)").unwrap();
            let id = running(&mut root, &tenant);
            root.kill(id);
            let begun = Instant::now();
            let replies = wire.replies().unwrap();
            match replies.as_slice() {
                // The server may still have told that it was interrupted; else only we can say something.
                [Reply::Err(error)] => assert!([1105, 1317, 1927, 1053].contains(&error.code), "{error}"),
                // On a busy machine MariaDB's sleep, cut short, may also be told of before its connection ends.
                [Reply::Ok(ok)] if server.flavor() == Flavor::MariaDb => assert_eq!(ok.affected_rows, 1),
                replies => panic!("{replies:?}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(10));
            assert_eq!(wire.scalar("SELECT @@time_zone").as_deref(), Some("+05:00"), "the session lives on as it was");
        }
        // Whether anything was inserted is what nobody knows (MariaDB inserts, MySQL does not).
        assert!(wire.scalar("SELECT COUNT(*) FROM t").is_some());
    });
}

#[test]
fn a_load_whose_connection_is_killed_is_told_of_in_step() {
    each_server(|server| {
        let tenant = Tenant::new(server, "load");
        tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let login = tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
        let mut wire = Wire::connect(proxy.address(), &login).unwrap();
        wire.ok("CREATE TABLE t (a INT)");
        let asked = wire.one("LOAD DATA LOCAL INFILE 'f' INTO TABLE t (@a) SET a = SLEEP(15)");
        assert_eq!(asked, Reply::Infile("f".into()));
        wire.send_file(b"1\n").unwrap();
        let id = running(&mut root, &tenant);
        root.kill(id);
        // Its sequence id follows on the file's: else this fails.
        let answer = wire.packet().unwrap().payload;
        let code = answer.get(1..3).map(|code| u16::from_le_bytes([code[0], code[1]]));
        let told = answer[0] == 0xFF && [1105, 1317, 1927, 1053].map(Some).contains(&code);
        assert!(told || answer[0] == 0 && server.flavor() == Flavor::MariaDb, "{answer:?}");
        assert_eq!(wire.scalar("SELECT 3").as_deref(), Some("3"), "the session lives on");
    });
}

/// The connection on which the tenant's statement runs by now.
fn running(root: &mut Root, tenant: &Tenant) -> u64 {
    let sql = format!(
        "SELECT id FROM information_schema.processlist WHERE user = '{}' AND info LIKE '%SLEEP(%'",
        tenant.name
    );
    let mut id = None;
    until("the statement runs", || {
        id = root.0.scalar(&sql);
        id.is_some()
    });
    id.unwrap().parse().unwrap()
}

#[test]
fn a_read_whose_connection_is_lost_is_run_again() {
    each_server(|server| {
        let tenant = Tenant::new(server, "again");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.send(Command::COM_QUERY, b"SELECT SLEEP(1.5), 'done'").unwrap();
        let id = running(&mut root, &tenant);
        root.kill(id);
        let replies = wire.replies().unwrap();
        match replies.as_slice() {
            [Reply::Rows(rows)] => assert_eq!(rows.rows[0][1].as_deref(), Some("done")),
            // What the server itself said is passed on.
            [Reply::Err(error)] => assert!([1317, 1927].contains(&error.code), "{error}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(wire.scalar("SELECT 3").as_deref(), Some("3"));
    });
}

#[test]
fn a_transaction_whose_connection_is_killed_is_lost_and_nothing_runs_as_if_it_were_open() {
    each_server(|server| {
        let tenant = Tenant::new(server, "lost");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE t (a INT)");
        for round in 0..3 {
            wire.ok("START TRANSACTION");
            wire.ok("INSERT INTO t VALUES (1)");
            let ids = root.connections(&tenant.name);
            ids.into_iter().for_each(|id| root.kill(id));
            root.wait_for(&tenant.name, 0);
            let error = wire.err("INSERT INTO t VALUES (2)");
            assert_eq!((error.code, error.state.as_str()), (1180, "HY000"), "round {round}: {error}");
            assert!(error.message.contains("Transaction lost"), "{error}");
            let status = wire.ok_ping();
            assert!(!status.in_transaction(), "the session is in no transaction any more");
            assert!(status.has(StatusFlags::SERVER_STATUS_AUTOCOMMIT));
            // A COMMIT now commits nothing, and what comes next is a statement of its own.
            assert!(!wire.ok("COMMIT").in_transaction());
            assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"));
        }
    });
}

#[test]
fn what_was_sent_behind_a_statement_of_a_lost_transaction_does_not_run_outside_it() {
    each_server(|server| {
        let tenant = Tenant::new(server, "behind");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE t (a INT)");
        wire.ok("START TRANSACTION");
        wire.ok("INSERT INTO t VALUES (1)");
        root.connections(&tenant.name).into_iter().for_each(|id| root.kill(id));
        root.wait_for(&tenant.name, 0);
        let both = ["INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)"]
            .map(|sql| [&(sql.len() as u32 + 1).to_le_bytes()[..3], b"\0\x03", sql.as_bytes()].concat());
        wire.send_raw(&both.concat()).unwrap();
        let replies = wire.replies().unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Err(error)] if error.code == 1180), "{replies:?}");
        assert!(wire.replies().is_err(), "the client could not know, and is to begin anew");
        let mut next = tenant.connect(proxy.address());
        assert_eq!(next.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"));
    });
}

#[test]
fn a_pinned_session_whose_connection_is_killed_is_told_and_ended() {
    each_server(|server| {
        let tenant = Tenant::new(server, "pinned");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TEMPORARY TABLE t (a INT)");
        let ids = root.connections(&tenant.name);
        ids.into_iter().for_each(|id| root.kill(id));
        root.wait_for(&tenant.name, 0);
        // What the session had there is gone: it can not go on as if nothing had happened.
        match wire.query("INSERT INTO t VALUES (1)") {
            Ok(replies) => assert!(matches!(replies.as_slice(), [Reply::Err(_)]), "{replies:?}"),
            Err(error) => assert!(matches!(error, WireError::Io(_)), "{error}"),
        }
        match wire.query("SELECT COUNT(*) FROM t") {
            Ok(replies) => assert!(matches!(replies.as_slice(), [Reply::Err(_)]), "{replies:?}"),
            Err(error) => assert!(matches!(error, WireError::Io(_)), "{error}"),
        }
        until("rest", || proxy.is_at_rest() || proxy.clients() == 1.0);
        let mut next = tenant.connect(proxy.address());
        assert_eq!(next.err("SELECT * FROM t").code, 1146);
    });
}

#[test]
fn a_connection_that_is_kept_for_warnings_alone_is_replaced_but_for_the_warnings() {
    each_server(|server| {
        let tenant = Tenant::new(server, "warned");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, 4).start();
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE t (a INT)");
        let mut fail_and_lose = |wire: &mut Wire| {
            assert_eq!(wire.err("SELECT * FROM nosuch").code, 1146);
            root.connections(&tenant.name).into_iter().for_each(|id| root.kill(id));
            root.wait_for(&tenant.name, 0);
        };
        for _ in 0..3 {
            fail_and_lose(&mut wire);
            assert_eq!(wire.scalar("SELECT ROW_COUNT()").as_deref(), Some("-1"));
            fail_and_lose(&mut wire);
            wire.ok("INSERT INTO t VALUES (1)");
            fail_and_lose(&mut wire);
            // MariaDB keeps them while no statement with a table comes.
            wire.ok("DO 0");
            if server.flavor() == Flavor::MariaDb {
                assert!(wire.err("SHOW WARNINGS").message.contains("Warnings lost"));
            }
            assert!(wire.rows("SHOW WARNINGS").is_empty(), "told once, or emptied by the statement before");
            fail_and_lose(&mut wire);
            let error = wire.err("SELECT @@warning_count");
            assert!(error.code == 1105 && error.message.contains("Warnings lost"), "{error}");
        }
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("3"));
    });
}
