//! mysql_async.

use mysql_async::{Conn, Error, Row, Value, prelude::Queryable};

use super::{
    scenario::{Given, Login, Session, plays, short},
    support::driver,
};

#[test]
fn rust_mysql_async() {
    plays::<Conn>("mysql_async");
}

fn told(error: &Error) -> String {
    match error {
        Error::Server(error) => format!("{} {} {}", error.code, error.state, error.message),
        other => format!("{other:?}"),
    }
}

fn value(value: &Value) -> String {
    if let Value::Bytes(bytes) = value { short(bytes) } else { format!("{value:?}") }
}

/// Every result that is left: its columns, its rows, or its counts.
macro_rules! results {
    ($result:expr) => {{
        let mut result = $result.map_err(|error| told(&error))?;
        let mut lines = Vec::new();
        while !result.is_empty() || lines.is_empty() {
            let columns: Vec<_> =
                result.columns_ref().iter().map(|c| (c.name_str(), c.column_type(), c.flags())).collect();
            lines.push(format!("{columns:?}"));
            let rows: Vec<Row> = result.collect().await.map_err(|error| told(&error))?;
            lines.extend(rows.iter().map(|row| row.clone().unwrap().iter().map(value).collect::<Vec<_>>().join(", ")));
        }
        let counts = (result.affected_rows(), result.last_insert_id(), result.warnings(), result.info());
        lines.push(format!("{counts:?}"));
        result.drop_result().await.map_err(|error| told(&error))?;
        Ok(lines)
    }};
}

impl Session for Conn {
    async fn open(login: &Login) -> Result<Self, String> {
        let options = driver::opts(login.address, &login.user, &login.password, &login.database);
        Self::new(options).await.map_err(|error| told(&error))
    }

    async fn text(&mut self, sql: &str) -> Result<Vec<String>, String> {
        results!(self.query_iter(sql).await)
    }

    async fn prepared(&mut self, sql: &str, values: &[Given]) -> Result<Vec<String>, String> {
        let values: Vec<Value> = values.iter().cloned().map(Value::from).collect();
        results!(self.exec_iter(sql, values).await)
    }

    async fn close(self) {
        self.disconnect().await.unwrap();
    }

    async fn more(&mut self, login: &Login) -> Vec<String> {
        let mut lines = self.text("SELECT 1; SELECT 2").await.unwrap();
        self.ping().await.unwrap();
        self.query_drop("SET @x = 1").await.unwrap();
        lines.push(format!("reset: {}", self.reset().await.unwrap()));
        lines.extend(self.text("SELECT @x").await.unwrap());
        // One statement kept while others run.
        let kept = self.prep("SELECT ? + 1").await.unwrap();
        for number in 0..20 {
            let sum: Option<i64> = self.exec_first(&kept, (number,)).await.unwrap();
            lines.push(format!("{sum:?}"));
        }
        Queryable::close(self, kept).await.unwrap();
        lines.push(login.user.clone());
        lines
    }
}

impl From<Given> for Value {
    fn from(given: Given) -> Self {
        match given {
            Given::Null => Self::NULL,
            Given::Number(number) => number.into(),
            Given::Real(number) => number.into(),
            Given::Text(text) => text.into(),
            Given::Bytes(bytes) => bytes.into(),
        }
    }
}
