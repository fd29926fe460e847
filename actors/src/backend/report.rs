//! Asking a server what it is: whether it takes writes, whether its cluster lets it serve, how far it is behind.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::command::Command;
use greenroom_protocol::flavor::Flavor;
use tokio::time::timeout;

use super::connect::{Blueprint, Start, begin};
use super::exchange::Batch;
use crate::account::Account;
use crate::end::BackendEnd;
use crate::local::Local;
use crate::node::Node;
use crate::pool::Refusal;
use crate::role::{Replication, Report};
use crate::settings::PoolMode;
use crate::wire::Wire;

/// Whether it takes writes: who is read-only to ordinary accounts, or altogether as a cloud's replicas are, does not.
const READ_ONLY: &[u8] = b"SELECT @@GLOBAL.read_only, @@GLOBAL.innodb_read_only";

/// Galera's word; no rows where a server knows nothing of it. A server that was built for it and does not use it has all but
/// `wsrep_on` (measured).
const GALERA: [&[u8]; 2] = [
    b"SHOW GLOBAL VARIABLES LIKE 'wsrep_on'",
    b"SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status')",
];

/// Group replication's word of this member. An ordinary account may not ask (measured), and need not: members that are
/// no primary are read-only.
const GROUP: &[u8] = b"SELECT MEMBER_STATE, MEMBER_ROLE FROM performance_schema.replication_group_members \
    WHERE MEMBER_ID = @@server_uuid";

/// Where `Seconds_Behind_…` stands in a row of a replica's status; new columns have always come behind it.
const SECONDS_BEHIND: usize = 32;

/// MariaDB's list of all sources has two more columns in front.
const ALL_SOURCES: usize = 2;

/// The server's word has no more rows than this; a replica may have several sources.
const ROWS: usize = 256;

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The server's word, and the connection for the next time.
    Report(Report, Box<Wire>),
    /// It answers, and does not let the account in.
    Refused(String),
    /// It does not answer.
    Silent(String),
}

/// Asks a node over the connection of last time, or a new one.
pub(crate) async fn ask(node: Arc<Node>, account: Arc<Account>, line: Option<Box<Wire>>, lag: bool) -> Heard {
    if let Some(line) = line
        && let Heard::Report(report, line) = question(&node, line, lag).await
    {
        return Heard::Report(report, line);
    }
    let blueprint = Blueprint {
        account,
        database: None,
        collation: 0,
        capabilities: Capabilities::NONE,
        attributes: None,
        // Greenroom speaks for itself.
        route: None,
        gtids: false,
        mode: PoolMode::None,
    };
    let start = Start::Open { permit: node.beside(), blueprint: Box::new(blueprint) };
    match begin(start, Rc::clone(&Local::here())).await {
        Ok(line) => question(&node, line, lag).await,
        Err((BackendEnd::Refused, refusal)) => Heard::Refused(refusal.to_string()),
        // One that is full answers.
        Err((_, Refusal::Server(error))) if error.code == 1040 => Heard::Refused(error.message),
        Err((_, refusal)) => Heard::Silent(refusal.to_string()),
    }
}

async fn question(node: &Node, mut line: Box<Wire>, lag: bool) -> Heard {
    let flavor = node.facts().map_or(Flavor::MySql, |facts| facts.flavor);
    let mut batch = Batch::new(line.card.capabilities).rows(ROWS);
    batch.add(Command::Query, READ_ONLY);
    for galera in GALERA {
        batch.add(Command::Query, galera);
    }
    if flavor == Flavor::MySql {
        batch.add(Command::Query, GROUP);
    }
    if lag {
        let status: &[u8] = if flavor == Flavor::MySql { b"SHOW REPLICA STATUS" } else { b"SHOW ALL SLAVES STATUS" };
        batch.add(Command::Query, status);
    }
    let limit = node.settings().connect_timeout;
    match timeout(limit, batch.run(&mut line.stream)).await {
        Ok(Ok(outcome)) => match read(&outcome.answers, flavor, lag) {
            Some(report) => Heard::Report(report, line),
            None => Heard::Refused("the server does not say whether it is read-only".to_owned()),
        },
        Ok(Err(error)) => Heard::Silent(error.to_string()),
        Err(_) => Heard::Silent(format!("no answer within {limit:?}")),
    }
}

fn read(answers: &[Answer], flavor: Flavor, lag: bool) -> Option<Report> {
    let mut answers = answers.iter();
    let writable = is_writable(rows(answers.next()?)?.first()?);
    let galera = cluster(rows(answers.next()?), rows(answers.next()?));
    let group = if flavor == Flavor::MySql { group(rows(answers.next()?)) } else { None };
    let replication = if lag { Some(replication(rows(answers.next()?), flavor)) } else { None };
    Some(Report { writable, unfit: galera.or(group), replication })
}

fn rows(answer: &Answer) -> Option<&[Row]> {
    match answer {
        Answer::Rows(rows) => Some(rows),
        _ => None,
    }
}

/// Whether none of these switches is on. MariaDB has more than two ways to be read-only, from 12.0 on, and names them.
pub(super) fn is_writable(switches: &[Option<Box<[u8]>>]) -> bool {
    switches.iter().all(|switch| matches!(switch.as_deref(), Some(b"0" | b"OFF")))
}

fn cluster(on: Option<&[Row]>, status: Option<&[Row]>) -> Option<String> {
    let value = |rows: Option<&[Row]>, name: &str| {
        let named = |row: &&Row| row.first().is_some_and(|cell| cell.as_deref() == Some(name.as_bytes()));
        let cell = rows?.iter().find(named)?.get(1)?.as_deref()?;
        Some(String::from_utf8_lossy(cell).into_owned())
    };
    value(on, "wsrep_on").filter(|on| on == "ON")?;
    for (name, good) in [("wsrep_ready", "ON"), ("wsrep_cluster_status", "Primary")] {
        match value(status, name) {
            Some(said) if said == good => {}
            said => return Some(format!("{name} is {}", said.as_deref().unwrap_or("not there"))),
        }
    }
    None
}

fn group(members: Option<&[Row]>) -> Option<String> {
    let state = members?.first()?.first()?.as_deref()?;
    // One whose group replication was never begun is a server like any other.
    (!matches!(state, b"ONLINE" | b"OFFLINE")).then(|| format!("group replication: {}", String::from_utf8_lossy(state)))
}

fn replication(sources: Option<&[Row]>, flavor: Flavor) -> Replication {
    let Some(sources) = sources else { return Replication::Hidden };
    let place = if flavor == Flavor::MySql { SECONDS_BEHIND } else { SECONDS_BEHIND + ALL_SOURCES };
    let seconds = |row: &Row| {
        let cell = std::str::from_utf8(row.get(place)?.as_deref()?).ok()?;
        cell.parse().ok().map(Duration::from_secs)
    };
    let lags: Option<Vec<Duration>> = sources.iter().map(seconds).collect();
    match lags {
        Some(lags) => lags.into_iter().max().map_or(Replication::Source, Replication::Behind),
        None => Replication::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::{cluster, group, is_writable};

    type Row = Vec<Option<Box<[u8]>>>;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| Some(cell.as_bytes().into())).collect()
    }

    #[test]
    fn every_way_to_be_read_only_counts() {
        assert!(is_writable(&row(&["0", "0"])) && is_writable(&row(&["OFF", "0"])));
        for switches in [["1", "0"], ["0", "1"], ["ON", "0"], ["NO_LOCK", "0"]] {
            assert!(!is_writable(&row(&switches)), "{switches:?}");
        }
    }

    #[test]
    fn a_cluster_member_serves_when_it_is_ready_and_in_the_primary_part() {
        let unused = [row(&["wsrep_ready", "OFF"]), row(&["wsrep_cluster_status", "Disconnected"])];
        assert_eq!(cluster(Some(&[row(&["wsrep_on", "OFF"])]), Some(&unused)), None);
        assert_eq!(cluster(Some(&[]), Some(&[])), None);
        let on = [row(&["wsrep_on", "ON"])];
        let said = cluster(Some(&on), Some(&unused));
        assert_eq!(said.as_deref(), Some("wsrep_ready is OFF"));
        let good = [row(&["wsrep_ready", "ON"]), row(&["wsrep_cluster_status", "Primary"])];
        assert_eq!(cluster(Some(&on), Some(&good)), None);
        let parted = [row(&["wsrep_ready", "ON"]), row(&["wsrep_cluster_status", "non-Primary"])];
        assert_eq!(cluster(Some(&on), Some(&parted)).as_deref(), Some("wsrep_cluster_status is non-Primary"));
    }

    #[test]
    fn a_group_member_serves_when_it_is_online_or_in_no_group() {
        assert_eq!(group(None), None);
        assert_eq!(group(Some(&[])), None);
        assert_eq!(group(Some(&[row(&["ONLINE", "SECONDARY"])])), None);
        assert_eq!(group(Some(&[row(&["OFFLINE", ""])])), None);
        assert!(group(Some(&[row(&["RECOVERING", "SECONDARY"])])).is_some());
    }
}
