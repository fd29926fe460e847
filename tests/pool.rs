//! Who gets which server connection, when, and for how long: on real servers, by the servers' own lists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "pool/gates.rs"]
mod gates;
#[path = "pool/limits.rs"]
mod limits;
#[path = "pool/line.rs"]
mod line;
#[path = "pool/modes.rs"]
mod modes;
#[path = "pool/states.rs"]
mod states;
#[path = "pool/upkeep.rs"]
mod upkeep;
#[path = "pool/users.rs"]
mod users;

use greenroom::demo::server::Server;
use support::{proxy::Setup, servers::Tenant};

/// A proxy's setup on one worker, so that every session finds every idle connection, for one user of its own.
fn one_worker(server: &Server, tenant: &Tenant) -> Setup {
    workers(server, tenant, 1)
}

fn workers(server: &Server, tenant: &Tenant, count: usize) -> Setup {
    Setup::new(server.address())
        .user(&tenant.name, &tenant.password)
        .environment("GREENROOM__SERVER__WORKERS", &count.to_string())
}
