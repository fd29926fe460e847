//! The real servers: one of each a test process, started when first asked for, ended with the process.

use std::{
    env,
    io::Write,
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use greenroom::demo::server::{Flavor, Options, ROOT, Server};

use super::wire::{Login, Wire};

/// Set to 1, a missing MySQL fails the tests that need it instead of skipping them.
const REQUIRE: &str = "GREENROOM_REQUIRE_MYSQL";

/// A database and a user of a test's own, dropped with this.
#[derive(Debug)]
pub(crate) struct Tenant {
    server: SocketAddr,
    /// The name of the database and of the user, who has every privilege on it.
    pub(crate) name: String,
    /// The user's password.
    pub(crate) password: String,
}

/// This process's MariaDB.
pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Flavor::MariaDb, &Options::default()).expect("MariaDB starts"))
}

/// This process's MySQL; `None`, loudly, where there is none and the environment does not insist.
pub(crate) fn mysql() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| has_mysql().then(|| Server::start(Flavor::MySql, &Options::default()).unwrap()));
    if server.is_none() {
        skipped();
    }
    server.as_ref()
}

/// Runs a test on both servers.
pub(crate) fn each_server(test: impl Fn(&'static Server)) {
    for server in [Some(mariadb()), mysql()].into_iter().flatten() {
        // Shown only when the test fails.
        println!("on {} {}", server.flavor(), server.version());
        test(server);
    }
}

/// Servers of a test's own, to kill and restart: both in turn, with these options.
pub(crate) fn each_private_server(options: &Options, test: impl Fn(Server)) {
    let flavors = if has_mysql() { Flavor::ALL.to_vec() } else { vec![Flavor::MariaDb] };
    if flavors.len() == 1 {
        skipped();
    }
    for flavor in flavors {
        println!("on a private {flavor}");
        test(Server::start(flavor, options).expect("the server starts"));
    }
}

/// Whether there is a MySQL; fails where there is none and the environment insists.
pub(crate) fn has_mysql() -> bool {
    match Flavor::MySql.find() {
        Ok(_) => true,
        Err(why) if is_required() => panic!("{REQUIRE}=1, but {why}"),
        Err(_) => false,
    }
}

/// Whether the environment insists that nothing is skipped.
pub(crate) fn is_required() -> bool {
    env::var_os(REQUIRE).is_some_and(|value| value == "1")
}

/// Past the test harness's capture, so that nobody takes half a run for a whole one.
pub(crate) fn skipped() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED on MySQL ({count} so far): {test}; scripts/fetch-mysql gets a MySQL");
}

impl Tenant {
    /// Makes a database and a user, whose name begins with `label`, on `server`.
    pub(crate) fn new(server: &Server, label: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{label}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let tenant = Self { server: server.address(), password: format!("{name}-secret"), name };
        tenant.administer(&[
            format!("CREATE DATABASE {}", tenant.name),
            format!("CREATE USER {}@'%' IDENTIFIED BY '{}'", tenant.name, tenant.password),
            format!("GRANT ALL PRIVILEGES ON {0}.* TO {0}@'%'", tenant.name),
        ]);
        tenant
    }

    /// How this user logs in, to the server or to a proxy.
    pub(crate) fn login(&self) -> Login {
        Login::new(&self.name, &self.password).database(&self.name)
    }

    /// A connection of this user's, to the server itself or through a proxy.
    pub(crate) fn connect(&self, address: SocketAddr) -> Wire {
        Wire::connect(address, &self.login()).expect("the test's own user logs in")
    }

    /// Runs statements as the server's root, on the server itself.
    pub(crate) fn administer(&self, statements: &[String]) {
        let mut root = Wire::connect(self.server, &Login::new(ROOT.user, ROOT.password)).expect("root logs in");
        for sql in statements {
            root.ok(sql);
        }
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // The server may be gone, which is no reason for a second panic.
        if let Ok(mut root) = Wire::connect(self.server, &Login::new(ROOT.user, ROOT.password)) {
            let _ = root.query(&format!("DROP DATABASE {}", self.name));
            let _ = root.query(&format!("DROP USER {}@'%'", self.name));
        }
    }
}
