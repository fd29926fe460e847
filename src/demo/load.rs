//! The clients of the demo: each its own connection, a statement, a pause as a person's request would leave, and again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use hdrhistogram::Histogram;
use mysql_async::{Conn, prelude::Queryable};
use tokio::{sync::watch, task::JoinSet, time};

use super::{
    schema::{ITEMS, opts},
    server::APP,
};

/// Pauses between a client's transactions; 200 clients so ask for some 5,000 a second.
const PAUSE_MS: std::ops::Range<u32> = 20..60;
/// A client that lost its connection does not hammer.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Latencies are kept to three digits up to this; longer ones count as this long.
const LONGEST_US: u64 = 60_000_000;

/// What the clients did so far.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Statements answered.
    pub(super) queries: u64,
    /// Transactions done, autocommitted statements included.
    pub(super) transactions: u64,
    /// Statements and logins that failed.
    pub(super) errors: u64,
    /// The text of the first failure.
    pub(super) first_error: Option<String>,
    /// Of statements, in microseconds.
    latencies: Histogram<u64>,
    /// Since the clients began.
    pub(super) elapsed: Duration,
}

/// The running clients.
#[derive(Debug)]
pub(super) struct Load {
    clients: JoinSet<()>,
    tally: Arc<Mutex<Tally>>,
    leave: watch::Sender<bool>,
    began: Instant,
}

/// One client.
struct Client {
    address: SocketAddr,
    tally: Arc<Mutex<Tally>>,
    leave: watch::Receiver<bool>,
    choices: Choices,
}

/// A client's own reproducible stream of choices (the constants are Knuth's MMIX generator's).
struct Choices(u64);

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
        Ok(Self { queries: 0, transactions: 0, errors: 0, first_error: None, latencies, elapsed: Duration::ZERO })
    }

    /// The latency that this share (0 to 1) of the statements did not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(share))
    }

    fn answered(&mut self, latency: Duration) {
        self.queries += 1;
        self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
    }

    fn failed(&mut self, error: &mysql_async::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

impl Load {
    /// Connects `clients` clients through `address` and sets them to work.
    pub(super) async fn start(address: SocketAddr, clients: usize) -> anyhow::Result<Self> {
        let first = Conn::new(opts(address, APP)).await.with_context(|| format!("logging in through {address}"))?;
        first.disconnect().await?;
        let tally = Arc::new(Mutex::new(Tally::new()?));
        let (leave, left) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for seed in 0..clients as u64 {
            let client = Client { address, tally: Arc::clone(&tally), leave: left.clone(), choices: Choices(seed) };
            tasks.spawn(client.live());
        }
        Ok(Self { clients: tasks, tally, leave, began: Instant::now() })
    }

    /// What was done so far.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = locked(&self.tally).clone();
        tally.elapsed = self.began.elapsed();
        tally
    }

    /// Lets every client end its transaction and leave.
    pub(super) async fn finish(mut self) -> Tally {
        let tally = self.tally();
        let _ = self.leave.send(true);
        let all = async { while self.clients.join_next().await.is_some() {} };
        // Dropping the set ends whoever hangs.
        let _ = time::timeout(Duration::from_secs(5), all).await;
        tally
    }
}

impl Client {
    async fn live(mut self) {
        while !*self.leave.borrow() {
            if let Err(error) = self.session().await {
                locked(&self.tally).failed(&error);
                time::sleep(RETRY_AFTER).await;
            }
        }
    }

    /// One connection's life; an error is worth a new one.
    async fn session(&mut self) -> mysql_async::Result<()> {
        let mut conn = Conn::new(opts(self.address, APP)).await?;
        while !*self.leave.borrow() {
            self.transaction(&mut conn).await?;
            locked(&self.tally).transactions += 1;
            let pause = PAUSE_MS.start + self.choices.below(PAUSE_MS.end - PAUSE_MS.start);
            let _ = time::timeout(Duration::from_millis(pause.into()), self.leave.changed()).await;
        }
        conn.disconnect().await
    }

    async fn transaction(&mut self, conn: &mut Conn) -> mysql_async::Result<()> {
        let id = self.choices.below(ITEMS) + 1;
        match self.choices.below(100) {
            0..60 => self.ask(conn, &format!("SELECT name, price FROM item WHERE id = {id}")).await,
            60..90 => self.ask(conn, &format!("SELECT COUNT(*) FROM item WHERE id BETWEEN {id} AND {id} + 20")).await,
            _ => self.buy(conn, id).await,
        }
    }

    async fn buy(&mut self, conn: &mut Conn, id: u32) -> mysql_async::Result<()> {
        self.ask(conn, "START TRANSACTION").await?;
        self.ask(conn, &format!("UPDATE item SET stock = stock - 1 WHERE id = {id}")).await?;
        self.ask(conn, &format!("INSERT INTO purchase (item, bought) VALUES ({id}, NOW())")).await?;
        self.ask(conn, "COMMIT").await
    }

    async fn ask(&self, conn: &mut Conn, sql: &str) -> mysql_async::Result<()> {
        let asked = Instant::now();
        conn.query_drop(sql).await?;
        locked(&self.tally).answered(asked.elapsed());
        Ok(())
    }
}

impl Choices {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The high bits are the random ones.
        ((self.0 >> 33) % u64::from(limit.max(1))) as u32
    }
}

/// A tally is whole between any two of its updates, so a panic elsewhere spoils nothing.
fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
