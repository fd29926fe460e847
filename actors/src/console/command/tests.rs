use std::time::Duration;

use super::{Command, Item, duration, parse};
use crate::console::edit::SETTINGS;
use crate::console::tables;
use crate::session::What;

fn read(text: &str) -> Command {
    parse(text, &tables::names(), &SETTINGS).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn wrong(text: &str) -> String {
    match parse(text, &tables::names(), &SETTINGS) {
        Ok(command) => panic!("{text} is {command:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn commands_are_understood_however_they_are_written() {
    let named = |name: &str| Some(name.to_owned());
    for (text, expected) in [
        ("pause", Command::Pause { name: None, wait: None }),
        ("PAUSE app WAIT 10", Command::Pause { name: named("app"), wait: Some(Duration::from_secs(10)) }),
        ("pause wait 500ms;", Command::Pause { name: None, wait: Some(Duration::from_millis(500)) }),
        ("PAUSE 'db-1.example'", Command::Pause { name: named("db-1.example"), wait: None }),
        ("RESUME db-1.example.org", Command::Resume { name: named("db-1.example.org") }),
        ("DRAIN `db1`", Command::Drain { name: "db1".to_owned() }),
        ("enable db1 -- again", Command::Enable { name: "db1".to_owned() }),
        ("KILL QUERY 7", Command::Kill { what: What::Query, id: 7 }),
        ("kill connection 7", Command::Kill { what: What::Connection, id: 7 }),
        ("KILL 7", Command::Kill { what: What::Connection, id: 7 }),
        ("RELOAD", Command::Reload),
        ("set app.lease_timeout = 5s", Command::Set { name: "app.lease_timeout".to_owned(), value: "5s".to_owned() }),
        (
            "SET Db-1.MAX_CONNECTIONS = 5",
            Command::Set { name: "Db-1.max_connections".to_owned(), value: "5".to_owned() },
        ),
        ("SET log_level TO 'debug'", Command::Set { name: "log_level".to_owned(), value: "debug".to_owned() }),
        ("SHUTDOWN", Command::Shutdown { patient: false }),
        ("SHUTDOWN WAIT", Command::Shutdown { patient: true }),
        ("HELP SHOW", Command::Help),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_clients_send_by_themselves_is_no_mistake() {
    for text in [
        "SET NAMES utf8mb4",
        "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
        "SET character_set_results = NULL",
        "SET SESSION TRANSACTION READ ONLY",
        "SET @@session.sql_mode = ''",
        "/*!40101 SET SQL_SAFE_UPDATES=1 */",
        "SET NET_WRITE_TIMEOUT=600000",
        "START TRANSACTION",
        "COMMIT",
    ] {
        assert_eq!(read(text), Command::Ignored, "{text}");
    }
    let item = |item, name: &str| (item, name.to_owned());
    let variable = |name: &str| Item::Variable(name.to_owned());
    assert_eq!(
        read("select @@version_comment limit 1"),
        Command::Select { items: vec![item(variable("version_comment"), "@@version_comment")], limit: Some(1) }
    );
    assert_eq!(
        read("/* connector */SELECT  @@session.wait_timeout AS wait_timeout, DATABASE( ), 1, 'a' b, NULL"),
        Command::Select {
            items: vec![
                item(variable("session.wait_timeout"), "wait_timeout"),
                item(Item::Function("DATABASE".to_owned()), "DATABASE( )"),
                item(Item::Literal("1".to_owned()), "1"),
                item(Item::Literal("a".to_owned()), "b"),
                item(Item::Null, "NULL"),
            ],
            limit: None,
        }
    );
    assert_eq!(
        read("SELECT TABLE_NAME, 1 FROM information_schema.TABLES WHERE x = (SELECT 1)"),
        Command::Empty { columns: vec!["TABLE_NAME".to_owned(), "1".to_owned()] }
    );
    for text in
        ["SHOW FULL TABLES FROM greenroom", "SHOW GLOBAL VARIABLES LIKE 'a%'", "SHOW COLUMNS FROM pools", "DESC pins"]
    {
        assert!(matches!(read(text), Command::Server { .. }), "{text}");
    }
}

#[test]
fn tables_are_shown_and_selected_from() {
    let Command::Show { table, columns, filter } =
        read("select id, user from greenroom.clients where seconds > 5 limit 2")
    else {
        panic!("it is something else")
    };
    assert_eq!((table.as_str(), columns, filter.limit), ("clients", vec!["id".to_owned(), "user".to_owned()], Some(2)));
    let Command::Show { filter, .. } =
        read("SHOW CLIENTS WHERE state IS NOT NULL && user NOT LIKE 'a%' ORDER BY seconds DESC")
    else {
        panic!("it is something else")
    };
    assert_eq!((filter.conditions.len(), filter.order), (2, Some(("seconds".to_owned(), true))));
}

#[test]
fn a_mistake_names_what_is_near() {
    for (text, part) in [
        ("PAUS app", "did you mean PAUSE?"),
        ("SHOW CLIENT", "did you mean CLIENTS?"),
        ("SHOW qqq", "only POOLS, CLIENTS"),
        ("SET lease_timout = 1", "did you mean lease_timeout?"),
        ("SHOW CLIENTS WHERE", "something is missing at the end"),
        ("KILL all", "'all' is not understood there"),
        ("RELOAD now", "'now' is not understood there"),
        ("PAUSE app WAIT soon", "'soon' is no time"),
        ("SHOW POOLS LIKE 'a", "not closed"),
        ("DRAIN", "it names no node or endpoint"),
        ("", "Query was empty"),
        ("SELECT x", "Unknown column 'x'"),
        ("SELECT * FROM nowhere", "there is no table 'nowhere'"),
    ] {
        assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
    }
}

#[test]
fn times_have_units() {
    assert_eq!(duration("5"), Some(Duration::from_secs(5)));
    assert_eq!(duration("2 min"), Some(Duration::from_secs(120)));
    assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
    assert!(
        [duration("5 days"), duration("soon"), duration(""), duration("99999999999999999999s")]
            .iter()
            .all(Option::is_none)
    );
}
