//! Runs what is selected at the console, by SQLite, over tables that are made in memory for one statement.

use std::time::{Duration, Instant};

use greenroom_protocol::answer::Row;
use greenroom_protocol::error::SqlError;
use greenroom_protocol::table::{Column, Kind, Table};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::DATABASE;
use super::sql::{Query, identifier};
use super::talk::Guest;

/// How long a statement may compute: others at the console wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// Steps of the engine between two looks at the clock.
const STEPS: i32 = 10_000;

/// Bytes of a result at most.
const RESULT_LIMIT: usize = 64 << 20;

/// Bytes of one value at most.
const VALUE_LIMIT: i32 = 16 << 20;

/// A database that servers have beside.
pub(super) const DICTIONARY: &str = "information_schema";

/// Why a statement came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
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
    let failed = |error: rusqlite::Error| failure(&error);
    let mut engine = Connection::open_in_memory().map_err(failed)?;
    for name in [DATABASE, DICTIONARY] {
        engine.execute(&format!("ATTACH ':memory:' AS {}", identifier(name)), ()).map_err(failed)?;
    }
    engine
        .execute_batch(&format!("CREATE TABLE {DATABASE}.dual (dummy TEXT); INSERT INTO dual VALUES ('X')"))
        .map_err(failed)?;
    for (database, table) in tables {
        load(&mut engine, database, table).map_err(failed)?;
    }
    functions(&engine, guest).map_err(failed)?;
    confine(&mut engine).map_err(failed)?;
    answer(&engine, query, values)
}

/// From here on nothing is written or opened, and nothing takes long.
fn confine(engine: &mut Connection) -> rusqlite::Result<()> {
    engine.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_LIMIT)?;
    let begun = Instant::now();
    engine.progress_handler(STEPS, Some(move || begun.elapsed() > PATIENCE))?;
    engine.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
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
            // The column's type makes numbers of texts that are some.
            let cells = row.iter().map(|cell| cell.as_deref().map(String::from_utf8_lossy));
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
        Kind::Count => "INTEGER".to_owned(),
        Kind::Real => alike().map_or_else(|| "REAL".to_owned(), |digits| format!("REAL_{digits}")),
    };
    format!("{} {kind}", identifier(&column.name))
}

/// Functions that servers have and the engine has not.
fn functions(engine: &Connection, guest: &Guest) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let constant = |names: &[&str], value: rusqlite::types::Value| {
        names.iter().try_for_each(|name| {
            let value = value.clone();
            engine.create_scalar_function(*name, 0, flags, move |_| Ok(value.clone()))
        })
    };
    constant(&["DATABASE", "SCHEMA"], DATABASE.to_owned().into())?;
    let whom = format!("{}@{}", guest.user, guest.host);
    constant(&["USER", "SESSION_USER", "SYSTEM_USER", "CURRENT_USER"], whom.into())?;
    constant(&["VERSION"], super::version().into())?;
    constant(&["CONNECTION_ID"], i64::from(guest.id).into())?;
    constant(&["LAST_INSERT_ID", "ROW_COUNT", "FOUND_ROWS"], 0_i64.into())?;
    // There is one time zone.
    engine.create_scalar_function("CONVERT_TZ", 3, flags, |it| text(it, 0))?;
    engine.create_scalar_function("LEFT", 2, flags, |it| {
        let (text, count) = (text(it, 0)?, it.get::<i64>(1)?);
        Ok(text.map(|text| text.chars().take(usize::try_from(count).unwrap_or(0)).collect::<String>()))
    })?;
    engine.create_scalar_function("LOCATE", 2, flags, |it| {
        let (part, text) = (text(it, 0)?, text(it, 1)?);
        Ok(part.zip(text).map(|(part, text)| locate(&part.to_lowercase(), &text.to_lowercase())))
    })?;
    engine.create_scalar_function("SUBSTRING_INDEX", 3, flags, |it| {
        let (text, sign, count) = (text(it, 0)?, text(it, 1)?, it.get::<i64>(2)?);
        Ok(text.zip(sign).map(|(text, sign)| substring_index(&text, &sign, count)))
    })
}

fn text(context: &Context<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    context.get::<Option<String>>(at)
}

/// At which letter a part begins, from 1; 0 if nowhere.
fn locate(part: &str, text: &str) -> i64 {
    let before = text.find(part).and_then(|at| text.get(..at)).map(|before| before.chars().count() + 1);
    before.and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

/// Everything before so many of a sign; behind so many from the end, if there are fewer than none.
fn substring_index(text: &str, sign: &str, count: i64) -> String {
    let many = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if sign.is_empty() || many == 0 {
        return String::new();
    }
    let at = match count > 0 {
        true => text.match_indices(sign).nth(many - 1).map(|(at, _)| ..at).and_then(|range| text.get(range)),
        false => {
            text.rmatch_indices(sign).nth(many - 1).map(|(at, _)| at + sign.len()..).and_then(|range| text.get(range))
        }
    };
    at.unwrap_or(text).to_owned()
}

fn answer(engine: &Connection, query: &Query, values: &[String]) -> Result<Table, Failure> {
    let failed = |error: rusqlite::Error| failure(&error);
    let mut statement = engine.prepare(&query.sql).map_err(failed)?;
    if !statement.readonly() {
        return Err(Failure::Other("it is no question".to_owned()));
    }
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
    let columns = declared
        .into_iter()
        .zip(shapes)
        .zip(found)
        .map(|(((name, _), shape), found)| Column { name, kind: shape.kind.or(found).unwrap_or(Kind::Text) });
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
            (ValueRef::Real(number), Some(digits)) => format!("{number:.digits$}").into_bytes(),
            (ValueRef::Real(number), None) => number.to_string().into_bytes(),
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
        ValueRef::Integer(_) | ValueRef::Real(_) => Kind::Real,
        ValueRef::Text(_) | ValueRef::Blob(_) => Kind::Text,
    };
    Some(match (known, own) {
        (None, own) => own,
        (Some(known), own) if known == own => own,
        (Some(Kind::Text), _) | (_, Kind::Text) => Kind::Text,
        _ => Kind::Real,
    })
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
    let named = |before: &str| text.strip_prefix(before).map(|name| name.rsplit('.').next().unwrap_or(name).to_owned());
    if let Some(name) = named("no such table: ") {
        Failure::NoTable(name)
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
        use super::command::{nearest, unknown, wrong};
        match self {
            Self::NoTable(name) => unknown("table", &name, tables),
            Self::NoColumn(name) => {
                let near = if columns.is_empty() { String::new() } else { nearest(&name, columns) };
                SqlError::new(1054, *b"42S22", format!("Unknown column '{name}' in 'field list'{near}"))
            }
            Self::NoFunction(name) => unknown("function", &name, &["DATABASE", "USER", "VERSION", "NOW"]),
            Self::Other(text) => wrong(&text),
        }
    }
}

#[cfg(test)]
mod tests;
