//! What pins a session to its server connection, and until when: seen from outside, with one connection for two
//! sessions. While the first is pinned the second is refused; when it is not, the second is served.

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
    bench::{Bench, soon},
    servers::{Tenant, each_server},
    wire::{Param, execute_body},
};

/// One thing that pins, what does not yet end it, and what does (nothing: only the session's end).
struct Case {
    reason: &'static str,
    begin: &'static [&'static str],
    go_on: &'static [&'static str],
    end: &'static [&'static str],
}

const fn case(
    reason: &'static str,
    begin: &'static [&'static str],
    go_on: &'static [&'static str],
    end: &'static [&'static str],
) -> Case {
    Case { reason, begin, go_on, end }
}

const TO_THE_END: &[&str] = &[];

/// On both servers.
const BOTH: &[Case] = &[
    case("sql_prepare", &["PREPARE s FROM 'SELECT 1'"], &["EXECUTE s"], &["DEALLOCATE PREPARE s"]),
    case(
        "temporary_table",
        &["CREATE TEMPORARY TABLE tmp (a INT)"],
        &["SELECT * FROM tmp"],
        &["DROP TEMPORARY TABLE tmp"],
    ),
    case("temporary_table", &["CREATE TEMPORARY TABLE tmp SELECT 1"], &["SELECT 1"], &["DROP TEMPORARY TABLE tmp"]),
    // MySQL takes it for @a, MariaDB does not.
    case("user_variable", &["SET @ä = 1"], &["SELECT @ä"], TO_THE_END),
    case("user_variable", &["SELECT @ä := 1", "DO 0"], &["SELECT @ä"], TO_THE_END),
    case("user_variable", &["SELECT 5 INTO @ä", "DO 0"], &["SELECT @ä"], TO_THE_END),
    case("user_variable", &["DO 0; SET @a = 1"], &["SELECT @a"], TO_THE_END),
    case("user_variable", &["GET DIAGNOSTICS @a = NUMBER"], &["SELECT @a"], TO_THE_END),
    case("table_lock", &["LOCK TABLES t WRITE"], &["SELECT * FROM t"], &["UNLOCK TABLES"]),
    case("table_lock", &["FLUSH TABLES t WITH READ LOCK"], &["SELECT * FROM t"], &["UNLOCK TABLES"]),
    case("global_read_lock", &["FLUSH TABLES WITH READ LOCK"], &["SELECT 1"], &["UNLOCK TABLES"]),
    case("user_lock", &["SELECT GET_LOCK('{db}', 0)"], &["SELECT 1"], &["SELECT RELEASE_ALL_LOCKS()"]),
    case("user_lock", &["DO GET_LOCK('{db}', 0)"], &["DO RELEASE_LOCK('nosuch')", "DO 0"], &["DO RELEASE_ALL_LOCKS()"]),
    case("handler", &["HANDLER t OPEN"], &["HANDLER t READ FIRST"], &["HANDLER t CLOSE"]),
    case(
        "one_shot_isolation",
        &["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        &["SELECT 1"],
        &["SELECT * FROM t", "DO 0"],
    ),
    case("one_shot_isolation", &["SET TRANSACTION READ ONLY"], &["DO 0"], &["BEGIN", "COMMIT"]),
    case(
        "xa_transaction",
        &["XA START '{db}'"],
        &["INSERT INTO t (tag) VALUES ('x')"],
        &["XA END '{db}'", "XA ROLLBACK '{db}'"],
    ),
    case("xa_transaction", &["XA START '{db}'"], &["XA END '{db}'"], &["XA COMMIT '{db}' ONE PHASE"]),
    case("profiling", &["SET profiling = 1", "DO 0"], &["SELECT 1"], TO_THE_END),
    case("optimizer_trace", &["SET optimizer_trace = 'enabled=on'", "DO 0"], &["SELECT 1"], TO_THE_END),
    case("role", &["SET ROLE NONE"], &["SELECT 1"], TO_THE_END),
    case("untracked_state", &["SET timestamp = 1"], &["SELECT 1"], TO_THE_END),
    case("untracked_state", &["SET collation_database = latin1_bin", "DO 0"], &["SELECT 1"], TO_THE_END),
    case("rand_seed", &["SET rand_seed1 = 5"], &["SELECT 1"], TO_THE_END),
    case("insert_id", &["SET insert_id = 5000"], &["SELECT 1"], TO_THE_END),
    case("tracker_settings", &["SET session_track_schema = OFF"], &["SELECT 1"], TO_THE_END),
    case(
        "found_rows",
        &["SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", "DO 0"],
        &["DO 0"],
        &["SELECT FOUND_ROWS()", "DO 0"],
    ),
    case(
        "diagnostics",
        &["SELECT CAST('x' AS SIGNED)"],
        &["SHOW WARNINGS", "DO 0; SHOW WARNINGS"],
        &["SELECT tag FROM t"],
    ),
    case("call", &["CALL locking()"], &["SELECT 1"], TO_THE_END),
];

const MARIADB: &[Case] = &[
    case("sequence", &["CREATE SEQUENCE q", "SELECT NEXTVAL(q)"], &["SELECT LASTVAL(q)"], TO_THE_END),
    case("instance_lock", &["BACKUP STAGE START"], &["SELECT 1"], &["BACKUP STAGE END"]),
    case("instance_lock", &["BACKUP LOCK t"], &["SELECT 1"], &["BACKUP UNLOCK"]),
    case("gtid_next", &["SET gtid_seq_no = 100"], &["SELECT 1"], TO_THE_END),
    case("xa_transaction", &["XA START 'p'", "XA END 'p'"], &["XA PREPARE 'p'"], &["XA COMMIT 'p'"]),
    case("untracked_state", &["SET @@timestamp = 1"], &["SELECT 1"], TO_THE_END),
];

const MYSQL: &[Case] = &[
    case("instance_lock", &["LOCK INSTANCE FOR BACKUP"], &["SELECT 1"], &["UNLOCK INSTANCE"]),
    case("resource_group", &["SET RESOURCE GROUP USR_default"], &["SELECT 1"], TO_THE_END),
    case("xa_transaction", &["XA START 'p'"], &["XA END 'p'"], &["XA PREPARE 'p'", "XA COMMIT 'p'"]),
];

#[test]
fn each_reason_pins_until_it_is_over() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        let own = if server.flavor() == Flavor::MariaDb { MARIADB } else { MYSQL };
        for Case { reason, begin, go_on, end } in BOTH.iter().chain(own) {
            let why = format!("{begin:?}");
            run(&mut bench, begin);
            bench.expect_pinned(reason, &why);
            for sql in *go_on {
                run(&mut bench, &[sql]);
                bench.expect_pinned(reason, &format!("{why}, {sql}"));
            }
            run(&mut bench, end);
            if !end.is_empty() {
                bench.expect_free(&format!("{why}, {end:?}"));
            }
            let before = bench.server_ids();
            bench.replace(&why);
            if *reason != "role" {
                assert_eq!(bench.server_ids(), before, "{why}: the connection is reset, not closed");
            }
        }
    });
}

fn run(bench: &mut Bench, statements: &[&str]) {
    for sql in statements {
        // Locks and XA transactions are the whole server's.
        let sql = sql.replace("{db}", &bench.tenant.name);
        for reply in bench.one.query(&sql).unwrap() {
            assert!(!matches!(reply, support::wire::Reply::Err(_)), "{sql}: {reply:?}");
        }
    }
}

/// Several of a kind: the end of one is not the end of all.
#[test]
fn a_pin_lasts_as_long_as_the_last_of_its_kind() {
    each_server(|server| {
        let cases: [(&str, &[&str], &[&str]); 7] = [
            (
                "temporary_table",
                &["CREATE TEMPORARY TABLE tmp (a INT)", "CREATE TEMPORARY TABLE tmp2 (a INT)"],
                &["DROP TABLE tmp2"],
            ),
            (
                "temporary_table",
                &["CREATE TEMPORARY TABLE tmp (a INT)"],
                &["DROP TABLE idle", "CREATE TABLE idle (a INT)"],
            ),
            (
                "temporary_table",
                &["CREATE TEMPORARY TABLE tmp (a INT)"],
                &["DROP TEMPORARY TABLE IF EXISTS nosuch", "DO 0"],
            ),
            ("sql_prepare", &["PREPARE s FROM 'SELECT 1'", "PREPARE s2 FROM 'SELECT 2'"], &["DEALLOCATE PREPARE s2"]),
            ("handler", &["HANDLER t OPEN", "HANDLER idle OPEN"], &["HANDLER idle CLOSE"]),
            ("user_lock", &["DO GET_LOCK('{db}', 0)", "DO GET_LOCK('{db}', 0)"], &["DO RELEASE_LOCK('{db}')"]),
            ("user_lock", &["DO GET_LOCK('{db}', 0)", "DO GET_LOCK('{db}2', 0)"], &["DO RELEASE_LOCK('{db}2')"]),
        ];
        let mut bench = Bench::new(server, "tracked");
        for (reason, begin, partly) in cases {
            run(&mut bench, begin);
            run(&mut bench, partly);
            bench.expect_pinned(reason, &format!("{begin:?}, {partly:?}"));
            bench.replace(&format!("{begin:?}"));
        }
    });
}

#[test]
fn a_failed_routine_makes_the_connection_suspect() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        bench.one.err("CALL fails()");
        bench.one.ok("DO 0");
        bench.expect_pinned("suspect_after_error", "CALL fails()");
        assert_eq!(bench.one.scalar("SELECT @left").as_deref(), Some("1"));
        bench.replace("CALL fails()");
    });
}

#[test]
fn cursors_and_long_data_pin_and_prepared_statements_do_not() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        let [first, second] = ["SELECT id FROM t", "SELECT ?"].map(|sql| bench.one.prepare(sql).unwrap());
        bench.expect_free("two statements");
        bench.one.execute(&second, &[Param::Int(4)]).unwrap();
        bench.expect_free("executed");
        let long = [&second.id.to_le_bytes()[..], &[0, 0], b"long"].concat();
        bench.one.send(Command::COM_STMT_SEND_LONG_DATA, &long).unwrap();
        bench.one.ok_ping();
        bench.expect_pinned("long_data", "data for a parameter");
        bench.one.execute(&second, &[Param::Text("")]).unwrap();
        assert!(soon(|| bench.pinned("long_data") == 0.0));
        // A warning of the last execute goes with the next statement that names a table.
        bench.one.scalar("SELECT COUNT(*) FROM t");
        bench.expect_free("the data was used");
        bench.one.send(Command::COM_STMT_SEND_LONG_DATA, &long).unwrap();
        bench.one.ok_ping();
        bench.expect_pinned("long_data", "data that nobody will use");
        bench.one.close(&second).unwrap();
        bench.expect_free("its statement is closed");
        bench.one.send(Command::COM_STMT_EXECUTE, &execute_body(first.id, 1, &[])).unwrap();
        // The definitions and what ends them; the rows wait for a fetch.
        for _ in 0..3 {
            bench.one.packet().unwrap();
        }
        bench.expect_pinned("cursor", "an open cursor");
        bench.one.send(Command::COM_STMT_RESET, &first.id.to_le_bytes()).unwrap();
        bench.one.packet().unwrap();
        bench.expect_free("the cursor is closed");
        bench.one.send(Command::COM_STMT_EXECUTE, &execute_body(first.id, 1, &[])).unwrap();
        for _ in 0..3 {
            bench.one.packet().unwrap();
        }
        bench.replace("a cursor");
    });
}

#[test]
fn a_statement_about_the_one_before_pins_while_it_is_open() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        for sql in ["SELECT ROW_COUNT()", "SELECT FOUND_ROWS()", "SELECT @a"] {
            let statement = bench.one.prepare(sql).unwrap();
            bench.expect_pinned("prepared_statement", sql);
            bench.one.close(&statement).unwrap();
            // MySQL warns of some.
            bench.one.scalar("SELECT COUNT(*) FROM t");
            bench.expect_free(sql);
        }
    });
}

#[test]
fn in_strict_mode_a_prepared_statement_pins_to_the_end() {
    each_server(|server| {
        let mut bench = Bench::new(server, "strict");
        let statement = bench.one.prepare("SELECT id FROM t").unwrap();
        bench.expect_pinned("prepared_statement", "prepared");
        bench.one.execute(&statement, &[]).unwrap();
        bench.one.close(&statement).unwrap();
        bench.expect_pinned("prepared_statement", "closed");
        bench.replace("a prepared statement");
    });
}

#[test]
fn a_session_option_pins() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        bench.one.send(Command::COM_SET_OPTION, &[1, 0]).unwrap();
        bench.one.packet().unwrap();
        bench.expect_pinned("session_option", "COM_SET_OPTION");
        bench.one.err("SELECT 1; SELECT 2");
        bench.replace("COM_SET_OPTION");
        assert_eq!(bench.other.query("SELECT 1; SELECT 2").unwrap().len(), 2);
    });
}

#[test]
fn a_reset_ends_pins() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        for sql in [
            "DO 0; SET @a = 1",
            "CREATE TEMPORARY TABLE tmp (a INT)",
            "DO GET_LOCK('{db}', 0)",
            "BEGIN",
            "CALL locking()",
        ] {
            run(&mut bench, &[sql]);
            assert!(bench.is_held(), "{sql}");
            bench.one.send(Command::COM_RESET_CONNECTION, &[]).unwrap();
            bench.one.replies().unwrap();
            assert!(bench.becomes_free(), "{sql}");
            bench.expect_free(sql);
            bench.one.err("SELECT * FROM tmp");
            assert_eq!(bench.one.scalar("SELECT @a"), None);
        }
    });
}

#[test]
fn nobody_is_served_by_a_connection_that_had_a_role() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        let role = format!("{}_role", bench.tenant.name);
        bench.tenant.administer(&[format!("CREATE ROLE {role}"), format!("GRANT {role} TO {}", who(server))]);
        for sql in
            [format!("SET ROLE {role}"), format!("PREPARE s FROM 'SET ROLE {role}'; EXECUTE s; DEALLOCATE PREPARE s")]
        {
            let before = bench.server_ids();
            run(&mut bench, &[&sql, "SELECT CURRENT_ROLE()"]);
            assert!(bench.one.scalar("SELECT CURRENT_ROLE()").unwrap().contains(&role));
            bench.replace(&sql);
            assert_ne!(bench.server_ids(), before, "{sql}: the connection is closed");
        }
        bench.tenant.administer(&[format!("DROP ROLE {role}")]);
    });
}

fn who(server: &Server) -> &'static str {
    if server.flavor() == Flavor::MariaDb { "root@localhost, root@'%'" } else { "root@'%'" }
}

#[test]
fn strict_pinning_lasts_to_the_end_and_the_connection_with_it() {
    each_server(|server| {
        let mut bench = Bench::new(server, "strict");
        let cases: [(&str, &[&str]); 8] = [
            ("sql_prepare", &["PREPARE s FROM 'SELECT 1'", "DEALLOCATE PREPARE s"]),
            ("temporary_table", &["CREATE TEMPORARY TABLE tmp (a INT)", "DROP TABLE tmp"]),
            ("user_variable", &["SET @a = 1"]),
            ("table_lock", &["LOCK TABLES t READ", "UNLOCK TABLES"]),
            ("global_read_lock", &["FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"]),
            ("multi_statement", &["SELECT 1; SELECT 2"]),
            ("call", &["CALL p()"]),
            ("prepared_statement", &[]),
        ];
        for (reason, statements) in cases {
            let before = bench.server_ids();
            run(&mut bench, statements);
            if statements.is_empty() {
                let statement = bench.one.prepare("SELECT 1").unwrap();
                bench.one.close(&statement).unwrap();
            }
            bench.one.ok("DO 0");
            bench.expect_pinned(reason, reason);
            bench.replace(reason);
            assert_ne!(bench.server_ids(), before, "{reason}: the connection is closed");
        }
    });
}

#[test]
fn a_large_command_or_row_pins_in_strict_mode_only() {
    each_server(|server| {
        for (pinning, held) in [("tracked", false), ("strict", true)] {
            // Of a connection, it is what the global one was at its login.
            Tenant::new(server, "large").administer(&["SET GLOBAL max_allowed_packet = 67108864".into()]);
            let mut bench = Bench::new(server, pinning);
            let large = format!("SELECT LENGTH('{}')", "x".repeat(17 << 20));
            for sql in [large.as_str(), "SELECT REPEAT('x', 17 * 1024 * 1024)"] {
                bench.one.send(Command::COM_QUERY, sql.as_bytes()).unwrap();
                // A count of columns, one column, one row, the end.
                let last = (0..4).map(|_| bench.one.packet().unwrap()).last().unwrap();
                assert_eq!(last.payload.first(), Some(&0xFE));
                assert_eq!(bench.is_held(), held, "{pinning}: {}", &sql[..20]);
                bench.replace("a large packet");
            }
        }
    });
}

#[test]
fn temporary_tables_pin_until_the_last_is_dropped_however_that_is_done() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        for (made, dropped) in [
            (&["CREATE TEMPORARY TABLE x (a INT)"][..], &["DROP TABLE x"][..]),
            (&["CREATE TEMPORARY TABLE x SELECT 1 AS a"], &["DROP TEMPORARY TABLE IF EXISTS `x`, nosuch", "DO 0"]),
            (
                &["CREATE TEMPORARY TABLE x (a INT)", "CREATE TEMPORARY TABLE IF NOT EXISTS x (a INT)"],
                &["DROP TABLE x"],
            ),
            (
                &["CREATE TEMPORARY TABLE x (a INT)", "DROP TABLE x", "CREATE TEMPORARY TABLE x (b INT)"],
                &["DROP TEMPORARY TABLE x"],
            ),
            (
                &["CREATE TEMPORARY TABLE x (a INT)", "CREATE TEMPORARY TABLE y (a INT)", "DROP TABLE x"],
                &["DROP TABLES IF EXISTS y"],
            ),
        ] {
            run(&mut bench, made);
            run(&mut bench, &["SELECT COUNT(*) FROM t"]);
            bench.expect_pinned("temporary_table", made[0]);
            run(&mut bench, dropped);
            run(&mut bench, &["SELECT COUNT(*) FROM t"]);
            bench.expect_free(dropped[0]);
        }
        // Of another name now, so its end is not seen.
        run(
            &mut bench,
            &["CREATE TEMPORARY TABLE x (a INT)", "ALTER TABLE x RENAME TO y", "CREATE TEMPORARY TABLE x (a INT)"],
        );
        run(&mut bench, &["DROP TABLE x", "SELECT COUNT(*) FROM y"]);
        bench.expect_pinned("temporary_table", "renamed");
        bench.replace("a temporary table");
    });
}

#[test]
fn texts_prepared_by_sql_pin_until_each_is_deallocated() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        run(
            &mut bench,
            &["PREPARE one FROM 'SELECT 1'", "PREPARE ONE FROM 'SELECT 2'", "PREPARE `two` FROM 'SELECT 3'"],
        );
        bench.expect_pinned("sql_prepare", "two texts, one of them prepared twice");
        run(&mut bench, &["DEALLOCATE PREPARE one"]);
        bench.expect_pinned("sql_prepare", "one left");
        run(&mut bench, &["DROP PREPARE Two"]);
        bench.expect_free("all deallocated");
    });
}

#[test]
fn user_locks_pin_while_the_server_says_that_they_are_held() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        for (taken, released) in [
            (&["SELECT GET_LOCK('pins A', 1)"][..], &["SELECT RELEASE_LOCK('pins A')"][..]),
            (
                &["DO GET_LOCK('pins b', 1), GET_LOCK('pins c', 1)"],
                &["DO RELEASE_LOCK('pins c')", "DO RELEASE_LOCK('pins b')"],
            ),
            (&["SELECT GET_LOCK('pins d', 1)"], &["SELECT RELEASE_ALL_LOCKS()"]),
            (
                &["SELECT GET_LOCK('pins e', 1)", "SELECT GET_LOCK('pins e', 1)"],
                &["SELECT RELEASE_LOCK('pins e'), RELEASE_LOCK('pins e')"],
            ),
        ] {
            run(&mut bench, taken);
            bench.expect_pinned("user_lock", taken[0]);
            run(&mut bench, released);
            bench.expect_free(released[0]);
        }
        // Somebody else has it: GET_LOCK() gives 0, and nothing is held.
        let mut root = bench.tenant.connect(bench.server);
        assert_eq!(root.scalar("SELECT GET_LOCK('pins f', 1)").as_deref(), Some("1"));
        assert_eq!(bench.one.scalar("SELECT GET_LOCK('pins f', 0)").as_deref(), Some("0"));
        bench.expect_free("a lock that was not got");
        // Nobody can tell which.
        run(&mut bench, &["SELECT GET_LOCK(CONCAT('pins', ' g'), 1)", "SELECT RELEASE_LOCK('pins g')"]);
        bench.expect_pinned("user_lock", "a name that is computed");
        bench.replace("a lock");
    });
}

#[test]
fn routines_that_are_known_to_leave_nothing_do_not_pin() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        bench.store(&[
            "CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC NO SQL RETURN a * 2",
            "CREATE PROCEDURE adds(n INT) BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET n = 0; \
             INSERT INTO t (tag) VALUES (n), (n + 1); INSERT INTO idle SELECT id FROM t LIMIT 3; END",
            "CREATE PROCEDURE begins() BEGIN START TRANSACTION; INSERT INTO idle VALUES (1); END",
            "CREATE PROCEDURE sets() SET SESSION sql_mode = 'ANSI_QUOTES'",
            "CREATE PROCEDURE takes() BEGIN DECLARE got INT; SELECT GET_LOCK('pins takes', 0) INTO got; END",
        ]);
        let mut direct = bench.tenant.connect(bench.server);
        for sql in [
            "CALL p()",
            "CALL adds(1)",
            "SELECT twice(id) FROM t",
            "DO twice(1)",
            "UPDATE t SET tag = CONCAT(twice(3), LEFT(UUID(), 8)) LIMIT 3",
        ] {
            run(&mut bench, &[sql]);
            bench.expect_free(sql);
            // Behind it, with others in between.
            let (ours, theirs) =
                (bench.one.rows("SELECT ROW_COUNT()"), direct.query(sql).map(|_| direct.rows("SELECT ROW_COUNT()")));
            assert_eq!(ours, theirs.unwrap(), "{sql}");
        }
        run(&mut bench, &["CALL begins()"]);
        assert!(bench.is_held(), "a transaction is open");
        run(&mut bench, &["ROLLBACK"]);
        bench.expect_free("ROLLBACK");
        run(&mut bench, &["CALL takes()"]);
        bench.expect_pinned("call", "CALL takes()");
        bench.replace("CALL takes()");
        run(&mut bench, &["CALL sets()"]);
        bench.expect_pinned("untracked_state", "CALL sets()");
        bench.replace("CALL sets()");
        assert_eq!(bench.one.scalar("SELECT @@sql_mode LIKE '%ANSI_QUOTES%'").as_deref(), Some("0"));
    });
}

#[test]
fn a_prepared_statement_makes_and_drops_tables_of_its_own_database() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        let [made, dropped] =
            ["CREATE TEMPORARY TABLE x (a INT)", "DROP TABLE x"].map(|sql| bench.one.prepare(sql).unwrap());
        let away = |bench: &mut Bench, statement| {
            bench.one.ok("USE mysql");
            let replies = bench.one.execute(statement, &[]).unwrap();
            assert!(matches!(replies.as_slice(), [support::wire::Reply::Ok(_)]), "{replies:?}");
        };
        away(&mut bench, &made);
        run(&mut bench, &["CREATE TEMPORARY TABLE x (b INT)", "DROP TABLE x"]);
        bench.expect_pinned("temporary_table", "the one of the statement's own database");
        run(&mut bench, &["CREATE TEMPORARY TABLE x (b INT)"]);
        away(&mut bench, &dropped);
        bench.expect_pinned("temporary_table", "the one of the other database");
        bench.replace("a table of another database");
    });
}

#[test]
fn what_a_statement_did_before_it_failed_is_kept() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        let fails = "(SELECT o.id FROM t o WHERE o.id >= t.id) FROM t ORDER BY 0 + t.id";
        assert_eq!(bench.one.err(&format!("SELECT GET_LOCK('pins half', 1), {fails}")).code, 1242);
        run(&mut bench, &["SELECT COUNT(*) FROM t"]);
        bench.expect_pinned("user_lock", "a lock that was got for the first row");
        run(&mut bench, &["DO RELEASE_LOCK('pins half')", "SELECT COUNT(*) FROM t"]);
        bench.expect_free("it is released");
        assert_eq!(bench.one.err("SELECT GET_LOCK('pins half', 1), nosuch FROM t").code, 1054);
        run(&mut bench, &["SELECT COUNT(*) FROM t"]);
        bench.expect_free("a lock that was not asked for");
        assert_eq!(bench.one.err(&format!("SELECT @a := t.id, {fails}")).code, 1242);
        run(&mut bench, &["SELECT COUNT(*) FROM t"]);
        bench.expect_free("a variable that was assigned for the first row, and read back");
        assert_eq!(bench.other.scalar("SELECT @a"), None);
        assert_eq!(bench.one.scalar("SELECT @a").as_deref(), Some("1"));
        bench.replace("a variable");
    });
}
