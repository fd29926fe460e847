//! Asking a server what it is: whether it takes writes, whether its cluster lets it serve, how far it is behind.

mod cluster;
mod lag;

use std::rc::Rc;
use std::sync::Arc;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::command::Command;
use greenroom_protocol::flavor::Flavor;
use tokio::time::timeout;

use self::cluster::{GALERA, GROUP, Word};
use self::lag::APPLIER;
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

/// Who is read-only to ordinary accounts, or altogether as a cloud's replicas are, takes no writes. A Galera member that may not
/// serve answers this all the same (measured).
const VARIABLES: &[u8] =
    b"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'innodb_read_only', 'offline_mode', \
    'wsrep_on', 'wsrep_reject_queries', 'group_replication_group_name', 'group_replication_single_primary_mode')";

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
    let place = account.quotas.of(node.index).enter();
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
    let start = Start::Open { permit: node.beside(), place, blueprint: Box::new(blueprint) };
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
    for sql in questions(flavor, lag) {
        batch.add(Command::Query, sql);
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

/// All of them in one write; what a server knows nothing of it refuses, or answers by no rows.
fn questions(flavor: Flavor, lag: bool) -> impl Iterator<Item = &'static [u8]> {
    let mysql = flavor == Flavor::MySql;
    let asked: [(bool, &[u8]); 5] =
        [(true, VARIABLES), (true, GALERA), (mysql, GROUP), (lag, lag::sources(flavor)), (lag && mysql, APPLIER)];
    asked.into_iter().filter(|(asked, _)| *asked).map(|(_, sql)| sql)
}

fn read(answers: &[Answer], flavor: Flavor, lag: bool) -> Option<Report> {
    let mut answers = answers.iter();
    let mysql = flavor == Flavor::MySql;
    let variables = rows(answers.next())?;
    let galera = cluster::galera(variables, answers.next());
    let group = if mysql { cluster::group(variables, answers.next()) } else { None };
    let is_member = group.is_some();
    let Word { cluster, unfit, outside, secondary, blind } = galera.or(group).unwrap_or_default();
    let replication = lag.then(|| {
        let followed = lag::followed(answers.next(), flavor);
        let applied = if mysql { lag::applied(answers.next()) } else { Replication::Source };
        match followed {
            Replication::Source | Replication::Hidden if is_member => applied,
            followed => followed,
        }
    });
    let switches: Vec<_> = ["read_only", "innodb_read_only"].map(|name| named(variables, name)).into();
    // Every server has the first.
    switches.first()?.as_ref()?;
    let off = |switch: &String| is_off(Some(switch.as_bytes()));
    let writable = switches.iter().flatten().all(off) && !secondary;
    // The monitor's account may be one of those that it lets in all the same.
    let offline = named(variables, "offline_mode").filter(|mode| !off(mode)).map(|_| "offline_mode is ON".to_owned());
    Some(Report {
        writable,
        outside: outside && offline.is_none(),
        unfit: unfit.or(offline),
        cluster,
        blind,
        replication,
    })
}

fn rows(answer: Option<&Answer>) -> Option<&[Row]> {
    match answer {
        Some(Answer::Rows(rows)) => Some(rows),
        _ => None,
    }
}

/// The value of a variable, in an answer to `SHOW`.
fn named(rows: &[Row], name: &str) -> Option<String> {
    let called = |row: &&Row| row.first().is_some_and(|cell| cell.as_deref() == Some(name.as_bytes()));
    let cell = rows.iter().find(called)?.get(1)?.as_deref()?;
    Some(String::from_utf8_lossy(cell).into_owned())
}

/// Whether none of these switches is on.
pub(super) fn is_writable(switches: &[Option<Box<[u8]>>]) -> bool {
    switches.iter().all(|switch| is_off(switch.as_deref()))
}

/// MariaDB has more than two ways to be read-only, from 12.0 on, and names them.
fn is_off(switch: Option<&[u8]>) -> bool {
    matches!(switch, Some(b"0" | b"OFF"))
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::answer::{Answer, Row};
    use greenroom_protocol::error::SqlError;
    use greenroom_protocol::flavor::Flavor;

    use super::{is_writable, questions, read};

    /// `-` is NULL.
    pub(super) fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| Some(cell.as_bytes().into()).filter(|_| *cell != "-")).collect()
    }

    pub(super) fn answer(rows: &[&[&str]]) -> Answer {
        Answer::Rows(rows.iter().map(|cells| row(cells)).collect())
    }

    /// `ER_NO_SUCH_TABLE`.
    const NO_TABLE: u16 = 1146;

    fn refused() -> Answer {
        Answer::Failed(SqlError::new(NO_TABLE, *b"42S02", "no such table"))
    }

    #[test]
    fn every_way_to_be_read_only_counts() {
        assert!(is_writable(&row(&["0", "0"])) && is_writable(&row(&["OFF", "0"])));
        for switches in [["1", "0"], ["0", "1"], ["ON", "0"], ["NO_LOCK", "0"]] {
            assert!(!is_writable(&row(&switches)), "{switches:?}");
        }
    }

    #[test]
    fn what_a_server_knows_nothing_of_is_left_out() {
        let switches = |on| answer(&[&["read_only", on], &["innodb_read_only", "OFF"]]);
        for (flavor, lag) in
            [(Flavor::MySql, false), (Flavor::MySql, true), (Flavor::MariaDb, false), (Flavor::MariaDb, true)]
        {
            let count = questions(flavor, lag).count();
            let answers = |on| {
                let rest = std::iter::repeat_with(refused).take(count - 1);
                std::iter::once(switches(on)).chain(rest).collect::<Vec<_>>()
            };
            for on in ["ON", "OFF"] {
                let report = read(&answers(on), flavor, lag).unwrap_or_default();
                assert_eq!((report.writable, report.unfit, report.cluster), (on == "OFF", None, None));
                assert_eq!((report.replication.is_some(), report.blind), (lag, false));
            }
        }
        assert_eq!(read(&[refused()], Flavor::MariaDb, false), None);
        assert_eq!(read(&[answer(&[])], Flavor::MariaDb, false), None);
    }

    #[test]
    fn a_groups_secondary_takes_no_writes_even_where_it_would() {
        let variables = answer(&[&["read_only", "OFF"], &["group_replication_group_name", "g"]]);
        let members = |role| answer(&[&["1", "ONLINE", role]]);
        let writable = |role| {
            let answers = [variables.clone(), answer(&[]), members(role)];
            read(&answers, Flavor::MySql, false).is_some_and(|report| report.writable)
        };
        assert!(writable("PRIMARY") && !writable("SECONDARY"));
    }
}
