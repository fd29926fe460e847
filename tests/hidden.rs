//! What no statement's text shows and no server reports: triggers, and functions that views call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    twin::{Stage, Twin},
    wire::{Reply, Wire},
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE plain (a INT)",
    "CREATE TABLE audit (a INT)",
    "CREATE TABLE audited (a INT)",
    "CREATE TABLE locks (a INT)",
    "CREATE TABLE notes (a INT)",
    "CREATE TABLE shades (a INT)",
    "CREATE TABLE outer_ (a INT)",
    "INSERT INTO plain VALUES (1)",
    "CREATE TRIGGER a AFTER INSERT ON audited FOR EACH ROW INSERT INTO audit (a) VALUES (ABS(NEW.a))",
    "CREATE TRIGGER l BEFORE INSERT ON locks FOR EACH ROW SET NEW.a = GET_LOCK(DATABASE(), 0)",
    "CREATE TRIGGER n BEFORE UPDATE ON notes FOR EACH ROW SELECT OLD.a INTO @noted",
    "CREATE TRIGGER s BEFORE DELETE ON shades FOR EACH ROW BEGIN \
     CREATE TEMPORARY TABLE IF NOT EXISTS plain SELECT 7 AS a; END",
    "CREATE TRIGGER o AFTER INSERT ON outer_ FOR EACH ROW INSERT INTO locks VALUES (NEW.a)",
    "CREATE FUNCTION locking() RETURNS INT DETERMINISTIC NO SQL RETURN GET_LOCK(DATABASE(), 0)",
    "CREATE VIEW seen AS SELECT a, locking() AS got FROM plain",
    "CREATE VIEW above AS SELECT got FROM seen",
    "INSERT INTO notes VALUES (5)",
    "INSERT INTO shades VALUES (6)",
];

/// Whether the session has the lock itself, which it then gives up.
const MINE: &str = "SELECT COALESCE(RELEASE_LOCK(DATABASE()), 0)";

/// What does it, and how a session sees that it did.
const HIDDEN: [(&str, &str); 7] = [
    ("INSERT INTO locks VALUES (1)", MINE),
    ("INSERT INTO outer_ VALUES (1)", MINE),
    ("SELECT got FROM seen", MINE),
    ("SELECT * FROM above", MINE),
    ("UPDATE notes SET a = a + 1", "SELECT @noted IS NOT NULL"),
    ("DELETE FROM shades", "SELECT a FROM plain"),
    ("UPDATE `notes` n JOIN plain SET n.a = n.a + 1", "SELECT @noted IS NOT NULL"),
];

/// The first value of the first row.
fn value(replies: &[Reply]) -> Option<String> {
    match replies.first() {
        Some(Reply::Rows(rows)) => rows.rows.first()?.first()?.clone(),
        other => panic!("{other:?}"),
    }
}

fn pins(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("greenroom_pinned", &[])
}

/// Lets other sessions of the same user have every connection that there is.
fn elsewhere(proxy: &Proxy, tenant: &Tenant, sees: &str, nothing: Option<&str>) {
    let mut others: Vec<Wire> = (0..3).map(|_| tenant.connect(proxy.address())).collect();
    for other in &mut others {
        other.ok("BEGIN");
    }
    for other in &mut others {
        assert_eq!(other.scalar(sees).as_deref(), nothing, "{sees}: another session sees it");
        other.ok("ROLLBACK");
    }
}

#[test]
fn what_a_trigger_or_a_view_leaves_is_its_sessions_own() {
    // Longer than what is read at once.
    let long = format!("/* {} */ INSERT INTO locks VALUES (1)", "long ".repeat(8000));
    each_server(|server| {
        for (sql, sees) in HIDDEN.into_iter().chain([(&*long, MINE)]) {
            let stage = Stage::new(server, "hidden", SCHEMA);
            let proxy = Setup::new(server.address())
                .first_node(server.address(), &["max_connections = 4"])
                .user(&stage.proxied.name, &stage.proxied.password)
                .start();
            let mut twin: Twin = stage.twin(&proxy, server, sql);
            let nothing = value(&twin.same(sees));
            twin.same(sql);
            elsewhere(&proxy, &stage.proxied, sees, nothing.as_deref());
            assert_ne!(value(&twin.same(sees)), nothing, "{sql} leaves something");
            until("the pin is shown", || pins(&proxy) == 1.0);
            drop(twin);
            until("the session's end is noticed", || pins(&proxy) == 0.0);
            elsewhere(&proxy, &stage.proxied, sees, nothing.as_deref());
        }
    });
}

#[test]
fn triggers_and_views_that_leave_nothing_pin_nothing() {
    each_server(|server| {
        let stage = Stage::new(server, "harmless", SCHEMA);
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 1"])
            .user(&stage.proxied.name, &stage.proxied.password)
            .start();
        let mut wire = stage.proxied.connect(proxy.address());
        for sql in ["INSERT INTO audited VALUES (-1)", "INSERT INTO plain SELECT a FROM audit", "DELETE FROM plain"] {
            wire.ok(sql);
        }
        assert_eq!(stage.proxied.connect(proxy.address()).scalar("SELECT a FROM audit").as_deref(), Some("1"));
        assert_eq!(proxy.metrics().sum("greenroom_pins_total", &[]), 0.0);
    });
}

#[test]
fn a_trigger_made_through_the_proxy_is_known_at_once() {
    each_server(|server| {
        let stage = Stage::new(server, "made", SCHEMA);
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 4"])
            .user(&stage.proxied.name, &stage.proxied.password)
            .start();
        let (mut one, mut other) = (stage.proxied.connect(proxy.address()), stage.proxied.connect(proxy.address()));
        one.ok("INSERT INTO plain VALUES (2)");
        other.ok("CREATE TRIGGER p BEFORE INSERT ON plain FOR EACH ROW SELECT NEW.a INTO @late");
        // Whoever comes before it has been read is reset afterwards, whoever comes later is pinned.
        one.ok("INSERT INTO plain VALUES (3)");
        elsewhere(&proxy, &stage.proxied, "SELECT @late", None);
        drop(one);
        until("the survey", || {
            other.ok("INSERT INTO plain VALUES (4)");
            other.scalar("SELECT @late").as_deref() == Some("4")
        });
        until("one pin", || pins(&proxy) == 1.0);
        elsewhere(&proxy, &stage.proxied, "SELECT @late", None);
    });
}

#[test]
fn connections_of_an_account_that_may_not_see_triggers_are_reset() {
    each_server(|server| {
        let stage = Stage::new(server, "blind", SCHEMA);
        let (owner, user) = (&stage.proxied.name, format!("{}_blind", stage.proxied.name));
        stage.proxied.administer(&[
            format!("CREATE USER {user} IDENTIFIED BY 'blind-secret'"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES ON {owner}.* TO {user}"),
        ]);
        for (sql, sees) in HIDDEN.into_iter().take(6) {
            let proxy = Setup::new(server.address())
                .first_node(server.address(), &["max_connections = 2"])
                .endpoint("lease_timeout = \"2s\"")
                .user(&user, "blind-secret")
                .start();
            let login = || support::wire::Login::new(&user, "blind-secret").database(owner);
            let [mut one, mut other] = [(); 2].map(|()| Wire::connect(proxy.address(), &login()).unwrap());
            let nothing = other.scalar(sees);
            let _ = one.query(sql).unwrap();
            // MariaDB 10.11.19 shows that there is a trigger but not what it does: then the session keeps its connection.
            let mut served = 0;
            for mut other in [other, Wire::connect(proxy.address(), &login()).unwrap()] {
                match other.one("BEGIN") {
                    Reply::Err(error) => assert_eq!(error.code, 1040, "{error:?}"),
                    _ => served += 1,
                }
                assert!(served == 0 || other.scalar(sees) == nothing, "{sql}");
            }
            assert!(served > 0, "{sql}");
            // A line is written when the log's own thread gets to it.
            until("the log says so", || proxy.log().contains("may not see all triggers or views"));
        }
        stage.proxied.administer(&[format!("DROP USER {user}")]);
    });
}
