//! The administrators' console, as its users meet it: real clients and drivers, commands, and changes under load.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

#[path = "console/advice.rs"]
mod advice;
#[path = "console/browser.rs"]
mod browser;
#[path = "console/commands.rs"]
mod commands;
#[path = "console/contents.rs"]
mod contents;
#[path = "console/encrypted.rs"]
mod encrypted;
#[path = "console/failover.rs"]
mod failover;
#[path = "console/programs.rs"]
mod programs;
#[path = "console/status.rs"]
mod status;
mod support;
#[path = "console/tools.rs"]
mod tools;

use support::{
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy},
    wire::{Login, Rows, Wire},
};

/// Logs in to the console.
fn console(proxy: &Proxy) -> Wire {
    Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).unwrap()
}

/// A cell of the first row, by its column's name.
fn cell(rows: &Rows, column: &str) -> Option<String> {
    let at = rows.columns.iter().position(|known| known.name == column).unwrap_or_else(|| panic!("no column {column}"));
    rows.rows.first().unwrap_or_else(|| panic!("no row: {rows:?}"))[at].clone()
}
