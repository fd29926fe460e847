//! `CONNECTION_ID()`: the id that the client was greeted with, wherever it is asked for.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use greenroom::demo::server::Flavor;
use support::{
    proxy::Setup,
    servers::{Tenant, each_server},
    wire::{Reply, Wire},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// Runs a test with a session in every mode on both servers, and another session whose id is another.
fn everywhere(test: impl Fn(Flavor, &str, &mut Wire)) {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "ids");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            let _first = tenant.connect(proxy.address());
            test(server.flavor(), mode, &mut tenant.connect(proxy.address()));
        }
    });
}

/// The values of the last row that a string gives, and the name of its first column.
fn last(replies: &[Reply]) -> (String, Vec<Option<String>>) {
    let rows = replies.iter().rev().find_map(|reply| if let Reply::Rows(rows) = reply { Some(rows) } else { None });
    let rows = rows.unwrap_or_else(|| panic!("no rows: {replies:?}"));
    (rows.columns[0].name.clone(), rows.rows.last().cloned().unwrap_or_default())
}

#[test]
fn it_is_the_same_in_every_statement_of_a_string() {
    everywhere(|flavor, _, wire| {
        let own = Some(wire.greeting.thread_id.to_string());
        wire.ok("CREATE TABLE c (a BIGINT, b VARCHAR(50))");
        for sql in [
            "SELECT connection_id( ); SELECT 1",
            "SELECT 1; SELECT connection_id( )",
            "BEGIN; INSERT INTO c VALUES (CONNECTION_ID(), 'CONNECTION_ID()'); COMMIT; SELECT a AS 'connection_id( )' FROM c",
            "SELECT ';CONNECTION_ID()' /* ; */; DO 1; SELECT connection_id( )",
        ] {
            let replies = wire.query(sql).unwrap();
            let shown = if sql.ends_with("SELECT 1") { &replies[..1] } else { &replies[..] };
            assert_eq!(last(shown), ("connection_id( )".to_owned(), vec![own.clone()]), "{sql}");
        }
        assert_eq!(wire.scalar("SELECT b FROM c").as_deref(), Some("CONNECTION_ID()"));
        // What is stored keeps the call; what stands behind it in the string, too.
        wire.query("CREATE PROCEDURE asks() BEGIN DO 1; SELECT CONNECTION_ID(); END; SELECT CONNECTION_ID()").unwrap();
        let body = "SELECT ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()";
        assert_eq!(wire.scalar(body).as_deref(), Some("BEGIN DO 1; SELECT CONNECTION_ID(); END"), "{flavor}");
    });
}

#[test]
fn it_is_the_same_in_long_texts() {
    everywhere(|_, _, wire| {
        let own = wire.greeting.thread_id.to_string();
        for length in [10_000, 16_360, 17_000, 900_000] {
            let fill = "x".repeat(length);
            assert_eq!(wire.scalar(&format!("SELECT Connection_Id() /* {fill} */")), Some(own.clone()), "{length}");
            let replies =
                wire.query(&format!("SELECT 1 /* connection_id */; SELECT LENGTH('{fill}'), CONNECTION_ID()"));
            let row = vec![Some(length.to_string()), Some(own.clone())];
            assert_eq!(last(&replies.unwrap()).1, row, "{length}");
            // What comes behind it in one go is a command of its own.
            let both = [format!("SELECT CONNECTION_ID(), '{fill}'"), "SELECT CONNECTION_ID()".into()];
            let packets =
                both.map(|sql| [&(sql.len() as u32 + 1).to_le_bytes()[..3], b"\0\x03", sql.as_bytes()].concat());
            wire.send_raw(&packets.concat()).unwrap();
            for row in [vec![Some(own.clone()), Some(fill)], vec![Some(own.clone())]] {
                assert_eq!(last(&wire.replies().unwrap()).1, row, "{length}");
            }
        }
    });
}

/// Texts that are prepared by SQL, and the name of the column in which they give the id.
const TEXTS: [(&str, &str); 3] = [
    ("'SELECT Connection_ID() /* it */'", "Connection_ID()"),
    (r#"'SELECT CONNECTION_ID() AS "it''s \\ here"'"#, "it's  here"),
    (r#""SELECT CONNECTION_ID() `'` FROM DUAL WHERE 'a\\\\b' LIKE 'a_b'""#, "'"),
];

#[test]
fn it_is_the_same_in_texts_prepared_by_sql() {
    everywhere(|flavor, mode, wire| {
        let own = Some(wire.greeting.thread_id.to_string());
        let [plain @ .., (doubtful, name)] = TEXTS;
        // Double quotes may be those of a name: nobody follows the SQL mode where connections are not shared, and behind
        // an EXECUTE it may have been set.
        if mode == "transaction" {
            wire.ok(&format!("PREPARE s FROM {doubtful}"));
            assert_eq!(last(&wire.query("EXECUTE s").unwrap()), (name.to_owned(), vec![own.clone()]), "{doubtful}");
        }
        for (text, name) in plain {
            let shown = (name.to_owned(), vec![own.clone()]);
            wire.ok(&format!("PREPARE s FROM {text}"));
            for _ in 0..2 {
                assert_eq!(last(&wire.query("EXECUTE s").unwrap()), shown, "{text}");
            }
            let replies = wire.query(&format!("PREPARE s FROM {text}; EXECUTE s; DEALLOCATE PREPARE s")).unwrap();
            assert_eq!(last(&replies), shown, "{text}");
            if flavor == Flavor::MariaDb {
                assert_eq!(last(&wire.query(&format!("EXECUTE IMMEDIATE {text}")).unwrap()), shown, "{text}");
            }
        }
    });
}

#[test]
fn it_is_the_same_in_texts_that_user_variables_hold() {
    each_server(|server| {
        let tenant = Tenant::new(server, "held");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        // An EXECUTE may set the SQL mode, by which later texts are read: each has its own session.
        for ((text, name), variable) in TEXTS.iter().flat_map(|text| [(text, "@v"), (text, "@`W`")]) {
            let mut wire = tenant.connect(proxy.address());
            let shown = (name.to_string(), vec![Some(wire.greeting.thread_id.to_string())]);
            wire.ok(&format!("SET @v = {text}"));
            // Other assignments are read back before the connection goes to somebody else.
            wire.ok("SET @w = CONCAT(@v, ' ')");
            wire.rows("SELECT 0 FROM (SELECT 0) nothing");
            wire.ok(&format!("PREPARE s FROM {variable}"));
            assert_eq!(last(&wire.query("EXECUTE s").unwrap()), shown, "{text}");
        }
    });
}
