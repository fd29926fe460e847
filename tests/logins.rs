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
#[path = "logins/rust.rs"]
mod rust;

use field::{CHANNELS, CLIENTS, Field, SOURCES};

/// A table's first two lines.
fn head(columns: &[&str]) -> String {
    format!("| {} |\n{}|\n", columns.join(" | "), "| --- ".repeat(columns.len()))
}

#[test]
fn every_login_goes_as_the_document_says() {
    let Some(fields) = Field::all(2 * CLIENTS.len() * CHANNELS.len()) else { return };
    let titles: Vec<_> = fields.iter().map(|field| format!("to {}", field.title())).collect();
    let columns = ["client", "channel", "credentials"].into_iter().chain(titles.iter().map(|title| &**title));
    let mut table = head(&columns.collect::<Vec<_>>());
    for source in SOURCES {
        for channel in CHANNELS {
            for client in CLIENTS {
                let cells: Vec<_> = fields.iter().map(|field| field.outcome(client, channel, source)).collect();
                table += &format!("| {client} | {channel} | {source} | {} |\n", cells.join(" | "));
            }
        }
    }
    fields.iter().for_each(Field::kept_secrets);
    document::compare("the wire", &table, true);
}

#[test]
fn programs_log_in_as_the_document_says() {
    let Some(fields) = Field::all(programs::appetite()) else { return };
    let columns: Vec<_> = ["program", "begins with", "account"].into_iter().chain(programs::ways()).collect();
    let mut table = head(&columns);
    let (rows, whole) = programs::play(&fields);
    fields.iter().for_each(Field::kept_secrets);
    for row in &rows {
        let mut left: Vec<_> = fields.iter().map(Field::title).zip(&row.outcomes).collect();
        // Kinds that all go alike are one line.
        while let Some((_, outcomes)) = left.first().cloned() {
            let (alike, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, other)| *other == outcomes);
            let titles: Vec<_> = alike.into_iter().map(|(title, _)| title).collect();
            let titles = if titles.len() == fields.len() { "all".to_owned() } else { titles.join(", ") };
            table += &format!("| {} | {} | {titles} | {} |\n", row.client, row.beginnings(), outcomes.join(" | "));
            left = others;
        }
    }
    document::compare("programs", &table, whole);
    // Who gets in directly gets in by whatever tells Greenroom the password.
    for (row, (field, outcomes)) in
        rows.iter().flat_map(|row| fields.iter().zip(&row.outcomes).map(move |at| (row, at)))
    {
        for (way, outcome) in programs::ways().into_iter().zip(outcomes).filter(|(way, _)| !way.contains("HEX")) {
            let due = outcomes[0] != "yes" || outcome == "yes";
            assert!(due, "{} {} to {}: {way}: {outcome}", row.client, row.beginnings(), field.title());
        }
    }
}
