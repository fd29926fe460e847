//! What `docs/compatibility.md` says, row by row, seen on real servers: what pins and until when, and which answers are
//! those of a connection of one's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "compatibility/answers.rs"]
mod answers;
#[path = "compatibility/operations.rs"]
mod operations;
#[path = "compatibility/session.rs"]
mod session;
#[path = "compatibility/table.rs"]
mod table;

use std::{fs, path::Path, thread};

use greenroom::demo::server::{Flavor, Server};
use support::servers::{Tenant, mariadb, mysql};
use table::Row;

const MODES: [&str; 2] = ["tracked", "strict"];
/// Rows are mostly waited for: so many at a time, of each server and mode.
const LANES: usize = 3;
/// Reasons that no statement of a client's own brings about as it is shown here, and where they are seen.
const ELSEWHERE: [&str; 1] = ["replication"];

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// Plays the document's rows of one kind on both servers in both modes, and fails with every row that is wrong.
fn each_row(first_column: &str, play: fn(&Server, &str, &[Row]) -> Vec<String>) {
    let rows = table::rows(&document("compatibility.md"), first_column);
    assert!(rows.len() > 30, "only {} rows", rows.len());
    let servers: Vec<_> = [Some(mariadb()), mysql()].into_iter().flatten().collect();
    for server in &servers {
        Tenant::new(server, "limits")
            .administer(&["SET GLOBAL max_allowed_packet = 67108864, GLOBAL local_infile = 1".into()]);
    }
    let wrong = thread::scope(|scope| {
        let mut lanes = Vec::new();
        for server in servers {
            let own: Vec<_> = rows.iter().filter(|row| row.is_for(server.flavor())).cloned().collect();
            for (mode, lane) in MODES.iter().flat_map(|mode| (0..LANES).map(move |lane| (mode, lane))) {
                let own: Vec<_> = own.iter().skip(lane).step_by(LANES).cloned().collect();
                let named = move |wrong: String| format!("{} {mode}: {wrong}", server.flavor());
                lanes.push(scope.spawn(move || play(server, mode, &own).into_iter().map(named).collect::<Vec<_>>()));
            }
        }
        lanes.into_iter().flat_map(|lane| lane.join().expect("a lane came to its end")).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} rows are not so:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn operations_pin_as_the_document_says() {
    each_row("operation", operations::play);
}

#[test]
fn answers_are_as_exact_as_the_document_says() {
    each_row("answer", answers::play);
}

#[test]
fn every_reason_to_pin_has_a_row() {
    let shown = table::rows(&document("compatibility.md"), "operation");
    let reasons = table::first_cells(&document("pinning.md"), "reason");
    assert!(reasons.len() > 20, "{reasons:?}");
    let lacking: Vec<_> = reasons
        .iter()
        .filter(|reason| !ELSEWHERE.contains(&reason.as_str()))
        .filter(|reason| !shown.iter().any(|row| row.names(reason)))
        .collect();
    assert!(lacking.is_empty(), "no row shows {lacking:?}");
}

#[test]
fn a_wrong_row_is_found() {
    let text = "| operation | statements | tracked | strict | servers |\n| --- | --- | --- | --- | --- |\n\
                | x | `DO 0; SET @a = 1` | no pin | same | both |\n| y | `DO 0` | `call` to the end | same | both |\n";
    let rows = table::rows(text, "operation");
    let wrong = operations::play(mariadb(), "tracked", &rows);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(rows.iter().all(|row| row.is_for(Flavor::MySql)));
}
