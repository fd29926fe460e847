use std::time::Duration;

use super::{Command, Look, duration, parse};
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
        ("HELP", Command::Help { about: None }),
        ("HELP SHOW", Command::Help { about: named("SHOW") }),
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
        assert_eq!(read(text), Command::Ignored { unknown: None }, "{text}");
    }
    // Sent by phpMyAdmin, a metrics exporter and a dump.
    for name in ["lock_wait_timeout", "optimizer_switch"] {
        assert_eq!(read(&format!("SET {name} = 'x'")), Command::Ignored { unknown: Some(name.to_owned()) });
    }
    for text in [
        "SHOW FULL TABLES FROM greenroom",
        "SHOW GLOBAL VARIABLES LIKE 'a%'",
        "SHOW COLUMNS FROM pools",
        "DESC pins",
        "SHOW TABLE STATUS FROM `greenroom` WHERE Name = 'pools'",
        "SHOW CREATE TABLE greenroom.pools",
        "SHOW GRANTS FOR CURRENT_USER()",
        "SHOW CHARACTER SET",
    ] {
        assert!(matches!(read(text), Command::Look(Look::Server { .. })), "{text}");
    }
    for text in
        ["SHOW INDEX FROM `pools` FROM greenroom", "SHOW PROCEDURE STATUS WHERE Db = 'greenroom'", "SHOW FULL TRIGGERS"]
    {
        assert!(matches!(read(text), Command::Look(Look::Nothing(_))), "{text}");
    }
}

#[test]
fn tables_are_shown_whole_or_narrowed() {
    let Command::Look(Look::Show { table, clauses: None }) = read("show Clients") else {
        panic!("it is something else")
    };
    assert_eq!(table, "clients");
    let Command::Look(Look::Show { clauses: Some(clauses), .. }) = read("SHOW CLIENTS LIKE 'a%' ORDER BY seconds DESC")
    else {
        panic!("it is something else")
    };
    assert_eq!(
        clauses.query("clients", "id").sql,
        "SELECT * FROM \"clients\" WHERE \"id\" LIKE 'a%' ORDER BY seconds DESC "
    );
    let Command::Look(Look::Server { what, full, of, .. }) = read("SHOW FULL COLUMNS FROM `pools` FROM `greenroom`")
    else {
        panic!("it is something else")
    };
    assert_eq!((what, full, of.as_deref()), ("COLUMNS", true, Some("pools")));
}

#[test]
fn a_mistake_names_what_is_near() {
    for (text, part) in [
        ("PAUS app", "did you mean PAUSE?"),
        ("SHOW CLIENT", "did you mean CLIENTS?"),
        ("SHOW qqq", "only POOLS, CLIENTS"),
        ("SET lease_timout = 1", "did you mean lease_timeout?"),
        ("KILL all", "'all' is not understood there"),
        ("RELOAD now", "'now' is not understood there"),
        ("PAUSE app WAIT soon", "'soon' is no time"),
        ("SHOW POOLS LIKE 'a", "not closed"),
        ("DRAIN", "it names no node or endpoint"),
        ("", "Query was empty"),
        ("SHOW CLIENTS FOR x", "'FOR' is not understood there"),
        ("SHOW TABLES FROM elsewhere", "Unknown database 'elsewhere'"),
        ("SHOW CREATE DATABASE elsewhere", "Unknown database 'elsewhere'"),
        ("DESCRIBE nowhere", "Table 'greenroom.nowhere' doesn't exist"),
        ("SHOW COLUMNS FROM nowhere", "Table 'greenroom.nowhere' doesn't exist"),
        ("SET app.speed = 1", "there is no setting 'app.speed'"),
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
