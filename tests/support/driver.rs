//! A real driver, mysql_async, from tests that are plain functions.

use std::{future::Future, net::SocketAddr, sync::LazyLock, time::Duration};

use mysql_async::{Conn, OptsBuilder};
use tokio::runtime::{Builder, Runtime};

/// No single test needs longer; a hung one should fail, not hang the run.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test's future to its end, or panics after a minute.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    RUNTIME.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the test's future took too long") })
}

/// Connection options that go to `address` and nowhere else (a driver may otherwise switch to the server's socket).
pub(crate) fn opts(address: SocketAddr, user: &str, password: &str, database: &str) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some(user))
        .pass(Some(password))
        .db_name(Some(database))
        .prefer_socket(false)
}

/// Logs in.
pub(crate) async fn connect(address: SocketAddr, user: &str, password: &str, database: &str) -> Conn {
    Conn::new(opts(address, user, password, database)).await.expect("the driver logs in")
}
