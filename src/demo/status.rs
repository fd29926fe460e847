//! What the server itself says of its connections, asked on one that does not go through the proxy.

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use mysql_async::{Conn, prelude::Queryable};

use super::{schema::opts, server::ROOT};

/// The server's view of everybody's connections but the monitor's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backends {
    /// Open now.
    pub(super) open: u64,
    /// Opened since the monitor began to watch.
    pub(super) opened: u64,
}

/// A direct connection that asks for it.
#[derive(Debug)]
pub(super) struct Monitor {
    conn: Conn,
    connections_before: u64,
}

impl Monitor {
    /// Logs in to `server` and starts to count from here.
    pub(super) async fn watch(server: SocketAddr) -> anyhow::Result<Self> {
        let mut conn = Conn::new(opts(server, ROOT)).await.context("watching the demo's server")?;
        let connections_before = counter(&mut conn, "Connections").await?;
        Ok(Self { conn, connections_before })
    }

    /// What the server says now.
    pub(super) async fn look(&mut self) -> anyhow::Result<Backends> {
        let open = counter(&mut self.conn, "Threads_connected").await?.saturating_sub(1);
        let opened = counter(&mut self.conn, "Connections").await?.saturating_sub(self.connections_before);
        Ok(Backends { open, opened })
    }
}

async fn counter(conn: &mut Conn, name: &str) -> anyhow::Result<u64> {
    let row: Option<(String, u64)> = conn.query_first(format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
    row.map(|(_, value)| value).ok_or_else(|| anyhow!("the server knows no status {name}"))
}
