//! What servers know of themselves and the console has, too: its tables as `SHOW` and `information_schema` describe them. Pure.

use greenroom_protocol::table::{Kind, Table};

use super::talk::{Guest, texts};
use super::{COMMENT, DATABASE, tables};

use Kind::{Count, Text};
use shapes::EMPTY;

mod shapes;

pub(super) use self::shapes::NOTHING;

const CHARSET: &str = "utf8mb4";
const COLLATION: &str = "utf8mb4_general_ci";
/// Tools take a table without an engine for a view.
const ENGINE: &str = "GREENROOM";
const BASE_TABLE: &str = "BASE TABLE";
/// Characters of a text at most.
const WIDTH: &str = "65535";

/// A table of `information_schema`, if the console has it.
pub(super) fn information(name: &str) -> Option<Table> {
    let mut table = match name {
        "schemata" => schemata(),
        "tables" => information_tables(),
        "columns" => information_columns(),
        "engines" => engines(),
        "character_sets" => character_sets(),
        "collations" => collations(),
        name => {
            let (_, columns) = EMPTY.iter().find(|(known, _)| *known == name)?;
            empty(columns)
        }
    };
    name.clone_into(&mut table.name);
    Some(table)
}

/// A table without rows.
pub(super) fn empty(columns: &[&str]) -> Table {
    let columns: Vec<_> = columns.iter().map(|name| (*name, Text)).collect();
    Table::new("", &columns)
}

fn schemata() -> Table {
    let columns = [
        "CATALOG_NAME",
        "SCHEMA_NAME",
        "DEFAULT_CHARACTER_SET_NAME",
        "DEFAULT_COLLATION_NAME",
        "SQL_PATH",
        "DEFAULT_ENCRYPTION",
    ];
    let mut table = empty(&columns);
    let mut row = texts(&["def", DATABASE, CHARSET, COLLATION, "", "NO"]);
    if let Some(path) = row.get_mut(4) {
        *path = None;
    }
    table.rows.push(row);
    table
}

fn information_tables() -> Table {
    let columns = [
        ("TABLE_CATALOG", Text),
        ("TABLE_SCHEMA", Text),
        ("TABLE_NAME", Text),
        ("TABLE_TYPE", Text),
        ("ENGINE", Text),
        ("VERSION", Count),
        ("ROW_FORMAT", Text),
        ("TABLE_ROWS", Count),
        ("AVG_ROW_LENGTH", Count),
        ("DATA_LENGTH", Count),
        ("MAX_DATA_LENGTH", Count),
        ("INDEX_LENGTH", Count),
        ("DATA_FREE", Count),
        ("AUTO_INCREMENT", Count),
        ("CREATE_TIME", Text),
        ("UPDATE_TIME", Text),
        ("CHECK_TIME", Text),
        ("TABLE_COLLATION", Text),
        ("CHECKSUM", Count),
        ("CREATE_OPTIONS", Text),
        ("TABLE_COMMENT", Text),
    ];
    let mut table = Table::new("tables", &columns);
    for name in tables::names() {
        let known = [
            ("TABLE_CATALOG", "def"),
            ("TABLE_SCHEMA", DATABASE),
            ("TABLE_NAME", name),
            ("TABLE_TYPE", BASE_TABLE),
            ("ENGINE", ENGINE),
            ("TABLE_COLLATION", COLLATION),
            ("CREATE_OPTIONS", ""),
            ("TABLE_COMMENT", ""),
        ];
        push(&mut table, &known);
    }
    table
}

/// Adds a row of which these cells are known.
fn push(table: &mut Table, known: &[(&str, &str)]) {
    let cell = |name: &str| known.iter().find(|(column, _)| *column == name).map(|(_, value)| value.as_bytes().into());
    table.rows.push(table.columns.iter().map(|column| cell(&column.name)).collect());
}

/// How a column's type is written, alone and with its size.
const fn types(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Text => ("varchar", "varchar(65535)"),
        Kind::Count => ("bigint", "bigint unsigned"),
        Kind::Number => ("bigint", "bigint"),
        Kind::Real => ("double", "double"),
    }
}

fn information_columns() -> Table {
    let names = [
        ("TABLE_CATALOG", Text),
        ("TABLE_SCHEMA", Text),
        ("TABLE_NAME", Text),
        ("COLUMN_NAME", Text),
        ("ORDINAL_POSITION", Count),
        ("COLUMN_DEFAULT", Text),
        ("IS_NULLABLE", Text),
        ("DATA_TYPE", Text),
        ("CHARACTER_MAXIMUM_LENGTH", Count),
        ("CHARACTER_OCTET_LENGTH", Count),
        ("NUMERIC_PRECISION", Count),
        ("NUMERIC_SCALE", Count),
        ("DATETIME_PRECISION", Count),
        ("CHARACTER_SET_NAME", Text),
        ("COLLATION_NAME", Text),
        ("COLUMN_TYPE", Text),
        ("COLUMN_KEY", Text),
        ("EXTRA", Text),
        ("PRIVILEGES", Text),
        ("COLUMN_COMMENT", Text),
        ("GENERATION_EXPRESSION", Text),
        ("SRS_ID", Count),
    ];
    let mut table = Table::new("columns", &names);
    for (of, columns) in tables::TABLES {
        for (at, (name, kind)) in columns.iter().enumerate() {
            let ((data, full), place) = (types(*kind), (at + 1).to_string());
            let mut known = vec![
                ("TABLE_CATALOG", "def"),
                ("TABLE_SCHEMA", DATABASE),
                ("TABLE_NAME", of),
                ("COLUMN_NAME", name),
                ("ORDINAL_POSITION", &place),
                ("IS_NULLABLE", "YES"),
                ("DATA_TYPE", data),
                ("COLUMN_TYPE", full),
                ("COLUMN_KEY", ""),
                ("EXTRA", ""),
                ("PRIVILEGES", "select"),
                ("COLUMN_COMMENT", ""),
                ("GENERATION_EXPRESSION", ""),
            ];
            match kind {
                Kind::Text => known.extend([
                    ("CHARACTER_MAXIMUM_LENGTH", WIDTH),
                    ("CHARACTER_OCTET_LENGTH", WIDTH),
                    ("CHARACTER_SET_NAME", CHARSET),
                    ("COLLATION_NAME", COLLATION),
                ]),
                Kind::Count | Kind::Number => known.extend([("NUMERIC_PRECISION", "20"), ("NUMERIC_SCALE", "0")]),
                Kind::Real => known.push(("NUMERIC_PRECISION", "22")),
            }
            push(&mut table, &known);
        }
    }
    table
}

fn engines() -> Table {
    let mut table = empty(&["ENGINE", "SUPPORT", "COMMENT", "TRANSACTIONS", "XA", "SAVEPOINTS"]);
    table.rows.push(texts(&[ENGINE, "DEFAULT", COMMENT, "NO", "NO", "NO"]));
    table
}

fn character_sets() -> Table {
    let mut table = empty(&["CHARACTER_SET_NAME", "DEFAULT_COLLATE_NAME", "DESCRIPTION", "MAXLEN"]);
    table.rows.push(texts(&[CHARSET, COLLATION, "UTF-8 Unicode", "4"]));
    table
}

fn collations() -> Table {
    let mut table = empty(&["COLLATION_NAME", "CHARACTER_SET_NAME", "ID", "IS_DEFAULT", "IS_COMPILED", "SORTLEN"]);
    table.rows.push(texts(&[COLLATION, CHARSET, "45", "Yes", "Yes", "1"]));
    table
}

/// The same table under other names.
fn renamed(mut table: Table, names: &[&str]) -> Table {
    for (column, name) in table.columns.iter_mut().zip(names) {
        (*name).clone_into(&mut column.name);
    }
    table
}

/// `SHOW ENGINES`.
pub(super) fn show_engines() -> Table {
    renamed(engines(), &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"])
}

/// `SHOW COLLATION`.
pub(super) fn show_collations() -> Table {
    renamed(collations(), &["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"])
}

/// `SHOW CHARACTER SET`.
pub(super) fn show_charsets() -> Table {
    let mut table = empty(&["Charset", "Description", "Default collation", "Maxlen"]);
    table.rows.push(texts(&[CHARSET, "UTF-8 Unicode", COLLATION, "4"]));
    table
}

/// `SHOW TABLES`.
pub(super) fn show_tables(full: bool) -> Table {
    let name = format!("Tables_in_{DATABASE}");
    let columns = [name.as_str(), "Table_type"];
    let mut table = empty(columns.get(..1 + usize::from(full)).unwrap_or_default());
    let row = |name: &&str| if full { texts(&[name, BASE_TABLE]) } else { texts(&[name]) };
    table.rows.extend(tables::names().iter().map(row));
    table
}

/// `SHOW COLUMNS` of a table, or of all.
pub(super) fn show_columns(of: Option<&str>, full: bool) -> Table {
    let all = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"];
    let few = ["Field", "Type", "Null", "Key", "Default", "Extra"];
    let mut table = empty(if full { &all } else { &few });
    let wanted = tables::TABLES.iter().filter(|(name, _)| of.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name)));
    for (name, kind) in wanted.flat_map(|(_, columns)| *columns) {
        let mut known = vec![
            ("Field", *name),
            ("Type", types(*kind).1),
            ("Null", "YES"),
            ("Key", ""),
            ("Extra", ""),
            ("Privileges", "select"),
            ("Comment", ""),
        ];
        if *kind == Kind::Text {
            known.push(("Collation", COLLATION));
        }
        push(&mut table, &known);
    }
    table
}

/// `SHOW TABLE STATUS`.
pub(super) fn show_table_status() -> Table {
    let columns = [
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ];
    let mut table = empty(&columns);
    for name in tables::names() {
        push(
            &mut table,
            &[("Name", name), ("Engine", ENGINE), ("Collation", COLLATION), ("Create_options", ""), ("Comment", "")],
        );
    }
    table
}

/// `SHOW CREATE TABLE`.
pub(super) fn show_create_table(of: &str) -> Table {
    let mut table = empty(&["Table", "Create Table"]);
    if let Some((name, columns)) = tables::TABLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(of)) {
        let lines: Vec<_> = columns.iter().map(|(name, kind)| format!("  `{name}` {}", types(*kind).1)).collect();
        table.rows.push(texts(&[name, &format!("CREATE TABLE `{name}` (\n{}\n)", lines.join(",\n"))]));
    }
    table
}

/// `SHOW CREATE DATABASE`.
pub(super) fn show_create_database() -> Table {
    let mut table = empty(&["Database", "Create Database"]);
    table.rows.push(texts(&[DATABASE, &format!("CREATE DATABASE `{DATABASE}`")]));
    table
}

/// `SHOW GRANTS`.
pub(super) fn show_grants(guest: &Guest) -> Table {
    let Guest { user, host, .. } = guest;
    let mut table = empty(&[&format!("Grants for {user}@{host}")]);
    table.rows.push(texts(&[&format!("GRANT SELECT ON `{DATABASE}`.* TO `{user}`@`{host}`")]));
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{EMPTY, NOTHING, information, show_columns, show_create_table, show_tables};
    use crate::console::tables::{TABLES, names};

    #[test]
    fn every_table_is_described() {
        let rows = information("columns").unwrap().rows;
        let described: BTreeSet<_> =
            rows.iter().map(|row| String::from_utf8_lossy(row[2].as_deref().unwrap()).into_owned()).collect();
        assert_eq!(described, names().into_iter().map(str::to_owned).collect());
        assert_eq!(rows.len(), TABLES.iter().map(|(_, columns)| columns.len()).sum::<usize>());
        assert_eq!(information("tables").unwrap().rows.len(), TABLES.len());
        for (name, columns) in TABLES {
            assert_eq!(show_columns(Some(name), true).rows.len(), columns.len(), "{name}");
            let created = show_create_table(name).rows[0][1].clone().unwrap();
            assert_eq!(created.iter().filter(|byte| **byte == b'\n').count(), columns.len() + 1, "{name}");
        }
        assert_eq!(show_tables(true).rows[0].len(), 2);
    }

    #[test]
    fn what_is_empty_has_columns_all_the_same() {
        assert!(NOTHING.iter().all(|(_, columns)| columns.len() > 2));
        assert!(
            EMPTY.iter().all(|(name, columns)| information(name).is_some_and(|it| it.columns.len() == columns.len()))
        );
    }
}
