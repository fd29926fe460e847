//! A session through the proxy and its twin on the server itself: whatever one is told, the other must be told too.

use std::collections::BTreeMap;

use mysql_common::constants::{CapabilityFlags, Command, StatusFlags};

use super::{
    proxy::Proxy,
    servers::Tenant,
    wire::{Login, OkPacket, Reply, Wire},
};
use greenroom::demo::server::Server;

/// Variables that differ between any two connections.
const OWN: [&str; 8] = [
    "error_count",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "statement_id",
    "timestamp",
    "warning_count",
    "last_gtid",
];

/// A user and a database for the sessions through a proxy, and others for their twins.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) proxied: Tenant,
    pub(crate) direct: Tenant,
}

/// Empties the list of warnings on both servers: MariaDB keeps it while no statement with a table comes.
pub(crate) const CLEAR: &str = "SELECT 0 FROM (SELECT 0) nothing";

/// The pair.
#[derive(Debug)]
pub(crate) struct Twin {
    pub(crate) label: String,
    pub(crate) proxied: Wire,
    pub(crate) direct: Wire,
    names: [String; 2],
}

impl Stage {
    /// Both tenants, and the same tables and routines in the database of each.
    pub(crate) fn new(server: &Server, label: &str, schema: &[&str]) -> Self {
        let stage = Self {
            proxied: Tenant::new(server, &format!("{label}_proxied")),
            direct: Tenant::new(server, &format!("{label}_private")),
        };
        for tenant in [&stage.proxied, &stage.direct] {
            let mut wire = tenant.connect(server.address());
            for sql in schema {
                wire.ok(&sql.replace("{db}", &tenant.name));
            }
        }
        stage
    }

    /// A pair with usual logins.
    pub(crate) fn twin(&self, proxy: &Proxy, server: &Server, label: &str) -> Twin {
        self.twin_as(proxy, server, label, |login| login)
    }

    /// A pair with logins that `change` has changed.
    pub(crate) fn twin_as(&self, proxy: &Proxy, server: &Server, label: &str, change: impl Fn(Login) -> Login) -> Twin {
        let connect = |address, tenant: &Tenant| {
            Wire::connect(address, &change(tenant.login())).unwrap_or_else(|error| panic!("{label}: {error}"))
        };
        Twin {
            label: label.into(),
            proxied: connect(proxy.address(), &self.proxied),
            direct: connect(server.address(), &self.direct),
            names: [self.proxied.name.clone(), self.direct.name.clone()],
        }
    }
}

impl Twin {
    /// Runs a statement on both (`{db}`: its own database) and gives what both were told.
    pub(crate) fn same(&mut self, sql: &str) -> Vec<Reply> {
        let names = self.names.clone();
        let [proxied, direct] = [(&mut self.proxied, &names[0]), (&mut self.direct, &names[1])]
            .map(|(wire, name)| wire.query(&sql.replace("{db}", name)));
        let proxied = proxied.unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.label));
        let direct = direct.unwrap_or_else(|error| panic!("{} (direct): {sql}: {error}", self.label));
        self.compare(sql, proxied, direct)
    }

    /// Runs several statements, one after the other.
    pub(crate) fn all(&mut self, statements: &[&str]) {
        for sql in statements {
            self.same(sql);
        }
    }

    /// `COM_INIT_DB` on both; `{db}` as ever.
    pub(crate) fn init_db(&mut self, database: &str) -> Vec<Reply> {
        let names = self.names.clone();
        let [proxied, direct] = [(&mut self.proxied, &names[0]), (&mut self.direct, &names[1])].map(|(wire, name)| {
            wire.send(Command::COM_INIT_DB, database.replace("{db}", name).as_bytes()).unwrap();
            wire.replies().unwrap()
        });
        self.compare("COM_INIT_DB", proxied, direct)
    }

    /// `COM_RESET_CONNECTION` on both.
    pub(crate) fn reset(&mut self) {
        let [proxied, direct] = [&mut self.proxied, &mut self.direct].map(|wire| {
            wire.send(Command::COM_RESET_CONNECTION, &[]).unwrap();
            wire.replies().unwrap()
        });
        self.compare("COM_RESET_CONNECTION", proxied, direct);
    }

    /// Prepares, executes and closes a statement over the binary protocol on both.
    pub(crate) fn prepared(&mut self, sql: &str) -> Vec<Reply> {
        let names = self.names.clone();
        let [proxied, direct] = [(&mut self.proxied, &names[0]), (&mut self.direct, &names[1])].map(|(wire, name)| {
            let statement = wire.prepare(&sql.replace("{db}", name)).unwrap();
            let replies = wire.execute(&statement, &[]).unwrap();
            wire.close(&statement).unwrap();
            replies
        });
        self.compare(sql, proxied, direct)
    }

    /// Every session variable, the default database and the last insert id must be the same.
    pub(crate) fn same_state(&mut self) {
        let (label, names) = (&self.label, self.names.clone());
        let [proxied, direct] = [&mut self.proxied, &mut self.direct].map(variables);
        let differ: Vec<_> = direct
            .iter()
            .filter(|(name, value)| {
                proxied.get(*name).map(|own| own.replace(&names[0], &names[1])) != Some((*value).clone())
            })
            .map(|(name, value)| format!("{name}: {:?}, not {value:?}", proxied.get(name)))
            .collect();
        assert!(differ.is_empty(), "{label}: through the proxy other variables than directly: {differ:#?}");
        self.same("SELECT DATABASE(), LAST_INSERT_ID(), @@identity");
    }

    fn compare(&self, sql: &str, mut proxied: Vec<Reply>, mut direct: Vec<Reply>) -> Vec<Reply> {
        for (replies, name) in [(&mut proxied, &self.names[0]), (&mut direct, &self.names[1])] {
            replies.iter_mut().for_each(|reply| plain(reply, name));
        }
        assert_eq!(proxied, direct, "{}: {sql} (left: through the proxy, right: directly)", self.label);
        proxied
    }
}

fn variables(wire: &mut Wire) -> BTreeMap<String, String> {
    let rows = wire.rows("SHOW SESSION VARIABLES").into_iter().map(|row| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        (cells.next().unwrap(), cells.next().unwrap())
    });
    // What trackers Greenroom sets is its own business.
    rows.filter(|(name, _)| !OWN.contains(&name.as_str()) && !name.starts_with("session_track_")).collect()
}

/// Takes out what may differ between the two: the database's name, and what is reported of the session's state.
fn plain(reply: &mut Reply, database: &str) {
    match reply {
        Reply::Ok(ok) => plain_ok(ok),
        Reply::Rows(rows) => {
            plain_ok(&mut rows.end);
            for cell in rows.rows.iter_mut().flatten().flatten() {
                *cell = cell.replace(database, "{db}");
            }
            for column in &mut rows.columns {
                // Of a character set all collations are the same to who reads its results.
                column.collation = if column.collation == 63 { 63 } else { 0 };
                column.table = column.table.replace(database, "{db}");
                column.name = column.name.replace(database, "{db}");
            }
        }
        Reply::Err(error) => error.message = error.message.replace(database, "{db}"),
        Reply::Infile(_) => {}
    }
}

fn plain_ok(ok: &mut OkPacket) {
    ok.tracked.clear();
    ok.status &= !StatusFlags::SERVER_SESSION_STATE_CHANGED.bits();
}

/// A login that counts found rows as affected.
pub(crate) fn found_rows(login: Login) -> Login {
    login.with(CapabilityFlags::CLIENT_FOUND_ROWS)
}
