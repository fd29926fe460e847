//! Several instances before one server, which meet in a real etcd: they share its connections, and know each other's sessions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "fleet/etcd.rs"]
mod etcd;
#[path = "fleet/faults.rs"]
mod faults;
#[path = "fleet/kills.rs"]
mod kills;
#[path = "fleet/load.rs"]
mod load;
#[path = "fleet/shares.rs"]
mod shares;

use greenroom::demo::server::Server;
use support::{
    etcd::Etcd,
    observe::within,
    proxy::{Proxy, Setup},
    servers::Tenant,
    wire::Rows,
};

use std::time::Duration;

/// How long anything of a fleet may take: a lease's end, and what follows of it.
const LIMIT: Duration = Duration::from_secs(60);

/// An instance that may have all of `whole` connections together with the others of this etcd.
fn member(server: &Server, tenant: &Tenant, whole: usize, fleet: &str) -> Setup {
    Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {whole}")])
        .user(&tenant.name, &tenant.password)
        .endpoint("lease_timeout = \"60s\"")
        .extra(fleet)
}

/// What an instance may have of the node; 0 before it is given anything.
fn share(proxy: &Proxy) -> usize {
    proxy.metrics().get("greenroom_fleet_share{node=\"db1\"}").map_or(0, |share| share as usize)
}

/// Waits until each has its share.
fn wait_for_shares(proxies: &[&Proxy], shares: &[usize]) {
    within(LIMIT, &format!("shares of {shares:?}"), || {
        let mut now: Vec<usize> = proxies.iter().map(|proxy| share(proxy)).collect();
        now.sort_unstable();
        now == shares
    });
}

/// Whether an instance's etcd answers, as it says itself.
fn sees_etcd(proxy: &Proxy) -> bool {
    proxy.metrics().get("greenroom_fleet_etcd_up") == Some(1.0)
}

/// Waits until the instances have noticed that etcd answers, or does not.
fn wait_for_etcd(proxies: &[&Proxy], answers: bool) {
    within(LIMIT, &format!("etcd answers: {answers}"), || proxies.iter().all(|proxy| sees_etcd(proxy) == answers));
}

/// A column of the rows.
fn column(rows: &Rows, name: &str) -> Vec<String> {
    let at = rows.columns.iter().position(|column| column.name == name).unwrap_or_else(|| panic!("no column {name}"));
    rows.rows.iter().map(|row| row[at].clone().unwrap_or_default()).collect()
}

/// An etcd, or the end of the test where there is none.
macro_rules! some_etcd {
    () => {
        match $crate::Etcd::start() {
            Some(etcd) => etcd,
            None => return,
        }
    };
}
pub(crate) use some_etcd;
