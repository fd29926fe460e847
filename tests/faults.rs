//! Faults of servers and of the network between, one at a time, while sessions work: what these are told is what is documented
//! (docs/operations.md, "Faults"), every row that they read is their own, and nothing is left over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "faults/closed.rs"]
mod closed;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/partition.rs"]
mod partition;
#[path = "faults/relay.rs"]
mod relay;
#[path = "faults/server.rs"]
mod server;
#[path = "faults/soak.rs"]
mod soak;

use std::net::SocketAddr;

use greenroom::demo::server::Server;
use support::{
    crew::TABLE,
    proxy::{Proxy, Setup},
    servers::Tenant,
};

/// Server connections at most.
const WIDTH: usize = 4;
/// Sessions at work.
const CREW: usize = 8;

/// A proxy before a server that is reached at `address`, and a tenant with the crew's table.
fn bed(server: &Server, address: SocketAddr, label: &str, node: &[&str], endpoint: &[&str]) -> (Tenant, Proxy) {
    bed_of(WIDTH, server, address, label, node, endpoint)
}

/// The same with so many connections.
fn bed_of(
    width: usize,
    server: &Server,
    address: SocketAddr,
    label: &str,
    node: &[&str],
    endpoint: &[&str],
) -> (Tenant, Proxy) {
    let tenant = Tenant::new(server, label);
    tenant.connect(server.address()).ok(TABLE);
    let limit = format!("max_connections = {width}");
    let lines: Vec<&str> = [limit.as_str()].into_iter().chain(node.iter().copied()).collect();
    let setup = Setup::new(address).first_node(address, &lines).user(&tenant.name, &tenant.password);
    let proxy = endpoint.iter().fold(setup, |setup, line| setup.endpoint(line)).start();
    (tenant, proxy)
}
