//! What tools with windows, object mappers and exporters send when they connect and browse: statements recorded from some, taken
//! from the sources of others. Each gets the columns and rows that it reads.

use crate::{
    cell, console,
    support::{
        proxy::Proxy,
        servers::mariadb,
        wire::{Reply, Rows},
    },
};

/// The tables, as `SHOW TABLES` has them.
const TABLES: usize = 14;

fn columns(rows: &Rows) -> Vec<&str> {
    rows.columns.iter().map(|column| column.name.as_str()).collect()
}

/// Who, what, the columns of the answer (the first few where there are many), and how many rows it has.
type Asked = (&'static str, &'static str, &'static [&'static str], usize);

const ASKED: [Asked; 39] = [
    ("HeidiSQL", "SELECT NOW()", &["NOW()"], 1),
    ("HeidiSQL", "SHOW /*!50002 GLOBAL */ STATUS LIKE 'Uptime'", &["Variable_name", "Value"], 1),
    ("HeidiSQL", "SHOW TABLE STATUS FROM `greenroom`", &["Name", "Engine", "Version"], TABLES),
    ("HeidiSQL", "SHOW FUNCTION STATUS WHERE `Db`='greenroom'", &["Db", "Name", "Type"], 0),
    ("HeidiSQL", "SHOW TRIGGERS FROM `greenroom`", &["Trigger", "Event", "Table"], 0),
    ("HeidiSQL", "SHOW EVENTS FROM `greenroom`", &["Db", "Name"], 0),
    (
        "HeidiSQL",
        "SELECT * FROM `information_schema`.`COLUMNS` WHERE TABLE_SCHEMA='greenroom' AND TABLE_NAME='version' ORDER BY ORDINAL_POSITION",
        &["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME"],
        2,
    ),
    ("Workbench", "SHOW FULL TABLES FROM `greenroom`", &["Tables_in_greenroom", "Table_type"], TABLES),
    ("Workbench", "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", &["Tables_in_greenroom", "Table_type"], TABLES),
    (
        "Workbench",
        "SHOW FULL COLUMNS FROM `greenroom`.`version`",
        &["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"],
        2,
    ),
    ("Workbench", "SHOW PROCEDURE STATUS WHERE Db='greenroom'", &["Db", "Name", "Type"], 0),
    ("Workbench", "SELECT * FROM greenroom.version LIMIT 0, 1", &["name", "value"], 1),
    (
        "phpMyAdmin",
        "SELECT `SCHEMA_NAME` FROM `INFORMATION_SCHEMA`.`SCHEMATA`, (SELECT DB_first_level FROM ( SELECT DISTINCT SUBSTRING_INDEX(SCHEMA_NAME, '_', 1) DB_first_level FROM INFORMATION_SCHEMA.SCHEMATA WHERE TRUE ) t ORDER BY DB_first_level ASC LIMIT 0, 100) t2 WHERE TRUE AND 1 = LOCATE(CONCAT(DB_first_level, '_'), CONCAT(SCHEMA_NAME, '_')) ORDER BY SCHEMA_NAME ASC",
        &["SCHEMA_NAME"],
        1,
    ),
    (
        "phpMyAdmin",
        "SELECT COUNT(*) FROM `INFORMATION_SCHEMA`.`TABLES` WHERE `TABLE_SCHEMA`='greenroom' AND `TABLE_TYPE` IN('BASE TABLE', 'SYSTEM VERSIONED')",
        &["COUNT(*)"],
        1,
    ),
    (
        "phpMyAdmin",
        "SELECT `TABLE_NAME` AS `name` FROM `INFORMATION_SCHEMA`.`TABLES` WHERE `TABLE_SCHEMA`='greenroom' ORDER BY `TABLE_NAME` ASC LIMIT 0, 50",
        &["name"],
        TABLES,
    ),
    ("phpMyAdmin", "SHOW GRANTS", &["Grants for admin@127.0.0.1"], 1),
    (
        "Adminer",
        "SELECT /*+ MAX_EXECUTION_TIME(2000) */ SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME",
        &["SCHEMA_NAME"],
        1,
    ),
    (
        "Adminer",
        "SELECT TABLE_NAME AS Name, ENGINE AS Engine, TABLE_COMMENT AS Comment FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'nodes' ORDER BY Name",
        &["Name", "Engine", "Comment"],
        1,
    ),
    ("Adminer", "SHOW INDEX FROM `nodes`", &["Table", "Non_unique", "Key_name"], 0),
    ("Adminer", "SELECT COUNT(*) FROM `nodes`", &["COUNT(*)"], 1),
    ("Adminer", "SELECT * FROM `nodes` WHERE (`name` = 'db1' OR `address` = 'db1') LIMIT 50", &["name", "address"], 1),
    ("Adminer", "SHOW FULL PROCESSLIST", &["Id", "User", "Host", "db", "Command", "Time", "State", "Info"], 0),
    ("SQLAlchemy", "SHOW CREATE TABLE `version`", &["Table", "Create Table"], 1),
    (
        "SQLAlchemy",
        "SELECT nodes.name, nodes.address AS nodes_address FROM nodes WHERE nodes.name = 'db1'\n LIMIT 0, 5",
        &["name", "nodes_address"],
        1,
    ),
    (
        "Django",
        "SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL",
        &["VERSION()", "@@sql_mode"],
        1,
    ),
    ("Connector/J", "SELECT SCHEMA_NAME TABLE_CAT FROM INFORMATION_SCHEMA.SCHEMATA ORDER BY 1", &["TABLE_CAT"], 1),
    (
        "Connector/J",
        "SELECT TABLE_SCHEMA TABLE_CAT, NULL TABLE_SCHEM, TABLE_NAME, IF(TABLE_TYPE='BASE TABLE', 'TABLE', TABLE_TYPE) as TABLE_TYPE, TABLE_COMMENT REMARKS FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'greenroom' AND (TABLE_NAME LIKE '%')",
        &["TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"],
        TABLES,
    ),
    (
        "Connector/J 8",
        "SELECT TABLE_SCHEMA AS TABLE_CAT, NULL AS TABLE_SCHEM, TABLE_NAME, CASE WHEN TABLE_TYPE='BASE TABLE' THEN 'TABLE' ELSE TABLE_TYPE END AS TABLE_TYPE, TABLE_COMMENT AS REMARKS FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'greenroom' HAVING TABLE_TYPE IN ('TABLE',null,null) ORDER BY TABLE_TYPE, TABLE_SCHEMA, TABLE_NAME",
        &["TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"],
        TABLES,
    ),
    (
        "Connector/J 8",
        "SELECT COLUMN_NAME, LOCATE('unsigned', COLUMN_TYPE) != 0 AS U, UCASE(IF(LOCATE('(', COLUMN_TYPE) = 0, COLUMN_TYPE, SUBSTRING(COLUMN_TYPE, 1, LOCATE('(', COLUMN_TYPE) - 1))) AS T, CONVERT(ORDINAL_POSITION, UNSIGNED INTEGER) AS P FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'version'",
        &["COLUMN_NAME", "U", "T", "P"],
        2,
    ),
    (
        "phpMyAdmin",
        "SELECT *, CAST(BIN_NAME AS CHAR CHARACTER SET utf8) AS SCHEMA_NAME FROM (SELECT BINARY s.SCHEMA_NAME AS BIN_NAME, s.DEFAULT_COLLATION_NAME FROM `information_schema`.SCHEMATA s GROUP BY BINARY s.SCHEMA_NAME, s.DEFAULT_COLLATION_NAME ORDER BY BINARY `SCHEMA_NAME` ASC LIMIT 0, 100) a",
        &["BIN_NAME", "DEFAULT_COLLATION_NAME", "SCHEMA_NAME"],
        1,
    ),
    (
        "HeidiSQL",
        "SELECT `ID`, `USER`, `HOST`, `DB`, `COMMAND`, `TIME`, `STATE`, LEFT(`INFO`, 51200) AS `Info` FROM `information_schema`.`PROCESSLIST`",
        &["Id", "User", "Host", "db", "Command", "Time", "State", "Info"],
        0,
    ),
    ("anybody", "SELECT count(*) FROM mysql.user", &["count(*)"], 1),
    ("DBeaver", "SELECT x.* FROM greenroom.nodes x", &["name", "address"], 1),
    ("DBeaver", "SELECT * FROM information_schema.SCHEMATA", &["CATALOG_NAME", "SCHEMA_NAME"], 1),
    (
        "Beekeeper",
        "SELECT table_name as name FROM information_schema.tables WHERE table_schema = 'greenroom'",
        &["name"],
        TABLES,
    ),
    ("Beekeeper", "SELECT * FROM `nodes` LIMIT 100 OFFSET 0", &["name", "address"], 1),
    (
        "Grafana",
        "SELECT DISTINCT TABLE_SCHEMA from information_schema.TABLES where TABLE_TYPE != 'SYSTEM VIEW' ORDER BY TABLE_SCHEMA",
        &["TABLE_SCHEMA"],
        1,
    ),
    ("an exporter", "SHOW SLAVE STATUS", &["Slave_IO_State"], 0),
    // What the console does not know of a server's is empty, under the names that were asked for.
    ("anybody", "SELECT user AS who, JSON_VALUE(a, '$.b') c FROM mysql.global_priv WHERE x = 1", &["who", "c"], 0),
];

#[test]
fn what_tools_ask_is_answered_as_they_read_it() {
    let proxy = Proxy::before(mariadb().address());
    let mut admin = console(&proxy);
    assert_eq!(admin.rows("SHOW TABLES").len(), TABLES);
    for (tool, statement, expected, count) in ASKED {
        let rows = match admin.one(statement) {
            Reply::Rows(rows) => rows,
            other => panic!("{tool}: {statement}: {other:?}"),
        };
        let names = columns(&rows);
        assert!(names.starts_with(expected), "{tool}: {statement}: {names:?}");
        assert_eq!(rows.rows.len(), count, "{tool}: {statement}: {:?}", rows.rows);
    }
    // An exporter, a dump and phpMyAdmin set these first; nobody else's setting is near them.
    admin.ok("SET lc_messages = 'en_US';");
    for name in ["lock_wait_timeout", "optimizer_switch"] {
        assert!(admin.ok(&format!("SET {name} = 2")).info.contains("means nothing here"), "{name}");
    }
    assert!(admin.err("SET login_timeot = 2").message.contains("did you mean login_timeout?"));
    assert_eq!(admin.err("SHOW TABLES FROM `phpmyadmin`").code, 1049);
}

#[test]
fn tables_are_joined_and_counted() {
    let proxy = Proxy::before(mariadb().address());
    let mut admin = console(&proxy);
    let sql = "SELECT e.name AS endpoint, COUNT(n.name) AS nodes FROM endpoints e JOIN nodes n GROUP BY e.name";
    let rows = admin.result(sql);
    assert_eq!((cell(&rows, "endpoint").as_deref(), cell(&rows, "nodes").as_deref()), (Some("app"), Some("1")));
    // Every column of every table can be named without quotes.
    for table in admin.rows("SHOW TABLES") {
        let table = table[0].clone().unwrap();
        let fields = admin.rows(&format!("DESCRIBE {table}"));
        let names: Vec<_> = fields.iter().map(|row| row[0].clone().unwrap()).collect();
        let rows = admin.result(&format!(
            "SELECT {} FROM {table} WHERE {} IS NULL",
            names.join(", "),
            names.join(" IS NULL AND ")
        ));
        assert_eq!(columns(&rows), names);
    }
    assert_eq!(
        admin.err("SELECT adress FROM nodes").message,
        "Unknown column 'adress' in 'field list': did you mean address?"
    );
    let missing = admin.err("SELECT * FROM node");
    assert!(missing.code == 1146 && missing.message.contains("did you mean nodes?"), "{missing}");
    // A mistake is one, in what is shown, too, and in quotes.
    for statement in ["SHOW VARIABLES WHERE nope = 1", "SHOW NODES WHERE `nope` = 'nope'", "SELECT `nope` FROM nodes"] {
        assert_eq!(admin.err(statement).code, 1054, "{statement}");
    }
    assert_eq!(admin.err("SELECT SLEEP(1)").code, 1305);
    assert_eq!(admin.rows("SHOW NODES WHERE nodes.name IN (SELECT nodes FROM endpoints)").len(), 1);
}
