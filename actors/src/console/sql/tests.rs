use super::{Query, is_foreign};
use crate::console::words::words;

fn select(text: &str) -> Query {
    Query::select(text, &words(text).unwrap())
}

/// A statement as the engine gets it.
fn sql(text: &str) -> String {
    select(text).sql.trim_end().to_owned()
}

#[test]
fn columns_are_called_as_servers_call_them() {
    for (text, columns) in [
        ("SELECT id, c.user u, c.`host` AS h, 1 + 1 FROM clients c", vec!["id", "u", "h", "1 + 1"]),
        ("SELECT @@version_comment LIMIT 1", vec!["@@version_comment"]),
        (
            "select @@session.wait_timeout AS wait_timeout, DATABASE( ), 'a' b, 'c', NULL",
            vec!["wait_timeout", "DATABASE( )", "b", "c", "NULL"],
        ),
        ("SELECT DISTINCT SQL_NO_CACHE user FROM clients", vec!["user"]),
        ("SELECT COUNT(*) FROM pools", vec!["COUNT(*)"]),
        ("SELECT * FROM pools", vec![]),
        ("SELECT CASE WHEN a = 1 THEN 2 END, IF(a, b, c) d FROM t", vec!["CASE WHEN a = 1 THEN 2 END", "d"]),
        ("SELECT CONVERT_TZ('x', 'UTC', 'UTC') IS NOT NULL", vec!["CONVERT_TZ('x', 'UTC', 'UTC') IS NOT NULL"]),
        ("SELECT a LIKE 'b', NOT c", vec!["a LIKE 'b'", "NOT c"]),
        ("SELECT current_user, NOW()", vec!["current_user", "NOW()"]),
    ] {
        assert_eq!(select(text).columns, columns, "{text}");
    }
}

#[test]
fn what_the_engine_reads_otherwise_is_rewritten() {
    for (text, expected) in [
        ("SELECT \"a'b\" AS x", "SELECT 'a''b' AS x"),
        ("SELECT `a b`, c-1, d- e FROM t", "SELECT \"a b\" , c - 1 AS \"c-1\" , d -  e AS \"d- e\" FROM t"),
        ("SELECT a / b c, a <=> NULL e FROM t", "SELECT a * 1.0 / b c , a IS NULL e FROM t"),
        ("SELECT CONVERT(a USING utf8) b, CONVERT(a, CHAR) c", "SELECT ( a ) b , CAST ( a AS TEXT ) c"),
        ("SELECT CAST(a AS CHAR CHARACTER SET utf8) b", "SELECT CAST ( a AS TEXT ) b"),
        ("SELECT CAST(a + 1 AS UNSIGNED INTEGER) b", "SELECT CAST ( ROUND ( a + 1 ) AS INTEGER ) b"),
        ("SELECT `greenroom`.`t`.* FROM t FOR UPDATE", "SELECT \"t\" . * FROM t"),
        ("SELECT STRAIGHT_JOIN a FROM t STRAIGHT_JOIN u", "SELECT a FROM t JOIN u"),
        ("SELECT DISTINCTROW a FROM t", "SELECT DISTINCT a FROM t"),
        ("SELECT COUNT(*) n FROM t HAVING n > 1", "SELECT COUNT ( * ) n FROM t HAVING n > 1"),
        (
            "SELECT CASE a WHEN 'x' THEN 'y' END AS a FROM t WHERE b = 1 HAVING a IN ('y') ORDER BY a",
            "SELECT CASE a WHEN 'x' THEN 'y' END AS a FROM t WHERE ( b = 1 ) AND ( ( CASE a WHEN 'x' THEN 'y' END ) IN ( 'y' ) ) ORDER BY a",
        ),
        (
            "SELECT a, COUNT(*) n FROM t GROUP BY a HAVING n > 1",
            "SELECT a , COUNT ( * ) n FROM t GROUP BY a HAVING n > 1",
        ),
        ("SELECT NOW(6) t, UNIX_TIMESTAMP( ) u", "SELECT CURRENT_TIMESTAMP t , unixepoch ( ) u"),
        ("SELECT a FROM t WHERE a && b || !c", "SELECT a FROM t WHERE a AND b OR NOT c"),
        ("SELECT a FROM t WHERE a LIKE 'x\\_%'", "SELECT a FROM t WHERE a LIKE 'x\\_%' ESCAPE '\\'"),
        ("SELECT /*!40001 SQL_NO_CACHE */ a FROM t", "SELECT a FROM t"),
        ("SELECT a FROM t WHERE b = @@port LIMIT 5, 10", "SELECT a FROM t WHERE b = ?1 LIMIT 5 , 10"),
        ("SELECT current_user() u", "SELECT current_user ( ) u"),
    ] {
        assert_eq!(sql(text), expected, "{text}");
    }
}

#[test]
fn what_belongs_to_servers_is_known_by_its_database() {
    assert!(select("SELECT TABLE_NAME FROM `INFORMATION_SCHEMA`.`TABLES`").is_foreign);
    assert!(select("SELECT user FROM mysql.user").is_foreign);
    assert!(!select("SELECT mysql FROM greenroom.pools").is_foreign);
    assert!(select("SELECT a.name FROM greenroom.nodes a").names.contains(&"nodes".to_owned()));
    assert!(is_foreign("mysql.user") && !is_foreign("nodes") && !is_foreign("greenroom.nodes"));
    assert!(select("SELECT count( * ) AS `COUNT(x)` FROM mysql.user").counts && !select("SELECT a FROM t").counts);
}

#[test]
fn what_would_grow_without_end_is_refused() {
    let deep = format!("SELECT {}", "CONVERT(".repeat(5_000));
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    let wide = format!("SELECT '{}' AS x FROM t HAVING {}", "y".repeat(30_000), "x OR ".repeat(5_000));
    for text in [&deep, &long, &wide] {
        let query = select(text);
        assert!(query.wrong.is_some() && query.sql.len() < 2 << 20, "{}", &text[..20]);
    }
    assert!(select("SELECT CAST(a AS DECIMAL(3, 2)) FROM t").wrong.is_some());
    assert_eq!(select("SELECT CAST(CAST(a AS CHAR) AS SIGNED) FROM t").wrong, None);
}
