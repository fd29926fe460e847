//! The demo's small shop: a table of items to look at and buy, and one of orders.

use std::{fmt::Write, net::SocketAddr};

use anyhow::Context;
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};

use super::server::{APP, Account, DATABASE};

/// Enough that statements rarely meet on a row, few enough to make at once.
pub(super) const ITEMS: u32 = 1_000;

const TABLES: [&str; 2] = [
    "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(8,2) NOT NULL, stock INT NOT NULL)",
    "CREATE TABLE purchase (id INT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL, bought TIMESTAMP NOT NULL)",
];

/// How `account` connects to `address`.
pub(super) fn opts(address: SocketAddr, account: Account) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some(account.user))
        .pass(Some(account.password))
        .db_name(Some(DATABASE))
        // Or the driver would ask the server for its socket, and go around the proxy.
        .prefer_socket(false)
        .into()
}

/// Makes and fills the tables on a fresh server.
pub(super) async fn prepare(server: SocketAddr) -> anyhow::Result<()> {
    let mut conn = Conn::new(opts(server, APP)).await.context("logging in to the demo's server")?;
    for table in TABLES {
        conn.query_drop(table).await?;
    }
    conn.query_drop(items()).await.context("filling the demo's table")?;
    conn.disconnect().await?;
    Ok(())
}

fn items() -> String {
    let mut sql = String::from("INSERT INTO item VALUES ");
    for id in 1..=ITEMS {
        let comma = if id == 1 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(sql, "{comma}({id}, 'item {id}', {}.{:02}, 1000000)", id % 90 + 5, id % 100);
    }
    sql
}
