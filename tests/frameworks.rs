//! Frameworks' own tests, directly and through a transaction pool: each of them must end alike.
//!
//! They take minutes, and so are not part of `make test`: `make frameworks` installs and runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "frameworks/outcomes.rs"]
mod outcomes;
#[path = "frameworks/suite.rs"]
mod suite;

use suite::{DJANGO, SQLALCHEMY};

#[test]
#[ignore = "takes minutes; run by make frameworks"]
fn sqlalchemys_own_tests_end_as_on_a_direct_connection() {
    SQLALCHEMY.compare();
}

#[test]
#[ignore = "takes minutes; run by make frameworks"]
fn djangos_own_tests_end_as_on_a_direct_connection() {
    DJANGO.compare();
}
