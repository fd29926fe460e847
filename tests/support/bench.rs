//! Whether a session keeps its connection, seen from outside: two sessions before one server connection. While the
//! first is pinned the second is refused; when it is not, the second is served.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use greenroom::demo::server::{ROOT, Server};
use mysql_common::constants::Command;

use super::{
    proxy::{Proxy, Setup},
    servers::Tenant,
    wire::{Login, Reply, Wire},
};

const SCHEMA: &[&str] = &[
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(20))",
    "CREATE TABLE idle (a INT)",
    "INSERT INTO t (tag) VALUES ('a'), ('b'), ('c')",
    "CREATE PROCEDURE p() SELECT 1",
    "CREATE PROCEDURE locking() DO GET_LOCK('pins locking', 0), RELEASE_LOCK('pins locking')",
    "CREATE PROCEDURE fails() BEGIN SET @left = 1; SIGNAL SQLSTATE '45000'; END",
];

/// Two sessions of root's (who may do everything) before one server connection.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) tenant: Tenant,
    pub(crate) server: SocketAddr,
    pub(crate) proxy: Proxy,
    pub(crate) one: Wire,
    pub(crate) other: Wire,
}

impl Bench {
    /// Fresh tables and a proxy with this `pinning`.
    pub(crate) fn new(server: &Server, pinning: &str) -> Self {
        Self::patient(server, pinning, "120ms")
    }

    /// The same; the second session waits so long before it is refused.
    pub(crate) fn patient(server: &Server, pinning: &str, lease_timeout: &str) -> Self {
        let tenant = Tenant::new(server, "pins");
        fill(server, &tenant);
        let proxy = proxy(server.address(), pinning, lease_timeout);
        let [one, other] = [(); 2].map(|()| connect(&proxy, &tenant));
        Self { tenant, server: server.address(), proxy, one, other }
    }

    /// Runs statements past the proxy, and puts a new one in its place: what is stored in the server is read when a
    /// connection is opened.
    pub(crate) fn store(&mut self, statements: &[&str]) {
        let mut direct = self.tenant.connect(self.server);
        for sql in statements {
            direct.ok(sql);
        }
        self.proxy = proxy(self.server, "tracked", "120ms");
        (self.one, self.other) = (connect(&self.proxy, &self.tenant), connect(&self.proxy, &self.tenant));
    }

    /// Whether the other session must do without.
    pub(crate) fn is_held(&mut self) -> bool {
        match self.other.one("SELECT 1") {
            Reply::Rows(_) => false,
            Reply::Err(error) if error.code == 1040 => true,
            reply => panic!("{reply:?}"),
        }
    }

    /// Polls, for what ends without a reply.
    pub(crate) fn becomes_free(&mut self) -> bool {
        (0..20).any(|_| !self.is_held())
    }

    /// How many sessions are shown as pinned for this reason.
    pub(crate) fn pinned(&self, reason: &str) -> f64 {
        self.proxy.metrics().sum("greenroom_pinned", &[&format!("reason=\"{reason}\"")])
    }

    /// Fails unless the first session is pinned for this reason.
    pub(crate) fn expect_pinned(&mut self, reason: &str, why: &str) {
        assert!(self.is_held(), "{why}: not held; pins {:?}, connections {:?}", self.shown(), self.server_ids());
        let is_shown = soon(|| self.pinned(reason) > 0.0);
        assert!(is_shown, "{why}: {reason} is not shown as pinned, but {:?}", self.shown());
    }

    /// Fails unless nothing holds the first session's connection.
    pub(crate) fn expect_free(&mut self, why: &str) {
        assert!(self.becomes_free(), "{why}: still held by {:?}", self.shown());
        // The numbers follow the messages of actors.
        assert!(soon(|| self.shown().is_empty()), "{why}: shown as pinned: {:?}", self.shown());
    }

    /// The pins in force, by the metrics.
    pub(crate) fn shown(&self) -> Vec<String> {
        let text = self.proxy.get("/metrics").1;
        let pins = text.lines().filter(|line| line.starts_with("greenroom_pinned{") && !line.ends_with(" 0"));
        pins.map(str::to_owned).collect()
    }

    /// The server's ids of the proxy's connections.
    pub(crate) fn server_ids(&self) -> Vec<String> {
        let mut root = Wire::connect(self.server, &Login::new(ROOT.user, ROOT.password)).unwrap();
        let rows = root.rows("SHOW PROCESSLIST").into_iter();
        let own = rows.filter(|row| row[3].as_deref() == Some(&self.tenant.name));
        own.map(|mut row| row.swap_remove(0).unwrap()).collect()
    }

    /// Ends the first session; the next must then find a connection without a trace of it, and is the new first.
    pub(crate) fn replace(&mut self, why: &str) {
        self.one.send(Command::COM_QUIT, &[]).unwrap();
        assert!(self.becomes_free(), "{why}: held after its session's end");
        let mut heir = connect(&self.proxy, &self.tenant);
        assert_eq!(heir.scalar("SELECT @a"), None, "{why}");
        assert_eq!(heir.scalar(&format!("SELECT IS_FREE_LOCK('{}')", self.tenant.name)).as_deref(), Some("1"), "{why}");
        assert_eq!(heir.scalar("SELECT CURRENT_ROLE()").filter(|role| role != "NONE"), None, "{why}");
        for (sql, code) in [("SELECT * FROM tmp", 1146), ("EXECUTE s", 1243), ("HANDLER t READ FIRST", 1109)] {
            assert_eq!(heir.err(sql).code, code, "{why}: {sql}");
        }
        heir.ok("INSERT INTO t (tag) VALUES ('writes')");
        heir.quit().unwrap();
        assert!(self.becomes_free(), "{why}: held after its heir's end");
        self.expect_free(why);
        self.one = connect(&self.proxy, &self.tenant);
    }
}

/// Makes the tables and routines.
pub(crate) fn fill(server: &Server, tenant: &Tenant) {
    let mut wire = tenant.connect(server.address());
    for sql in SCHEMA {
        wire.ok(sql);
    }
}

/// Polls for at most a few seconds.
pub(crate) fn soon(done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if done() {
            return true;
        }
    }
    false
}

fn proxy(server: SocketAddr, pinning: &str, lease_timeout: &str) -> Proxy {
    Setup::new(server)
        .first_node(server, &["max_connections = 1"])
        .endpoint(&format!("lease_timeout = \"{lease_timeout}\""))
        .endpoint(&format!("pinning = \"{pinning}\""))
        .user(ROOT.user, ROOT.password)
        .start()
}

/// A login asks the server for its database, and the connection for that may still be on its way home.
pub(crate) fn connect(proxy: &Proxy, tenant: &Tenant) -> Wire {
    let login = Login::new(ROOT.user, ROOT.password).database(&tenant.name);
    (0..20).find_map(|_| Wire::connect(proxy.address(), &login).ok()).expect("the login gets a connection")
}
