//! Reads on replicas and writes on the primary through one endpoint, on real servers of which one replicates the other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

#[path = "split/causal.rs"]
mod causal;
#[path = "split/faults.rs"]
mod faults;
#[path = "split/held.rs"]
mod held;
#[path = "split/sides.rs"]
mod sides;
mod support;

use mysql_common::constants::CapabilityFlags;
use support::{
    observe::until,
    pair::{Pair, login},
    proxy::{Proxy, Setup},
    wire::{Reply, Wire},
};

/// Says which server was asked.
const SIDE: &str = "SELECT side FROM app.here";

/// A proxy that splits before both servers, with more lines for its endpoint.
fn splitting(pair: &Pair, lines: &[&str]) -> Setup {
    let setup = pair.fixed("").endpoint("access = \"split\"");
    lines.iter().fold(setup, |setup, line| setup.endpoint(line))
}

/// A session, when its reads have begun to go to the replica: until somebody has looked at the primary, nobody knows what
/// its views hide.
fn connect(proxy: &Proxy) -> Wire {
    let login = login().with(CapabilityFlags::CLIENT_MULTI_STATEMENTS);
    let mut session = Wire::connect(proxy.address(), &login).unwrap();
    until("reads go to the replica", || side(&mut session, SIDE) == "replica");
    session
}

/// Waits until so many statements at least have gone to a side for a reason.
fn until_counted(proxy: &Proxy, labels: &[&str], count: f64) {
    let counted = || proxy.metrics().sum("greenroom_routed_statements_total", labels);
    until(&format!("{labels:?}: {count}"), || counted() >= count);
}

/// Which server a statement's first column says that it ran on.
fn side(session: &mut Wire, sql: &str) -> String {
    side_of(session.one(sql), sql)
}

fn side_of(reply: Reply, sql: &str) -> String {
    match reply {
        Reply::Rows(rows) => rows.rows[0][0].clone().unwrap(),
        other => panic!("{sql}: {other:?}"),
    }
}
