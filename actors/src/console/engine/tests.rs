use greenroom_protocol::table::{Kind, Table};

use super::{DICTIONARY, Failure, Loaded, opened, prepared, reads, run};
use crate::console::sql::Query;
use crate::console::talk::Guest;
use crate::console::words::words;
use crate::console::{DATABASE, dictionary};

fn guest() -> Guest {
    Guest { user: "admin".to_owned(), host: "h".to_owned(), id: 7, port: 6032 }
}

fn tables() -> Vec<Loaded> {
    let mut table = Table::new("t", &[("name", Kind::Text), ("n", Kind::Count), ("seconds", Kind::Real)]);
    for (name, n, seconds) in [("db1", Some("9"), "0.300"), ("DB2", Some("10"), "12.000"), ("other", None, "0.050")] {
        let cells = [Some(name), n, Some(seconds)];
        table.rows.push(cells.iter().map(|cell| cell.map(|cell| cell.as_bytes().into())).collect());
    }
    let dictionary = ["schemata", "tables", "columns"].map(|name| (DICTIONARY, dictionary::information(name).unwrap()));
    let mut uneven = Table::new("uneven", &[("value", Kind::Real)]);
    uneven.rows.extend(["7", "0.5", "0.25", "NaN"].map(|value| vec![Some(value.as_bytes().into())]));
    [(DATABASE, table), (DATABASE, uneven)].into_iter().chain(dictionary).collect()
}

fn asked(text: &str) -> Result<Table, Failure> {
    let query = Query::select(text, &words(text).unwrap());
    let values = vec!["42".to_owned(); query.variables.len()];
    run(&query, &tables(), &values, &guest())
}

fn rows(text: &str) -> Vec<String> {
    let table = asked(text).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
    let cell =
        |cell: &Option<Box<[u8]>>| cell.as_ref().map_or("NULL".into(), |it| String::from_utf8_lossy(it).into_owned());
    table.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn rows_are_chosen_as_in_sql() {
    for (text, expected) in [
        ("SELECT name FROM t WHERE name LIKE 'db%'", vec!["db1", "DB2"]),
        ("SELECT name FROM t WHERE n < 10", vec!["db1"]),
        ("SELECT name FROM t WHERE n >= '9'", vec!["db1", "DB2"]),
        ("SELECT name FROM t WHERE n IS NULL OR (name = 'db2' AND n <> 9)", vec!["DB2", "other"]),
        ("SELECT name FROM greenroom.t WHERE NAME IN ('DB1')", vec!["db1"]),
        ("SELECT x.name FROM t x ORDER BY x.n DESC", vec!["DB2", "db1", "other"]),
        ("SELECT name FROM t ORDER BY n LIMIT 1, 1", vec!["db1"]),
        ("SELECT name FROM t ORDER BY 1 LIMIT 1 OFFSET 1", vec!["DB2"]),
        ("SELECT COUNT(*), MAX(n) FROM t", vec!["3,10"]),
        ("SELECT a.name, b.n FROM t a JOIN t b ON a.name = b.name WHERE b.n = 9", vec!["db1,9"]),
        ("SELECT name FROM t WHERE seconds > 0.1", vec!["db1", "DB2"]),
        ("SELECT seconds FROM t", vec!["0.300", "12.000", "0.050"]),
        ("SELECT value FROM uneven WHERE value > 0.4", vec!["7", "0.5"]),
        ("SELECT MAX(value) FROM uneven", vec!["7"]),
        ("SELECT n/2, n-1 FROM t WHERE n <=> 9", vec!["4.5,8"]),
        ("SELECT LEAST(3, 1), GREATEST(1.5, 2), FLOOR(-1.5), CHAR_LENGTH('é'), LENGTH('é')", vec!["1,2,-2,1,2"]),
        ("SELECT CONCAT('a', NULL), RIGHT('abc', 2), LOCATE('b', 'abab', 3), UCASE('é')", vec!["NULL,bc,4,É"]),
        ("SELECT ISNULL(NULL), ISNULL(1)", vec!["1,0"]),
        ("WITH x AS (SELECT name FROM t) SELECT COUNT(*) FROM x", vec!["3"]),
        (
            "SELECT CASE TABLE_TYPE WHEN 'BASE TABLE' THEN 'TABLE' END AS TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_NAME = 'nodes' HAVING TABLE_TYPE IN ('TABLE', NULL)",
            vec!["TABLE"],
        ),
        ("SELECT 1 FROM DUAL", vec!["1"]),
        ("SELECT @@port + 1, 1 = 2, 'a' || 'b'", vec!["43,0,0"]),
        ("SELECT DATABASE(), USER(), CONNECTION_ID(), LEFT('äbc', 2)", vec!["greenroom,admin@h,7,äb"]),
        ("SELECT CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL", vec!["1"]),
        ("SELECT SUBSTRING_INDEX('a.b.c', '.', 2), SUBSTRING_INDEX('a.b.c', '.', -1)", vec!["a.b,c"]),
        ("SELECT LOCATE('B', 'äb'), LOCATE('x', 'ab')", vec!["2,0"]),
        ("SELECT IF(1, 'y', 'n'), CONCAT('a', 1), NULL", vec!["y,a1,NULL"]),
        ("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA", vec!["greenroom"]),
        ("SELECT COUNT(*) FROM information_schema.columns WHERE TABLE_NAME = 'version'", vec!["2"]),
    ] {
        assert_eq!(rows(text), expected, "{text}");
    }
    assert_eq!(rows("SELECT NOW()")[0].len(), "2026-11-28 10:00:00".len());
}

#[test]
fn columns_have_the_kinds_of_what_they_hold() {
    let kinds = |text: &str| asked(text).unwrap().columns.iter().map(|it| it.kind).collect::<Vec<_>>();
    assert_eq!(kinds("SELECT name, n, seconds FROM t WHERE 1 = 0"), [Kind::Text, Kind::Count, Kind::Real]);
    assert_eq!(
        kinds("SELECT COUNT(*), -1, 1.5, 'a', NULL, @@port"),
        [Kind::Count, Kind::Number, Kind::Real, Kind::Text, Kind::Text, Kind::Count,]
    );
}

#[test]
fn mistakes_are_told_apart() {
    assert_eq!(asked("SELECT size FROM t"), Err(Failure::NoColumn("size".to_owned())));
    assert_eq!(asked("SELECT `size` FROM t"), Err(Failure::NoColumn("size".to_owned())));
    assert_eq!(asked("SELECT * FROM nowhere"), Err(Failure::NoTable("nowhere".to_owned())));
    assert_eq!(asked("SELECT * FROM mysql.user"), Err(Failure::NoTable("mysql.user".to_owned())));
    assert_eq!(asked("SELECT SLEEP(1)"), Err(Failure::NoFunction("SLEEP".to_owned())));
    assert!(matches!(asked("SELECT FROM WHERE"), Err(Failure::Other(_))));
}

#[test]
fn nothing_is_written_or_opened() {
    for text in [
        "SELECT 1; ATTACH '/tmp/x' AS x",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('x')",
    ] {
        assert!(asked(text).is_err(), "{text}");
    }
    let engine = prepared(&[], &guest(), |_| {}).unwrap();
    for text in
        ["ATTACH '/tmp/x' AS x", "DELETE FROM dual", "PRAGMA temp_store", "CREATE TABLE x (a)", "VACUUM INTO '/tmp/x'"]
    {
        assert!(engine.execute(text, ()).is_err(), "{text}");
    }
}

/// What a statement is ended for.
fn ended(text: &str) -> String {
    match asked(text) {
        Err(Failure::Other(why)) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn nothing_takes_long_or_much() {
    let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r";
    assert_eq!(ended(endless), "it takes longer than 2 s");
    let large = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT hex(zeroblob(30000)) FROM r";
    assert!(ended(large).contains("is larger than"));
    for text in ["SELECT LENGTH(hex(zeroblob(50000)))", "SELECT LENGTH(zeroblob(1000000000))"] {
        assert!(ended(text).contains("too big"), "{text}");
    }
}

#[test]
fn what_is_sorted_stays_in_memory() {
    // More than fits into what a sorter keeps before it would write.
    let sorted = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 400) \
        SELECT LENGTH(x) FROM (SELECT hex(zeroblob(10000 + n)) x FROM r ORDER BY x DESC LIMIT 1)";
    assert_eq!(rows(sorted), ["20800"]);
    // 2: in memory.
    let store = opened().unwrap().query_row("PRAGMA temp_store", (), |row| row.get::<_, i64>(0));
    assert_eq!(store, Ok(2));
}

#[test]
fn a_union_has_the_kind_that_takes_all() {
    let kinds = |text: &str| asked(text).unwrap().columns.iter().map(|it| it.kind).collect::<Vec<_>>();
    assert_eq!(kinds("SELECT n FROM t UNION SELECT 'x'"), [Kind::Text]);
    assert_eq!(kinds("SELECT n FROM t UNION SELECT -1"), [Kind::Number]);
    assert_eq!(rows("SELECT seconds FROM t WHERE n = 9 UNION ALL SELECT 0.12345"), ["0.300", "0.12345"]);
}

#[test]
fn only_tables_that_are_read_are_told() {
    let of = |text: &str| reads(&Query::select(text, &words(text).unwrap()), &tables(), &guest()).unwrap();
    assert_eq!(of("SELECT name AS uneven FROM t"), ["t"]);
    assert_eq!(of("SELECT COUNT(*) FROM uneven"), ["uneven"]);
    assert_eq!(of("SELECT TABLE_NAME FROM information_schema.tables"), ["tables"]);
}
