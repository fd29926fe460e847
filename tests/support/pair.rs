//! Two servers of a test's own, of which one takes writes, and a proxy before both.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use greenroom::demo::server::{APP, Flavor, Options, ROOT, Server};

use super::{
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::each_private_server,
    wire::{Login, Wire},
};

const TABLE: &str = "CREATE TABLE app.w (id INT PRIMARY KEY AUTO_INCREMENT, tag VARCHAR(40), at INT) ENGINE = InnoDB";

/// Two servers that know nothing of each other.
pub(crate) struct Pair {
    pub(crate) servers: [Server; 2],
    primary: usize,
}

pub(crate) fn login() -> Login {
    Login::new(APP.user, APP.password)
}

/// A monitor that asks often, as an account with no rights of its own over servers.
pub(crate) fn monitor() -> String {
    format!("[monitor]\ninterval = \"100ms\"\nuser = \"{}\"\npassword = \"{}\"", APP.user, APP.password)
}

fn options() -> Options {
    static ID: AtomicU32 = AtomicU32::new(1);
    let id = format!("--server-id={}", ID.fetch_add(1, Ordering::Relaxed));
    Options { extra_args: vec![id.into()], binary_log: true }
}

/// Of MySQL servers that give transactions GTIDs; MariaDB always does.
pub(crate) fn with_gtids() -> Options {
    let mut options = options();
    options.extra_args.extend(["--loose-gtid-mode=ON", "--loose-enforce-gtid-consistency=ON"].map(Into::into));
    options
}

/// Pairs of both kinds in turn; the first of each takes writes.
pub(crate) fn each_pair(test: impl Fn(Pair)) {
    pairs(options, test);
}

/// The same, with GTIDs; the second of each follows the first, and what is in `app.here` says which of them was asked.
pub(crate) fn each_replicating_pair(test: impl Fn(Pair)) {
    pairs(with_gtids, |pair| {
        pair.mark();
        pair.follow();
        test(pair);
    });
}

/// Of servers without a binary log, of which none follows the other; they say which they are, too.
pub(crate) fn each_pair_without_log(test: impl Fn(Pair)) {
    let without = || Options { binary_log: false, ..options() };
    pairs(without, |pair| {
        pair.mark();
        test(pair);
    });
}

fn pairs(options: impl Fn() -> Options, test: impl Fn(Pair)) {
    each_private_server(&options(), |server| {
        let other = Server::start(server.flavor(), &options()).unwrap();
        let mut pair = Pair { servers: [server, other], primary: 0 };
        for at in 0..2 {
            pair.root(at).0.ok(TABLE);
        }
        pair.demote(1);
        test(pair);
    });
}

impl Pair {
    /// Two of one kind with GTIDs, of which the second follows the first, each with arguments of its own; what is in `app.here`
    /// says which of them was asked.
    pub(crate) fn replicating(flavor: Flavor, source: &[String], replica: &[String]) -> Self {
        let start = |more: &[String]| {
            let mut options = with_gtids();
            options.extra_args.extend(more.iter().map(Into::into));
            Server::start(flavor, &options).unwrap()
        };
        let mut pair = Self { servers: [start(source), start(replica)], primary: 0 };
        (0..2).for_each(|at| drop(pair.root(at).0.ok(TABLE)));
        pair.demote(1);
        pair.mark();
        pair.follow();
        pair
    }
}

/// Makes one server a replica of the other, from now on.
pub(crate) fn follow(source: &Server, replica: &Server) {
    let port = source.address().port();
    let (user, password) = (ROOT.user, ROOT.password);
    let [mut from, mut to] = [source, replica].map(|server| Root::on(server).0);
    match source.flavor() {
        Flavor::MySql => {
            from.ok("RESET BINARY LOGS AND GTIDS");
            to.ok("RESET BINARY LOGS AND GTIDS");
            to.ok(&format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}', \
                 SOURCE_PASSWORD='{password}', GET_SOURCE_PUBLIC_KEY=1, SOURCE_SSL=0, SOURCE_CONNECT_RETRY=1"
            ));
            to.ok("START REPLICA");
        }
        Flavor::MariaDb => {
            from.ok("RESET MASTER");
            to.ok(&format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}', \
                 MASTER_PASSWORD='{password}', MASTER_CONNECT_RETRY=1"
            ));
            to.ok("START SLAVE");
        }
    }
}

/// Waits until a replica has all that its source has.
pub(crate) fn catch_up(source: &Server, replica: &Server) {
    let [mut from, mut to] = [source, replica].map(|server| Root::on(server).0);
    let (position, wait) = match source.flavor() {
        Flavor::MySql => ("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')", "WAIT_FOR_EXECUTED_GTID_SET"),
        Flavor::MariaDb => ("SELECT @@GLOBAL.gtid_binlog_pos", "MASTER_GTID_WAIT"),
    };
    let position = from.scalar(position).unwrap();
    assert_eq!(to.scalar(&format!("SELECT {wait}('{position}', 60)")).as_deref(), Some("0"), "{position}");
}

impl Pair {
    pub(crate) fn root(&self, at: usize) -> Root {
        Root::on(&self.servers[at])
    }

    pub(crate) fn address(&self, at: usize) -> SocketAddr {
        self.servers[at].address()
    }

    /// Lets each say which it is.
    pub(crate) fn mark(&self) {
        for (at, side) in ["primary", "replica"].into_iter().enumerate() {
            let mut root = self.root(at).0;
            root.ok("CREATE TABLE app.here (side VARCHAR(10)) ENGINE = InnoDB");
            root.ok(&format!("INSERT INTO app.here VALUES ('{side}')"));
        }
    }

    /// Makes the second server a replica of the first, which only its administrator may write to.
    pub(crate) fn follow(&self) {
        follow(&self.servers[0], &self.servers[1]);
    }

    /// Stops or lets go on what applies the source's changes.
    pub(crate) fn applier(&self, verb: &str) {
        self.root(1).0.ok(&format!("{verb} {} SQL_THREAD", self.replica()));
    }

    /// How this kind of server calls a replica.
    pub(crate) fn replica(&self) -> &'static str {
        if self.servers[0].flavor() == Flavor::MySql { "REPLICA" } else { "SLAVE" }
    }

    /// A proxy before both, which judges by what they say.
    pub(crate) fn before(&self, monitor: &str, endpoint: &[&str]) -> Setup {
        let auto = ["role = \"auto\"", "max_connections = 20"];
        let setup = Setup::new(self.address(0)).first_node(self.address(0), &auto).node("db2", self.address(1), &auto);
        endpoint.iter().fold(setup.extra(monitor), |setup, line| setup.endpoint(line))
    }

    /// A proxy before both, which is told what they are.
    pub(crate) fn fixed(&self, monitor: &str) -> Setup {
        let setup = Setup::new(self.address(0)).first_node(self.address(0), &["role = \"primary\""]);
        setup.node("db2", self.address(1), &["role = \"replica\""]).extra(monitor)
    }

    /// From now on this one is read-only.
    pub(crate) fn demote(&mut self, at: usize) {
        self.root(at).0.ok("SET GLOBAL read_only = 1");
    }

    /// From now on this one takes writes.
    pub(crate) fn promote(&mut self, at: usize) {
        self.root(at).0.ok("SET GLOBAL read_only = 0");
        self.primary = at;
    }

    /// Makes the other one the primary, and waits until the proxy has seen it.
    pub(crate) fn switch(&mut self, proxy: &Proxy) {
        let (old, new) = (self.primary, 1 - self.primary);
        self.demote(old);
        self.promote(new);
        until("the roles are changed", || self.role(proxy, old) == "replica" && self.role(proxy, new) == "primary");
    }

    /// What the proxy takes a server for.
    pub(crate) fn role(&self, proxy: &Proxy, at: usize) -> &'static str {
        let metrics = proxy.metrics();
        let node = format!("node=\"db{}\"", at + 1);
        let is = |role: &&str| metrics.sum("greenroom_node_role", &[&node, &format!("role=\"{role}\"")]) == 1.0;
        ["primary", "replica", "unknown"].into_iter().find(is).unwrap_or("not shown")
    }

    /// How many rows a server has.
    pub(crate) fn rows(&self, at: usize) -> usize {
        self.count(at, "SELECT COUNT(*) FROM app.w")
    }

    /// How many of its rows say that another server wrote them.
    pub(crate) fn strangers(&self, at: usize) -> usize {
        self.count(at, "SELECT COUNT(*) FROM app.w WHERE at <> @@port")
    }

    fn count(&self, at: usize, sql: &str) -> usize {
        let mut app = Wire::connect(self.address(at), &login()).unwrap();
        app.scalar(sql).unwrap().parse().unwrap()
    }
}
