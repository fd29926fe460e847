//! `ROW_COUNT()` and `FOUND_ROWS()` after every kind of statement, asked for in text and prepared, with other sessions in
//! between on the same connection: what a server of one's own says,
//! or an error where nobody can know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

#[path = "counts/anew.rs"]
mod anew;
#[path = "counts/statements.rs"]
mod statements;
mod support;

use std::net::{Ipv4Addr, SocketAddr};

use greenroom::demo::server::{Server, free_port};
use statements::{CHANGES, FAILS, LAGS, SCHEMA, SELECTS, SHOWS};
use support::{
    proxy::{Proxy, Setup},
    servers::each_server,
    twin::{CLEAR, Stage, Twin},
    wire::{Param, Reply, Rows, Wire},
};

/// A proxy with one connection, and another address of it where nobody waits long for that.
fn set_up(server: &Server) -> (Stage, Proxy, SocketAddr) {
    let stage = Stage::new(server, "counts", SCHEMA);
    let others = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
    let endpoint =
        format!("[[endpoints]]\nname = \"others\"\nlisten = \"{others}\"\nlease_timeout = \"50ms\"\nnodes = [\"db1\"]");
    let setup = Setup::new(server.address())
        .first_node(server.address(), &["max_connections = 1"])
        .user(&stage.proxied.name, &stage.proxied.password)
        .extra(&endpoint);
    (stage, setup.start(), others)
}

/// Runs it on both, whatever comes of it: some lists differ from one moment to the next.
fn run(twin: &mut Twin, stage: &Stage, sql: &str) {
    for (wire, name) in [(&mut twin.proxied, &stage.proxied.name), (&mut twin.direct, &stage.direct.name)] {
        wire.query(&sql.replace("{db}", name)).unwrap();
    }
}

/// How to ask.
#[derive(Debug, Clone, Copy)]
enum Way {
    Text,
    Prepared,
}

/// What came of asking both.
enum Outcome {
    Same,
    /// Greenroom says that it cannot tell.
    Refused,
    Other(String),
}

fn ask(twin: &mut Twin, way: Way, what: &str) -> Outcome {
    let sql = format!("SELECT {what}, {what} + 1 AS more");
    let [proxied, direct] = [&mut twin.proxied, &mut twin.direct].map(|wire| match way {
        Way::Text => wire.query(&sql).unwrap(),
        Way::Prepared => {
            let statement = wire.prepare(&sql).unwrap_or_else(|error| panic!("{}: {error}", twin.label));
            let replies = wire.execute(&statement, &[]).unwrap();
            wire.close(&statement).unwrap();
            replies
        }
    });
    match (proxied.as_slice(), direct.as_slice()) {
        ([Reply::Err(error)], _) if error.code == 1235 => Outcome::Refused,
        ([Reply::Rows(proxied)], [Reply::Rows(direct)])
            if proxied.rows == direct.rows && heads(proxied) == heads(direct) =>
        {
            Outcome::Same
        }
        _ => Outcome::Other(format!("{proxied:?}, not {direct:?}")),
    }
}

fn heads(rows: &Rows) -> Vec<(&str, u8)> {
    rows.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect()
}

/// Somebody else on the one connection, who may have to try for it more than once.
fn stranger(stage: &Stage, address: SocketAddr) -> Wire {
    let login = stage.proxied.login();
    (0..100).find_map(|_| Wire::connect(address, &login).ok()).expect("the connection comes free")
}

/// What others do meanwhile on the one connection, where they get it.
fn disturb(other: &mut Wire) {
    for sql in ["INSERT INTO o VALUES (7), (7)", "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4", CLEAR] {
        if let [Reply::Err(error)] = other.query(sql).unwrap().as_slice() {
            assert_eq!(error.code, 1040, "{sql}: {error}");
            return;
        }
    }
}

#[test]
fn after_every_kind_of_statement() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut wrong = Vec::new();
        for sql in SELECTS.iter().chain(SHOWS).chain(CHANGES) {
            for (way, then, whats) in [
                (Way::Text, None, &["ROW_COUNT()", "FOUND_ROWS()"][..]),
                (Way::Prepared, None, &["ROW_COUNT()", "FOUND_ROWS()"]),
                (Way::Text, Some("COMMIT"), &["FOUND_ROWS()"]),
                (Way::Text, Some("INSERT INTO o VALUES (1)"), &["FOUND_ROWS()"]),
            ] {
                for what in whats.iter().copied() {
                    let mut twin = stage.twin(&proxy, server, sql);
                    run(&mut twin, &stage, "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5");
                    disturb(&mut other);
                    if sql.starts_with("EXECUTE s") || sql.starts_with("HANDLER t READ") {
                        run(&mut twin, &stage, "PREPARE s FROM 'SELECT a FROM t LIMIT 2'");
                        run(&mut twin, &stage, "HANDLER t OPEN");
                    }
                    run(&mut twin, &stage, sql);
                    if let Some(then) = then {
                        run(&mut twin, &stage, then);
                    }
                    disturb(&mut other);
                    match ask(&mut twin, way, what) {
                        Outcome::Same => {}
                        Outcome::Refused if what.starts_with("FOUND") && FAILS.contains(sql) => {}
                        Outcome::Refused if then.is_some_and(|then| then != "COMMIT") && LAGS.contains(sql) => {}
                        Outcome::Refused => wrong.push(format!("{what} after {sql}, {then:?}, {way:?}: refused")),
                        Outcome::Other(how) => wrong.push(format!("{what} after {sql}, {then:?}, {way:?}: {how}")),
                    }
                    // What is left of a definition goes with the session.
                    run(&mut twin, &stage, "DROP TABLE IF EXISTS made");
                    run(&mut twin, &stage, "DROP VIEW IF EXISTS w2");
                }
            }
        }
        assert!(wrong.is_empty(), "on {} (left: through the proxy): {wrong:#?}", server.flavor());
    });
}

/// What asks without saying so: a view, and a text that was prepared earlier. The server is told what it cannot know.
#[test]
fn what_asks_behind_a_name() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for sql in ["SELECT * FROM asks", "SELECT found FROM asks_too", "SELECT FOUND_ROWS(), a.* FROM asks a"] {
            for before in ["SELECT 1 UNION SELECT 2", "COMMIT"] {
                twin.same(before);
                disturb(&mut other);
                twin.same(sql);
                twin.all(&["BEGIN", "SELECT 1 UNION SELECT 2", sql, "COMMIT", CLEAR, before]);
                disturb(&mut other);
                in_turn(&mut twin, sql, &[]);
            }
            // How many rows were changed no server can be told. One that asks itself keeps its connection once prepared.
            if sql.contains("FOUND_ROWS()") {
                continue;
            }
            twin.same("UPDATE k SET a = a + 1 WHERE id = 1");
            disturb(&mut other);
            assert_eq!(twin.proxied.err(sql).code, 1235, "{sql}");
            let prepared = twin.proxied.prepare(sql).unwrap();
            twin.same("UPDATE k SET a = a + 10 WHERE id = 1");
            disturb(&mut other);
            let replies = twin.proxied.execute(&prepared, &[]).unwrap();
            let [Reply::Err(error)] = replies.as_slice() else { panic!("{sql} was answered") };
            assert_eq!(error.code, 1235, "{sql}");
            twin.proxied.close(&prepared).unwrap();
            twin.all(&["BEGIN", "SELECT 1", "UPDATE k SET a = a + 1 WHERE id = 1", sql, "COMMIT", CLEAR]);
        }
        twin.same("SELECT 1 UNION SELECT 2");
        disturb(&mut other);
        twin.all(&["PREPARE s FROM 'SELECT FOUND_ROWS(), ROW_COUNT()'", "EXECUTE s", "EXECUTE s"]);
        twin.all(&["SELECT 1 UNION SELECT 2", "EXECUTE s", "DEALLOCATE PREPARE s", CLEAR]);
    });
}

/// Several statements in one string, of which nobody can say which one a call in it is about.
#[test]
fn a_string_that_asks_behind_what_may_count() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for count in [0, 1, 2, 9, 10, 11, 99, 100, 999, 1_000, 1_001, 12_345] {
            for limit in ["DEFAULT", "3"] {
                twin.all(&[&format!("SET sql_select_limit = {limit}"), &counted(count), CLEAR, &counted(count)]);
                disturb(&mut other);
                twin.same("SHOW TABLES LIKE 'zz'; SELECT FOUND_ROWS()");
                twin.all(&[CLEAR, &counted(count), "COMMIT"]);
                disturb(&mut other);
                twin.all(&["SELECT 1 + ROW_COUNT() x; DO RELEASE_ALL_LOCKS(); SELECT FOUND_ROWS()", CLEAR]);
            }
        }
    });
}

/// A part of the statement that asks may have counted before it is asked.
#[test]
fn what_counts_itself_while_it_asks() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for before in ["SELECT 1 UNION SELECT 2", "UPDATE w SET a = a + 1", "INSERT INTO w VALUES (1), (2)"] {
            for sql in [
                "SELECT FOUND_ROWS(), d.* FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) d",
                "SELECT FOUND_ROWS(), (SELECT COUNT(*) FROM t), FOUND_ROWS()",
                "SELECT FOUND_ROWS() + a FROM t WHERE a IN (SELECT a FROM t WHERE a > 5) ORDER BY 1",
                "SELECT ROW_COUNT() AS rows_changed, FOUND_ROWS() FROM t GROUP BY id % 2",
                "INSERT INTO w SELECT FOUND_ROWS() FROM t WHERE id IN (SELECT id FROM k)",
                "SELECT CONNECTION_ID() > 0, FOUND_ROWS() FROM both_of LIMIT 1",
            ] {
                twin.same(before);
                disturb(&mut other);
                twin.all(&[sql, "SELECT * FROM w ORDER BY a", CLEAR]);
            }
        }
    });
}

/// MySQL counts none behind an UPDATE that matches none, or leaves what was there: where that had found none, too, nobody
/// can tell which, and nobody is told another session's count.
#[test]
fn behind_an_update_of_nothing() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for sql in ["UPDATE k SET b = 1 WHERE id = 999", "UPDATE k SET b = 1 WHERE NULL"] {
            for left in ["SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4", "SELECT a FROM t WHERE a > 100"] {
                twin.same("SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5");
                other.query(left).unwrap();
                twin.same(sql);
                other.query(left).unwrap();
                match ask(&mut twin, Way::Text, "FOUND_ROWS()") {
                    Outcome::Same => {}
                    Outcome::Refused if left.ends_with("100") => {}
                    Outcome::Refused => panic!("{sql}, {left}: refused"),
                    Outcome::Other(how) => panic!("{sql}, {left}: {how}"),
                }
                twin.all(&["BEGIN", "SELECT 1 UNION SELECT 2", sql, "SELECT FOUND_ROWS()", "COMMIT", CLEAR]);
            }
        }
    });
}

/// What looks as if it counted, and does not, or not yet: what was there before is another session's, or an older one.
#[test]
fn what_counts_less_than_it_seems() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for steps in [
            &["INSERT INTO w VALUES ((SELECT 1))"][..],
            &["INSERT INTO w VALUES (COALESCE(1, (SELECT MAX(a) FROM t)))"],
            &["INSERT INTO w SET a = (SELECT 1)"],
            &["REPLACE INTO w VALUES (IF(0, (SELECT MAX(a) FROM t), 2))"],
            &["INSERT INTO k VALUES (50, 1, 1) ON DUPLICATE KEY UPDATE b = (SELECT MAX(a) FROM t)"],
            &["INSERT INTO w (SELECT a FROM t WHERE id < 3)"],
            &["SET sql_select_limit = 100", "SELECT 1 UNION SELECT 2", "UPDATE k SET b = b WHERE id < 4"],
            &["SET sql_select_limit = DEFAULT", "SET @x = (SELECT COUNT(*) FROM t)", "UPDATE k SET b = 1 WHERE 1 = 0"],
            &["SELECT 1 UNION SELECT 2", "SET @x = (SELECT COUNT(*) FROM t)", "CALL writes()"],
            &["SELECT 1 UNION SELECT 2", "SELECT (SELECT a FROM t)", "UPDATE k SET b = 1 WHERE id = 999"],
            &["BEGIN", "SELECT a INTO @x FROM t", "UPDATE k SET b = 1 WHERE 1 = 0", "COMMIT"],
        ] {
            twin.same("SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5");
            for step in steps {
                disturb(&mut other);
                twin.same(step);
            }
            disturb(&mut other);
            match ask(&mut twin, Way::Text, "FOUND_ROWS()") {
                Outcome::Same => {}
                Outcome::Refused => assert!(steps.len() > 1, "{steps:?}: refused"),
                Outcome::Other(how) => panic!("on {}: {steps:?}: {how}", server.flavor()),
            }
            twin.all(&["ROLLBACK", "DELETE FROM k WHERE id = 50", CLEAR]);
        }
        // Who only speaks of it loses no warnings.
        twin.same("SELECT (SELECT a FROM t)");
        twin.all(&["SHOW WARNINGS /* FOUND_ROWS() */", "SHOW COUNT(*) ERRORS", CLEAR]);
    });
}

/// Finds so many rows.
fn counted(rows: u32) -> String {
    let digits = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 \
        UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let tables: Vec<String> = (0..5).map(|table| format!("{digits} d{table}")).collect();
    let number = "d0.n + 10 * d1.n + 100 * d2.n + 1000 * d3.n + 10000 * d4.n";
    format!("SELECT 1 FROM {} WHERE {number} < {rows} LIMIT 100000", tables.join(", "))
}

/// A cursor, parameters, and executions by turns where the server knows and where it does not.
#[test]
fn a_prepared_statement_asks_anywhere() {
    each_server(|server| {
        let (stage, proxy, address) = set_up(server);
        let mut other = stranger(&stage, address);
        let mut twin = stage.twin(&proxy, server, "one");
        for sql in [
            "SELECT FOUND_ROWS(), d.*, ? FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) d",
            "SELECT FOUND_ROWS(), ?",
            "SELECT ROW_COUNT() + ?, FOUND_ROWS()",
            "SELECT ? AS a WHERE FOUND_ROWS() > 1",
        ] {
            twin.same("SELECT 1 UNION SELECT 2");
            disturb(&mut other);
            in_turn(&mut twin, sql, &VALUES);
            twin.all(&["BEGIN", "SELECT 1 UNION SELECT 2"]);
            in_turn(&mut twin, sql, &VALUES);
            twin.all(&["COMMIT", CLEAR]);
        }
    });
}

const VALUES: [i64; 1] = [7];

/// Executes it several times, with other statements in between.
fn in_turn(twin: &mut Twin, sql: &str, values: &[i64]) {
    let [proxied, direct] = [&mut twin.proxied, &mut twin.direct].map(|wire| {
        let statement = wire.prepare(sql).unwrap();
        let mut answers = Vec::new();
        for more in 0..3 {
            let values: Vec<Param> = values.iter().map(|value| Param::Int(value + more)).collect();
            let replies = wire.execute(&statement, &values).unwrap();
            let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{sql}: {replies:?}") };
            let heads: Vec<_> = heads(rows).into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
            answers.push((rows.rows.clone(), heads));
            wire.query("SELECT 7 UNION SELECT 8 UNION SELECT 9").unwrap();
        }
        wire.close(&statement).unwrap();
        answers
    });
    assert_eq!(proxied, direct, "{sql} (left: through the proxy)");
}
