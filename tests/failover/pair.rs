//! Two servers of a test's own, of which one takes writes, and a proxy before both.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use greenroom::demo::server::{APP, Options, Server};

use super::support::{
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

/// Pairs of both kinds in turn; the first of each takes writes.
pub(crate) fn each_pair(test: impl Fn(Pair)) {
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
    pub(crate) fn root(&self, at: usize) -> Root {
        Root::on(&self.servers[at])
    }

    pub(crate) fn address(&self, at: usize) -> SocketAddr {
        self.servers[at].address()
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
