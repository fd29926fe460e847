//! What comes out; on real servers, each pair gave the same names, types, widths and values.

use super::*;
use crate::sql::mode::{ClientCharset, Flavor};

const MY: Mode = Mode::new(Flavor::MySql, 90704);
const MARIA: Mode = Mode::new(Flavor::MariaDb, 101_119);
const KNOWN: Known = Known { row_count: Some(-1), found_rows: FoundRows::Rows(2), connection_id: Some(7) };

fn substituted(sql: &[u8], mode: Mode) -> Option<String> {
    let mut out = b"before ".to_vec();
    if !substitute(sql, mode, &KNOWN, &mut out) {
        assert_eq!(out, b"before ");
        return None;
    }
    String::from_utf8(out).ok().and_then(|text| text.strip_prefix("before ").map(str::to_owned))
}

/// `{r}`, `{f}` and `{c}` stand for the values in `expected`.
#[track_caller]
fn gives(sql: &str, expected: &str) {
    let values = [
        (
            MY,
            "CAST('-00000000000000000001' AS SIGNED)",
            "COALESCE(CAST('000000000000000000002' AS SIGNED),FOUND_ROWS())",
        ),
        (MARIA, "COALESCE(-1,ROW_COUNT())", "COALESCE(2,FOUND_ROWS())"),
    ];
    for (mode, rows, found) in values {
        let id = match mode.is_mariadb() {
            true => "COALESCE(CAST(7 AS UNSIGNED),CONNECTION_ID())",
            false => "CAST('000000000000000000007' AS UNSIGNED)",
        };
        let expected = expected.replace("{r}", rows).replace("{f}", found).replace("{c}", id);
        assert_eq!(substituted(sql.as_bytes(), mode), Some(expected), "{sql}");
    }
}

#[test]
fn items_keep_their_names() {
    gives("SELECT ROW_COUNT()", "SELECT {r} AS `ROW_COUNT()`");
    gives("select  row_count ( /* x */ ) + 1 , 2", "select  {r} + 1 AS `row_count ( /* x */ ) + 1` , 2");
    gives("SELECT Found_Rows(), CONNECTION_ID();", "SELECT {f} AS `Found_Rows()`, {c} AS `CONNECTION_ID()`;");
    gives("SELECT DISTINCT -ROW_COUNT() -- x\n", "SELECT DISTINCT -{r} AS `-ROW_COUNT()` -- x\n");
    gives("SELECT `a``b` + ROW_COUNT() FROM t", "SELECT `a``b` + {r} AS ```a````b`` + ROW_COUNT()` FROM t");
    gives("SELECT (SELECT ROW_COUNT())", "SELECT (SELECT {r} AS `ROW_COUNT()`) AS `(SELECT ROW_COUNT())`");
    gives("SELECT * FROM (SELECT ROW_COUNT()) t", "SELECT * FROM (SELECT {r} AS `ROW_COUNT()`) t");
    gives(
        "SELECT CASE ROW_COUNT() WHEN 1 THEN 2 END",
        "SELECT CASE {r} WHEN 1 THEN 2 END AS `CASE ROW_COUNT() WHEN 1 THEN 2 END`",
    );
    gives("SELECT HIGH_PRIORITY ROW_COUNT()", "SELECT HIGH_PRIORITY {r} AS `ROW_COUNT()`");
    gives("SELECT ROW_COUNT() IS NULL", "SELECT {r} IS NULL AS `ROW_COUNT() IS NULL`");
    gives("SELECT ROW_COUNT() UNION SELECT 5", "SELECT {r} AS `ROW_COUNT()` UNION SELECT 5");
    gives("SELECT 'ROW_COUNT()', ROW_COUNT()", "SELECT 'ROW_COUNT()', {r} AS `ROW_COUNT()`");
    gives("INSERT INTO t VALUES (1) RETURNING ROW_COUNT()", "INSERT INTO t VALUES (1) RETURNING {r} AS `ROW_COUNT()`");
}

#[test]
fn aliases_stay() {
    gives("SELECT ROW_COUNT() AS n", "SELECT {r} AS n");
    gives("SELECT ROW_COUNT()AS`n`", "SELECT {r}AS`n`");
    gives("SELECT ROW_COUNT() n, ROW_COUNT() 'm', 1 + ROW_COUNT() `o p`", "SELECT {r} n, {r} 'm', 1 + {r} `o p`");
    gives("SELECT a + ROW_COUNT() b FROM t", "SELECT a + {r} b FROM t");
    gives("SELECT ROW_COUNT() + a b FROM t", "SELECT {r} + a b FROM t");
    gives("SELECT ROW_COUNT() COLLATE utf8mb4_bin n", "SELECT {r} COLLATE utf8mb4_bin n");
}

#[test]
fn elsewhere_the_value_alone() {
    gives("SELECT 1 FROM t WHERE id = CONNECTION_ID()", "SELECT 1 FROM t WHERE id = {c}");
    gives("SELECT a FROM t ORDER BY ROW_COUNT() LIMIT 1", "SELECT a FROM t ORDER BY {r} LIMIT 1");
    gives(
        "INSERT INTO t (row_count) VALUES (ROW_COUNT(), FOUND_ROWS())",
        "INSERT INTO t (row_count) VALUES ({r}, {f})",
    );
    gives("UPDATE t SET a = ROW_COUNT() WHERE b", "UPDATE t SET a = {r} WHERE b");
    gives("SET @a = ROW_COUNT()", "SET @a = {r}");
    gives("DO ROW_COUNT()", "DO {r}");
    gives("CALL p(ROW_COUNT())", "CALL p({r})");
}

#[test]
fn refusals() {
    let refused = [
        "SELECT 1",
        "SELECT 'ROW_COUNT()' /* ROW_COUNT() */",
        "SELECT row_count FROM t",
        "SELECT db.row_count()",
        "SELECT `row_count`()",
        "SELECT ROW_COUNT(1)",
        "INSERT INTO row_count () VALUES ()",
        "SELECT 1; SELECT ROW_COUNT()",
        "CREATE TABLE t SELECT ROW_COUNT()",
        "CREATE VIEW v AS SELECT CONNECTION_ID()",
        "CREATE PROCEDURE p() SELECT ROW_COUNT()",
        "PREPARE s FROM 'SELECT ROW_COUNT()'",
        "PREPARE s FROM _utf8mb4'SELECT CONNECTION_ID()'",
        "PREPARE s FROM 'SELECT CONNECTION_ID()' ' + 1'",
        "PREPARE s FROM 'SELECT CONNECTION_ID(), 1; SELECT 2'",
        "PREPARE s FROM @connection_id",
        "SELECT ROW_COUNT() /*!50000 + 1 */",
        "SELECT ROW_COUNT() year",
        "SELECT NOW() + INTERVAL ROW_COUNT() DAY",
        "VALUES ROW(ROW_COUNT())",
        "SELECT ROW_COUNT() SELECT 1",
        "SELECT (ROW_COUNT()",
        "SELECT ROW_COUNT())",
        "KILL CONNECTION_ID()",
    ];
    for sql in refused {
        assert_eq!(substituted(sql.as_bytes(), MY), None, "{sql}");
        assert_eq!(substituted(sql.as_bytes(), MARIA), None, "{sql}");
    }
    assert_eq!(substituted(b"BEGIN NOT ATOMIC SELECT ROW_COUNT(); END", MARIA), None);
    assert_eq!(substituted(b"SELECT ROW_COUNT() FOR UPDATE", MARIA), None);
    assert_eq!(substituted(b"SELECT * FROM (SELECT FOUND_ROWS()) t", MARIA), None);
    let long = format!("SELECT {}ROW_COUNT()", "1 + ".repeat(80));
    assert_eq!(substituted(long.as_bytes(), MY), None);
}

#[test]
fn two_byte_names_are_left_alone() {
    let gbk = Mode { charset: ClientCharset::Gbk, ..MY };
    assert_eq!(substituted(b"SELECT '\x81\x60', ROW_COUNT() + '\x81\x60'", gbk), None);
    assert!(substitute(b"SELECT '\x81\x60', ROW_COUNT()", gbk, &KNOWN, &mut Vec::new()));
}

fn several(sql: &str, mode: Mode) -> (String, bool) {
    let mut out = Vec::new();
    let done = substitute_several(sql.as_bytes(), mode, &KNOWN, &mut out);
    assert_eq!(done.changed, !out.is_empty(), "{sql}");
    (String::from_utf8(out).unwrap(), done.open)
}

#[test]
fn of_several_statements_each_is_asked_about_what_stood_before_it() {
    let (r, f) = ("COALESCE(-1,ROW_COUNT())", "COALESCE(2,FOUND_ROWS())");
    let c = "COALESCE(CAST(7 AS UNSIGNED),CONNECTION_ID())";
    for (sql, expected) in [
        ("SELECT ROW_COUNT() a; SELECT ROW_COUNT()", "SELECT {r} a; SELECT ROW_COUNT()"),
        ("SELECT 1; SELECT CONNECTION_ID() AS c;SELECT FOUND_ROWS()", "SELECT 1; SELECT {c} AS c;SELECT FOUND_ROWS()"),
        ("/* x */; SELECT ROW_COUNT() a -- y;\n; DO 0", "/* x */; SELECT {r} a -- y;\n; DO 0"),
        ("BEGIN; SET @a = 1; SELECT FOUND_ROWS() a, ROW_COUNT() b", "BEGIN; SET @a = 1; SELECT {f} a, ROW_COUNT() b"),
        ("SELECT ';', ROW_COUNT() a; SELECT 2;", "SELECT ';', {r} a; SELECT 2;"),
        (
            "DO CONNECTION_ID(); CREATE PROCEDURE p() BEGIN DO 1; DO CONNECTION_ID(); END",
            "DO {c}; CREATE PROCEDURE p() BEGIN DO 1; DO CONNECTION_ID(); END",
        ),
        ("DO CONNECTION_ID(); SET sql_mode = ''; DO CONNECTION_ID()", "DO {c}; SET sql_mode = ''; DO CONNECTION_ID()"),
    ] {
        let expected = expected.replace("{r}", r).replace("{f}", f).replace("{c}", c);
        assert_eq!(several(sql, MARIA), (expected, false), "{sql}");
    }
}

#[test]
fn what_may_ask_about_the_statement_before_the_string_stays_open() {
    for sql in [
        "SHOW TABLES; SELECT FOUND_ROWS()",
        "CALL p(); SELECT FOUND_ROWS()",
        "SET @a = (SELECT 1); SELECT FOUND_ROWS()",
        "SET @a = f(); SELECT FOUND_ROWS()",
        "CREATE TABLE t SELECT ROW_COUNT(); SELECT 1",
        "SELECT `row_count`() + ROW_COUNT(); SELECT 1",
        "/*!50000 SELECT ROW_COUNT() */; SELECT 1",
        "SET sql_mode = ''; SELECT FOUND_ROWS() a",
    ] {
        assert_eq!(several(sql, MY), (String::new(), true), "{sql}");
    }
    for sql in [
        "SELECT 1; SELECT ROW_COUNT(), FOUND_ROWS()",
        "INSERT INTO t SELECT 1; SELECT FOUND_ROWS()",
        "SELECT 1; SHOW TABLES; SELECT FOUND_ROWS()",
    ] {
        assert_eq!(several(sql, MY), (String::new(), false), "{sql}");
    }
}

#[test]
fn texts_that_may_ask_are_found_by_the_names_alone() {
    for text in ["SELECT Row_Count()", "found_rows", "x CONNECTION_ID", "a_row_count_b"] {
        assert!(may_ask(text.as_bytes()), "{text}");
    }
    for text in ["", "_", "row_", "_count", "SELECT row_coun", "ow_count", "connection id", "rowcount"] {
        assert!(!may_ask(text.as_bytes()), "{text}");
    }
}

#[test]
fn texts_in_literals() {
    for (sql, expected) in [
        ("PREPARE s FROM 'SELECT CONNECTION_ID()'", "PREPARE s FROM 'SELECT {c} AS `CONNECTION_ID()`'"),
        (
            "PREPARE s FROM /* x */ 'SELECT CONNECTION_ID() n, ROW_COUNT()';",
            "PREPARE s FROM /* x */ 'SELECT {c} n, ROW_COUNT() AS `ROW_COUNT()`';",
        ),
        (r"PREPARE `from` FROM 'DO CONNECTION_ID(), ''a\\'''", r"PREPARE `from` FROM 'DO {c}, ''a\\'''"),
        (r#"PREPARE s FROM "DO 'it''s', CONNECTION_ID()""#, "PREPARE s FROM 'DO ''it''''s'', {c}'"),
    ] {
        let expected = expected.replace("{c}", "COALESCE(CAST(7 AS UNSIGNED),CONNECTION_ID())");
        assert_eq!(substituted(sql.as_bytes(), MARIA), Some(expected), "{sql}");
    }
    let expected = "EXECUTE IMMEDIATE 'DO COALESCE(-1,ROW_COUNT()), ?' USING @a";
    assert_eq!(substituted(b"EXECUTE IMMEDIATE 'DO ROW_COUNT(), ?' USING @a", MARIA).as_deref(), Some(expected));
}

#[test]
fn a_variable_gives_way_to_its_value() {
    let value = |name: &[u8]| (name == b"a b").then(|| b"SELECT 'x'".to_vec());
    let written = with_literal(b"PREPARE s FROM @`a b` -- y", MY, value);
    assert_eq!(written.as_deref(), Some(&b"PREPARE s FROM 'SELECT ''x''' -- y"[..]));
    for sql in ["PREPARE s FROM @b", "PREPARE s FROM 'x'", "EXECUTE s USING @`a b`"] {
        assert_eq!(with_literal(sql.as_bytes(), MY, value), None, "{sql}");
    }
}

#[test]
fn what_is_compared_with_a_lock_stays() {
    for sql in [
        "SELECT IS_USED_LOCK('a') = CONNECTION_ID()",
        "SELECT Is_Used_Lock(CONCAT('a', (1))) <=> /* x */ connection_id()",
        "SELECT CONNECTION_ID() != IS_USED_LOCK('a') AS free",
    ] {
        assert_eq!(substituted(sql.as_bytes(), MY), None, "{sql}");
    }
    gives("DO CONNECTION_ID(), IS_USED_LOCK('a') = CONNECTION_ID()", "DO {c}, IS_USED_LOCK('a') = CONNECTION_ID()");
    gives("DO IS_USED_LOCK(CONNECTION_ID()) = CONNECTION_ID()", "DO IS_USED_LOCK({c}) = CONNECTION_ID()");
    gives("DO CONNECTION_ID() = 7 = IS_USED_LOCK('a')", "DO {c} = 7 = IS_USED_LOCK('a')");
    gives("DO IS_USED_LOCK('a') IN (CONNECTION_ID())", "DO IS_USED_LOCK('a') IN ({c})");
    gives("DO IS_USED_LOCK = CONNECTION_ID()", "DO IS_USED_LOCK = {c}");
}
