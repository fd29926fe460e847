//! sqlx: its own session settings at login, and every statement with parameters prepared and kept.

use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Either, Error, Executor, MySqlConnection, Row, TypeInfo,
    ValueRef,
    mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlQueryResult, MySqlRow, MySqlSslMode},
    raw_sql,
};

use super::scenario::{Given, Login, Session, plays, short};

#[test]
fn rust_sqlx() {
    plays::<MySqlConnection>("sqlx");
}

/// One by one: what a statement gives, rows and counts as they come.
type Stream<'a> = futures_util::stream::BoxStream<'a, Result<Either<MySqlQueryResult, MySqlRow>, Error>>;

fn told(error: &Error) -> String {
    match error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()) {
        Some(error) => format!("{} {:?} {}", error.number(), error.code(), error.message()),
        None => format!("{error:?}"),
    }
}

/// The columns where they change, and each value by its bytes.
fn row(row: &MySqlRow, lines: &mut Vec<String>) {
    let columns: Vec<_> = row.columns().iter().map(|column| (column.name(), column.type_info().name())).collect();
    let columns = format!("{columns:?}");
    if !lines.contains(&columns) {
        lines.push(columns);
    }
    let values = (0..row.len()).map(|index| match row.try_get_raw(index).unwrap().is_null() {
        true => "NULL".to_owned(),
        false => short(&row.try_get_unchecked::<Vec<u8>, _>(index).unwrap()),
    });
    lines.push(values.collect::<Vec<_>>().join(", "));
}

async fn read(mut stream: Stream<'_>) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    while let Some(part) = stream.try_next().await.map_err(|error| told(&error))? {
        match part {
            Either::Left(counts) => lines.push(format!("{} {}", counts.rows_affected(), counts.last_insert_id())),
            Either::Right(next) => row(&next, &mut lines),
        }
    }
    Ok(lines)
}

impl Session for MySqlConnection {
    async fn open(login: &Login) -> Result<Self, String> {
        let options = MySqlConnectOptions::new()
            .host(&login.address.ip().to_string())
            .port(login.address.port())
            .username(&login.user)
            .password(&login.password)
            .database(&login.database)
            .ssl_mode(MySqlSslMode::Disabled)
            .disable_statement_logging();
        options.connect().await.map_err(|error| told(&error))
    }

    async fn text(&mut self, sql: &str) -> Result<Vec<String>, String> {
        read(self.fetch_many(raw_sql(AssertSqlSafe(sql.to_owned())))).await
    }

    async fn prepared(&mut self, sql: &str, values: &[Given]) -> Result<Vec<String>, String> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let query = values.iter().cloned().fold(query, |query, value| match value {
            Given::Null => query.bind(None::<i64>),
            Given::Number(number) => query.bind(number),
            Given::Real(number) => query.bind(number),
            Given::Text(text) => query.bind(text),
            Given::Bytes(bytes) => query.bind(bytes),
        });
        read(self.fetch_many(query)).await
    }

    async fn close(self) {
        Connection::close(self).await.unwrap();
    }

    async fn more(&mut self, _login: &Login) -> Vec<String> {
        self.ping().await.unwrap();
        let mut lines = Vec::new();
        // A transaction that is dropped is rolled back before the next statement.
        let mut change = self.begin().await.unwrap();
        lines.extend(change.text("INSERT INTO work (name) VALUES ('dropped')").await.unwrap());
        drop(change);
        lines.extend(self.text("SELECT COUNT(*) FROM work WHERE name = 'dropped'").await.unwrap());
        let mut change = self.begin().await.unwrap();
        lines.extend(change.text("INSERT INTO work (name) VALUES ('outer')").await.unwrap());
        let mut inner = change.begin().await.unwrap();
        lines.extend(inner.text("INSERT INTO work (name) VALUES ('inner')").await.unwrap());
        inner.rollback().await.unwrap();
        change.commit().await.unwrap();
        lines.extend(self.text("SELECT name FROM work ORDER BY name").await.unwrap());
        self.clear_cached_statements().await.unwrap();
        lines.extend(self.prepared("SELECT ? + 1", &[Given::Number(1)]).await.unwrap());
        lines
    }
}
