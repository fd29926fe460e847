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
        ("SELECT a / b c, a DIV b d, a <=> NULL e FROM t", "SELECT a * 1.0 / b c , a / b d , a IS NULL e FROM t"),
        ("SELECT CONVERT(a USING utf8) b, CONVERT(a, CHAR) c", "SELECT ( a ) b , CAST ( a AS CHAR ) c"),
        ("SELECT CAST(a AS CHAR CHARACTER SET utf8) b", "SELECT CAST ( a AS CHAR ) b"),
        ("SELECT greenroom.t.* FROM t FOR UPDATE", "SELECT t . * FROM t"),
        (
            "SELECT CASE a WHEN 'x' THEN 'y' END AS a FROM t WHERE b = 1 HAVING a IN ('y') ORDER BY a",
            "SELECT CASE a WHEN 'x' THEN 'y' END AS a FROM t WHERE ( b = 1 ) AND ( ( CASE a WHEN 'x' THEN 'y' END ) IN ( 'y' ) ) ORDER BY a",
        ),
        (
            "SELECT a, COUNT(*) n FROM t GROUP BY a HAVING n > 1",
            "SELECT a , COUNT ( * ) n FROM t GROUP BY a HAVING n > 1",
        ),
        ("SELECT NOW(6) t, UNIX_TIMESTAMP( ) u", "SELECT CURRENT_TIMESTAMP t , unixepoch() u"),
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
