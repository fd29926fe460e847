//! Functions about the previous statement in transaction mode: `LAST_INSERT_ID()`, warnings and errors, with other
//! sessions in between on the same connection.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::{Flavor, Server};
use mysql_common::constants::Command;
use support::{
    proxy::{Proxy, Setup},
    servers::each_server,
    twin::{CLEAR, Stage, Twin},
    wire::{Reply, Wire},
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(10), u INT UNIQUE)",
    "CREATE TABLE plain (a INT)",
    "CREATE PROCEDURE add_row(IN label VARCHAR(20)) INSERT INTO t (tag) VALUES (label)",
    "CREATE PROCEDURE warn() BEGIN DECLARE i INT; SELECT CAST('1x' AS SIGNED); END",
    "CREATE PROCEDURE set_id() BEGIN DO LAST_INSERT_ID(321); END",
    "CREATE FUNCTION adds() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO t (tag) VALUES ('f'); RETURN 1; END",
    "CREATE TRIGGER after_plain AFTER INSERT ON plain FOR EACH ROW INSERT INTO t (tag) VALUES ('trigger')",
];

fn set_up(server: &Server, connections: u32) -> (Stage, Proxy) {
    let stage = Stage::new(server, "previous", SCHEMA);
    let setup = Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .user(&stage.proxied.name, &stage.proxied.password);
    (stage, setup.start())
}

/// Makes the statements of `steps` follow each other with the other sessions' in between.
fn with_others(others: &mut [Twin], mut step: impl FnMut(usize), count: usize) {
    for at in 0..count {
        step(at);
        for other in others.iter_mut() {
            other.same("INSERT INTO t (tag) VALUES ('other'), ('more')");
            other.same("SELECT LAST_INSERT_ID()");
            other.same(CLEAR);
        }
    }
}

#[test]
fn the_last_insert_id_is_the_sessions_own() {
    each_server(|server| {
        for connections in [1, 2] {
            let (stage, proxy) = set_up(server, connections);
            let mut others = [stage.twin(&proxy, server, "other"), stage.twin(&proxy, server, "third")];
            let mut twin = stage.twin(&proxy, server, "one");
            let mut steps = vec![
                "INSERT INTO t (tag) VALUES ('generated')",
                "INSERT INTO t (tag) VALUES ('a'), ('b'), ('c')",
                "INSERT INTO t (id, tag) VALUES (5000, 'explicit')",
                "INSERT INTO t (id, tag) VALUES (5005, 'explicit'), (NULL, 'generated')",
                "SELECT LAST_INSERT_ID(99)",
                "UPDATE t SET tag = 'u', u = LAST_INSERT_ID(u + 7) WHERE id = 5000",
                "INSERT INTO t (tag, u) VALUES ('x', 1)",
                "INSERT INTO t (tag, u) VALUES ('fine', 2), ('again', 1)",
                "INSERT IGNORE INTO t (tag, u) VALUES ('again', 1)",
                "INSERT INTO t (u) VALUES (1) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), tag = 'dup'",
                "REPLACE INTO t (tag, u) VALUES ('replaced', 1)",
                "SET last_insert_id = 4711",
                "SET @@SESSION.identity = 4712",
                "DO LAST_INSERT_ID(17)",
                "SELECT 1; INSERT INTO t (tag) VALUES ('second of two'); SELECT 2",
                "INSERT INTO plain VALUES (1)",
                "SELECT 1",
            ];
            if server.flavor() == Flavor::MariaDb {
                steps.push("INSERT INTO t (tag) VALUES ('r'), ('s') RETURNING id, tag");
                steps.push("EXECUTE IMMEDIATE 'INSERT INTO t (tag) VALUES (''immediate'')'");
            }
            let count = steps.len();
            with_others(&mut others, |at| ask_after(&mut twin, steps[at]), count);
        }
    });
}

fn ask_after(twin: &mut Twin, sql: &str) {
    // What others do between must not show: the ids themselves differ, as others write to the table in turn,
    // but they write to the twin's table in the same turn.
    twin.same(sql);
    twin.same(CLEAR);
    twin.same("SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity, (SELECT LAST_INSERT_ID())");
    twin.prepared("SELECT LAST_INSERT_ID()");
}

#[test]
fn the_last_insert_id_survives_routines_and_transactions() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 3);
        let mut other = stage.twin(&proxy, server, "other");
        for sql in [
            "CALL add_row('called')",
            "CALL set_id()",
            "SELECT adds()",
            "BEGIN; INSERT INTO t (tag) VALUES ('in a transaction'); COMMIT",
            "SET sql_auto_is_null = 1; INSERT INTO t (tag) VALUES ('null')",
        ] {
            let mut twin = stage.twin(&proxy, server, sql);
            twin.same("INSERT INTO t (tag) VALUES ('before')");
            other.same("INSERT INTO t (tag) VALUES ('other')");
            twin.same(sql);
            other.same("INSERT INTO t (tag) VALUES ('other')");
            twin.same("SELECT LAST_INSERT_ID()");
            twin.same("BEGIN");
            twin.same("INSERT INTO t (tag) VALUES ('rolled back')");
            other.same("INSERT INTO t (tag) VALUES ('other')");
            twin.same("SELECT LAST_INSERT_ID()");
            twin.same("ROLLBACK");
            other.same("SELECT LAST_INSERT_ID()");
            twin.same("SELECT LAST_INSERT_ID()");
            twin.same("SELECT tag FROM t WHERE id IS NULL");
        }
    });
}

#[test]
fn the_row_inserted_last_is_found_by_null_whoever_came_between() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut twin = stage.twin(&proxy, server, "one");
        twin.all(&["SET sql_auto_is_null = 1", "INSERT INTO t (tag) VALUES ('first'), ('second')"]);
        // Takes the connection where it may, so that the next statement gets one that has inserted nothing.
        let mut other = stage.twin(&proxy, server, "other");
        other.same("BEGIN");
        twin.same("SELECT tag FROM t WHERE id IS NULL");
        other.same("COMMIT");
    });
}

#[test]
fn a_reader_of_the_last_insert_id_changes_nothing_for_others() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut writer = stage.twin(&proxy, server, "writer");
        let mut reader = stage.twin(&proxy, server, "reader");
        writer.same("INSERT INTO t (tag) VALUES ('w')");
        for _ in 0..3 {
            reader.same("SELECT LAST_INSERT_ID()");
            writer.same("INSERT INTO t (id, tag) VALUES (LAST_INSERT_ID() + 10, 'uses it')");
            reader.same("SELECT LAST_INSERT_ID()");
            writer.same("SELECT LAST_INSERT_ID()");
            writer.same("INSERT INTO t (tag) VALUES ('w')");
        }
        assert_eq!(proxy.metrics().sum("greenroom_pins_total", &[]), 0.0);
    });
}

/// What leaves warnings or errors, or leaves none.
const LEAVES: [&str; 10] = [
    "SELECT CAST('12x' AS SIGNED), 1 / 0",
    "INSERT IGNORE INTO t (id, tag) VALUES (1, 'one'), (1, REPEAT('x', 30))",
    "SELECT nosuch FROM t",
    "SELEC",
    "DROP TABLE IF EXISTS nosuch, nosuch2",
    "CALL warn()",
    "SELECT 1",
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 5000",
    "SELECT CAST('1x' AS SIGNED); SELECT 1",
    "SELECT 1; SELECT CAST('1x' AS SIGNED)",
];

/// What tells of them.
const ASKS: [&str; 6] = [
    "SHOW WARNINGS",
    "SHOW COUNT(*) WARNINGS",
    "SHOW ERRORS",
    "SELECT @@warning_count, @@error_count",
    "GET DIAGNOSTICS @n = NUMBER",
    "SHOW WARNINGS LIMIT 1",
];

#[test]
fn warnings_and_errors_are_those_of_the_previous_statement() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 3);
        let mut other = stage.twin(&proxy, server, "other");
        for ask in ASKS {
            let mut twin = stage.twin(&proxy, server, ask);
            for leaves in LEAVES {
                twin.same(leaves);
                other.same("SELECT CAST('others' AS SIGNED)");
                other.same("SHOW WARNINGS");
                other.same(CLEAR);
                twin.same(ask);
                other.same("SHOW WARNINGS");
                twin.same(ask);
                twin.same("SHOW WARNINGS");
                twin.same("SELECT 1");
                other.same("SHOW WARNINGS");
                twin.same("SHOW WARNINGS");
                twin.same(CLEAR);
                other.same("SHOW WARNINGS");
                twin.same("SHOW WARNINGS");
            }
        }
    });
}

#[test]
fn restoring_state_leaves_no_warning_behind() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        // On MySQL each of these has a warning of its own.
        for sql in ["SET NAMES utf8mb3", "SET sql_mode = 'STRICT_TRANS_TABLES'", "SET NAMES latin1 COLLATE latin1_bin"]
        {
            let mut twin = stage.twin(&proxy, server, sql);
            let mut other = stage.twin(&proxy, server, "other");
            twin.all(&[sql, "SHOW WARNINGS", "SELECT 1"]);
            other.all(&["SET NAMES latin2", "SELECT 1", "SHOW WARNINGS"]);
            twin.same("SHOW WARNINGS");
            twin.same("SELECT 1");
            other.same("SELECT 1");
            twin.same("SELECT @@warning_count");
            other.same("SHOW COUNT(*) WARNINGS");
            other.init_db("{db}");
            twin.init_db("{db}");
            other.same("SELECT 1");
            let [proxied, direct] = [&mut twin.proxied, &mut twin.direct].map(|wire| {
                wire.send(Command::COM_SET_OPTION, &[0, 0]).unwrap();
                wire.packet().unwrap()
            });
            assert_eq!(proxied, direct, "{sql}");
        }
    });
}

/// What may come between a statement and a question about it, without telling of rows itself.
const BETWEEN: [&[&str]; 4] = [&["BEGIN"], &["BEGIN", "SAVEPOINT a"], &["SELECT nosuch"], &["USE {db}"]];

#[test]
fn a_connection_that_was_taken_since_knows_nothing_of_the_rows_before() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        let mut twin = stage.twin(&proxy, server, "one");
        for between in BETWEEN {
            twin.same("SELECT 1 UNION SELECT 2");
            other.all(&["SELECT 1 UNION SELECT 2 UNION SELECT 3", "INSERT INTO plain VALUES (1), (2), (3), (4), (5)"]);
            twin.all(between);
            twin.all(&["SELECT FOUND_ROWS()", "COMMIT", CLEAR]);
        }
        // MariaDB's warnings outlive the SET, so that Greenroom looks for them in between.
        twin.all(&["SELECT nosuch", "SET lock_wait_timeout = 7", "SELECT ROW_COUNT()", CLEAR]);
        other.same("SELECT 1");
    });
}

#[test]
fn a_ping_and_a_reset_leave_what_they_leave_on_a_server() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        let mut twin = stage.twin(&proxy, server, "one");
        let mut statements = vec!["SELECT 1 UNION SELECT 2", "SELECT tag FROM t", "SELECT tag FROM t WHERE tag = 'x'"];
        if server.flavor() == Flavor::MariaDb {
            statements.push("SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT 1");
        }
        for sql in statements {
            twin.same(sql);
            let [proxied, direct] = [&mut twin.proxied, &mut twin.direct].map(|wire| wire.ok_ping());
            assert_eq!(proxied, direct, "a ping after {sql}");
            other.same("INSERT INTO plain VALUES (1), (2)");
            twin.same("SELECT ROW_COUNT()");
        }
        for command in [Command::COM_FIELD_LIST, Command::COM_SET_OPTION] {
            for sql in ["DO 0", "SELECT 1"] {
                let body: &[u8] = if command == Command::COM_FIELD_LIST { b"plain\0" } else { &[0, 0] };
                twin.same(sql);
                for wire in [&mut twin.proxied, &mut twin.direct] {
                    wire.send(command, body).unwrap();
                    while !matches!(wire.packet().unwrap().payload[0], 0x00 | 0xFE) {}
                }
                twin.same("SELECT ROW_COUNT()");
            }
            twin.reset();
        }
        // Nobody has this id, though it looks like one of Greenroom's.
        twin.all(&["KILL 4294967295", "SHOW WARNINGS", CLEAR]);
        twin.same("SELECT 1 UNION SELECT 2");
        twin.reset();
        other.same("SELECT 1");
        twin.all(&["SELECT FOUND_ROWS()", CLEAR, "SELECT ROW_COUNT()"]);
    });
}

#[test]
fn warnings_of_an_earlier_statement_of_a_string_are_kept_where_the_server_keeps_them() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        let mut twin = stage.twin(&proxy, server, "one");
        for sql in ["SELECT CAST('x' AS SIGNED); SELECT 1", "SELECT CAST('x' AS SIGNED); DO 0; SELECT 1"] {
            twin.same(sql);
            twin.same("SHOW WARNINGS");
            twin.same(CLEAR);
            other.same("SELECT 1");
        }
    });
}

#[test]
fn a_ping_and_a_refused_command_count_as_statements_that_changed_no_row() {
    each_server(|server| {
        for mode in ["none", "session", "transaction"] {
            let stage = Stage::new(server, "ping", SCHEMA);
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&stage.proxied.name, &stage.proxied.password).start();
            let mut twin = stage.twin(&proxy, server, mode);
            for held in ["COMMIT", "START TRANSACTION"] {
                for command in [Command::COM_PING, Command::COM_TIME] {
                    twin.all(&[held, "INSERT INTO t (tag) VALUES ('a'), ('b')"]);
                    for wire in [&mut twin.proxied, &mut twin.direct] {
                        wire.send(command, &[]).unwrap();
                        wire.replies().unwrap();
                    }
                    twin.same("SELECT ROW_COUNT(), 'after a command'");
                    twin.all(&["INSERT INTO t (tag) VALUES ('c'), ('d')", "SELECT ROW_COUNT()"]);
                }
            }
        }
    });
}

#[test]
fn a_session_that_limits_its_selects_does_not_limit_what_is_asked_of_its_connection() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        for limit in [2, 1, 0] {
            let mut other = stage.twin(&proxy, server, "other");
            let mut twin = stage.twin(&proxy, server, &format!("limit {limit}"));
            twin.same(&format!("SET sql_select_limit = {limit}"));
            for sql in [
                "SET time_zone = '+03:00'",
                "SET @@lock_wait_timeout = 77",
                "INSERT INTO t (tag) VALUES ('one')",
                "SET NAMES latin1",
                "SET collation_server = latin1_bin",
                "INSERT INTO t (id) VALUES (1)",
            ] {
                twin.same(sql);
                twin.same(CLEAR);
                other.same("SELECT @@time_zone, @@lock_wait_timeout, @@collation_connection, @@sql_select_limit");
                other.same("SELECT LAST_INSERT_ID(), @@collation_server");
            }
            twin.same("SET sql_select_limit = DEFAULT");
            twin.same("SELECT @@time_zone, @@lock_wait_timeout, @@collation_connection, LAST_INSERT_ID()");
        }
    });
}

/// Lists differ, and so are not compared; what is known after them must be the same.
#[test]
fn a_list_of_processes_leaves_the_rows_before_it_known() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        let mut twin = stage.twin(&proxy, server, "one");
        for (way, then) in
            (0..4).flat_map(|way| [None, Some("SET lock_wait_timeout = 9"), Some("USE {db}")].map(|then| (way, then)))
        {
            twin.label = format!("way {way}, then {then:?}");
            twin.same("SELECT 1 UNION SELECT 2");
            twin.same("INSERT INTO plain VALUES (1), (2), (3)");
            other.all(&OTHERS);
            for wire in [&mut twin.proxied, &mut twin.direct] {
                list_processes(wire, way);
            }
            // On MySQL it warns, and so keeps its connection.
            if let Some(then) = then {
                twin.same(then);
                other.all(&OTHERS);
            }
            twin.same("SELECT ROW_COUNT(), FOUND_ROWS()");
            twin.same(CLEAR);
        }
    });
}

/// What others do meanwhile.
const OTHERS: [&str; 3] = ["SELECT 1 UNION SELECT 2 UNION SELECT 3", "INSERT INTO plain VALUES (1), (2)", CLEAR];

fn list_processes(wire: &mut Wire, way: usize) {
    let replies = match way {
        0 => wire.query("SHOW PROCESSLIST").unwrap(),
        1 => wire.query("SHOW FULL PROCESSLIST").unwrap(),
        2 => {
            let prepared = wire.prepare("SHOW PROCESSLIST").unwrap();
            let replies = wire.execute(&prepared, &[]).unwrap();
            wire.close(&prepared).unwrap();
            replies
        }
        _ => {
            wire.send(Command::COM_PROCESS_INFO, &[]).unwrap();
            wire.replies().unwrap()
        }
    };
    // MySQL 9 has no command for it.
    assert!(matches!(replies.as_slice(), [Reply::Rows(_)]) || way == 3, "{replies:?}");
}

/// Strings that ask, in a statement of theirs, about the statement before the string.
const STRINGS: [&str; 8] = [
    "SELECT ROW_COUNT(); SELECT 1",
    "SELECT ROW_COUNT(), FOUND_ROWS() AS f; SELECT ROW_COUNT(), FOUND_ROWS()",
    "BEGIN; SELECT FOUND_ROWS(), ROW_COUNT(); COMMIT",
    "SET lock_wait_timeout = 9; SELECT ROW_COUNT(), FOUND_ROWS()",
    "INSERT INTO plain VALUES (ROW_COUNT()); SELECT MAX(a) FROM plain; SELECT FOUND_ROWS()",
    "/* nothing */ SELECT FOUND_ROWS() -- a comment; and more\n; DELETE FROM plain; SELECT ROW_COUNT()",
    "INSERT INTO plain SELECT 7 UNION SELECT 100; SELECT FOUND_ROWS(), ROW_COUNT()",
    "SHOW WARNINGS; SELECT @@warning_count",
];

#[test]
fn the_first_statements_of_a_string_ask_about_the_one_before_it() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        for sql in STRINGS {
            let mut twin = stage.twin(&proxy, server, sql);
            for before in ["SELECT 1 UNION SELECT 2", "INSERT INTO plain VALUES (1), (2), (3)", "SET NAMES utf8mb3"] {
                twin.same(before);
                twin.same(CLEAR);
                twin.same(before);
                // On MySQL a deprecated character set warns wherever it is set.
                if before.starts_with("SET") {
                    twin.same(CLEAR);
                }
                other.all(&OTHERS);
                twin.same(sql);
                twin.same(CLEAR);
                // What a string sets pins to the end.
                twin.reset();
                twin.same(CLEAR);
            }
        }
    });
}

/// What may or may not ask about it: the server is told, as far as it can be.
const UNCLEAR: [&str; 4] = [
    "SHOW TABLES; SELECT FOUND_ROWS()",
    "DELETE FROM plain WHERE a > 50; SELECT FOUND_ROWS()",
    "SELECT ROW_COUNT() year; SELECT 1",
    "SELECT ROW_COUNT() year; SHOW TABLES; SELECT FOUND_ROWS()",
];

#[test]
fn a_string_that_may_ask_about_another_sessions_statement() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        let mut twin = stage.twin(&proxy, server, "one");
        for sql in UNCLEAR {
            for after in ["ROLLBACK", "SELECT 1 UNION SELECT 2"] {
                twin.all(&["SELECT 1 UNION SELECT 2", after]);
                other.all(&OTHERS);
                twin.same(sql);
                twin.all(&["BEGIN", "SELECT 1 UNION SELECT 2", sql, "ROLLBACK", CLEAR]);
            }
        }
        // How many rows were changed no server can be told, and it is not sure what to write in its place.
        twin.same("INSERT INTO plain VALUES (90), (91)");
        other.all(&OTHERS);
        assert_eq!(twin.proxied.err(UNCLEAR[2]).code, 1235);
        // Where that is sure it is written, and the rest is told.
        twin.same("DELETE FROM plain WHERE a > 80");
        other.all(&OTHERS);
        twin.all(&["SELECT ROW_COUNT(); SHOW TABLES; SELECT FOUND_ROWS()", CLEAR]);
    });
}
