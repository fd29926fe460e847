//! Seeds of `fuzz/corpus/`, from what real clients, proxies and servers say to each other.
//!
//! They are no part of `make test`, since times, ids and ports differ every time: `make capture` records them anew. That
//! they are understood is for `protocol/tests/any_bytes.rs` to say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "capture/dumps.rs"]
mod dumps;
#[path = "capture/headers.rs"]
mod headers;
#[path = "capture/lists.rs"]
mod lists;
#[path = "capture/seeds.rs"]
mod seeds;
#[path = "capture/spoken.rs"]
mod spoken;
#[path = "capture/statements.rs"]
mod statements;
#[path = "capture/tap.rs"]
mod tap;

use greenroom::demo::server::{Flavor, Options, Server};

/// A server of each kind, with these arguments; both must be there, or half of the seeds would be lost.
fn each_server(binary_log: bool, arguments: &[&str], record: impl Fn(&Server, &str)) {
    for (flavor, name) in [(Flavor::MySql, "mysql"), (Flavor::MariaDb, "mariadb")] {
        let mut extra_args: Vec<_> = arguments.iter().map(Into::into).collect();
        if flavor == Flavor::MySql {
            // Drivers take TLS where it is offered, and nothing would be seen.
            extra_args.push("--tls-version=".into());
        }
        record(&Server::start(flavor, &Options { extra_args, binary_log }).unwrap(), name);
    }
}

#[test]
#[ignore = "writes fuzz/corpus; run by make capture"]
fn executions_of_prepared_statements() {
    statements::record();
}

#[test]
#[ignore = "writes fuzz/corpus; run by make capture"]
fn binary_logs() {
    dumps::record();
}

#[test]
#[ignore = "writes fuzz/corpus; run by make capture"]
fn lists_of_processes() {
    lists::record();
}

#[test]
#[ignore = "writes fuzz/corpus; run by make capture"]
fn headers_of_proxies() {
    headers::record();
}
