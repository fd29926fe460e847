//! Clusters that choose their primary themselves, or leave it to their clients, on real servers: MySQL's group replication and
//! Galera. Who is the primary changes in every way that there is, while sessions work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

#[path = "clusters/galera.rs"]
mod galera;
#[path = "clusters/group.rs"]
mod group;
#[path = "clusters/members.rs"]
mod members;
mod support;
