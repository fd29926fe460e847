//! What else a statement's text says.

use super::*;

fn has(mode: Mode, sql: &str, fact: Facts) -> bool {
    classify(sql.as_bytes(), mode).facts.contains(fact)
}

#[track_caller]
fn each(fact: Facts, with: &[&str], without: &[&str]) {
    for mode in [MY, MARIA] {
        for sql in with {
            assert!(has(mode, sql, fact), "{:?}: {fact:?} missing: {sql}", mode.flavor);
        }
        for sql in without {
            assert!(!has(mode, sql, fact), "{:?}: {fact:?}: {sql}", mode.flavor);
        }
    }
}

#[test]
fn read_only() {
    let with = [
        "SELECT * FROM t WHERE a = 1",
        "WITH x (a) AS (SELECT 1), y (b) AS (SELECT 2) SELECT * FROM x, y",
        "SELECT COUNT(*), MAX(a), COALESCE(a, IF(b, 1, 2)), CAST(a AS CHAR(5)) FROM t GROUP BY a",
        "SELECT a FROM (SELECT 1 AS a) dt (a) WHERE a IN (1, 2) AND EXISTS (SELECT 1)",
        "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t",
        "SELECT LAST_INSERT_ID()",
        "SHOW TABLES",
        "SHOW PROCESSLIST",
        "EXPLAIN DELETE FROM t",
        "DESCRIBE t",
        "SELECT 1; SELECT 2",
        "SELECT @a",
        "SELECT CONNECTION_ID()",
        "VALUES ROW(1)",
    ];
    let without = [
        "",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR SHARE",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "SELECT * FROM t INTO OUTFILE 'x'",
        "SELECT GET_LOCK('a', 1)",
        "SELECT RELEASE_LOCK('a')",
        "SELECT RELEASE_ALL_LOCKS()",
        "SELECT @a := 1",
        "SELECT my_function(1)",
        "SELECT db.my_function(1)",
        "SELECT LAST_INSERT_ID(5)",
        "SELECT ROW_COUNT()",
        "SELECT FOUND_ROWS()",
        "SELECT @@warning_count",
        "SHOW WARNINGS",
        "INSERT INTO t VALUES (1)",
        "SELECT 1; DELETE FROM t",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "SET a = 1",
        "CALL p()",
        "DO SLEEP(1)",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SELECT SQL_CALC_FOUND_ROWS 1",
    ];
    each(Facts::READ_ONLY, &with, &without);
    assert!(!has(MARIA, "SELECT NEXTVAL(s)", Facts::READ_ONLY));
    assert!(!has(MARIA, "SELECT SETVAL(s, 5)", Facts::READ_ONLY));
    assert!(!has(MARIA, "ANALYZE UPDATE t SET a = 1", Facts::READ_ONLY));
    assert!(has(MARIA, "SET STATEMENT max_statement_time = 1 FOR SELECT 1", Facts::READ_ONLY));
}

#[test]
fn multi() {
    let with = ["SELECT 1; SELECT 2", "SELECT 1; -- x", "SELECT 1; ; ; x", "SET a = ';'; SET b = 1;"];
    let without =
        ["SELECT 1;", "SELECT 1 ; ;\n", "SELECT ';' /* ; */", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END"];
    each(Facts::MULTI, &with, &without);
    assert!(!has(MARIA, "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", Facts::MULTI));
    assert!(has(MARIA, "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", Facts::COMPOUND | Facts::MAY_RUN_ROUTINE));
}

#[test]
fn sets_only_variables() {
    let with = [
        "SET sql_mode = ''",
        "SET NAMES utf8mb4, time_zone = '+00:00'",
        "SET CHARSET latin1",
        "SET @@session.a = 1, GLOBAL b = @x",
        "SET SESSION TRANSACTION READ ONLY",
        "SET TRANSACTION READ ONLY",
        "SET time_zone = CONCAT('+', '00:00')",
        "SET a = 1; SELECT 1",
        "BEGIN; SELECT 1; SET a = 1",
    ];
    let without = [
        "SET @a = 1",
        "SET a = 1, @b = 2",
        "SET ROLE x",
        "SET PASSWORD = 'x'",
        "SET DEFAULT ROLE x TO y",
        "SET a = my_function()",
        "SET a = 1; SELECT my_function()",
        "SET a = 1; INSERT INTO t VALUES (1)",
        "SET a = 1; USE b",
        "SELECT 1",
    ];
    each(Facts::SETS_ONLY_VARIABLES, &with, &without);
}

#[test]
fn reads_of_the_previous_statement() {
    each(
        Facts::READS_LAST_INSERT_ID,
        &[
            "SELECT LAST_INSERT_ID()",
            "INSERT INTO t VALUES (last_insert_id ( /* x */ ))",
            "SELECT @@last_insert_id",
            "SELECT @@session.identity",
            "SELECT `last_insert_id`()",
            "SELECT LAST_INSERT_ID(LAST_INSERT_ID() + 1)",
        ],
        &["SELECT LAST_INSERT_ID(5)", "SELECT last_insert_id, identity FROM t", "SET @@last_insert_id = 5"],
    );
    each(
        Facts::READS_ROW_COUNT,
        &["SELECT row_count()", "DO ROW_COUNT ()", "INSERT INTO t SELECT ROW_COUNT() + 1"],
        &["SELECT row_count FROM t", "SELECT x.row_count() FROM t", "INSERT INTO row_count () VALUES ()"],
    );
    each(Facts::READS_FOUND_ROWS, &["SELECT FOUND_ROWS()"], &["SELECT found_rows"]);
    each(
        Facts::READS_DIAGNOSTICS,
        &["SHOW WARNINGS", "SHOW COUNT(*) ERRORS", "SELECT @@warning_count", "SELECT @@SESSION.`Error_Count`"],
        &["SHOW STATUS", "SELECT warning_count FROM t", "SELECT @warning_count"],
    );
    each(Facts::READS_DIAGNOSTICS, &["GET DIAGNOSTICS @a = NUMBER"], &["SELECT t.warning_count FROM t"]);
    each(
        Facts::READS_CONNECTION_ID,
        &["SELECT CONNECTION_ID()", "KILL CONNECTION_ID()", "SELECT @@pseudo_thread_id"],
        &["SELECT connection_id FROM t"],
    );
    each(Facts::READS_AUTO_IS_NULL, &["SELECT * FROM t WHERE a IS NULL"], &["SELECT * FROM t WHERE a IS NOT NULL"]);
}

#[test]
fn sets_last_insert_id() {
    each(
        Facts::SETS_LAST_INSERT_ID,
        &[
            "UPDATE t SET a = LAST_INSERT_ID(a + 1)",
            "INSERT INTO t VALUES (1) RETURNING a",
            "REPLACE t VALUES (1) RETURNING a",
            "CALL p()",
            "SET last_insert_id = 5",
            "SET @@session.identity = 5",
            "EXECUTE s",
        ],
        &["SELECT LAST_INSERT_ID()", "INSERT INTO t VALUES (1)", "DELETE FROM t RETURNING a"],
    );
}

#[test]
fn routines() {
    let with = [
        "CALL p()",
        "EXECUTE s",
        "SELECT f()",
        "SELECT db . f (1)",
        "SELECT `abs`(1)",
        "SELECT * FROM t WHERE a = f(b)",
        "INSERT INTO t VALUES (f(1))",
        "INSERT INTO t (a) SELECT f(1)",
        "CREATE TABLE t SELECT f(1)",
        "SET @a = f(1)",
        "UPDATE t SET a = f(a)",
        "SELECT IF(a, f(1), 2)",
    ];
    let without = [
        "SELECT ABS(1), NOW (), COUNT(*), a IN (1), CASE WHEN (a) THEN (b) END, x AND (y), NOT (z)",
        "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)",
        "INSERT t (a) VALUES (1)",
        "INSERT IGNORE db.t (a) VALUES (1)",
        "REPLACE LOW_PRIORITY t (a) VALUES (1)",
        "INSERT INTO t (a) VALUES (1) AS new (b) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "CREATE TABLE t (a VARCHAR(10), b DECIMAL(5, 2), KEY k (a), CONSTRAINT c CHECK (a > 1))",
        "CREATE INDEX i ON t (a)",
        "ALTER TABLE t ADD INDEX i (a)",
        "SELECT * FROM t USE INDEX (i) JOIN u USING (a) WHERE MATCH (a) AGAINST ('x')",
        "LOAD DATA INFILE 'x' INTO TABLE t (a, b)",
        "SELECT * FROM t PARTITION (p0)",
        "SELECT SUBSTRING(a FROM 1 FOR 2), EXTRACT(DAY FROM b), INTERVAL(1, 2), CAST(a AS DECIMAL(5,2))",
        "SELECT f FROM t",
        "SELECT 'f(1)', `f`",
    ];
    each(Facts::MAY_RUN_ROUTINE, &with, &without);
    assert!(has(MARIA, "SELECT UUID_TO_BIN(a)", Facts::MAY_RUN_ROUTINE));
    assert!(has(MY, "SELECT NVL(a, b)", Facts::MAY_RUN_ROUTINE));
}

#[test]
fn trackers() {
    each(
        Facts::TOUCHES_TRACKERS,
        &[
            "SET session_track_schema = 0",
            "SELECT @@session_track_gtids",
            "SET @@session.`Session_Track_x` = 1",
            "SET GLOBAL session_track_schema = 0",
            "PREPARE s FROM 'SET SESSION session_track_gtids = OFF'",
            "PREPARE s FROM @x",
            "SELECT 1; SET session_track_schema = 0",
        ],
        &["SELECT 'session_track_schema'", "SHOW VARIABLES LIKE 'session_track_%'", "SET session_trac = 1"],
    );
    assert!(has(MARIA, "EXECUTE IMMEDIATE 'SET session_track_schema=0'", Facts::TOUCHES_TRACKERS));
}

#[test]
fn transactions() {
    each(Facts::IS_TRANSACTION_START, &["BEGIN", "START TRANSACTION"], &["START REPLICA", "COMMIT"]);
    each(
        Facts::BEGINS_OR_ENDS_TRANSACTION,
        &[
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SET autocommit = 1",
            "XA START 'x'",
            "CREATE TABLE t (a INT)",
            "LOCK TABLES t READ",
        ],
        &["SELECT 1", "ROLLBACK TO x", "SAVEPOINT x", "CREATE TEMPORARY TABLE t (a INT)", "DROP TEMPORARY TABLE t"],
    );
    each(
        Facts::CHAINED,
        &["COMMIT AND CHAIN", "ROLLBACK WORK AND CHAIN"],
        &["COMMIT AND NO CHAIN", "ROLLBACK TO chain"],
    );
    each(
        Facts::MAKES_SAVEPOINT,
        &["SAVEPOINT x", "SELECT 1; SAVEPOINT x", "SET autocommit = 0; /* y */ savepoint `x`"],
        &["ROLLBACK TO SAVEPOINT x", "RELEASE SAVEPOINT x", "SELECT savepoint FROM t"],
    );
    each(Facts::RELEASES_CONNECTION, &["COMMIT RELEASE"], &["COMMIT NO RELEASE", "RELEASE SAVEPOINT x"]);
}

#[test]
fn the_rest() {
    each(
        Facts::IS_DML,
        &["INSERT t VALUES (1)", "LOAD XML INFILE 'x' INTO TABLE t"],
        &["SELECT 1", "EXPLAIN DELETE FROM t"],
    );
    each(Facts::SETS_ROLE, &["SET ROLE x", "SET SESSION AUTHORIZATION a"], &["SET DEFAULT ROLE x TO y"]);
    each(Facts::SETS_INSERT_ID, &["SET insert_id = 1"], &["SET GLOBAL insert_id = 1"]);
    assert!(has(MY, "SELECT /*+ set_var(sort_buffer_size = 1) */ 1", Facts::TEMPORARY_VALUES));
    assert!(!has(MY, "SELECT /*+ NO_ICP(t) */ 1", Facts::TEMPORARY_VALUES));
    assert!(!has(MARIA, "SELECT /*+ SET_VAR(a = 1) */ 1", Facts::TEMPORARY_VALUES));
    assert!(has(MARIA, "SET STATEMENT a = 1 FOR SELECT 1", Facts::TEMPORARY_VALUES));
    assert_eq!(format!("{:?}", Facts::MULTI | Facts::READ_ONLY), "{READ_ONLY, MULTI}");
}

#[test]
fn sets_unreported() {
    for sql in [
        "SET @@sql_mode = ''",
        "SET a = 1, @@b = 2",
        "SELECT my_function()",
        "EXECUTE p",
        "SET @@`a` = 1",
        "SET lock_wait_timeout = 5, innodb_lock_wait_timeout = 6",
        "SET SESSION Aria_sort_buffer_size = DEFAULT",
        "SET SESSION a_name_of_more_than_forty_characters_in_all = 1",
    ] {
        assert!(has(MARIA, sql, Facts::SETS_UNREPORTED), "{sql}");
        assert!(!has(MY, sql, Facts::SETS_UNREPORTED), "{sql}");
    }
    for sql in [
        "SET sql_mode = ''",
        "SET @@session.sql_mode = 1",
        "SET @@local.TIME_ZONE = @@b",
        "SET SESSION autocommit = 1",
        "SET @@global.a = 1",
    ] {
        assert!(!has(MARIA, sql, Facts::SETS_UNREPORTED), "{sql}");
    }
}

#[test]
fn a_limit_that_is_set_for_the_statement_alone_hides_what_found_rows_gives() {
    let untold = |sql: &str, mode| classify(sql.as_bytes(), mode).facts.contains(Facts::COUNTS_UNTOLD);
    assert!(untold("SET STATEMENT sql_select_limit = 1 FOR SELECT 1 UNION SELECT 2", MARIA));
    assert!(untold("SELECT 1 UNION SELECT 2 LIMIT 1", MARIA) && !untold("SELECT 1 UNION SELECT 2", MARIA));
    assert!(!untold("SELECT 1 UNION SELECT 2 LIMIT 1", MY));
}

/// Measured: what one table's change leaves of `FOUND_ROWS()`, and what several tables' may.
#[test]
fn counts_of_changes() {
    let alone = [
        "UPDATE t SET a = 1, b = 2 WHERE c = 3",
        "UPDATE LOW_PRIORITY IGNORE db.t AS x SET x.a = 1 ORDER BY a, b LIMIT 3",
        "UPDATE `set` SET a = 1",
    ];
    let several = [
        "UPDATE t, u SET t.a = 1",
        "UPDATE db.set, u SET a = 1",
        "UPDATE t JOIN u ON t.id = u.id SET t.a = 1",
        "UPDATE t SET a = (SELECT 1)",
        "WITH x AS (SELECT 1) UPDATE t SET a = 1",
        "DELETE t FROM t WHERE a = 1",
        "DELETE FROM t USING t JOIN u ON t.id = u.id",
        "DELETE t, u FROM t JOIN u ON t.id = u.id",
        "DELETE FROM t WHERE a IN (SELECT a FROM u)",
    ];
    let left = [
        "DELETE FROM t",
        "DELETE LOW_PRIORITY QUICK IGNORE FROM t WHERE a = 1, b",
        "DELETE FROM t ORDER BY a, b LIMIT 1",
        "INSERT INTO t VALUES (1), (2)",
    ];
    for mode in [MY, MARIA] {
        for sql in several {
            assert!(has(mode, sql, Facts::COUNTS_ROWS | Facts::COUNTS_UNTOLD), "{:?}: {sql}", mode.flavor);
        }
        for sql in left {
            assert!(!has(mode, sql, Facts::COUNTS_ROWS), "{:?}: {sql}", mode.flavor);
        }
    }
    for sql in alone {
        assert!(!has(MARIA, sql, Facts::COUNTS_ROWS), "{sql}");
        assert!(has(MY, sql, Facts::COUNTS_ROWS | Facts::COUNTS_MATCHED), "{sql}");
        assert!(!has(MY, sql, Facts::COUNTS_UNTOLD), "{sql}");
    }
    assert!(has(MY, "DO 1", Facts::COUNTS_ROWS) && !has(MARIA, "DO 1", Facts::COUNTS_ROWS));
    assert!(has(MARIA, "DO (SELECT 1)", Facts::COUNTS_UNTOLD));
}
