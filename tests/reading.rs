//! How a text is read hangs on the session's SQL mode and character set, and nothing that a server runs may go unread: a
//! lock that no tracker tells of pins, whichever way the session came by them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use std::sync::{Mutex, PoisonError};

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::Command;
use support::{
    bench::{Bench, fill},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server, each_server},
    wire::{Login, Reply, Wire},
};

/// Without backslash escapes these lock, with them they are no statement.
const BARE: &[u8] = b"SELECT '\\', GET_LOCK('reading', 0), '\\'";
/// With escapes the same as one text; with these as plain letters it locks.
const QUOTED: &[u8] = b"SELECT 1 AS \"\\\", GET_LOCK('reading', 0) AS \"\\\"";
/// The same where the backslash is a part of a letter.
const LETTERS: &[u8] = b"SELECT '\x81\\', GET_LOCK('reading', 0), '\x81\\'";

/// What leads to a lock, on both servers.
const BOTH: &[&[&[u8]]] = &[
    &[b"SELECT takes()"],
    &[b"SELECT * FROM taking"],
    &[b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'", BARE],
    &[b"SET sql_mode = 'ANSI'", QUOTED],
    &[b"SET @@session.sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')", BARE],
    &[b"SET NAMES gbk", LETTERS],
    // In a transaction.
    &[b"BEGIN", b"SET @@sql_mode = 'NO_BACKSLASH_ESCAPES'", BARE, b"SET @@sql_mode = ''", b"COMMIT"],
    &[b"BEGIN", b"SET @@sql_mode = 'ANSI_QUOTES'", QUOTED, b"SET @@sql_mode = ''", b"COMMIT"],
    &[b"BEGIN", b"SET NAMES gbk", LETTERS, b"SET NAMES utf8mb4", b"COMMIT"],
    &[b"BEGIN", b"SET CHARACTER SET gbk", LETTERS, b"SET NAMES utf8mb4", b"COMMIT"],
    &[b"BEGIN", b"SET character_set_client = gbk", LETTERS, b"SET NAMES utf8mb4", b"COMMIT"],
    &[b"BEGIN", b"SET @@character_set_client = gbk", LETTERS, b"SET NAMES utf8mb4", b"COMMIT"],
    &[
        b"BEGIN",
        b"PREPARE s FROM 'SET @@sql_mode=''NO_BACKSLASH_ESCAPES'''",
        b"EXECUTE s",
        b"DEALLOCATE PREPARE s",
        BARE,
        b"SET @@sql_mode = ''",
        b"COMMIT",
    ],
    // A name to the server, of a view that calls a function.
    &[b"BEGIN", b"SET @@sql_mode = 'ANSI_QUOTES'", b"SELECT * FROM \"taking\"", b"SET @@sql_mode = ''", b"COMMIT"],
    // On the way through one string.
    &[b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\', GET_LOCK('reading', 0), '\\'"],
    &[b"SET sql_mode = 'ANSI_QUOTES'; SELECT 1 AS \"\\\", GET_LOCK('reading', 0) AS \"\\\""],
    &[b"SET NAMES gbk; SELECT '\x81\\', GET_LOCK('reading', 0), '\x81\\'"],
    // Within a text that is prepared by text, or a function that is called there.
    &[b"PREPARE s FROM 'SELECT takes()'", b"EXECUTE s", b"DEALLOCATE PREPARE s"],
    &[b"PREPARE s FROM 'SELECT * FROM taking'", b"EXECUTE s", b"DEALLOCATE PREPARE s"],
    &[b"PREPARE s FROM 'SELECT 1'", b"EXECUTE s; SELECT takes()", b"DEALLOCATE PREPARE s"],
    &[b"PREPARE s FROM 'SELECT 1'; PREPARE s FROM 'SELECT * FROM taking'; EXECUTE s", b"DEALLOCATE PREPARE s"],
];

const MARIADB: &[&[&[u8]]] = &[
    &[b"EXECUTE IMMEDIATE 'SELECT takes()'"],
    &[b"EXECUTE IMMEDIATE 'SELECT * FROM taking'"],
    &[b"SET STATEMENT sql_mode = 'NO_BACKSLASH_ESCAPES' FOR \
        EXECUTE IMMEDIATE 'SELECT ''\\\\'', GET_LOCK(''reading'', 0), ''\\\\'''"],
    &[
        b"SET STATEMENT sql_mode = 'NO_BACKSLASH_ESCAPES' FOR \
        PREPARE s FROM 'SELECT ''\\\\'', GET_LOCK(''reading'', 0), ''\\\\'''",
        b"EXECUTE s",
        b"DEALLOCATE PREPARE s",
    ],
    &[b"IF 1 THEN SET NAMES gbk; END IF; SELECT '\x81\\', GET_LOCK('reading', 0), '\x81\\'"],
    &[b"SET sql_mode = 'ORACLE'", QUOTED],
];

const STORED: [&str; 2] = [
    "CREATE FUNCTION takes() RETURNS INT NO SQL RETURN GET_LOCK('reading', 0)",
    "CREATE VIEW taking AS SELECT takes() AS a",
];

/// There is one lock of that name on a server.
static LOCK: Mutex<()> = Mutex::new(());

fn send(wire: &mut Wire, sql: &[u8]) {
    wire.send(Command::COM_QUERY, sql).unwrap();
    for reply in wire.replies().unwrap() {
        assert!(!matches!(reply, Reply::Err(_)), "{}: {reply:?}", sql.escape_ascii());
    }
}

fn root(server: std::net::SocketAddr) -> Wire {
    Wire::connect(server, &Login::new(ROOT.user, ROOT.password)).unwrap()
}

/// The session has the lock, and its connection.
fn keeps(bench: &mut Bench, why: &str) {
    // What pins until the next statement only is over.
    bench.one.rows("SELECT 1 FROM t");
    assert!(bench.is_held(), "{why}: not held; pins {:?}", bench.shown());
    assert!(root(bench.server).scalar("SELECT IS_USED_LOCK('reading')").is_some(), "{why}: no lock");
}

fn one_connection(server: &Server) -> Proxy {
    Setup::new(server.address())
        .first_node(server.address(), &["max_connections = 1"])
        .endpoint("lease_timeout = \"120ms\"")
        .user(ROOT.user, ROOT.password)
        .start()
}

fn with_collation(proxy: &Proxy, tenant: &Tenant, id: u16) -> Wire {
    let login = Login::new(ROOT.user, ROOT.password).database(&tenant.name).collation(id);
    Wire::connect(proxy.address(), &login).unwrap()
}

#[test]
fn a_text_is_read_as_the_server_reads_it() {
    let _alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        bench.store(&STORED);
        let own = if server.flavor() == Flavor::MariaDb { MARIADB } else { &[] };
        for statements in BOTH.iter().chain(own) {
            let why: Vec<_> = statements.iter().map(|sql| sql.escape_ascii().to_string()).collect();
            statements.iter().for_each(|sql| send(&mut bench.one, sql));
            keeps(&mut bench, &why.join(" | "));
            bench.replace(&why.join(" | "));
        }
    });
}

#[test]
fn a_prepared_statement_may_change_how_the_next_is_read() {
    let _alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        send(&mut bench.one, b"BEGIN");
        let set = bench.one.prepare("SET @@sql_mode = 'NO_BACKSLASH_ESCAPES'").unwrap();
        assert!(matches!(bench.one.execute(&set, &[]).unwrap().as_slice(), [Reply::Ok(_)]));
        send(&mut bench.one, BARE);
        send(&mut bench.one, b"SET @@sql_mode = ''");
        send(&mut bench.one, b"COMMIT");
        keeps(&mut bench, "a prepared SET");
    });
}

/// What is certain, or comes to the same in every way, pins nothing.
#[test]
fn nothing_pins_that_can_be_read_for_certain() {
    each_server(|server| {
        let mut bench = Bench::new(server, "tracked");
        // The first statement of all, before anybody has logged in to the server.
        let escaped = &b"SELECT 'it\\'s', \"it\\\"s\", '\xe4\xb8\xad\\''"[..];
        for statements in [
            &[escaped][..],
            &[b"BEGIN", b"SET NAMES utf8mb4", escaped, b"COMMIT"],
            &[b"SET sql_mode = 'ANSI_QUOTES'", b"SELECT 'it\\'s'"],
            &[b"SET sql_mode = ''", escaped],
            &[b"BEGIN", b"SET @@foreign_key_checks = 0", escaped, b"COMMIT"],
            &[b"BEGIN", b"SET @@sql_mode = ''", b"SELECT 'a', \"b\", 'c\\n'", b"COMMIT"],
            &[b"SET NAMES utf8mb4; SELECT 'it\\'s'"],
        ] {
            statements.iter().for_each(|sql| send(&mut bench.one, sql));
            bench.expect_free(&statements.last().unwrap().escape_ascii().to_string());
        }
    });
}

/// No server has told yet what it makes of the number.
#[test]
fn a_first_logins_character_set_is_heeded() {
    let _alone = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    each_server(|server| {
        let tenant = Tenant::new(server, "reading");
        fill(server, &tenant);
        for (id, lead) in [(28, b"\x81"), (1, b"\xb0"), (13, b"\x81")] {
            let text = [b"SELECT '", &lead[..], b"\\', GET_LOCK('reading', 0), '", lead, b"\\'"].concat();
            let proxy = one_connection(server);
            let [one, other] = [id, 45].map(|id| with_collation(&proxy, &tenant, id));
            let mut bench = Bench { tenant: Tenant::new(server, "idle"), server: server.address(), proxy, one, other };
            send(&mut bench.one, &text);
            keeps(&mut bench, &format!("collation {id}"));
            // The next session finds what the first has learned, and pins for nothing else.
            bench.one.send(Command::COM_QUIT, &[]).unwrap();
            bench.one = with_collation(&bench.proxy, &tenant, id);
            assert!(bench.becomes_free());
            send(&mut bench.one, &[b"SELECT '", &lead[..], b"\\', 'GET_LOCK(1, 2)'"].concat());
            bench.expect_free("a text that is one");
        }
    });
}

/// The server's own SQL mode, which no session sets.
#[test]
fn a_servers_own_sql_mode_is_heeded() {
    each_private_server(&Options::default(), |server| {
        for (mode, text) in [("NO_BACKSLASH_ESCAPES", BARE), ("ANSI_QUOTES", QUOTED)] {
            root(server.address()).ok(&format!("SET GLOBAL sql_mode = '{mode}'"));
            let mut bench = Bench::new(&server, "tracked");
            send(&mut bench.one, text);
            keeps(&mut bench, &format!("{mode}, first of all"));
            bench.replace(mode);
            send(&mut bench.one, text);
            keeps(&mut bench, mode);
            bench.replace(mode);
        }
    });
}
