//! Runs what is selected at the console, by SQLite, over tables that are made in memory for one statement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use greenroom_protocol::answer::Row;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::{Column, Kind, Table};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, params_from_iter};

use super::DATABASE;
use super::sql::{Query, identifier};
use super::talk::Guest;

/// How long a statement may compute: others at the console wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// Steps of the engine between two looks at the clock. A function on long texts is one, and takes a while.
const STEPS: i32 = 50;

/// Bytes of a pattern of `LIKE` at most, of memory for all statements together, and of one value.
const PATTERN_LIMIT: i32 = 1_000;
const HEAP_LIMIT: i64 = 512 << 20;
const VALUE_LIMIT: i32 = 64 << 10;

/// Bytes of a result at most.
const RESULT_LIMIT: usize = 32 << 20;

/// A database that servers have beside.
pub(super) const DICTIONARY: &str = "information_schema";

/// Why a statement came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Its name, with its database if that was named.
    NoTable(String),
    NoColumn(String),
    NoFunction(String),
    /// As the engine words it.
    Other(String),
}

/// What a statement runs on: a table, and the database that it is in.
pub(super) type Loaded = (&'static str, Table);

/// Runs a query over these tables, with the values of its variables.
pub(super) fn run(query: &Query, tables: &[Loaded], values: &[String], guest: &Guest) -> Result<Table, Failure> {
    answer(&prepared(tables, guest, |_| {})?, query, values)
}

/// Which of these tables, which may be empty, a query reads.
pub(super) fn reads(query: &Query, tables: &[Loaded], guest: &Guest) -> Result<Vec<String>, Failure> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let note = move |read: String| {
        let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(&read) {
            seen.push(read);
        }
    };
    let engine = prepared(tables, guest, note)?;
    prepare(&engine, query)?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(seen.clone())
}

/// An engine that has these tables, and nothing that is not needed to read them.
fn prepared(tables: &[Loaded], guest: &Guest, note: impl Fn(String) + Send + 'static) -> Result<Connection, Failure> {
    let mut engine = opened().map_err(|error| failure(&error))?;
    let furnish = || {
        tables.iter().try_for_each(|(database, table)| load(&mut engine, database, table))?;
        functions::add(&engine, guest)?;
        confine(&mut engine, note)
    };
    furnish().map_err(|error| failure(&error))?;
    Ok(engine)
}

/// An engine with the console's databases. Nothing of it gets onto a disk, however much there is to sort.
fn opened() -> rusqlite::Result<Connection> {
    let engine = Connection::open_in_memory()?;
    for name in [DATABASE, DICTIONARY] {
        engine.execute(&format!("ATTACH ':memory:' AS {}", identifier(name)), ())?;
    }
    engine.execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {HEAP_LIMIT}"))?;
    let dual = format!("CREATE TABLE {DATABASE}.dual (dummy TEXT); INSERT INTO {DATABASE}.dual VALUES ('X')");
    engine.execute_batch(&dual)?;
    Ok(engine)
}

/// From here on nothing is written or opened, and nothing takes long.
fn confine(engine: &mut Connection, note: impl Fn(String) + Send + 'static) -> rusqlite::Result<()> {
    engine.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_LIMIT)?;
    engine.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_LIMIT)?;
    // A name that nothing has is a mistake, not a text.
    engine.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    let begun = Instant::now();
    engine.progress_handler(STEPS, Some(move || begun.elapsed() > PATIENCE))?;
    engine.authorizer(Some(move |context: AuthContext<'_>| match context.action {
        AuthAction::Read { table_name, .. } => {
            note(table_name.to_owned());
            Authorization::Allow
        }
        AuthAction::Select | AuthAction::Function { .. } | AuthAction::Recursive => Authorization::Allow,
        _ => Authorization::Deny,
    }))
}

fn load(engine: &mut Connection, database: &str, table: &Table) -> rusqlite::Result<()> {
    let name = format!("{}.{}", identifier(database), identifier(&table.name));
    let columns: Vec<_> = table.columns.iter().enumerate().map(|(at, column)| definition(table, at, column)).collect();
    engine.execute(&format!("CREATE TABLE {name} ({})", columns.join(", ")), ())?;
    let places = vec!["?"; table.columns.len()].join(", ");
    let together = engine.transaction()?;
    {
        let mut insert = together.prepare(&format!("INSERT INTO {name} VALUES ({places})"))?;
        for row in &table.rows {
            // The column's type makes numbers of texts that are some. What is not known is not larger than everything.
            let cells =
                row.iter().map(|cell| cell.as_deref().map(String::from_utf8_lossy).filter(|cell| cell != "NaN"));
            insert.execute(params_from_iter(cells))?;
        }
    }
    together.commit()
}

/// A column as the engine declares it. Letters are alike in either case; numbers that all show as many digits behind their point
/// go on to do so.
fn definition(table: &Table, at: usize, column: &Column) -> String {
    let digits = |row: &Row| {
        let cell = row.get(at)?.as_deref()?;
        Some(cell.iter().rposition(|byte| *byte == b'.').map_or(0, |dot| cell.len() - dot - 1))
    };
    let alike = || {
        let mut all = table.rows.iter().filter_map(digits);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    };
    let kind = match column.kind {
        Kind::Text => "TEXT COLLATE NOCASE".to_owned(),
        Kind::Count | Kind::Number => "INTEGER".to_owned(),
        Kind::Real => alike().map_or_else(|| "REAL".to_owned(), |digits| format!("REAL_{digits}")),
    };
    format!("{} {kind}", identifier(&column.name))
}

fn prepare<'e>(engine: &'e Connection, query: &Query) -> Result<Statement<'e>, Failure> {
    if let Some(wrong) = &query.wrong {
        return Err(Failure::Other(wrong.clone()));
    }
    let statement = engine.prepare(&query.sql).map_err(|error| failure(&error))?;
    if statement.readonly() { Ok(statement) } else { Err(Failure::Other("it is no question".to_owned())) }
}

fn answer(engine: &Connection, query: &Query, values: &[String]) -> Result<Table, Failure> {
    let failed = |error: rusqlite::Error| failure(&error);
    let mut statement = prepare(engine, query)?;
    let declared: Vec<_> =
        statement.columns().map(|it| (it.name().to_owned(), it.decl_type().map(str::to_owned))).collect();
    let shapes: Vec<_> = declared.iter().map(|(_, kind)| Shape::declared(kind.as_deref())).collect();
    let mut found: Vec<Option<Kind>> = vec![None; declared.len()];
    let (mut rows, mut size) = (Vec::new(), 0);
    let mut more = statement.query(params_from_iter(values.iter().map(|value| number(value)))).map_err(failed)?;
    while let Some(row) = more.next().map_err(failed)? {
        let mut cells = Row::new();
        for (at, (shape, found)) in shapes.iter().zip(&mut found).enumerate() {
            let value = row.get_ref(at).map_err(failed)?;
            *found = wider(*found, value);
            let cell = shape.show(value);
            size += cell.as_ref().map_or(0, |cell| cell.len()) + size_of::<Option<Box<[u8]>>>();
            cells.push(cell);
        }
        if size > RESULT_LIMIT {
            return Err(Failure::Other(format!("its result is larger than {RESULT_LIMIT} bytes")));
        }
        rows.push(cells);
    }
    // The first part of a UNION declares what others need not keep to.
    let kind = |shape: &Shape, found: Option<Kind>| match shape.kind.zip(found) {
        Some((one, other)) => common(one, other),
        None => shape.kind.or(found).unwrap_or(Kind::Text),
    };
    let columns = declared
        .into_iter()
        .zip(shapes)
        .zip(found)
        .map(|(((name, _), shape), found)| Column { name, kind: kind(&shape, found) });
    Ok(Table { name: String::new(), columns: columns.collect(), rows })
}

/// A variable's value: a number where it is one.
fn number(value: &str) -> rusqlite::types::Value {
    value.parse::<i64>().map_or_else(|_| value.to_owned().into(), Into::into)
}

/// What is known of a column before there are rows.
struct Shape {
    kind: Option<Kind>,
    digits: Option<usize>,
}

impl Shape {
    fn declared(kind: Option<&str>) -> Self {
        let kind = kind.unwrap_or_default();
        let (known, digits) = match kind.split_once('_').unwrap_or((kind, "")) {
            ("REAL", digits) => (Some(Kind::Real), digits.parse().ok()),
            ("INTEGER", _) => (Some(Kind::Count), None),
            ("TEXT", _) => (Some(Kind::Text), None),
            _ => (None, None),
        };
        Self { kind: known, digits }
    }

    fn show(&self, value: ValueRef<'_>) -> Option<Box<[u8]>> {
        let text = match (value, self.digits) {
            (ValueRef::Null, _) => return None,
            (ValueRef::Integer(number), _) => number.to_string().into_bytes(),
            (ValueRef::Real(number), digits) => {
                let padded = digits.map(|digits| format!("{number:.digits$}"));
                padded.filter(|it| it.parse() == Ok(number)).unwrap_or_else(|| number.to_string()).into_bytes()
            }
            (ValueRef::Text(text) | ValueRef::Blob(text), _) => text.to_owned(),
        };
        Some(text.into())
    }
}

/// The kind that takes this value, too.
fn wider(known: Option<Kind>, value: ValueRef<'_>) -> Option<Kind> {
    let own = match value {
        ValueRef::Null => return known,
        ValueRef::Integer(number) if number >= 0 => Kind::Count,
        ValueRef::Integer(_) => Kind::Number,
        ValueRef::Real(_) => Kind::Real,
        ValueRef::Text(_) | ValueRef::Blob(_) => Kind::Text,
    };
    Some(known.map_or(own, |known| common(known, own)))
}

fn common(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (one, other) if one == other => one,
        (Kind::Text, _) | (_, Kind::Text) => Kind::Text,
        (Kind::Real, _) | (_, Kind::Real) => Kind::Real,
        _ => Kind::Number,
    }
}

fn failure(error: &rusqlite::Error) -> Failure {
    let text = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::OperationInterrupted => {
            format!("it takes longer than {} s", PATIENCE.as_secs())
        }
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    // Of one in quotes it asks whether it should be a text.
    let bare = |name: &str| name.split(" - ").next().unwrap_or_default().trim_matches('"').to_owned();
    let named = |before: &str| text.strip_prefix(before).map(|name| bare(name.rsplit('.').next().unwrap_or(name)));
    if let Some(name) = text.strip_prefix("no such table: ") {
        Failure::NoTable(name.to_owned())
    } else if let Some(name) = named("no such column: ") {
        Failure::NoColumn(name)
    } else if let Some(name) = named("no such function: ") {
        Failure::NoFunction(name)
    } else {
        Failure::Other(text)
    }
}

impl Failure {
    /// What the client hears, where these columns are known.
    pub(super) fn told(self, tables: &[&str], columns: &[&str]) -> SqlError {
        use super::command::{nearest, no_table, wrong};
        match self {
            Self::NoTable(name) => no_table(name.rsplit('.').next().unwrap_or(&name), tables),
            Self::NoColumn(name) => {
                let near = if columns.is_empty() { String::new() } else { nearest(&name, columns) };
                SqlError::new(1054, *b"42S22", format!("Unknown column '{name}' in 'field list'{near}"))
            }
            Self::NoFunction(name) => SqlError::new(1305, *b"42000", format!("FUNCTION {name} does not exist here")),
            Self::Other(text) => wrong(&text),
        }
    }
}

mod functions;
#[cfg(test)]
mod tests;
