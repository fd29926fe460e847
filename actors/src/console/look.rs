//! What is looked at: `SHOW` and `SELECT`.

use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::{Kind, Table};

use super::command::{Clauses, Command};
use super::engine::{self, DICTIONARY, Failure, Loaded};
use super::office::Office;
use super::sql::{Query, SHOWN};
use super::talk::{self, Guest};
use super::{DATABASE, dictionary, edit, tables};
use crate::stage::Stage;

/// Who looks, and what there is to look at.
pub(super) struct Looker<'t> {
    pub(super) stage: &'t Stage,
    pub(super) office: &'t dyn Office,
    pub(super) guest: &'t Guest,
    /// The version and the cipher of his TLS.
    pub(super) agreed: Option<(&'static str, &'static str)>,
}

impl Looker<'_> {
    /// The rows that are asked for.
    pub(super) async fn look(&self, command: Command) -> Result<Table, SqlError> {
        match command {
            Command::Show { table, clauses } => {
                let table = tables::fill(&table, self.stage, self.office).await;
                match clauses {
                    Some(clauses) => self.narrowed(table, &clauses).map_err(|(failure, table)| {
                        let columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
                        failure.told(&tables::names(), &columns)
                    }),
                    None => Ok(table),
                }
            }
            Command::Server { what, full, of, clauses } => {
                let table = self.as_server(what, full, of.as_deref()).await;
                let Some(clauses) = clauses else { return Ok(table) };
                self.narrowed(table, &clauses).or_else(|(failure, table)| match failure {
                    // A column that servers have beside: nothing is known by it.
                    Failure::NoColumn(_) => Ok(table),
                    other => Err(other.told(&tables::names(), &[])),
                })
            }
            Command::Select(query) => self.select(&query).await,
            Command::Nothing(columns) => Ok(dictionary::empty(columns)),
            _ => Ok(dictionary::empty(&["nothing"])),
        }
    }

    fn narrowed(&self, mut table: Table, clauses: &Clauses) -> Result<Table, (Failure, Table)> {
        let query = clauses.query(table.columns.first().map_or("", |column| &column.name));
        let name = std::mem::replace(&mut table.name, SHOWN.to_owned());
        let values = match self.values(&query) {
            Ok(values) => values,
            Err(error) => return Err((Failure::Other(error.to_string()), Table { name, ..table })),
        };
        let tables = [(DATABASE, table)];
        match engine::run(&query, &tables, &values, self.guest) {
            Ok(found) => Ok(Table { name, ..found }),
            Err(failure) => {
                let [(_, table)] = tables;
                Err((failure, Table { name, ..table }))
            }
        }
    }

    async fn select(&self, query: &Query) -> Result<Table, SqlError> {
        let values = self.values(query)?;
        let mut loaded: Vec<Loaded> = Vec::new();
        for (name, _) in tables::TABLES.iter().filter(|(name, _)| query.names.iter().any(|named| named == name)) {
            loaded.push((DATABASE, tables::fill(name, self.stage, self.office).await));
        }
        let columns: Vec<_> = loaded.iter().flat_map(|(_, table)| &table.columns).map(|it| it.name.clone()).collect();
        if query.is_foreign {
            let mut names = query.names.clone();
            names.sort();
            names.dedup();
            loaded
                .extend(names.iter().filter_map(|name| dictionary::information(name)).map(|table| (DICTIONARY, table)));
        }
        let name = match loaded.as_slice() {
            [(_, table)] => table.name.clone(),
            _ => String::new(),
        };
        match engine::run(query, &loaded, &values, self.guest) {
            Ok(found) => Ok(Table { name, ..found }),
            // The rest of what servers know of themselves: there is nothing in it.
            Err(_) if query.is_foreign => {
                let columns: Vec<_> = query.columns.iter().map(|name| (name.as_str(), Kind::Text)).collect();
                Ok(Table::new("", if columns.is_empty() { &[("nothing", Kind::Text)] } else { &columns }))
            }
            Err(failure) => {
                let columns: Vec<_> = columns.iter().map(String::as_str).collect();
                Err(failure.told(&tables::names(), &columns))
            }
        }
    }

    /// What the variables are that it names.
    fn values(&self, query: &Query) -> Result<Vec<String>, SqlError> {
        let value = |name: &String| match name.to_lowercase().rsplit('.').next() {
            Some("hostname") => Ok(DATABASE.to_owned()),
            Some("port") => Ok(self.guest.port.to_string()),
            _ => talk::variable(name)
                .ok_or_else(|| SqlError::new(1193, *b"HY000", format!("Unknown system variable '{name}'"))),
        };
        query.variables.iter().map(value).collect()
    }

    /// What a server answers to these.
    async fn as_server(&self, what: &str, full: bool, of: Option<&str>) -> Table {
        match what {
            "VARIABLES" => talk::variables(edit::current(self.stage, self.office).await),
            "DATABASES" | "SCHEMAS" => talk::names("Database", &[DATABASE]),
            "TABLES" => dictionary::show_tables(full),
            "TABLE STATUS" => dictionary::show_table_status(),
            "COLUMNS" | "FIELDS" => dictionary::show_columns(of, full),
            "COLLATION" => dictionary::show_collations(),
            "CHARSET" | "CHARACTER SET" => dictionary::show_charsets(),
            "ENGINES" => dictionary::show_engines(),
            "CREATE TABLE" => dictionary::show_create_table(of.unwrap_or_default()),
            "CREATE DATABASE" | "CREATE SCHEMA" => dictionary::show_create_database(),
            "GRANTS" => dictionary::show_grants(self.guest),
            "STATUS" => talk::status(&self.office.samples(), &self.office.version(), self.agreed),
            _ => tables::processes(self.stage).await,
        }
    }
}
