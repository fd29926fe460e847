//! Rows that say which answers are those of a connection of one's own.

use greenroom::demo::server::Server;

use super::{
    session::{Session, is_busy},
    support::{
        bench::{Bench, fill},
        servers::Tenant,
        wire::Reply,
    },
    table::Row,
};

/// What another session does between any two statements of the row's, on the same connection if that is free.
const BETWEEN: [&str; 4] = [
    "INSERT INTO {db}.t (tag) VALUES ('o'), ('p')",
    "SELECT 1 UNION SELECT 2 UNION SELECT 3",
    "DELETE FROM {db}.t WHERE tag IN ('o', 'p')",
    "SELECT 0 FROM (SELECT 0) nothing",
];

/// The other session's own state: whatever a row sets and asks for is something else here.
const OTHER: [&str; 4] = [
    "SET NAMES latin1, time_zone = '-07:30', sql_mode = 'ANSI_QUOTES', SESSION group_concat_max_len = 99",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    "SET collation_connection = latin1_bin, lock_wait_timeout = 44",
    "USE information_schema",
];

/// So often a row is played at most where a busy machine keeps it from its only connection.
const ATTEMPTS: usize = 5;

/// A session, and another one that comes in between.
struct Pair {
    one: Session,
    other: Session,
}

/// Plays the rows in one pinning mode; gives a line for each that is not as it says.
pub(super) fn play(server: &Server, mode: &str, rows: &[Row]) -> Vec<String> {
    // A refusal is an error, which the next question may be about: time enough that only a pin is a reason for one.
    let bench = Bench::patient(server, mode, "600ms");
    let private = Tenant::new(server, "private");
    fill(server, &private);
    let mut wrong = Vec::new();
    for row in rows {
        let says = row.says(mode);
        let seen = (0..ATTEMPTS).map(|_| attempt(&bench, server, &private, row)).find(Result::is_ok);
        let seen = seen.unwrap_or_else(|| attempt(&bench, server, &private, row));
        if seen.as_deref() != Ok(says) {
            wrong.push(format!("{}: {seen:?} where it says {says:?}", row.what));
        }
    }
    let shared = bench.proxy.metrics().sum("greenroom_leases_total", &["found=\"other\""]);
    assert!(mode == "strict" || shared > 10.0, "only {shared} leases came between");
    wrong
}

/// Plays a row with fresh sessions.
fn attempt(bench: &Bench, server: &Server, private: &Tenant, row: &Row) -> Result<String, String> {
    let mut pairs = [(bench.proxy.address(), &bench.tenant), (server.address(), private)].map(|(address, tenant)| {
        let [mut other, one] = [(); 2].map(|()| Session::new(address, &tenant.name));
        for sql in OTHER {
            assert!(!is_busy(&other.patiently(sql).unwrap()), "{sql}: no connection");
        }
        Pair { one, other }
    });
    let seen = outcome(&mut pairs, row);
    for pair in pairs {
        pair.one.quit();
        pair.other.quit();
    }
    seen
}

/// What is to be said of a row: `exact`, `error N` or `differs`.
fn outcome([proxied, direct]: &mut [Pair; 2], row: &Row) -> Result<String, String> {
    for step in &row.steps {
        proxied.one.play(step)?;
        direct.one.play(step)?;
        interleave(proxied, direct)?;
    }
    let mut outcome = "exact".to_owned();
    for step in &row.asked {
        let ours = proxied.one.answers(&step.text).map_err(|error| error.to_string())?;
        if is_busy(&ours) {
            return Err(format!("no connection for {}", step.text));
        }
        let theirs = direct.one.answers(&step.text).map_err(|error| error.to_string())?;
        let [seen, due] = [&ours, &theirs].map(|replies| replies.iter().map(told).collect::<Vec<_>>());
        if seen != due {
            println!("{}: {}: {seen:?}, directly {due:?}", row.what, step.text);
            outcome = match ours.as_slice() {
                [Reply::Err(error)] => format!("error {}", error.code),
                _ => "differs".to_owned(),
            };
        }
        interleave(proxied, direct)?;
    }
    Ok(outcome)
}

/// The other session's turn, unless it is refused the only connection: then its twin does nothing either.
fn interleave(proxied: &mut Pair, direct: &mut Pair) -> Result<(), String> {
    for sql in BETWEEN {
        let answer = proxied.other.answers(sql).map_err(|error| error.to_string())?;
        match answer.as_slice() {
            refused if is_busy(refused) => return Ok(()),
            [Reply::Err(error)] => return Err(format!("another session's {sql}: {error}")),
            _ => direct.other.answers(sql).map_err(|error| error.to_string())?,
        };
    }
    Ok(())
}

/// What a client makes of a reply.
fn told(reply: &Reply) -> String {
    match reply {
        Reply::Ok(ok) => format!("{} rows, id {}, {} warnings", ok.affected_rows, ok.last_insert_id, ok.warnings),
        Reply::Err(error) => format!("error {}", error.code),
        Reply::Rows(rows) => format!("{:?}, {} warnings", rows.rows, rows.end.warnings),
        Reply::Infile(file) => format!("asks for {file}"),
    }
}
