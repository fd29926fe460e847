//! A server, a proxy of few connections before it, and for everybody a database of his own, all of one account: only
//! sessions of one account share connections.

#[path = "stage/contents.rs"]
mod contents;

use greenroom::demo::server::{ROOT, Server};
use mysql_common::constants::CapabilityFlags;

use super::{client::Client, mask::Collations, run::Runner};
use crate::support::{
    observe::until,
    pair::{catch_up, follow},
    proxy::{Proxy, Setup},
    wire::{Login, Wire, WireError},
};

/// Server connections for everybody.
pub(crate) const CONNECTIONS: usize = 3;
pub(crate) const USER: &str = "twin";
const PASSWORD: &str = "twin-secret";
/// Longer than any wait in the line, be the machine ever so busy.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What everybody shares.
const COMMON: &[&str] = &[
    "CREATE USER twin@'%' IDENTIFIED BY 'twin-secret'",
    "GRANT ALL PRIVILEGES ON `twin\\_%`.* TO twin@'%'",
    "GRANT SELECT, CREATE TEMPORARY TABLES ON `shared\\_words`.* TO twin@'%'",
    "CREATE DATABASE shared_words CHARACTER SET utf8mb4",
    "CREATE TABLE shared_words.words (word VARCHAR(20) PRIMARY KEY)",
    "INSERT INTO shared_words.words VALUES ('alpha'), ('beta'), ('gamma'), ('delta'), ('epsilon'), ('zeta')",
];

/// What everybody has for himself.
const OWN: &[&str] = &[
    "CREATE TABLE t1 (id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE, v VARCHAR(40), d DECIMAL(10,2), at DATETIME)",
    "CREATE TABLE t2 (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, body TEXT, note INT)",
    "CREATE TABLE plain (a INT, b VARCHAR(30))",
    "INSERT INTO plain VALUES (1, '{tag}'), (2, 'two of {tag}')",
    "INSERT INTO t1 (u, v) VALUES (1, 'first of {tag}'), (2, 'second'), (3, 'third')",
];

const ROUTINES: &[&str] = &[
    "CREATE PROCEDURE sets(IN zone VARCHAR(10)) SET time_zone = zone",
    "CREATE PROCEDURE shows() BEGIN SELECT v FROM t1 ORDER BY id; SELECT 2 AS two; END",
    "CREATE PROCEDURE adds(IN t VARCHAR(40)) INSERT INTO t1 (v) VALUES (t)",
    "CREATE PROCEDURE warns() BEGIN DECLARE i INT; SELECT CAST('1x' AS SIGNED); END",
    "CREATE PROCEDURE fails(IN n INT) BEGIN SET lock_wait_timeout = n; SET @a = n; \
     SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'failed'; END",
    "CREATE PROCEDURE assigns(IN t VARCHAR(40)) SELECT t INTO @a",
    "CREATE PROCEDURE gives(OUT n INT) SET n = 42",
    "CREATE PROCEDURE makes() CREATE TEMPORARY TABLE tmp1 SELECT 7 AS seven",
    "CREATE PROCEDURE locks(IN name VARCHAR(40)) DO GET_LOCK(name, 0)",
    "CREATE PROCEDURE begins() BEGIN START TRANSACTION; INSERT INTO t1 (v) VALUES ('begun'); END",
    "CREATE PROCEDURE ends() COMMIT",
    "CREATE PROCEDURE prepares(IN t VARCHAR(40)) BEGIN SET @c = t; PREPARE s0 FROM @c; EXECUTE s0; END",
    "CREATE PROCEDURE resets_id(IN n INT) DO LAST_INSERT_ID(n)",
    "CREATE PROCEDURE several() BEGIN INSERT INTO t1 (v) VALUES ('several'); SELECT LAST_INSERT_ID(); \
     UPDATE t1 SET v = 'changed' WHERE v = 'several'; SELECT COUNT(*) FROM t1; END",
    "CREATE FUNCTION plus(n INT) RETURNS INT DETERMINISTIC RETURN n + 1",
    "CREATE FUNCTION inserting(t VARCHAR(40)) RETURNS INT MODIFIES SQL DATA \
     BEGIN INSERT INTO t1 (v) VALUES (t); RETURN 1; END",
    "CREATE FUNCTION assigning(n INT) RETURNS INT NO SQL BEGIN SET @a = n; RETURN n; END",
    "CREATE FUNCTION failing(t VARCHAR(40)) RETURNS INT NO SQL \
     BEGIN SET @a = t; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'failed'; RETURN 1; END",
    "CREATE FUNCTION locking(t VARCHAR(40)) RETURNS INT NO SQL RETURN GET_LOCK(t, 0)",
];

/// The server and the proxy before it.
pub(crate) struct Stage<'a> {
    pub(crate) server: &'a Server,
    pub(crate) proxy: Proxy,
    /// Where the proxy sends what only reads, if it does.
    replica: Option<&'a Server>,
    offered: CapabilityFlags,
    collations: Collations,
}

/// A database and what its session is called, from scratch for every run.
pub(crate) struct Place {
    root: Wire,
    db: String,
    tag: String,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self::with(server, None, "transaction")
    }

    /// The same in another mode, with a connection for everybody.
    pub(crate) fn of_mode(server: &'a Server, mode: &str) -> Self {
        Self::with(server, None, mode)
    }

    /// The same with a replica, before which the proxy splits.
    pub(crate) fn splitting(server: &'a Server, replica: &'a Server) -> Self {
        follow(server, replica);
        Self::with(server, Some(replica), "transaction")
    }

    fn with(server: &'a Server, replica: Option<&'a Server>, mode: &str) -> Self {
        let mut root = root(server);
        COMMON.iter().for_each(|sql| {
            root.ok(sql);
        });
        let limit = match mode {
            "transaction" => format!("max_connections = {CONNECTIONS}"),
            _ => "max_connections = 100".to_owned(),
        };
        let setup = Setup::new(server.address())
            .first_node(server.address(), &[&limit])
            .endpoint(&format!("lease_timeout = \"2m\"\npool = \"{mode}\""))
            .user(USER, PASSWORD);
        let proxy = match replica {
            None => setup.start(),
            Some(replica) => setup
                .node("db2", replica.address(), &[&limit, "role = \"replica\""])
                .endpoint("access = \"split\"")
                .endpoint("causal_timeout = \"1m\"")
                .start(),
        };
        let offered = Wire::open(proxy.address()).expect("the proxy greets").greeting.capabilities;
        Self { server, proxy, replica, offered, collations: collations(&mut root) }
    }

    /// Whether a session is told that it has come to where an endpoint that splits cannot answer as one server does
    /// (docs/splitting.md): what follows hangs on that.
    pub(crate) fn is_told_apart(&self, answer: &[String]) -> bool {
        let tells = ["error 1235 (42000) Greenroom runs this READ ONLY", "error 1105 (HY000) Warnings lost: "];
        self.replica.is_some() && answer.iter().any(|line| tells.iter().any(|told| line.starts_with(told)))
    }

    /// A new database, filled.
    pub(crate) fn place(&self, tag: &str) -> Place {
        let mut place = Place { root: root(self.server), db: format!("twin_{tag}"), tag: tag.into() };
        place.create();
        place
    }

    /// A session on the server itself.
    pub(crate) fn direct(&self, place: &Place, client: Client) -> Runner {
        self.session(place, client, self.server.address())
    }

    /// A session through the proxy.
    pub(crate) fn proxied(&self, place: &Place, client: Client) -> Runner {
        if let Some(replica) = self.replica {
            catch_up(self.server, replica);
        }
        self.session(place, client, self.proxy.address())
    }

    fn session(&self, place: &Place, client: Client, address: std::net::SocketAddr) -> Runner {
        self.try_session(place, client, address).unwrap_or_else(|error| panic!("{}: {error}", place.db))
    }

    /// A session through the proxy, whose first connection may be lost.
    pub(crate) fn try_proxied(&self, place: &Place, client: Client) -> Result<Runner, WireError> {
        self.try_session(place, client, self.proxy.address())
    }

    fn try_session(&self, place: &Place, client: Client, address: std::net::SocketAddr) -> Result<Runner, WireError> {
        let login = client.login(Login::new(USER, PASSWORD).database(&place.db), self.offered);
        let mut wire = Wire::connect(address, &login)?;
        wire.set_timeout(PATIENCE);
        Runner::new(wire, login, &place.db, &place.tag, self.collations.clone())
    }
}

impl Place {
    /// Makes the database anew. Whoever used it before has left, but may still be on the way out of the server.
    pub(crate) fn renew(&mut self) {
        self.roll_back_prepared();
        self.empty();
    }

    /// The same where nobody has prepared an XA transaction. After some kills MySQL lists none any more: error 1401 for
    /// good (measured).
    pub(crate) fn empty(&mut self) {
        for name in ["twin_", "twin_made_", "twin_gone_"] {
            self.root.ok(&format!("DROP DATABASE IF EXISTS {name}{}", self.tag));
        }
        self.create();
    }

    /// Waits until nothing of a session is left on the server: its locks go with it.
    pub(crate) fn wait_until_left(&mut self) {
        let sql = format!("SELECT IS_FREE_LOCK('{0}l1') AND IS_FREE_LOCK('{0}l2')", self.tag);
        until("named locks are free", || self.root.scalar(&sql).as_deref() == Some("1"));
    }

    fn create(&mut self) {
        self.root.ok(&format!("CREATE DATABASE {} CHARACTER SET utf8mb4", self.db));
        self.root.ok(&format!("USE {}", self.db));
        for sql in OWN.iter().chain(ROUTINES) {
            self.root.ok(&sql.replace("{tag}", &self.tag));
        }
        if is_mariadb(&self.root) {
            self.root.ok("CREATE SEQUENCE q START WITH 100");
        }
    }

    /// A prepared XA transaction outlives its session, with its locks.
    fn roll_back_prepared(&mut self) {
        let mark = format!("{}x", self.tag);
        let root = &mut self.root;
        until("prepared transactions are rolled back", || {
            let rows = root.rows("XA RECOVER").into_iter();
            let names = rows.filter_map(|mut row| row.pop().flatten()).filter(|name| name.starts_with(&mark));
            let names: Vec<_> = names.collect();
            names.iter().for_each(|name| drop(root.query(&format!("XA ROLLBACK '{name}'"))));
            names.is_empty()
        });
    }
}

fn collations(root: &mut Wire) -> Collations {
    let table = if is_mariadb(root) { "COLLATION_CHARACTER_SET_APPLICABILITY" } else { "COLLATIONS" };
    let rows = root.rows(&format!("SELECT ID, CHARACTER_SET_NAME FROM information_schema.{table}")).into_iter();
    let known = rows.filter_map(|mut row| {
        let name = row.pop().flatten()?;
        Some((row.pop().flatten()?.parse().ok()?, name))
    });
    Collations::new(known.collect())
}

fn is_mariadb(wire: &Wire) -> bool {
    wire.greeting.version.contains("MariaDB")
}

fn root(server: &Server) -> Wire {
    let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).expect("root logs in");
    root.set_timeout(PATIENCE);
    root.ok("SET lock_wait_timeout = 100");
    root
}
