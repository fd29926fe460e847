//! Transactions in transaction mode: who is inside one keeps his server connection until it ends and no longer, seen
//! by a second session that has to do without it; and what the client is told is what a server tells.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::{Flavor, Server};
use mysql_common::constants::Command;
use support::{
    proxy::{Proxy, Setup},
    servers::each_server,
    twin::{Stage, Twin},
    wire::{Reply, Wire},
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE = InnoDB",
    "CREATE TABLE other (id INT)",
    "INSERT INTO t VALUES (1, 1), (2, 2)",
];

/// Whether the session has its connection after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Held,
    Free,
}

use Then::{Free, Held};

/// `patience`: how long a session waits for a connection. Short where that it waits is to be seen, else enough for a login
/// on a busy machine.
fn set_up(server: &Server, connections: u32, patience: &str) -> (Stage, Proxy) {
    let stage = Stage::new(server, "transactions", SCHEMA);
    let setup = Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .endpoint(&format!("lease_timeout = \"{patience}\""))
        .user(&stage.proxied.name, &stage.proxied.password);
    (stage, setup.start())
}

fn is_held(other: &mut Wire) -> bool {
    match other.one("SELECT 1") {
        Reply::Err(error) if error.code == 1040 => true,
        Reply::Rows(_) => false,
        reply => panic!("{reply:?}"),
    }
}

/// On both servers; each begins where the one before ended: outside.
const BOTH: &[&[(&str, Then)]] = &[
    &[("BEGIN", Held), ("SELECT * FROM t", Held), ("COMMIT", Free)],
    &[
        ("START TRANSACTION READ ONLY", Held),
        ("UPDATE t SET v = 3", Held),
        ("COMMIT; SELECT 0 FROM (SELECT 0) nothing", Free),
    ],
    &[("START TRANSACTION WITH CONSISTENT SNAPSHOT", Held), ("ROLLBACK", Free)],
    &[("BEGIN", Held), ("UPDATE t SET v = 4", Held), ("CREATE TABLE ddl (a INT)", Free), ("DROP TABLE ddl", Free)],
    &[
        ("BEGIN", Held),
        ("INSERT INTO t VALUES (3, 3)", Held),
        ("BEGIN", Held),
        ("ROLLBACK", Free),
        ("SELECT * FROM t", Free),
    ],
    &[("BEGIN", Held), ("SAVEPOINT a", Held), ("DELETE FROM t", Held), ("ROLLBACK TO a", Held), ("COMMIT", Free)],
    &[
        ("BEGIN", Held),
        ("SAVEPOINT a", Held),
        ("RELEASE SAVEPOINT a", Held),
        ("ROLLBACK", Free),
        ("SELECT * FROM t", Free),
    ],
    &[
        ("BEGIN", Held),
        ("COMMIT AND CHAIN", Held),
        ("UPDATE t SET v = v + 1", Held),
        ("ROLLBACK AND CHAIN", Held),
        ("COMMIT", Free),
    ],
    &[
        ("SET autocommit = 0", Free),
        ("SELECT * FROM t", Held),
        ("COMMIT", Free),
        ("UPDATE t SET v = 9", Held),
        ("SET autocommit = 1", Free),
    ],
    &[("SET autocommit = 0", Free), ("UPDATE t SET v = 7", Held), ("ROLLBACK", Free), ("SET autocommit = 1", Free)],
    &[
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", Free),
        ("BEGIN", Held),
        ("SELECT * FROM t", Held),
        ("COMMIT", Free),
    ],
    &[("BEGIN", Held), ("INSERT INTO t VALUES (1, 1)", Held), ("SELECT * FROM t", Held), ("COMMIT", Free)],
    &[("BEGIN; UPDATE t SET v = 5", Held), ("SELECT * FROM t", Held), ("COMMIT; SELECT 1", Free)],
    &[("BEGIN; UPDATE t SET v = 6; COMMIT", Free), ("SELECT * FROM t", Free)],
    &[("BEGIN", Held), ("LOCK TABLES t WRITE", Held), ("UPDATE t SET v = 2", Held), ("UNLOCK TABLES", Free)],
    &[
        ("XA START '{db}'", Held),
        ("UPDATE t SET v = 8", Held),
        ("XA END '{db}'", Held),
        ("XA COMMIT '{db}' ONE PHASE", Free),
    ],
    &[("XA START '{db}'", Held), ("XA END '{db}'", Held), ("XA ROLLBACK '{db}'", Free), ("SELECT * FROM t", Free)],
];

#[test]
fn a_transaction_holds_its_connection_until_its_end() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1, "150ms");
        let mut twin = stage.twin(&proxy, server, "one");
        let mut other = stage.proxied.connect(proxy.address());
        let two_phases: &[(&str, Then)] = if server.flavor() == Flavor::MariaDb {
            &[
                ("XA START '{db}'", Held),
                ("XA END '{db}'", Held),
                ("XA PREPARE '{db}'", Held),
                ("XA COMMIT '{db}'", Free),
            ]
        } else {
            &[
                ("XA START '{db}'", Held),
                ("XA END '{db}'", Held),
                ("XA PREPARE '{db}'", Free),
                ("XA COMMIT '{db}'", Free),
            ]
        };
        for script in BOTH.iter().copied().chain([two_phases]) {
            for (sql, then) in script {
                twin.same(sql);
                assert_eq!(is_held(&mut other), *then == Held, "{script:?}: after {sql}");
            }
        }
    });
}

#[test]
fn a_client_that_leaves_inside_a_transaction_leaves_nothing() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1, "10s");
        for polite in [true, false] {
            let mut twin = stage.twin(&proxy, server, "one");
            twin.same("BEGIN");
            twin.same("UPDATE t SET v = 100");
            if polite {
                twin.proxied.send(Command::COM_QUIT, &[]).unwrap();
            }
            drop(twin);
            let mut next = None;
            for _ in 0..20 {
                next = next.or_else(|| Wire::connect(proxy.address(), &stage.proxied.login()).ok());
            }
            let mut next = next.unwrap();
            assert_eq!(next.scalar("SELECT v FROM t WHERE id = 1").as_deref(), Some("1"));
            assert!(!next.ok("UPDATE t SET v = v").in_transaction());
        }
    });
}

/// The victim's transaction is over, the other's is not.
#[test]
fn a_deadlock_ends_one_transaction() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2, "10s");
        let [mut one, mut two] = [(); 2].map(|()| stage.proxied.connect(proxy.address()));
        one.ok("BEGIN");
        two.ok("BEGIN");
        one.ok("UPDATE t SET v = 10 WHERE id = 1");
        two.ok("UPDATE t SET v = 20 WHERE id = 2");
        one.send(Command::COM_QUERY, b"UPDATE t SET v = 11 WHERE id = 2").unwrap();
        let second = two.one("UPDATE t SET v = 21 WHERE id = 1");
        let first = one.replies().unwrap().remove(0);
        let failed = |reply: &Reply| matches!(reply, Reply::Err(error) if error.code == 1213);
        assert_eq!([&first, &second].map(failed).iter().filter(|failed| **failed).count(), 1, "{first:?} {second:?}");
        let (mut loser, mut winner) = if failed(&first) { (one, two) } else { (two, one) };
        assert!(!loser.result("SELECT 1 FROM t").end.in_transaction());
        assert!(winner.result("SELECT 1 FROM t").end.in_transaction());
        winner.ok("COMMIT");
        loser.ok("UPDATE t SET v = 0");
        let both: Vec<&mut Wire> = vec![&mut loser, &mut winner];
        for wire in both {
            assert_eq!(wire.scalar("SELECT SUM(v) FROM t").as_deref(), Some("0"));
        }
    });
}

/// Two in transactions, seeing none of each other's work before its commit.
#[test]
fn open_transactions_do_not_mix() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2, "10s");
        let [mut one, mut two]: [Twin; 2] = ["one", "two"].map(|name| stage.twin(&proxy, server, name));
        for end in ["COMMIT", "ROLLBACK"] {
            one.same("BEGIN");
            two.same("BEGIN");
            for step in 0..5 {
                one.same(&format!("UPDATE t SET v = {step} WHERE id = 1"));
                two.same(&format!("UPDATE t SET v = v + {step} WHERE id = 2"));
                one.same("SELECT id, v FROM t ORDER BY id");
                two.same("SELECT id, v FROM t ORDER BY id");
            }
            one.same(end);
            two.same("SELECT id, v FROM t ORDER BY id");
            two.same("COMMIT");
            one.same("SELECT id, v FROM t ORDER BY id");
        }
    });
}
