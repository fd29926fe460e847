//! The document's tables.

use greenroom::demo::server::Flavor;

/// A row: what it is about, what is sent, and what is said of it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) steps: Vec<Step>,
    /// What is asked afterwards, in tables of answers.
    pub(super) asked: Vec<Step>,
    tracked: String,
    strict: String,
    servers: String,
}

/// Something to send: SQL, or a command by its name.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) text: String,
    /// An error is its due answer.
    pub(super) fails: bool,
}

/// What a row says of a connection.
#[derive(Debug)]
pub(super) enum Held {
    /// It is free when the statements are over.
    No,
    /// It is kept, for a named reason if that is a pin, until these have run.
    Until(Option<String>, Vec<Step>),
    /// It is kept, for this reason, until the session ends.
    ToTheEnd(String),
}

impl Row {
    pub(super) fn is_for(&self, flavor: Flavor) -> bool {
        match self.servers.as_str() {
            "both" => true,
            "MySQL" => flavor == Flavor::MySql,
            "MariaDB" => flavor == Flavor::MariaDb,
            other => panic!("{}: no servers: {other}", self.what),
        }
    }

    /// Whether it says that this reason pins.
    pub(super) fn names(&self, reason: &str) -> bool {
        let named = format!("`{reason}` ");
        self.tracked.starts_with(&named) || self.strict.starts_with(&named)
    }

    /// What it says of a mode.
    pub(super) fn says(&self, mode: &str) -> &str {
        if mode == "tracked" || self.strict == "same" { &self.tracked } else { &self.strict }
    }

    /// What it says of the connection in a mode.
    pub(super) fn held(&self, mode: &str) -> Held {
        let text = self.says(mode);
        let items = steps(text);
        if text == "no pin" {
            Held::No
        } else if text.starts_with("held until ") {
            Held::Until(None, items)
        } else if text.starts_with('`') && text.ends_with(" to the end") {
            Held::ToTheEnd(items[0].text.clone())
        } else if text.starts_with('`') && text.contains("` until `") {
            Held::Until(Some(items[0].text.clone()), items[1..].to_vec())
        } else {
            panic!("{}: {text}", self.what)
        }
    }
}

/// The rows of all tables whose first column has this name.
pub(super) fn rows(document: &str, first_column: &str) -> Vec<Row> {
    let found = cells(document, first_column).into_iter();
    found
        .map(|cells| {
            let [what, sent, middle @ .., tracked, strict, servers] = cells.as_slice() else { panic!("{cells:?}") };
            let asked = middle.iter().flat_map(|cell| steps(cell)).collect();
            let [tracked, strict, servers] = [tracked, strict, servers].map(String::clone);
            Row { what: what.clone(), steps: steps(sent), asked, tracked, strict, servers }
        })
        .collect()
}

/// What stands in the first column of all tables in which it has this name, without its quotes.
pub(super) fn first_cells(document: &str, first_column: &str) -> Vec<String> {
    cells(document, first_column).into_iter().map(|mut cells| cells.swap_remove(0).replace('`', "")).collect()
}

fn cells(document: &str, first_column: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        let Some(line) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            inside = false;
            continue;
        };
        // A bar of the text's own is written with a backslash.
        let row: Vec<_> = line.split(" | ").map(|cell| cell.replace("\\|", "|")).collect();
        if row[0] == first_column {
            inside = true;
        } else if inside && !row[0].starts_with("---") {
            found.push(row);
        }
    }
    found
}

/// What stands in backticks, in order.
fn steps(cell: &str) -> Vec<Step> {
    let parts: Vec<_> = cell.split('`').collect();
    assert!(parts.len() % 2 == 1, "a backtick is missing: {cell}");
    let quoted = parts.iter().zip(&parts[1..]).skip(1).step_by(2);
    quoted.map(|(text, after)| Step { text: (*text).into(), fails: after.starts_with(" (fails)") }).collect()
}
