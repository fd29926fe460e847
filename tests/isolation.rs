//! A random mix of sessions over few connections: each is told what its twin on the server itself is told, and every
//! row that a session sees carries its own tag.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::Server;
use support::{
    proxy::Setup,
    servers::each_server,
    twin::{CLEAR, Stage, Twin},
    wire::Reply,
};

const SESSIONS: usize = 12;
const CONNECTIONS: usize = 3;
const STEPS: usize = 400;
/// Names the seed of another run: that of one that failed, say.
const SEED: &str = "GREENROOM_SEED";

/// A sequence that looks random and is the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// What a session may do at any time, `#` being its tag and `%` a number that was never used before.
const ANY_TIME: &[&str] = &[
    "INSERT INTO t# (tag, v) VALUES (#, 'n%')",
    "INSERT INTO t# (tag, v) VALUES (#, 'n%'), (#, 'm%')",
    "UPDATE t# SET v = 'u%' WHERE tag = # LIMIT 1",
    "DELETE FROM t# WHERE tag = # ORDER BY v LIMIT 1",
    "SELECT tag, v FROM t# WHERE tag = # ORDER BY v",
    "SELECT #, COUNT(*), COALESCE(MAX(v), 'none') FROM t# WHERE tag = #",
    "SELECT #, @@time_zone, @@sql_mode, @@autocommit, DATABASE(), @@collation_connection, @@lock_wait_timeout",
    "SET time_zone = '+0#:%m'",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = DEFAULT",
    "SET NAMES latin1",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET lock_wait_timeout = 1%m, group_concat_max_len = 1%m",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SELECT CONCAT('#', \"%\")",
    "SELECT # FROM nosuch",
    "SELECT #, CAST('#x' AS SIGNED)",
    "SHOW WARNINGS",
    "SELECT LAST_INSERT_ID()",
    "SELECT #; SELECT % + #",
    "DO 0",
    "COMMIT",
];

/// What ends what an earlier step began, or begins it.
const TURNS: &[(&str, &str)] =
    &[("BEGIN", "COMMIT"), ("START TRANSACTION", "ROLLBACK"), ("SET autocommit = 0", "SET autocommit = 1")];

struct Session {
    twin: Twin,
    tag: usize,
    /// The statement that ends what is open.
    open: Option<&'static str>,
}

fn step(session: &mut Session, dice: &mut Dice, number: usize, holders: usize) -> String {
    let sql = match session.open {
        Some(end) if dice.roll(4) == 0 => {
            session.open = None;
            end
        }
        // Only so many may hold a connection that the others are not locked out.
        None if holders + 1 < CONNECTIONS && dice.roll(5) == 0 => {
            let (begin, end) = TURNS[dice.roll(TURNS.len())];
            session.open = Some(end);
            begin
        }
        _ => ANY_TIME[dice.roll(ANY_TIME.len())],
    };
    let minute = format!("{:02}", number % 60);
    sql.replace("%m", &minute).replace('#', &session.tag.to_string()).replace('%', &number.to_string())
}

/// Every first cell of what a session is told is its tag, where the statement asks for it.
fn check_tag(sql: &str, tag: usize, replies: &[Reply]) {
    let asks = sql.starts_with("SELECT tag") || sql.starts_with(&format!("SELECT {tag},"));
    for reply in replies {
        if let (Reply::Rows(rows), true) = (reply, asks) {
            for row in &rows.rows {
                assert_eq!(row[0].as_deref(), Some(tag.to_string().as_str()), "{sql}: somebody else's row");
            }
        }
    }
}

fn mix(server: &Server, seed: u64) {
    // A table for each: on a shared one, locks would make sessions wait for each other.
    let schema: Vec<String> = (1..=SESSIONS)
        .map(|tag| format!("CREATE TABLE t{tag} (id INT AUTO_INCREMENT PRIMARY KEY, tag INT, v VARCHAR(20))"))
        .collect();
    let schema: Vec<&str> = schema.iter().map(String::as_str).collect();
    let stage = Stage::new(server, "isolation", &schema);
    let proxy = Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {CONNECTIONS}")])
        .user(&stage.proxied.name, &stage.proxied.password)
        .start();
    let mut dice = Dice(seed);
    let mut sessions: Vec<Session> = (0..SESSIONS)
        .map(|tag| Session {
            twin: stage.twin(&proxy, server, &format!("session {}", tag + 1)),
            tag: tag + 1,
            open: None,
        })
        .collect();
    for number in 1..=STEPS {
        let holders = sessions.iter().filter(|session| session.open.is_some()).count();
        let session = &mut sessions[dice.roll(SESSIONS)];
        let was_open = session.open.is_some();
        let sql = step(session, &mut dice, number, holders);
        // Shown only when the test fails.
        println!("{number}: session {}: {sql}", session.tag);
        let replies = session.twin.same(&sql);
        check_tag(&sql, session.tag, &replies);
        if session.open.is_none() && (leaves_a_hold(&replies) || was_open) {
            // Those of within a transaction are still there after its end.
            session.twin.same("SHOW WARNINGS");
            session.twin.same(CLEAR);
        }
    }
    for session in &mut sessions {
        session.twin.same(session.open.unwrap_or("COMMIT"));
        session.twin.same(CLEAR);
    }
    let metrics = proxy.metrics();
    let opened = metrics.sum("greenroom_backend_opens_total", &[]);
    assert!(opened >= 1.0 && metrics.sum("greenroom_adapts_total", &[]) > 10.0, "nothing was shared");
}

/// Warnings and errors hold a connection until the next statement.
fn leaves_a_hold(replies: &[Reply]) -> bool {
    replies.iter().any(|reply| match reply {
        Reply::Ok(ok) => ok.warnings > 0,
        Reply::Rows(rows) => rows.end.warnings > 0,
        _ => true,
    })
}

#[test]
fn nobody_can_tell_that_there_are_others() {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = given.map_or_else(|| vec![1, 20_261_121, u64::from(std::process::id())], |seed| vec![seed]);
    for seed in seeds {
        each_server(|server| {
            println!("{SEED}={seed}");
            mix(server, seed);
        });
    }
}
