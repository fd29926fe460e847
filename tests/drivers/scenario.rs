//! What the Rust drivers do, each through its own [`Session`]: the scenario of the other languages' scripts.

use std::{collections::BTreeMap, fmt::Write, future::Future, net::SocketAddr};

use super::{stage::each_stage, support::driver::block_on};

/// Who logs in.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) address: SocketAddr,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
}

/// A value to bind.
#[derive(Clone)]
pub(super) enum Given {
    Null,
    Number(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A driver's connection. What it tells is text: a line for each result, row or error.
pub(super) trait Session: Sized {
    /// Logs in; the error is what the driver says.
    fn open(login: &Login) -> impl Future<Output = Result<Self, String>>;
    /// Runs a statement of text.
    fn text(&mut self, sql: &str) -> impl Future<Output = Result<Vec<String>, String>>;
    /// Prepares and executes a statement.
    fn prepared(&mut self, sql: &str, values: &[Given]) -> impl Future<Output = Result<Vec<String>, String>>;
    /// Says good-bye.
    fn close(self) -> impl Future<Output = ()>;
    /// What only this driver can do.
    fn more(&mut self, login: &Login) -> impl Future<Output = Vec<String>>;
}

/// Plays the scenario with a driver on both servers, directly and in each mode, and compares what it was told.
pub(super) fn plays<S: Session>(name: &str) {
    each_stage(name, |stage| {
        let tenant = &stage.tenant;
        let told = stage.targets.iter().map(|(target, address)| {
            let (user, password, database) = (tenant.name.clone(), tenant.password.clone(), tenant.name.clone());
            let login = Login { address: *address, user, password, database };
            let mut player = Player { lists: lists(), said: String::new() };
            block_on(player.play::<S>(&login));
            (target.clone(), player.said)
        });
        stage.compare(name, &told.collect::<Vec<_>>());
    });
}

struct Player {
    lists: BTreeMap<&'static str, Vec<&'static str>>,
    said: String,
}

fn lists() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut name = "";
    for line in include_str!("statements.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[') {
            Some(head) => name = head.trim_end_matches(']'),
            None => found.entry(name).or_default().push(line),
        }
    }
    found
}

/// Big values by their length and a sum of their bytes.
pub(super) fn short(bytes: &[u8]) -> String {
    if bytes.len() <= 1000 {
        return String::from_utf8(bytes.to_vec()).map_or_else(|_| format!("{bytes:?}"), |text| format!("{text:?}"));
    }
    let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{} bytes: {sum:x}", bytes.len())
}

impl Player {
    fn say(&mut self, told: Result<Vec<String>, String>) {
        match told {
            Ok(lines) => lines.iter().for_each(|line| writeln!(self.said, "  {line}").unwrap()),
            Err(error) => writeln!(self.said, "  ERROR {error}").unwrap(),
        }
    }

    async fn run(&mut self, session: &mut impl Session, sql: &str) {
        writeln!(self.said, "> {}", sql.chars().take(100).collect::<String>()).unwrap();
        let told = session.text(sql).await;
        self.say(told);
    }

    async fn run_prepared(&mut self, session: &mut impl Session, sql: &str, values: &[Given]) {
        writeln!(self.said, "> {sql} with {} values", values.len()).unwrap();
        let told = session.prepared(sql, values).await;
        self.say(told);
    }

    async fn play<S: Session>(&mut self, login: &Login) {
        let lists = self.lists.clone();
        let mut one = S::open(login).await.unwrap();
        self.run(&mut one, "SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode").await;
        for sql in lists["schema"].iter().chain(&lists["types"]) {
            self.run(&mut one, sql).await;
        }
        self.parameters(&mut one, &lists["prepared"]).await;
        self.run(&mut one, "CALL twice(21)").await;
        let mut two = S::open(login).await.unwrap();
        self.transactions(&mut one, &mut two).await;
        for (first, second) in lists["one"].iter().zip(&lists["two"]) {
            self.run(&mut one, first).await;
            self.run(&mut two, second).await;
        }
        one.close().await;
        two.close().await;
        let mut one = S::open(login).await.unwrap();
        for sql in &lists["errors"] {
            self.run(&mut one, sql).await;
            self.run(&mut one, "SELECT 'alive'").await;
        }
        self.big(&mut one).await;
        one.close().await;
        self.ends::<S>(login).await;
    }

    async fn parameters(&mut self, session: &mut impl Session, statements: &[&str]) {
        for sql in statements {
            for number in [1, 2] {
                self.run_prepared(session, sql, &[Given::Number(number)]).await;
            }
        }
        let text = |text: &str| Given::Text(text.to_owned());
        let rows = [
            [text("text 😀 'quoted' \\ %s"), Given::Number(-1)],
            [text("ünï"), Given::Null],
            [Given::Bytes(b"bytes".to_vec()), Given::Number(i64::from(i32::MAX))],
            [text("wide"), Given::Number(1 << 40)],
        ];
        for values in rows {
            self.run_prepared(session, "INSERT INTO work (name, n) VALUES (?, ?)", &values).await;
        }
        self.run(session, "SELECT id, name, n FROM work ORDER BY id").await;
        let values = [Given::Null, Given::Real(1.25), text("😀"), Given::Bytes(b"\0\xff'\\".to_vec())];
        self.run_prepared(session, "SELECT ?, ?, ?, ?", &values).await;
        self.run(session, "DELETE FROM work").await;
    }

    async fn transactions(&mut self, session: &mut impl Session, other: &mut impl Session) {
        let add = |name: &str| format!("INSERT INTO work (name) VALUES ('{name}')");
        let count = "SELECT COUNT(*) FROM work";
        for sql in ["START TRANSACTION", &add("committed"), count] {
            self.run(session, sql).await;
        }
        self.run(other, count).await;
        self.run(session, "COMMIT").await;
        self.run(other, count).await;
        for sql in ["BEGIN", &add("rolled back"), "SAVEPOINT s", &add("past it"), "ROLLBACK TO SAVEPOINT s", count] {
            self.run(session, sql).await;
        }
        for sql in ["ROLLBACK", count, "SET autocommit = 0", &add("without autocommit")] {
            self.run(session, sql).await;
        }
        self.run(other, count).await;
        for sql in ["ROLLBACK", &add("kept"), "COMMIT", "SET autocommit = 1", "BEGIN"] {
            self.run(session, sql).await;
        }
        self.run(session, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE").await;
        self.run(other, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT").await;
        // One that fails inside a transaction leaves the transaction open.
        for sql in ["SELECT * FROM missing", &add("after the error"), "COMMIT"] {
            self.run(session, sql).await;
        }
        self.run(other, "SELECT name FROM work ORDER BY name").await;
        self.run(session, "DELETE FROM work").await;
    }

    async fn big(&mut self, session: &mut impl Session) {
        let insert = "INSERT INTO big VALUES (?, ?, ?)";
        let (text, bytes) = ("großer Text 😀 ".repeat(200_000), (0..=255).collect::<Vec<u8>>().repeat(8_000));
        self.run_prepared(session, insert, &[Given::Number(1), Given::Text(text), Given::Bytes(bytes)]).await;
        let short = [Given::Number(2), Given::Text("x".repeat(70_000)), Given::Bytes(vec![0xff; 300_000])];
        self.run_prepared(session, insert, &short).await;
        self.run(session, "SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id").await;
        self.run(session, "SELECT * FROM big ORDER BY id").await;
        self.run_prepared(session, "SELECT t FROM big WHERE id = ?", &[Given::Number(1)]).await;
        // More rows than a buffer holds.
        let rows = "SELECT a.id, REPEAT('r', 5000) FROM types a, types b, types c ORDER BY a.id, b.id, c.id";
        self.run(session, rows).await;
    }

    async fn ends<S: Session>(&mut self, login: &Login) {
        let password = Login { password: "wrong".into(), ..login.clone() };
        let database = Login { database: "missing_database".into(), ..login.clone() };
        for wrong in [password, database] {
            let told = S::open(&wrong).await.map(|_| vec!["logged in".to_owned()]);
            self.say(told);
        }
        let mut session = S::open(login).await.unwrap();
        // Which error a dead connection gives depends on how far its end has come.
        let told = [session.text("KILL CONNECTION_ID()").await, session.text("SELECT 1").await];
        writeln!(self.said, "{}", if told.iter().any(Result::is_err) { "gone" } else { "alive after KILL" }).unwrap();
        drop(session);
        let mut session = S::open(login).await.unwrap();
        self.run(&mut session, "SELECT 'back'").await;
        let told = session.more(login).await;
        self.say(Ok(told));
        session.close().await;
    }
}
