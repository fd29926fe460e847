//! What a session finds that begins, is reset or becomes another user's, on connections that others have counted on.

use greenroom::demo::server::{Flavor, Options, Server};

use super::statements::SCHEMA;
use crate::support::{
    proxy::{Proxy, Setup},
    servers::each_private_server,
    twin::{Stage, Twin},
    wire::{Reply, Wire},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// What tells of rows: a SELECT, a change, a failure, what only the server knows, and what MySQL shows late.
const BEFORE: [&str; 7] = [
    "SELECT 1 UNION SELECT 2",
    "INSERT INTO w VALUES (1), (2)",
    "SELECT nosuch",
    "DO 1",
    "CALL two()",
    "SET @a = (SELECT COUNT(*) FROM t)",
    "SELECT id FROM t LIMIT 1, 2",
];

/// How a session goes on without what it was.
type Anew = fn(&mut Twin, &Stage);

const WAYS: [(&str, Anew); 3] = [
    ("nothing", |_, _| {}),
    ("a reset", |twin, _| twin.reset()),
    ("a change of user", |twin, stage| {
        for (wire, tenant) in [(&mut twin.proxied, &stage.proxied), (&mut twin.direct, &stage.direct)] {
            wire.change_user(&tenant.login()).unwrap();
        }
    }),
];

fn set_up(server: &Server, mode: &str) -> (Stage, Proxy) {
    let stage = Stage::new(server, "anew", SCHEMA);
    for tenant in [&stage.proxied, &stage.direct] {
        let mut wire = tenant.connect(server.address());
        wire.ok("CREATE PROCEDURE two() BEGIN DO 1; SELECT id FROM t LIMIT 2; END");
        wire.ok("CREATE PROCEDURE asks_first() SELECT ROW_COUNT()");
    }
    let setup = Setup::new(server.address())
        .first_node(server.address(), &["max_connections = 1"])
        .endpoint(&format!("pool = \"{mode}\""))
        .user(&stage.proxied.name, &stage.proxied.password);
    (stage, setup.start())
}

/// MariaDB gives a new session what the session before it on the same thread has left, where it keeps threads (measured).
fn each_server_without_a_cache(test: impl Fn(&Server)) {
    let options = Options { extra_args: vec!["--thread-cache-size=0".into()], ..Options::default() };
    each_private_server(&options, |server| test(&server));
}

/// Somebody finds five rows and adds one on the only connection.
fn disturb(stage: &Stage, proxy: &Proxy) {
    let mut other: Wire = stage.proxied.connect(proxy.address());
    for sql in ["SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5", "INSERT INTO w VALUES (3)"] {
        other.query(sql).unwrap();
    }
    other.quit().unwrap();
}

/// The ways to ask first.
const ASKS: [&str; 4] = [
    "SELECT FOUND_ROWS()",
    "SELECT ROW_COUNT()",
    "SELECT FOUND_ROWS(), ROW_COUNT()",
    "INSERT INTO w VALUES (FOUND_ROWS())",
];

fn ask(twin: &mut Twin, sql: &str, prepared: bool) {
    if prepared {
        twin.prepared(sql);
    } else {
        twin.same(sql);
    }
}

/// Asks both, who must say the same, but where Greenroom may say that it cannot tell.
fn same_or_refused(twin: &mut Twin, sql: &str, may_be_refused: bool) {
    let [proxied, direct] = [&mut twin.proxied, &mut twin.direct].map(|wire| wire.query(sql).unwrap());
    let refused = matches!(proxied.as_slice(), [Reply::Err(error)] if error.code == 1235);
    assert!(proxied == direct || refused && may_be_refused, "{}, {sql}: {proxied:?}, not {direct:?}", twin.label);
}

#[test]
fn a_session_begins_with_what_a_server_begins_with() {
    each_server_without_a_cache(|server| {
        for mode in MODES {
            let (stage, proxy) = set_up(server, mode);
            for prepared in [false, true] {
                for sql in ASKS {
                    disturb(&stage, &proxy);
                    let mut twin = stage.twin(&proxy, server, &format!("{mode}, prepared: {prepared}"));
                    ask(&mut twin, sql, prepared);
                    twin.proxied.quit().unwrap();
                }
            }
        }
    });
}

#[test]
fn a_session_that_begins_anew_has_what_a_server_leaves_it() {
    each_server_without_a_cache(|server| {
        for mode in MODES {
            let (stage, proxy) = set_up(server, mode);
            for (way, anew) in WAYS {
                for before in BEFORE {
                    for (sql, prepared) in ASKS[..2].iter().flat_map(|sql| [(sql, false), (sql, true)]) {
                        // To tell MariaDB what it is to answer would take the session's warnings away.
                        if (server.flavor(), before, prepared) == (Flavor::MariaDb, "SELECT nosuch", true) {
                            continue;
                        }
                        disturb(&stage, &proxy);
                        let mut twin = stage.twin(&proxy, server, &format!("{mode}, {way}, {before}"));
                        for wire in [&mut twin.proxied, &mut twin.direct] {
                            wire.query(before).unwrap();
                        }
                        anew(&mut twin, &stage);
                        // Who has an error to show keeps his connection.
                        if mode == "transaction" && (way != "nothing" || before != "SELECT nosuch") {
                            disturb(&stage, &proxy);
                        }
                        ask(&mut twin, sql, prepared);
                        twin.proxied.quit().unwrap();
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_known_of_the_first_statement_stays_known() {
    each_server_without_a_cache(|server| {
        for mode in MODES {
            let (stage, proxy) = set_up(server, mode);
            for ask in ["CALL asks_first()", "EXECUTE s", "SELECT ROW_COUNT(); SELECT 1"] {
                disturb(&stage, &proxy);
                let mut twin = stage.twin(&proxy, server, &format!("{mode}, {ask}"));
                twin.same("PREPARE s FROM 'SELECT ROW_COUNT()'");
                twin.same("INSERT INTO w VALUES (1), (2)");
                same_or_refused(&mut twin, ask, mode == "transaction" && !ask.starts_with("SELECT"));
                twin.same("INSERT INTO w VALUES (1), (2)");
                twin.prepared("SELECT ROW_COUNT()");
                twin.proxied.quit().unwrap();
            }
            disturb(&stage, &proxy);
            let mut twin = stage.twin(&proxy, server, mode);
            twin.all(&["DROP TABLE IF EXISTS nosuch", "SHOW WARNINGS; SELECT 1"]);
            twin.proxied.quit().unwrap();
        }
    });
}

#[test]
fn what_a_server_gives_late_is_late_afterwards_too() {
    each_server_without_a_cache(|server| {
        for mode in MODES {
            let (stage, proxy) = set_up(server, mode);
            for (way, anew) in WAYS {
                let mut twin = stage.twin(&proxy, server, mode);
                twin.all(&["SELECT 1 UNION SELECT 2", "SET @a = (SELECT COUNT(*) FROM t)"]);
                anew(&mut twin, &stage);
                twin.same("INSERT INTO w VALUES (1)");
                // Where the connection may be another.
                let may_be_refused = mode == "transaction" || way == "a change of user";
                same_or_refused(&mut twin, "SELECT FOUND_ROWS()", may_be_refused);
                twin.proxied.quit().unwrap();
            }
        }
    });
}
