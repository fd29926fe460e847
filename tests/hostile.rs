//! Bytes that no well-behaved peer sends, from clients and from servers, at every stage: the running proxy answers with
//! an error or a close, and nobody else notices.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "hostile/bed.rs"]
mod bed;
#[path = "hostile/clients.rs"]
mod clients;
#[path = "hostile/damage.rs"]
mod damage;
#[path = "hostile/generated.rs"]
mod generated;
#[path = "hostile/guest.rs"]
mod guest;
#[path = "hostile/meddler.rs"]
mod meddler;
#[path = "hostile/servers.rs"]
mod servers;
#[path = "hostile/tampers.rs"]
mod tampers;
