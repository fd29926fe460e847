//! What changes at the server while Greenroom runs: passwords, locked and expired accounts, and who reads them there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails by panicking")]

mod support;

#[path = "accounts/query.rs"]
mod query;
#[path = "accounts/rotation.rs"]
mod rotation;
#[path = "accounts/ttl.rs"]
mod ttl;
