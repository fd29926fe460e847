//! The values of variables that many clients set, as a connection has them after login.

use greenroom_protocol::answer::Answer;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::state::Variable;
use greenroom_protocol::track::ClientTrackers;

/// Asked for by name and shown as trackers show them: numbers and texts as they are, switches as ON or OFF.
const VALUES: [&str; 5] = ["sql_mode", "time_zone", "wait_timeout", "net_write_timeout", "group_concat_max_len"];
const SWITCHES: [&str; 4] = ["autocommit", "foreign_key_checks", "unique_checks", "sql_safe_updates"];

/// The isolation level's name differs; MariaDB 11.1 took over MySQL's and keeps its own.
fn isolation(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => "transaction_isolation",
        Flavor::MariaDb => "tx_isolation",
    }
}

fn names(flavor: Flavor) -> impl Iterator<Item = &'static str> {
    VALUES.into_iter().chain(SWITCHES).chain([isolation(flavor)])
}

/// What tells a session's client of its state, where the client has not asked for another.
const TRACKERS: [&str; 4] = ["system_variables", "schema", "state_change", "transaction_info"];

/// The query.
pub(super) fn query(flavor: Flavor) -> String {
    let names: String = names(flavor).map(|name| format!("@@SESSION.{name},")).collect();
    let trackers: String = TRACKERS.iter().map(|name| format!("@@GLOBAL.session_track_{name},")).collect();
    // MariaDB has no such tracker.
    let (gtids, tells) = match flavor {
        Flavor::MySql => ("@@GLOBAL.session_track_gtids", "@@GLOBAL.log_bin AND @@GLOBAL.gtid_mode LIKE 'ON%'"),
        Flavor::MariaDb => ("NULL", "@@GLOBAL.log_bin"),
    };
    format!(
        "SELECT {names}{trackers}{gtids},{tells},@@GLOBAL.read_only,@@GLOBAL.innodb_read_only,@@GLOBAL.max_connections,\
         @@GLOBAL.max_prepared_stmt_count"
    )
}

/// What a fresh session's client hears, from the same answer.
pub(super) fn trackers(answer: Option<&Answer>, flavor: Flavor) -> Option<ClientTrackers> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    let mut cells = rows.first()?.iter().skip(names(flavor).count()).map(Option::as_deref);
    let values = [cells.next()?, cells.next()?, cells.next()?, cells.next()?, cells.next()?];
    Some(ClientTrackers::of_globals(flavor, values))
}

/// Whether every write of a session has a GTID, from the same answer.
pub(super) fn tells_gtids(answer: Option<&Answer>, flavor: Flavor) -> Option<bool> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    let at = names(flavor).count() + TRACKERS.len() + 1;
    Some(rows.first()?.get(at)?.as_deref() == Some(b"1"))
}

/// Whether the server takes writes, from the same answer.
pub(super) fn is_writable(answer: Option<&Answer>) -> Option<bool> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    let (_, [.., read_only, innodb, _, _]) = rows.first()?.split_first()? else { return None };
    Some(super::report::is_writable(&[read_only.clone(), innodb.clone()]))
}

/// How many connections the server allows, from the same answer.
pub(super) fn connection_limit(answer: Option<&Answer>) -> Option<usize> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    std::str::from_utf8(rows.first()?.iter().rev().nth(1)?.as_deref()?).ok()?.parse().ok()
}

/// How many prepared statements the server allows, from the same answer.
pub(super) fn statement_limit(answer: Option<&Answer>) -> Option<usize> {
    let Some(Answer::Rows(rows)) = answer else { return None };
    std::str::from_utf8(rows.first()?.last()?.as_deref()?).ok()?.parse().ok()
}

/// Its answer; nothing where the server does not know one of them, which costs a needless SET and no more.
pub(super) fn read(answer: Option<&Answer>, flavor: Flavor) -> Box<[Variable]> {
    let Some(Answer::Rows(rows)) = answer else { return Box::default() };
    let values = rows.first().map(Vec::as_slice).unwrap_or_default();
    names(flavor)
        .zip(values)
        .filter_map(|(name, value)| Some((name.as_bytes().into(), show(name, value.as_deref()?))))
        .collect()
}

fn show(name: &str, value: &[u8]) -> Box<[u8]> {
    match value {
        b"1" if SWITCHES.contains(&name) => (*b"ON").into(),
        b"0" if SWITCHES.contains(&name) => (*b"OFF").into(),
        value => value.into(),
    }
}
