//! What is looked at: `SHOW` and `SELECT`.

use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::Table;

use super::command::{Clauses, Command};
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
    pub(super) async fn look(&self, command: Command) -> Result<Table, SqlError> {
        match command {
            Command::Show { table, clauses } => {
                let table = tables::fill(&table, self.stage, self.office).await;
                match clauses {
                    Some(clauses) => self.narrowed(table, &clauses).await,
                    None => Ok(table),
                }
            }
            Command::Server { what, full, of, clauses } => {
                let table = self.as_server(what, full, of.as_deref()).await;
                match clauses {
                    Some(clauses) => self.narrowed(table, &clauses).await,
                    None => Ok(table),
                }
            }
            Command::Select(query) => self.select(&query).await,
            Command::Nothing(columns) => Ok(dictionary::empty(columns)),
            _ => Ok(dictionary::empty(&["nothing"])),
        }
    }

    async fn narrowed(&self, mut table: Table, clauses: &Clauses) -> Result<Table, SqlError> {
        if table.name.is_empty() {
            SHOWN.clone_into(&mut table.name);
        }
        let name = table.name.clone();
        let query = clauses.query(&name, table.columns.first().map_or("", |column| &column.name));
        let values = self.values(&query)?;
        let others = self.own_tables(&query, &name).await;
        let loaded: Vec<Loaded> = [(DATABASE, table)].into_iter().chain(others).collect();
        let found = engine::run(&query, &loaded, &values, self.guest).map_err(|failure| told(failure, &loaded))?;
        Ok(Table { name, ..found })
    }

    /// The console's tables that a query names, but for this one.
    async fn own_tables(&self, query: &Query, except: &str) -> Vec<Loaded> {
        let mut loaded = Vec::new();
        let wanted = |name: &str| name != except && query.names.iter().any(|named| named == name);
        for (name, _) in tables::TABLES.iter().filter(|(name, _)| wanted(name)) {
            loaded.push((DATABASE, tables::fill(name, self.stage, self.office).await));
        }
        loaded
    }

    async fn select(&self, query: &Query) -> Result<Table, SqlError> {
        let values = self.values(query)?;
        let mut loaded = self.own_tables(query, "").await;
        let own = loaded.len();
        if query.is_foreign {
            let mut names = query.names.clone();
            names.sort();
            names.dedup();
            if names.iter().any(|name| name == "processlist") {
                loaded.push((DICTIONARY, tables::processes(self.stage).await));
            }
            loaded
                .extend(names.iter().filter_map(|name| dictionary::information(name)).map(|table| (DICTIONARY, table)));
        }
        let name = match loaded.as_slice() {
            [(_, table)] => table.name.clone(),
            _ => String::new(),
        };
        match engine::run(query, &loaded, &values, self.guest) {
            Ok(found) => Ok(Table { name, ..found }),
            // Of what else servers keep there is nothing, whatever its columns are.
            Err(Failure::NoTable(table)) if is_foreign(&table) => Ok(nothing(query)),
            Err(Failure::NoColumn(_)) if query.is_foreign && own == 0 => Ok(nothing(query)),
            Err(failure) => Err(told(failure, &loaded)),
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
