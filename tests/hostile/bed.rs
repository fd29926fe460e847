//! A proxy under attack, and what must be so after every batch.

use greenroom::demo::server::Server;

use crate::support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::Tenant,
    wire::{Param, Reply, Wire},
};

/// Server connections at most: few, so that every one is used again at once.
pub(crate) const WIDTH: usize = 3;

/// How much more memory the proxy may hold than before the attack, in KiB: nothing that a test sends is to be kept.
const GROWTH: u64 = 48 * 1024;

/// What the table `kept` holds.
pub(crate) const KEPT: &str = "SELECT id, v FROM kept ORDER BY id";

/// A proxy before a server, with a tenant whose pool well- and ill-behaved sessions share.
pub(crate) struct Bed {
    pub(crate) tenant: Tenant,
    pub(crate) proxy: Proxy,
    memory: u64,
}

impl Bed {
    /// Starts a proxy whose endpoint has this pool mode, at `address`, which leads to `server`.
    pub(crate) fn new(server: &Server, address: std::net::SocketAddr, pool: &str) -> Self {
        let tenant = Tenant::new(server, "hostile");
        let mut wire = tenant.connect(server.address());
        wire.ok("CREATE TABLE kept (id INT PRIMARY KEY, v VARCHAR(20))");
        wire.ok("INSERT INTO kept VALUES (1, 'one'), (2, NULL), (3, 'three')");
        wire.ok("CREATE TABLE scratch (id INT, v LONGTEXT)");
        let limit = format!("max_connections = {WIDTH}");
        let proxy = Setup::new(server.address())
            .first_node(address, &[&limit, "connect_timeout = \"3s\"", "tls = \"disabled\""])
            .user(&tenant.name, &tenant.password)
            .server("max_packet = \"1MiB\"")
            .endpoint(&format!("pool = \"{pool}\""))
            // Longer than a silent server holds a connection.
            .endpoint("lease_timeout = \"30s\"")
            .start();
        let bed = Self { tenant, proxy, memory: 0 };
        bed.well();
        let memory = bed.proxy.resident();
        Self { memory, ..bed }
    }

    /// Nothing was harmed: see [`Self::serves`], [`Proxy::is_at_rest`].
    pub(crate) fn well(&self) {
        self.serves();
        until("rest", || self.proxy.is_at_rest());
        let metrics = self.proxy.metrics();
        if metrics.sum("greenroom_panics_total", &[]) > 0.0 {
            // The log is written by a thread of its own.
            until("the log tells of it", || self.proxy.log().contains("CRIT"));
            panic!("a panic:\n{}", self.proxy.log());
        }
        assert_eq!(metrics.sum("greenroom_backend_ends_total", &["reason=\"panicked\""]), 0.0);
        let (memory, before) = (self.proxy.resident(), self.memory);
        assert!(before == 0 || memory < before + GROWTH, "{memory} KiB held, {before} before");
    }

    /// As many sessions as there are connections, each in a transaction at once, get what they asked for and no more.
    fn serves(&self) {
        let mut wires: Vec<Wire> = (0..WIDTH).map(|_| self.tenant.connect(self.proxy.address())).collect();
        for (number, wire) in wires.iter_mut().enumerate() {
            wire.ok("START TRANSACTION");
            right_rows(wire);
            assert_eq!(wire.scalar(&format!("SELECT 'mine-{number}'")), Some(format!("mine-{number}")));
        }
        for (number, wire) in wires.iter_mut().enumerate() {
            let statement = wire.prepare("SELECT ? + 1").unwrap();
            let replies = wire.execute(&statement, &[Param::Int(number as i64)]).unwrap();
            let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{replies:?}") };
            assert_eq!(rows.rows, [[Some((number + 1).to_string())]]);
            wire.close(&statement).unwrap();
            assert!(!wire.ok("ROLLBACK").in_transaction());
            right_rows(wire);
        }
        for wire in wires {
            assert!(wire.quit().unwrap(), "nothing is left over");
        }
    }
}

/// The session sees the table as it is.
pub(crate) fn right_rows(wire: &mut Wire) {
    assert_eq!(wire.rows(KEPT), kept());
}

/// What [`KEPT`] gives.
pub(crate) fn kept() -> Vec<Vec<Option<String>>> {
    let row = |id: &str, v: Option<&str>| vec![Some(id.to_owned()), v.map(str::to_owned)];
    vec![row("1", Some("one")), row("2", None), row("3", Some("three"))]
}
