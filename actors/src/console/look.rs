//! What is looked at: `SHOW` and `SELECT`.

use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::Table;

use super::command::{Clauses, Look};
use super::engine::{self, DICTIONARY, Failure, Loaded};
use super::office::Office;
use super::sql::{Query, SHOWN, is_foreign};
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
    pub(super) async fn look(&self, look: Look) -> Result<Table, SqlError> {
        let (table, clauses) = match look {
            Look::Show { table, clauses } => (tables::fill(&table, self.stage, self.office).await, clauses),
            Look::Server { what, full, of, clauses } => (self.as_server(what, full, of.as_deref()).await, clauses),
            Look::Nothing(columns) => (dictionary::empty(columns), None),
            Look::Select(query) => return self.select(&query).await,
        };
        match clauses {
            Some(clauses) => self.narrowed(table, &clauses).await,
            None => Ok(table),
        }
    }

    async fn narrowed(&self, mut table: Table, clauses: &Clauses) -> Result<Table, SqlError> {
        if table.name.is_empty() {
            SHOWN.clone_into(&mut table.name);
        }
        let name = table.name.clone();
        let query = clauses.query(&name, table.columns.first().map_or("", |column| &column.name));
        let values = self.values(&query)?;
        let mut shapes = shapes(&query);
        shapes.retain(|(_, shape)| shape.name != name);
        shapes.push((DATABASE, Table { name: name.clone(), columns: table.columns.clone(), rows: Vec::new() }));
        let read = engine::reads(&query, &shapes, self.guest).map_err(|failure| told(failure, &shapes))?;
        let mut loaded = self.filled(&read, &name).await;
        loaded.push((DATABASE, table));
        let found = engine::run(&query, &loaded, &values, self.guest).map_err(|failure| told(failure, &loaded))?;
        Ok(Table { name, ..found })
    }

    async fn select(&self, query: &Query) -> Result<Table, SqlError> {
        let values = self.values(query)?;
        let shapes = shapes(query);
        let read = match engine::reads(query, &shapes, self.guest) {
            Ok(read) => read,
            // Of what else servers keep there is nothing, whatever its columns are.
            Err(Failure::NoTable(table)) if is_foreign(&table) => return Ok(nothing(query)),
            Err(Failure::NoColumn(_)) if query.is_foreign && shapes.iter().all(|(it, _)| *it == DICTIONARY) => {
                return Ok(nothing(query));
            }
            Err(failure) => return Err(told(failure, &shapes)),
        };
        let loaded = self.filled(&read, "").await;
        let name = match loaded.as_slice() {
            [(_, table)] => table.name.clone(),
            _ => String::new(),
        };
        let found = engine::run(query, &loaded, &values, self.guest).map_err(|failure| told(failure, &loaded))?;
        Ok(Table { name, ..found })
    }

    /// The tables that are read, with their rows, but for one.
    async fn filled(&self, read: &[String], except: &str) -> Vec<Loaded> {
        let mut loaded = Vec::new();
        for name in read.iter().filter(|name| *name != except) {
            if tables::names().contains(&name.as_str()) {
                loaded.push((DATABASE, tables::fill(name, self.stage, self.office).await));
            } else if name == "processlist" {
                loaded.push((DICTIONARY, tables::processes(self.stage).await));
            } else {
                loaded.extend(dictionary::information(name).map(|table| (DICTIONARY, table)));
            }
        }
        loaded
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

/// The tables that a query may mean, without rows.
fn shapes(query: &Query) -> Vec<Loaded> {
    let named = |name: &str| query.names.iter().any(|named| named == name);
    let own = tables::TABLES.iter().filter(|(name, _)| named(name)).map(|(name, _)| (DATABASE, tables::shape(name)));
    let mut shapes: Vec<_> = own.collect();
    if query.is_foreign {
        let foreign = query.names.iter().filter_map(|name| dictionary::information(name));
        shapes.extend(foreign.map(|table| (DICTIONARY, Table { rows: Vec::new(), ..table })));
        if named("processlist") {
            shapes.push((DICTIONARY, Table::new("processlist", tables::PROCESSES)));
        }
    }
    shapes
}

/// What is wrong with a query over these tables.
fn told(failure: Failure, loaded: &[Loaded]) -> SqlError {
    let columns: Vec<_> = loaded.iter().flat_map(|(_, table)| &table.columns).map(|it| it.name.as_str()).collect();
    failure.told(&tables::names(), &columns)
}

/// No rows, or how many there are, under the names that were asked for.
fn nothing(query: &Query) -> Table {
    let names: Vec<_> = query.columns.iter().map(String::as_str).collect();
    let mut table = dictionary::empty(if names.is_empty() { &["nothing"] } else { &names });
    if query.counts {
        table.rows.push(talk::texts(&vec!["0"; table.columns.len()]));
    }
    table
}
