//! Statements by their shapes, and those that are slow, through the whole proxy on real servers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{
    observe::until,
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::{Login, Param, Reply, Wire},
};

const ON: &str = "[queries]\nquery_statistics = true\n";

fn console(proxy: &Proxy) -> Wire {
    Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).unwrap()
}

/// A row of `SHOW QUERIES` by its columns; NULLs are left out.
type Row = BTreeMap<String, String>;

fn shown(admin: &mut Wire, what: &str) -> Vec<Row> {
    let table = admin.result(what);
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let row = |cells: Vec<Option<String>>| names.iter().cloned().zip(cells).filter_map(|(name, it)| Some((name, it?)));
    table.rows.into_iter().map(|cells| row(cells).collect()).collect()
}

/// The only row of that shape, if there is one.
fn of(admin: &mut Wire, shape: &str) -> Option<Row> {
    let mut rows = shown(admin, "SHOW QUERIES");
    rows.retain(|row| row.get("shape").is_some_and(|it| it == shape));
    assert!(rows.len() < 2, "{rows:?}");
    rows.pop()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn counts(row: &Row) -> [f64; 4] {
    ["count", "errors", "rows_returned", "rows_affected"].map(|column| number(row, column))
}

/// What is counted is counted when the client has its answer already.
fn comes_to(admin: &mut Wire, shape: &str, expected: [f64; 4]) -> Row {
    let mut last = None;
    until(&format!("{shape} comes to {expected:?}"), || {
        last = of(admin, shape);
        last.as_ref().is_some_and(|row| counts(row) == expected)
    });
    last.unwrap()
}

#[test]
fn statements_are_counted_by_their_shapes_in_every_mode_whether_prepared_or_not() {
    each_server(|server| {
        for mode in ["transaction", "session", "none"] {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "shapes");
            let proxy = Setup::new(server.address())
                .user(&tenant.name, &tenant.password)
                .endpoint(&format!("pool = \"{mode}\""))
                .extra(ON)
                .start();
            let mut admin = console(&proxy);
            let mut session = tenant.connect(proxy.address());
            session.ok("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)) -- hush-hush");
            session.ok("INSERT INTO t VALUES (1, 'hush-hush'), (2, \"b\"), (3, NULL)");
            session.ok("INSERT INTO t VALUES (4, 'd'),  (5, 'hush-hush')");
            for id in 1..=3 {
                session.rows(&format!("SELECT a FROM t WHERE id = {id} OR a = 'hush-hush'"));
            }
            let statement = session.prepare("SELECT a FROM t WHERE id = ? OR a = ?").unwrap();
            for id in 1..=2 {
                session.execute(&statement, &[Param::Int(id), Param::Text("hush-hush")]).unwrap();
            }
            session.ok("UPDATE t SET a = 'hush-hush!' WHERE id IN (1, 2, 5)");
            for _ in 0..2 {
                session.err("SELECT nothing FROM t WHERE a = 'hush-hush'");
            }
            // 1 and 5 have that text: 2 + 3 + 3 rows as text, 2 + 3 prepared.
            let row = comes_to(&mut admin, "SELECT a FROM t WHERE id = ? OR a = ?", [5.0, 0.0, 13.0, 0.0]);
            let told = ["endpoint", "user", "database"].map(|column| row[column].as_str());
            assert_eq!(told, ["app", &tenant.name, &tenant.name]);
            let [total, mean, p99, max, last] =
                ["total_seconds", "mean_seconds", "p99_seconds", "max_seconds", "last_seconds"]
                    .map(|it| number(&row, it));
            assert!(total >= max && max >= p99 && p99 > 0.0 && (mean - total / 5.0).abs() < 1e-5, "{row:?}");
            assert!(last < 60.0, "{row:?}");
            comes_to(&mut admin, "INSERT INTO t VALUES (?, …), …", [2.0, 0.0, 0.0, 5.0]);
            comes_to(&mut admin, "UPDATE t SET a = ? WHERE id IN (?, …)", [1.0, 0.0, 0.0, 3.0]);
            let failed = comes_to(&mut admin, "SELECT nothing FROM t WHERE a = ?", [2.0, 2.0, 0.0, 0.0]);
            assert!(mode != "transaction" || failed["pin_reasons"] == "diagnostics:1", "{failed:?}");
            let all = format!("{:?}", shown(&mut admin, "SHOW QUERIES"));
            assert!(!all.contains("hush"), "{all}");
        }
    });
}

#[test]
fn several_results_and_cursors_are_counted_whole() {
    let server = mariadb();
    let tenant = Tenant::new(server, "results");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(ON).start();
    let mut admin = console(&proxy);
    let mut session = tenant.connect(proxy.address());
    session.ok("CREATE TABLE t (a INT)");
    assert_eq!(
        session.query("INSERT INTO t VALUES (1), (2); SELECT a FROM t; SELECT 7; DELETE FROM t").unwrap().len(),
        4
    );
    let shape = "INSERT INTO t VALUES (?), …; SELECT a FROM t; SELECT ?; DELETE FROM t";
    comes_to(&mut admin, shape, [1.0, 0.0, 3.0, 4.0]);
    session.ok("INSERT INTO t VALUES (1), (2), (3)");
    let statement = session.prepare("SELECT a + ? FROM t").unwrap();
    let body = support::wire::execute_body(statement.id, 1, &[Param::Int(1)]);
    session.send(mysql_common::constants::Command::COM_STMT_EXECUTE, &body).unwrap();
    session.executed().unwrap();
    let fetch = [&statement.id.to_le_bytes()[..], &2_u32.to_le_bytes()].concat();
    session.send(mysql_common::constants::Command::COM_STMT_FETCH, &fetch).unwrap();
    for _ in 0..3 {
        session.packet().unwrap();
    }
    comes_to(&mut admin, "SELECT a + ? FROM t", [1.0, 0.0, 2.0, 0.0]);
}

#[test]
fn waits_for_a_connection_and_pins_are_told_with_the_statement() {
    each_server(|server| {
        let tenant = Tenant::new(server, "waits");
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 1"])
            .user(&tenant.name, &tenant.password)
            .endpoint("lease_timeout = \"2s\"")
            .extra(ON)
            .start();
        let mut admin = console(&proxy);
        let (mut holder, mut waiter) = (tenant.connect(proxy.address()), tenant.connect(proxy.address()));
        holder.ok("BEGIN");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.rows("SELECT 'served'"));
            proxy.wait_for_waiters(1);
            holder.ok("COMMIT");
            assert_eq!(waiting.join().unwrap().len(), 1);
        });
        let row = comes_to(&mut admin, "SELECT ?", [1.0, 0.0, 1.0, 0.0]);
        let [total, wait, longest] = ["total_seconds", "wait_seconds", "max_wait_seconds"].map(|it| number(&row, it));
        assert!(wait > 0.0 && wait == longest && total >= wait, "{row:?}");
        // Who waits in vain has an error of Greenroom's, after all of its time.
        holder.ok("BEGIN");
        assert_eq!(waiter.err("SELECT 'refused', 2").code, 1040);
        let row = comes_to(&mut admin, "SELECT ?, …", [1.0, 1.0, 0.0, 0.0]);
        assert!(number(&row, "wait_seconds") >= 1.9, "{row:?}");
        holder.ok("COMMIT");
        waiter.rows("SELECT GET_LOCK('mine', 1)");
        waiter.rows("SELECT GET_LOCK('another', 1)");
        let row = comes_to(&mut admin, "SELECT GET_LOCK(?, …)", [2.0, 0.0, 2.0, 0.0]);
        assert_eq!(["pins", "pin_reasons"].map(|it| row[it].as_str()), ["1", "user_lock:1"], "the second adds none");
    });
}

#[test]
fn workers_are_put_together() {
    let server = mariadb();
    let tenant = Tenant::new(server, "workers");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(ON).start();
    let mut sessions: Vec<Wire> = (0..16).map(|_| tenant.connect(proxy.address())).collect();
    for session in &mut sessions {
        session.rows("SELECT 1 + 1");
    }
    comes_to(&mut console(&proxy), "SELECT ? + ?", [16.0, 0.0, 16.0, 0.0]);
}

#[test]
fn it_is_off_until_it_is_switched_on_and_forgets_when_told_to() {
    let server = mariadb();
    let tenant = Tenant::new(server, "switched");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
    let mut admin = console(&proxy);
    let mut session = tenant.connect(proxy.address());
    let statement = session.prepare("SELECT 1 + ?").unwrap();
    session.rows("SELECT 1");
    assert!(admin.ok("SET query_statistics = on").info.contains("until the next RELOAD"));
    session.rows("SELECT 2");
    session.execute(&statement, &[Param::Int(1)]).unwrap();
    comes_to(&mut admin, "SELECT ?", [1.0, 0.0, 1.0, 0.0]);
    comes_to(&mut admin, "SELECT ? + ?", [1.0, 0.0, 1.0, 0.0]);
    admin.ok("SET query_statistics = off");
    session.rows("SELECT 3");
    session.rows("SELECT 4");
    assert_eq!(counts(&of(&mut admin, "SELECT ?").unwrap()), [1.0, 0.0, 1.0, 0.0], "it is kept, and nothing added");
    admin.ok("RESET QUERIES");
    assert!(shown(&mut admin, "SHOW QUERIES").is_empty());
    admin.ok("SET query_statistics = 1");
    session.rows("SELECT 5");
    comes_to(&mut admin, "SELECT ?", [1.0, 0.0, 1.0, 0.0]);
    let narrowed = shown(&mut admin, "SELECT shape, count FROM queries WHERE user = 'nobody'");
    assert!(narrowed.is_empty() && shown(&mut admin, "SHOW QUERIES LIKE 'select%'").len() == 1);
    admin.ok("RELOAD");
    session.rows("SELECT 6");
    session.rows("SELECT 7");
    assert_eq!(counts(&of(&mut admin, "SELECT ?").unwrap())[0], 1.0, "the configuration says off");
    assert_eq!(admin.err("SET query_statistics = maybe").code, 1231);
    assert_eq!(admin.err("RESET PINS").code, 1064);
}

#[test]
fn shapes_are_bounded_in_number_and_length() {
    let server = mariadb();
    let tenant = Tenant::new(server, "bounded");
    let extra = format!("{ON}query_shapes = 5\n");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(&extra).start();
    let mut admin = console(&proxy);
    let mut session = tenant.connect(proxy.address());
    for number in 0..20 {
        session.rows(&format!("SELECT 1 AS column_{number}"));
    }
    comes_to(&mut admin, "(others)", [15.0, 0.0, 15.0, 0.0]);
    assert_eq!(shown(&mut admin, "SHOW QUERIES").len(), 6);
    admin.ok("RESET QUERIES");
    let long: Vec<String> = (0..900).map(|number| format!("1 AS column_{number}")).collect();
    session.rows(&format!("SELECT {}", long.join(", ")));
    let mut rows = Vec::new();
    until("it is there", || {
        rows = shown(&mut admin, "SHOW QUERIES");
        rows.len() == 1
    });
    let shape = &rows[0]["shape"];
    assert!(shape.len() < 1030 && shape.ends_with('…') && shape.starts_with("SELECT ? AS column_0, ? AS"), "{shape}");
    // Longer than what a session holds of a command at once.
    session.rows(&format!("SELECT LENGTH('{}')", "x".repeat(100_000)));
    comes_to(&mut admin, "SELECT LENGTH(", [1.0, 0.0, 1.0, 0.0]);
}

/// The lines of a log in JSON that tell of slow statements.
fn slow(proxy: &Proxy) -> Vec<Value> {
    let lines: Vec<Value> = proxy.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    lines.into_iter().filter(|line: &Value| line["msg"] == "slow statement").collect()
}

/// The line of a statement, once it is there.
fn slow_of(proxy: &Proxy, shape: &str) -> Value {
    let mut found = Value::Null;
    until(&format!("{shape} is in the log"), || {
        found = slow(proxy).into_iter().find(|line| line["statement"] == shape).unwrap_or_default();
        !found.is_null()
    });
    found
}

#[test]
fn slow_statements_are_logged_without_their_literals() {
    each_server(|server| {
        let tenant = Tenant::new(server, "slow");
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 1"])
            .user(&tenant.name, &tenant.password)
            .endpoint("lease_timeout = \"500ms\"")
            .extra("[queries]\nslow_query_time = \"200ms\"\n[log]\nformat = \"json\"\n")
            .start();
        let (mut session, mut other) = (tenant.connect(proxy.address()), tenant.connect(proxy.address()));
        session.rows("SELECT 'hush-hush' AS fast");
        session.rows("SELECT SLEEP(0.3), 'hush-hush'");
        let line = slow_of(&proxy, "SELECT SLEEP(?), ?");
        let id: u64 = session.scalar("SELECT CONNECTION_ID()").unwrap().parse().unwrap();
        assert_eq!((line["session"].as_u64(), line["endpoint"].as_str()), (Some(id), Some("app")), "{line}");
        let own = Some(tenant.name.as_str());
        assert_eq!((line["user"].as_str(), line["database"].as_str()), (own, own), "{line}");
        assert_eq!(
            (line["rows"].as_u64(), line["error"].is_null(), line["pinned"].as_str()),
            (Some(1), true, Some(""))
        );
        let part = |name: &str| line[name].as_f64().unwrap();
        let parts: f64 = ["wait_seconds", "adapt_seconds", "server_seconds", "relay_seconds"].map(part).iter().sum();
        assert!(part("server_seconds") >= 0.29 && parts <= part("seconds") + 1e-5 && part("seconds") < 60.0, "{line}");
        let statement = session.prepare("SELECT SLEEP(0.3), CONCAT(?, 'hush-hush')").unwrap();
        session.execute(&statement, &[Param::Text("hush-hush")]).unwrap();
        slow_of(&proxy, "SELECT SLEEP(?), CONCAT(?, …)");
        session.rows(&format!("SELECT SLEEP(0.3) + LENGTH('{}')", "hush-hush".repeat(10_000)));
        slow_of(&proxy, "SELECT SLEEP(?) + LENGTH(");
        session.rows("SELECT GET_LOCK('hush-hush', 1) + SLEEP(0.3)");
        assert_eq!(slow_of(&proxy, "SELECT GET_LOCK(?, …) + SLEEP(?)")["pinned"], "user_lock");
        // Who waits in vain is slow, too.
        assert_eq!(other.err("SELECT 'hush-hush' AS waits").code, 1040);
        let line = slow_of(&proxy, "SELECT ? AS waits");
        assert!(
            line["error"] == 1040 && line["wait_seconds"].as_f64() > Some(0.4) && line["server_seconds"] == 0.0,
            "{line}"
        );
        let lines = slow(&proxy);
        assert!(
            lines.iter().all(|line| line["seconds"].as_f64() >= Some(0.2)),
            "the fast ones are not there: {lines:?}"
        );
        assert!(!proxy.log().contains("hush"), "{}", proxy.log());
        until("all are counted", || proxy.metrics().sum("greenroom_slow_queries_total", &[]) == lines.len() as f64);
        let mut admin = console(&proxy);
        admin.ok("SET slow_query_time = off");
        session.rows("SELECT SLEEP(0.3) AS unwatched");
        session.rows("SELECT 1");
        assert_eq!(slow(&proxy).len(), lines.len());
    });
}

#[test]
fn a_long_statement_shows_no_literal_where_it_is_watched_from_its_middle_on() {
    let server = mariadb();
    let tenant = Tenant::new(server, "middle");
    let proxy = Setup::new(server.address())
        .user(&tenant.name, &tenant.password)
        .extra(&format!("{ON}query_shapes = 1\n[log]\nformat = \"json\"\n"))
        .start();
    let (mut admin, mut session) = (console(&proxy), tenant.connect(proxy.address()));
    // It has the only row, so that no other's shape is kept there.
    session.rows("SELECT 1 AS first");
    let mut holder = tenant.connect(server.address());
    let lock = format!("GET_LOCK('{}', 0)", tenant.name);
    assert_eq!(holder.scalar(&format!("SELECT {lock}")).as_deref(), Some("1"));
    thread::scope(|scope| {
        let waits = lock.replace(", 0", ", 100");
        let statement = format!("SELECT {waits}, LENGTH('{}')", "hush-hush AND ".repeat(10_000));
        let waiting = scope.spawn(|| session.rows(&{ statement }));
        until("it waits", || !admin.rows("SHOW CLIENTS WHERE state = 'active'").is_empty());
        // On its server, not only on its way there.
        let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'";
        until("the server has all of it", || holder.scalar(waits).as_deref() != Some("0"));
        admin.ok("SET slow_query_time = '1ms'");
        holder.ok("DO RELEASE_ALL_LOCKS()");
        assert_eq!(waiting.join().unwrap().len(), 1);
    });
    slow_of(&proxy, "SELECT GET_LOCK(?, …), LENGTH(");
    assert!(!proxy.log().contains("hush"), "{}", proxy.log());
}

#[test]
fn slow_statements_can_not_flood_the_log() {
    let server = mariadb();
    let tenant = Tenant::new(server, "flood");
    let proxy = Setup::new(server.address())
        .user(&tenant.name, &tenant.password)
        .extra("[queries]\nslow_query_time = \"1ms\"\nslow_query_rate = 1\n[log]\nformat = \"json\"\n")
        .start();
    let mut session = tenant.connect(proxy.address());
    let begun = Instant::now();
    for _ in 0..30 {
        session.rows("SELECT SLEEP(0.005)");
    }
    let seconds = begun.elapsed().as_secs();
    // In a second in which nothing was logged yet.
    thread::sleep(Duration::from_millis(1100));
    session.rows("SELECT SLEEP(0.005) AS last");
    slow_of(&proxy, "SELECT SLEEP(?) AS last");
    let lines = slow(&proxy);
    assert!(lines.len() as u64 <= seconds + 3, "{} lines in {seconds} s", lines.len());
    let left_out: u64 = lines.iter().map(|line| line["left_out"].as_u64().unwrap()).sum();
    assert_eq!(left_out + lines.len() as u64, 31, "each is in the log or among those left out");
    assert!(left_out > 0 || seconds >= 29, "{lines:?}");
    until("all are counted", || proxy.metrics().sum("greenroom_slow_queries_total", &[]) == 31.0);
}

#[test]
fn statements_of_a_session_that_is_cut_off_are_counted_as_failed() {
    let server = mariadb();
    let tenant = Tenant::new(server, "cut");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(ON).start();
    let mut admin = console(&proxy);
    let mut session = tenant.connect(proxy.address());
    let id = session.scalar("SELECT CONNECTION_ID()").unwrap();
    thread::scope(|scope| {
        let sleeping = scope.spawn(|| session.query("SELECT SLEEP(100)"));
        until("it sleeps", || !admin.rows("SHOW CLIENTS WHERE state = 'active'").is_empty());
        admin.ok(&format!("KILL {id}"));
        assert!(!matches!(sleeping.join().unwrap().as_deref(), Ok([Reply::Rows(_)])));
    });
    comes_to(&mut admin, "SELECT SLEEP(?)", [1.0, 1.0, 0.0, 0.0]);
}
