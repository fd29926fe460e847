//! Statement → where it may run.

use super::super::builtin::is_builtin;
use super::super::classify::classify;
use super::super::mode::{Flavor, Mode};
use super::*;

const MODES: [Mode; 2] = [Mode::new(Flavor::MySql, 90_704), Mode::new(Flavor::MariaDb, 101_119)];

#[track_caller]
fn each(is: impl Fn(&Verdict) -> bool, with: &[&str], without: &[&str]) {
    for mode in MODES {
        for (sql, expected) in with.iter().map(|sql| (sql, true)).chain(without.iter().map(|sql| (sql, false))) {
            let verdict = classify(sql.as_bytes(), mode);
            assert_eq!(is(&verdict), expected, "{:?}: {sql}: {verdict:?}", mode.flavor);
        }
    }
}

#[test]
fn plain_reads() {
    let with = [
        "SELECT 1",
        "(SELECT a FROM t) UNION SELECT b FROM u ORDER BY 1",
        "SELECT COUNT(*), NOW(), RAND(), SLEEP(0), USER(), DATABASE() FROM t WHERE a IS NULL AND b IN (1, 2)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT 'FOR UPDATE', 'information_schema', `@@x` FROM t",
        "SELECT * FROM systems, mysqls",
        "TABLE t",
        "/* greenroom: replica */ SELECT 1",
    ];
    let without = [
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR SHARE SKIP LOCKED",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT * FROM t INTO OUTFILE 'x'",
        "SELECT 1 INTO @a",
        "SELECT @a",
        "SELECT @a := 1",
        "SELECT @@server_id",
        "SELECT @@GLOBAL.read_only",
        "SELECT 1; SELECT 2",
        "SELECT f(1)",
        "SELECT db.f(1)",
        "SELECT HIGH_PRIORITY f(1)",
        "SELECT HIGH_PRIORITY db.f(1) FROM t",
        "SELECT `now`()",
        "SELECT LAST_INSERT_ID()",
        "SELECT CONNECTION_ID()",
        "SELECT VERSION ()",
        "SELECT IS_FREE_LOCK('a')",
        "SELECT GET_LOCK('a', 1)",
        "SELECT RELEASE_LOCK('a')",
        "SELECT LOAD_FILE('/etc/hosts')",
        "SELECT FOUND_ROWS()",
        "SELECT SQL_CALC_FOUND_ROWS * FROM t",
        "SELECT * FROM INFORMATION_SCHEMA.processlist",
        "SELECT * FROM `mysql`.`user`",
        "SELECT * FROM sys . x",
        "SELECT /*!40001 SQL_NO_CACHE */ 1",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "INSERT INTO t SELECT 1",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "DO 1",
        "CALL p()",
        "BEGIN",
        "",
    ];
    each(Verdict::is_plain_read, &with, &without);
    each(Verdict::only_reads, &["SHOW TABLES", "EXPLAIN SELECT 1", "SELECT @@port"], &["SHOW WARNINGS", "SET a = 1"]);
    assert!(!classify(b"SELECT /*+ SET_VAR(sort_buffer_size = 16M) */ 1", MODES[0]).is_plain_read());
    // A keyword of MySQL 9 is a user's function on one that does not have it yet.
    assert!(!classify(b"SELECT validate(1)", Mode::new(Flavor::MySql, 80_400)).is_plain_read());
    // MariaDB has other version comments, and a sequence is MariaDB's own.
    assert!(!classify(b"SELECT NEXT VALUE FOR s", MODES[1]).is_plain_read());
    assert!(!classify(b"SELECT NEXTVAL(s), LASTVAL(s)", MODES[1]).is_plain_read());
    assert!(!classify(b"SELECT /*M!100000 1, */ 2", MODES[1]).is_plain_read());
}

#[test]
fn transactions_that_read() {
    let with = [
        "START TRANSACTION READ ONLY",
        "start transaction read /* c */ only",
        "/* greenroom: primary */ START TRANSACTION READ ONLY;",
    ];
    let without = [
        "BEGIN",
        "START TRANSACTION",
        "START TRANSACTION READ WRITE",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        "START TRANSACTION /*!50605 READ ONLY */",
        "START TRANSACTION READ ONLY; INSERT INTO t VALUES (1)",
        "SET TRANSACTION READ ONLY",
        "START REPLICA",
    ];
    each(Verdict::begins_reading, &with, &without);
    let snapshot = b"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
    assert_eq!(MODES.map(|mode| classify(snapshot, mode).begins_reading()), [true, false]);
}

#[test]
fn what_a_transaction_that_reads_may_go_on_with() {
    let with = [
        "SELECT a FROM t",
        "SELECT @@server_id, @a, LAST_INSERT_ID(), CONNECTION_ID(), VERSION()",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "SELECT * FROM information_schema.tables",
        "COMMIT",
        "COMMIT AND CHAIN",
        "ROLLBACK",
        "SAVEPOINT a",
        "ROLLBACK TO a",
    ];
    let without = [
        "BEGIN",
        "INSERT INTO t VALUES (1)",
        "SELECT GET_LOCK('a', 1)",
        "SELECT IS_USED_LOCK('a')",
        "SELECT @a := 1",
        "SELECT f(1)",
        "SELECT * FROM t FOR UPDATE",
        "INSERT INTO t VALUES (f(1))",
        "INSERT INTO t VALUES (GET_LOCK('a', 1))",
        "UPDATE t SET a = @a",
        "COMMIT; INSERT INTO t VALUES (1)",
        "SET GLOBAL read_only = 0",
        "CREATE TABLE t (a INT)",
        "LOCK TABLES t READ",
        "SET autocommit = 1",
        "CALL p()",
        "FLUSH TABLES",
    ];
    each(Verdict::keeps_to_reading, &with, &without);
    let refused =
        ["INSERT INTO t VALUES (1)", "DELETE FROM t", "REPLACE t SELECT 1", "WITH x AS (SELECT 1) UPDATE t SET a = 1"];
    let others =
        ["INSERT INTO t VALUES (f(1))", "INSERT INTO t VALUES (GET_LOCK('a', 1))", "UPDATE t SET a = @a", "SELECT 1"];
    each(Verdict::is_refused_reading, &refused, &others);
}

#[test]
fn questions_about_the_previous_statement() {
    let with = ["SHOW WARNINGS", "SHOW COUNT(*) ERRORS", "SELECT @@warning_count", "SELECT ROW_COUNT(), FOUND_ROWS()"];
    let without = [
        "SELECT 1",
        "INSERT INTO t VALUES (ROW_COUNT())",
        "SHOW WARNINGS; DELETE FROM t",
        "GET DIAGNOSTICS @n = NUMBER",
        "SELECT ROW_COUNT(), GET_LOCK('a', 1)",
        "SELECT ROW_COUNT(), f(1)",
        "DO ROW_COUNT()",
    ];
    each(Verdict::asks_of_previous, &with, &without);
}

#[test]
fn wishes() {
    let wish = |text: &str| Wish::of_text(text.as_bytes());
    assert_eq!(wish("  /*Greenroom : REPLICA*/SELECT 1"), Some(Wish::Replica));
    assert_eq!(wish("/* greenroom: primary */"), Some(Wish::Primary));
    for text in [
        "SELECT 1",
        "/* greenroom: elsewhere */ SELECT 1",
        "/* greenroom primary */",
        "/* primary */",
        "/*",
        "/* greenroom: primary",
    ] {
        assert_eq!(wish(text), None, "{text}");
    }
}

#[test]
fn functions_that_ask_the_server_are_functions() {
    for name in ASK_SERVER {
        assert!(MODES.iter().any(|mode| is_builtin(name.as_bytes(), mode)), "{name}");
    }
}

#[test]
fn what_may_write() {
    let with =
        ["INSERT INTO t VALUES (1)", "DROP TABLE t", "CALL p()", "SELECT f(1)", "SELECT 1; SELECT 2", "XA COMMIT 'a'"];
    let without = ["SELECT 1 FOR UPDATE", "SET @a = 1", "BEGIN", "COMMIT", "SHOW TABLES", "DO SLEEP(1)", "USE d", ""];
    each(Verdict::may_write, &with, &without);
    assert!(classify(b"SELECT NEXT VALUE FOR s", MODES[1]).may_write());
}
