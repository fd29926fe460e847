//! The members of a cluster, and a proxy before them all.

use std::net::SocketAddr;

use greenroom::demo::server::{APP, DATABASE, Server};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    crew::Crew,
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::Tenant,
    wire::{Login, Wire},
};

/// Server connections to each member, at most.
pub(crate) const WIDTH: usize = 4;
/// Sessions at work.
pub(crate) const CREW: usize = 8;

/// As the crew needs it, with the key that clusters want, which makes no id that a session would be told of.
const TABLE: &str =
    "CREATE TABLE crew (tag VARCHAR(20), id CHAR(36) DEFAULT (UUID()) PRIMARY KEY, KEY (tag)) ENGINE = InnoDB";

/// Three of them.
pub(crate) struct Members {
    pub(crate) servers: Vec<Server>,
}

/// An account that may see what the cluster is, and one that may not.
pub(crate) const SEEING: &str = "seeing";
pub(crate) const BLIND: &str = "blind";

/// A monitor that asks often.
fn monitor(user: &str) -> String {
    format!("[monitor]\ninterval = \"100ms\"\nuser = \"{user}\"\npassword = \"{}\"", APP.password)
}

impl Members {
    pub(crate) fn address(&self, at: usize) -> SocketAddr {
        self.servers[at].address()
    }

    pub(crate) fn root(&self, at: usize) -> Wire {
        Root::on(&self.servers[at]).0
    }

    /// Makes the monitors' accounts.
    pub(crate) fn accounts(&self) {
        let mut root = self.root(0);
        for user in [SEEING, BLIND] {
            root.ok(&format!("CREATE USER {user}@'%' IDENTIFIED BY '{}'", APP.password));
        }
    }

    /// A tenant with the crew's table, known to all.
    pub(crate) fn tenant(&self, label: &str) -> Tenant {
        let tenant = Tenant::new(&self.servers[0], label);
        tenant.connect(self.address(0)).ok(TABLE);
        for server in &self.servers {
            let count = "SELECT COUNT(*) FROM crew";
            until("the table is everywhere", || {
                Wire::connect(server.address(), &tenant.login()).is_ok_and(|mut wire| {
                    wire.query(count).is_ok_and(|replies| format!("{replies:?}").contains("Rows"))
                })
            });
        }
        tenant
    }

    /// A proxy before all, which judges by what they say.
    pub(crate) fn before(&self, tenant: &Tenant, user: &str, node: &[&str], endpoint: &[&str]) -> Proxy {
        let limit = format!("max_connections = {WIDTH}");
        let lines: Vec<&str> =
            ["role = \"auto\"", "connect_timeout = \"2s\"", &limit].into_iter().chain(node.iter().copied()).collect();
        let mut setup = Setup::new(self.address(0)).first_node(self.address(0), &lines);
        for at in 1..self.servers.len() {
            setup = setup.node(&format!("db{}", at + 1), self.address(at), &lines);
        }
        let setup = setup.user(&tenant.name, &tenant.password).extra(&monitor(user));
        endpoint.iter().fold(setup, |setup, line| setup.endpoint(line)).start()
    }

    /// What the proxy takes them for; `down` where one is.
    pub(crate) fn roles(&self, proxy: &Proxy) -> Vec<&'static str> {
        let metrics = proxy.metrics();
        let role = |at: usize| {
            let node = format!("node=\"db{}\"", at + 1);
            if metrics.sum("greenroom_node_up", &[&node]) == 0.0 {
                return "down";
            }
            let is = |role: &&str| metrics.sum("greenroom_node_role", &[&node, &format!("role=\"{role}\"")]) == 1.0;
            ["primary", "replica", "unknown"].into_iter().find(is).unwrap_or("not shown")
        };
        (0..self.servers.len()).map(role).collect()
    }

    /// Which of them the proxy takes for the primary.
    pub(crate) fn primary(&self, proxy: &Proxy) -> Option<usize> {
        self.roles(proxy).iter().position(|role| *role == "primary")
    }

    /// Waits until the proxy takes them for these.
    pub(crate) fn wait_for(&self, proxy: &Proxy, roles: [&str; 3]) {
        let mut last = Vec::new();
        let is_so = || {
            last = self.roles(proxy);
            last == roles
        };
        let begun = std::time::Instant::now();
        until(&format!("{roles:?}"), is_so);
        println!("{roles:?} after {:?}", begun.elapsed());
    }

    /// Stops a member's process as it is: to the others it is as if the network to it were cut.
    pub(crate) fn freeze(&self, at: usize) -> Frozen {
        let pid = Pid::from_raw(i32::try_from(self.servers[at].pid().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Frozen(pid)
    }
}

/// Lets a process go on when dropped.
pub(crate) struct Frozen(Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// Which member answers.
pub(crate) fn port(session: &mut Wire) -> u16 {
    session.scalar("SELECT @@port").unwrap().parse().unwrap()
}

/// A session of the demo's own account, in its database.
pub(crate) fn app(proxy: &Proxy) -> Wire {
    Wire::connect(proxy.address(), &Login::new(APP.user, APP.password).database(DATABASE)).unwrap()
}

/// The crew goes on wherever the primary is now.
pub(crate) fn goes_on(crew: &Crew<'_>) {
    crew.goes_on("everybody works at the new primary");
}
