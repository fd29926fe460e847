//! A transaction pool in the shadow of another mode: what it says it would do is what the pool does, and nothing of it is done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use greenroom::demo::server::{Options, ROOT, Server};
use mysql_common::constants::Command;
use support::{
    observe::until,
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy, Setup},
    servers::{Tenant, each_private_server, each_server},
    wire::{Login, Param, Rows, Wire, execute_body},
};

/// What sessions do, one session each.
const SESSIONS: &[&[&str]] = &[
    &["SELECT 1"],
    &["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"],
    &["SET autocommit = 0", "SELECT * FROM t", "ROLLBACK"],
    &["SET NAMES latin1", "SET sql_mode = ''", "SET time_zone = '+01:00'", "SELECT 1"],
    &["SET @a = 5", "SET @b = @a + 1", "SELECT @b"],
    &["DO 0; SET @a = 1"],
    &["PREPARE s FROM 'SELECT 1'", "EXECUTE s"],
    &["PREPARE s FROM 'SELECT 1'", "DEALLOCATE PREPARE s"],
    &["CREATE TEMPORARY TABLE tmp (a INT)", "INSERT INTO tmp VALUES (1)"],
    &["CREATE TEMPORARY TABLE tmp SELECT 1 AS a", "DROP TEMPORARY TABLE tmp"],
    &["CREATE TEMPORARY TABLE one (a INT)", "CREATE TEMPORARY TABLE two (a INT)", "DROP TEMPORARY TABLE one"],
    &["LOCK TABLES t WRITE", "SELECT * FROM t"],
    &["LOCK TABLES t WRITE", "UNLOCK TABLES"],
    &["DO GET_LOCK('{db}', 0)"],
    &["DO GET_LOCK('{db}', 0)", "DO RELEASE_ALL_LOCKS()"],
    &["HANDLER t OPEN", "HANDLER t READ FIRST"],
    &["HANDLER t OPEN", "HANDLER t CLOSE"],
    &["XA START '{db}'", "XA END '{db}'", "XA ROLLBACK '{db}'"],
    &["SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", "DO 0"],
    &["SELECT CAST('x' AS SIGNED)", "SHOW WARNINGS"],
    &["SELECT * FROM nosuch", "SELECT 1"],
    &["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN", "COMMIT"],
    &["SET profiling = 1"],
    &["SET insert_id = 5000"],
    &["SELECT 1; SELECT 2"],
];

fn proxy(server: &Server, tenant: &Tenant, lines: &[&str]) -> Proxy {
    let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 60"]);
    let setup = lines.iter().fold(setup, |setup, line| setup.endpoint(line));
    setup.user(&tenant.name, &tenant.password).user(ROOT.user, ROOT.password).start()
}

fn root(proxy: &Proxy, tenant: &Tenant) -> Wire {
    Wire::connect(proxy.address(), &Login::new(ROOT.user, ROOT.password).database(&tenant.name)).unwrap()
}

/// Runs one session's statements; their outcome does not matter.
fn play(proxy: &Proxy, tenant: &Tenant, statements: &[&str]) {
    let mut wire = root(proxy, tenant);
    for sql in statements {
        wire.query(&sql.replace("{db}", &tenant.name)).unwrap();
    }
    wire.quit().unwrap();
    until("it has left", || proxy.clients() == 0.0);
}

/// Pins begun so far, with their reasons.
fn pins(proxy: &Proxy, metric: &str) -> BTreeSet<(String, u64)> {
    let text = proxy.get("/metrics").1;
    let own = text.lines().filter(|line| line.starts_with(&format!("{metric}{{")));
    let pin = |line: &str| {
        let reason = line.split("reason=\"").nth(1)?.split('"').next()?.to_owned();
        Some((reason, line.rsplit(' ').next()?.parse::<f64>().ok()? as u64))
    };
    own.filter_map(pin).collect()
}

fn advice(proxy: &Proxy, user: &str) -> Rows {
    let login = Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database();
    Wire::connect(proxy.admin(), &login).unwrap().result(&format!("SHOW ADVICE WHERE user = '{user}'"))
}

fn cell(rows: &Rows, column: &str) -> String {
    let at = rows.columns.iter().position(|known| known.name == column).unwrap();
    rows.rows[0][at].clone().unwrap_or_else(|| "NULL".into())
}

#[test]
fn what_would_have_pinned_is_what_pins() {
    each_server(|server| {
        for pinning in ["tracked", "strict"] {
            let tenant = Tenant::new(server, "shadow");
            tenant.administer(&[
                format!("CREATE TABLE {}.t (a INT AUTO_INCREMENT PRIMARY KEY)", tenant.name),
                format!("INSERT INTO {}.t VALUES (1), (2)", tenant.name),
            ]);
            let pinning = format!("pinning = \"{pinning}\"");
            let real = proxy(server, &tenant, &[&pinning]);
            let shadow = proxy(server, &tenant, &[&pinning, "pool = \"none\"", "shadow = \"transaction\""]);
            let (mut pinned, mut would) = ("0".to_owned(), "0".to_owned());
            for statements in SESSIONS {
                let before = [pins(&real, "greenroom_pins_total"), pins(&shadow, "greenroom_shadow_pins_total")];
                play(&real, &tenant, statements);
                play(&shadow, &tenant, statements);
                let new = |proxy, metric, before: &BTreeSet<_>| -> BTreeSet<String> {
                    pins(proxy, metric).difference(before).map(|(reason, _)| reason.clone()).collect()
                };
                let did = new(&real, "greenroom_pins_total", &before[0]);
                let would_have = new(&shadow, "greenroom_shadow_pins_total", &before[1]);
                assert_eq!(would_have, did, "{pinning}: {statements:?}");
                let held = [
                    cell(&advice(&real, ROOT.user), "pinned_sessions"),
                    cell(&advice(&shadow, ROOT.user), "pinned_sessions"),
                ];
                let more = [held[0] != pinned, held[1] != would];
                assert_eq!(more[0], more[1], "{pinning}: {statements:?}: held to the end");
                [pinned, would] = held;
            }
            assert!(pins(&shadow, "greenroom_pins_total").is_empty(), "nothing is pinned where nothing is shared");
            assert_ne!(pinned, "0");
        }
    });
}

#[test]
fn the_size_is_that_of_the_transactions_and_pins_that_overlapped() {
    each_server(|server| {
        for mode in ["none", "session"] {
            let tenant = Tenant::new(server, "sizes");
            tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
            let lines = [&*format!("pool = \"{mode}\""), "shadow = \"transaction\""];
            let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 60"]);
            let setup = lines.iter().fold(setup, |setup, line| setup.endpoint(line));
            let setup = setup.environment("GREENROOM__SERVER__WORKERS", "1");
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            let mut sessions: Vec<_> = (0..8).map(|_| tenant.connect(proxy.address())).collect();
            sessions.iter_mut().for_each(|session| drop(session.result("SELECT 1")));
            sessions[..2].iter_mut().for_each(|session| drop(session.ok("BEGIN")));
            sessions[2].ok("CREATE TEMPORARY TABLE held (a INT)");
            sessions[3].result("SELECT 1");
            sessions[..2].iter_mut().for_each(|session| drop(session.ok("COMMIT")));
            for user in [tenant.name.as_str(), "(all)"] {
                let row = advice(&proxy, user);
                let of = |column| cell(&row, column);
                assert_eq!(["pool", "basis"].map(of), [mode, "shadow"]);
                // Two in transactions, one pinned, one with a statement.
                assert_eq!(["leases", "size", "size_max"].map(of), ["12", "4", "4"], "{user}");
                assert_eq!(["connections_at_once", "saved_connections", "saved_logins"].map(of), ["8", "4", "4"]);
                assert_eq!(["pinned_sessions", "pins"].map(of), ["1", "temporary_table:1"]);
                assert_eq!(of("statement"), "CREATE TEMPORARY TABLE held (a INT)");
            }
            sessions[2].ok("DROP TEMPORARY TABLE held");
            assert_eq!(cell(&advice(&proxy, &tenant.name), "pinned_sessions"), "0");
            until("the counts are handed over", || {
                let metrics = proxy.metrics();
                metrics.sum("greenroom_shadow_leases_total", &["endpoint=\"app\""]) == 12.0
                    && metrics.sum("greenroom_shadow_connections_count", &["endpoint=\"app\""]) == 12.0
            });
        }
    });
}

#[test]
fn open_cursors_hold_until_the_last_of_them_is_closed_as_in_a_pool() {
    each_server(|server| {
        let tenant = Tenant::new(server, "cursors");
        tenant.administer(&[
            format!("CREATE TABLE {}.t (a INT)", tenant.name),
            format!("INSERT INTO {}.t VALUES (1), (2), (3)", tenant.name),
        ]);
        let setup = Setup::new(server.address()).endpoint("pool = \"none\"").endpoint("shadow = \"transaction\"");
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut session = tenant.connect(proxy.address());
        let statements = [1, 2].map(|_| session.prepare("SELECT a FROM t WHERE a < ?").unwrap());
        let counts = || {
            let row = advice(&proxy, &tenant.name);
            ["leases", "statements", "size"].map(|column| cell(&row, column))
        };
        let open = |session: &mut Wire, at: usize| {
            session.send(Command::COM_STMT_EXECUTE, &execute_body(statements[at].id, 1, &[Param::Int(9)])).unwrap();
            session.executed().unwrap();
        };
        // Each is prepared in a lease of its own.
        assert_eq!(counts(), ["2", "0", "1"]);
        open(&mut session, 0);
        open(&mut session, 1);
        assert_eq!(counts(), ["3", "2", "1"], "the first holds it for the second");
        session.close(&statements[0]).unwrap();
        session.result("SELECT 1");
        assert_eq!(counts(), ["3", "3", "1"], "the second holds it yet");
        session.close(&statements[1]).unwrap();
        session.result("SELECT 1");
        session.result("SELECT 1");
        assert_eq!(counts(), ["5", "5", "1"], "none holds it, and what has no answer is no statement");
        // Long data goes where the execution goes.
        let long = session.prepare("SELECT LENGTH(?)").unwrap();
        for _ in 0..3 {
            let data = [&long.id.to_le_bytes()[..], &[0, 0], b"part"].concat();
            session.send(Command::COM_STMT_SEND_LONG_DATA, &data).unwrap();
        }
        session.execute(&long, &[Param::Text("")]).unwrap();
        assert_eq!(counts(), ["7", "6", "1"]);
        session.send(Command::COM_SET_OPTION, &[1, 0]).unwrap();
        session.packet().unwrap();
        assert_eq!(cell(&advice(&proxy, &tenant.name), "pins"), "session_option:1");
    });
}

#[test]
fn servers_see_nothing_of_it() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "unseen");
        tenant.administer(&[format!("CREATE TABLE {}.t (a INT)", tenant.name)]);
        let seen = |lines: &[&str]| {
            tenant.administer(&[format!("TRUNCATE TABLE {}.t", tenant.name)]);
            let log = server.directory().join(format!("general-{}.log", lines.len()));
            let mut admin = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
            let proxy = proxy(&server, &tenant, lines);
            admin.ok(&format!("SET GLOBAL general_log_file = '{}'", log.display()));
            admin.ok("SET GLOBAL general_log = ON");
            // MariaDB writes no time where the second is that of the entry before, be that in another file (measured).
            admin.ok("DO SLEEP(1)");
            let mut replies = Vec::new();
            for statements in SESSIONS {
                let mut wire = tenant.connect(proxy.address());
                for sql in *statements {
                    let sql = sql.replace("{db}", &tenant.name);
                    replies.push(format!("{:?}", wire.query(&sql).unwrap()));
                }
                wire.quit().unwrap();
                until("it has left", || proxy.clients() == 0.0);
            }
            let left = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{}'", tenant.name);
            until("the server has heard so", || admin.scalar(&left).as_deref() == Some("0"));
            admin.ok("SET GLOBAL general_log = OFF");
            (replies, commands(&fs::read_to_string(log).unwrap(), &tenant.name))
        };
        let without = seen(&["pool = \"none\""]);
        let with = seen(&["pool = \"none\"", "shadow = \"transaction\""]);
        assert!(without.1.len() > 60, "{:?}", without.1);
        assert_eq!(with, without);
    });
}

/// What connections of a user did, without times and ids.
fn commands(log: &str, user: &str) -> Vec<String> {
    use greenroom_protocol::general_log::{Deed, Login, Reader, login};
    let (mut reader, mut own) = (Reader::new(), BTreeMap::<u64, Vec<String>>::new());
    let mut each = |entry: greenroom_protocol::general_log::Entry<'_>| {
        if entry.deed == Deed::Connect
            && matches!(login(entry.text), Some(Login::In { user: who, .. }) if who == user.as_bytes())
        {
            own.insert(entry.thread, Vec::new());
        }
        // One's end may be written behind the next one's beginning.
        if let Some(all) = own.get_mut(&entry.thread) {
            all.push(format!("{:?} {}", entry.deed, String::from_utf8_lossy(entry.text)));
        }
    };
    reader.feed(log.as_bytes(), &mut each);
    reader.finish(&mut each);
    own.into_values().flatten().collect()
}
