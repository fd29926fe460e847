//! Rows that say what pins, and until when.

use greenroom::demo::server::Server;

use super::{
    session::Session,
    support::bench::{Bench, soon},
    table::{Held, Row, Step},
};

/// What comes after something that pins to the end, and must not end it.
const AFTER: [&str; 2] = ["DO 0", "SELECT COUNT(*) FROM t"];

/// The reasons that stand for the vendors' seven operations.
const VENDORS: [&str; 10] = [
    "prepared_statement",
    "sql_prepare",
    "temporary_table",
    "user_variable",
    "large_packet",
    "table_lock",
    "global_read_lock",
    "instance_lock",
    "multi_statement",
    "call",
];

/// Plays the rows in one pinning mode; gives a line for each that is not as it says.
pub(super) fn play(server: &Server, mode: &str, rows: &[Row]) -> Vec<String> {
    let mut bench = Bench::new(server, mode);
    let mut wrong = Vec::new();
    for row in rows {
        let mut session = Session::new(bench.proxy.address(), &bench.tenant.name);
        let before = bench.server_ids();
        let played = play_row(&mut bench, &mut session, row, mode);
        session.quit();
        let freed = if bench.becomes_free() { Ok(()) } else { Err("held after its session's end".to_owned()) };
        let closed = is_closed_as_due(&bench, row, mode, &before);
        wrong.extend(played.and(freed).and(closed).err().map(|why| format!("{}: {why}", row.what)));
    }
    wrong
}

/// What the vendors' proxies pin for takes its connection with it in strict mode.
fn is_closed_as_due(bench: &Bench, row: &Row, mode: &str, before: &[String]) -> Result<(), String> {
    let Held::ToTheEnd(reason) = row.held(mode) else { return Ok(()) };
    if mode != "strict" || !VENDORS.contains(&reason.as_str()) {
        return Ok(());
    }
    let is_closed = soon(|| bench.server_ids() != before);
    if is_closed { Ok(()) } else { Err("the connection was returned".into()) }
}

fn play_row(bench: &mut Bench, session: &mut Session, row: &Row, mode: &str) -> Result<(), String> {
    for step in &row.steps {
        session.play(step)?;
    }
    match row.held(mode) {
        Held::No => is_free(bench, "at once"),
        Held::ToTheEnd(reason) => {
            is_held(bench, Some(&reason), "at once")?;
            for text in AFTER {
                session.play(&Step { text: text.into(), fails: false })?;
            }
            is_held(bench, Some(&reason), "later")
        }
        Held::Until(reason, ends) => {
            is_held(bench, reason.as_deref(), "at once")?;
            let (last, others) = ends.split_last().ok_or("nothing ends it")?;
            for step in others {
                session.play(step)?;
                if !bench.is_held() {
                    return Err(format!("not held, {}", step.text));
                }
            }
            session.play(last)?;
            is_free(bench, &last.text)
        }
    }
}

fn is_held(bench: &mut Bench, reason: Option<&str>, when: &str) -> Result<(), String> {
    if !bench.is_held() {
        return Err(format!("not held, {when}"));
    }
    let is_shown = match reason {
        Some(reason) => soon(|| bench.pinned(reason) > 0.0),
        None => soon(|| bench.shown().is_empty()),
    };
    if is_shown { Ok(()) } else { Err(format!("held for {:?}, not for {reason:?}, {when}", bench.shown())) }
}

fn is_free(bench: &mut Bench, when: &str) -> Result<(), String> {
    // What has no reply may not have been seen by the proxy yet.
    if bench.becomes_free() { Ok(()) } else { Err(format!("held for {:?}, {when}", bench.shown())) }
}
