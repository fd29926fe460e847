//! What `docs/logins.md` says, row by row, seen on real servers: every plugin of clients, with every source of credentials, to
//! accounts of every plugin.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

#[path = "logins/document.rs"]
mod document;
#[path = "logins/field.rs"]
mod field;
#[path = "logins/programs.rs"]
mod programs;

use field::{CHANNELS, CLIENTS, Field, KINDS, SOURCES};

/// The head of a table with these columns before those of the accounts.
fn head(columns: [&str; 3], fields: &[Field]) -> String {
    let titles = fields.iter().map(|field| format!("to {}", field.title())).collect::<Vec<_>>().join(" | ");
    format!("| {} | {titles} |\n{}|\n", columns.join(" | "), "| --- ".repeat(columns.len() + KINDS.len()))
}

#[test]
fn every_login_goes_as_the_document_says() {
    let Some(fields) = Field::all() else { return };
    let mut table = head(["client", "channel", "credentials"], &fields);
    for source in SOURCES {
        for channel in CHANNELS {
            for client in CLIENTS {
                let cells: Vec<_> = fields.iter().map(|field| field.outcome(client, channel, source)).collect();
                table += &format!("| {client} | {channel} | {source} | {} |\n", cells.join(" | "));
            }
        }
    }
    document::compare("the wire", &table, true);
}

#[test]
fn programs_log_in_as_the_document_says() {
    let Some(fields) = Field::all() else { return };
    let mut table = head(["program", "plugin", "channel"], &fields);
    let rows = programs::rows();
    let there: Vec<_> = rows.iter().copied().filter(|(program, _, _)| programs::is_there(program)).collect();
    for (program, plugin, channel) in &there {
        let cells: Vec<_> = fields.iter().map(|field| programs::outcome(program, plugin, channel, field)).collect();
        table += &format!("| {program} | {plugin} | {channel} | {} |\n", cells.join(" | "));
    }
    document::compare("programs", &table, there.len() == rows.len());
}
