//! What is stored in a session's database, as the server's administrator sees it: what was committed.

use super::Place;

impl Place {
    /// What its session is called.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// Every table, view and row, and what other databases the session has made.
    pub(crate) fn contents(&mut self) -> Vec<String> {
        let Self { root, db, tag } = self;
        let made = format!(
            "SELECT CONCAT('database ', schema_name) FROM information_schema.schemata \
             WHERE schema_name IN ('twin_made_{tag}', 'twin_gone_{tag}') ORDER BY 1"
        );
        let mut contents = first_cells(root.rows(&made));
        let tables = format!(
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = '{db}' AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY 1"
        );
        for table in first_cells(root.rows(&tables)) {
            let definition = root.rows(&format!("SHOW CREATE TABLE {db}.{table}")).remove(0);
            contents.push(without_number(&definition[1].clone().unwrap_or_default()));
            let rows = root.rows(&format!("SELECT * FROM {db}.{table}")).into_iter();
            let mut rows: Vec<String> = rows.map(|row| format!("{table}: {row:?}")).collect();
            rows.sort_unstable();
            contents.extend(rows);
        }
        contents
    }

    /// What is numbered by the server goes on with this number: one that was lost has used some up.
    pub(crate) fn number_from(&mut self, next: u64) {
        let Self { root, db, .. } = self;
        let numbered = format!(
            "SELECT table_name FROM information_schema.columns \
             WHERE table_schema = '{db}' AND extra LIKE '%auto_increment%' ORDER BY 1"
        );
        for table in first_cells(root.rows(&numbered)) {
            root.ok(&format!("ALTER TABLE {db}.{table} AUTO_INCREMENT = {next}"));
        }
        if super::is_mariadb(root) {
            root.ok(&format!("ALTER SEQUENCE {db}.q RESTART WITH {next}"));
        }
    }
}

fn first_cells(rows: Vec<Vec<Option<String>>>) -> Vec<String> {
    rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect()
}

/// A definition without the number that its next row gets.
fn without_number(definition: &str) -> String {
    let Some((before, number)) = definition.split_once(" AUTO_INCREMENT=") else { return definition.into() };
    format!("{before}{}", number.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}
