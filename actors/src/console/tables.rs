//! The console's tables: their columns, and how their rows come about.

use std::time::Duration;

use greenroom_protocol::answer::Row;
use greenroom_protocol::table::{Kind, Table};
use rustc_hash::FxHashMap;

use super::advice;
use super::gather::{self, node_name, of_endpoint};
use super::office::Office;
use super::status::{endpoint_words, mode_word, of_node, role_word};
use crate::credentials::Listed;
use crate::node::Node;
use crate::pool::{PoolView, ShownPool};
use crate::session::{Attendee, Headcount, Place};
use crate::settings::{Pinning, PoolMode};
use crate::sluice::Sluice;
use crate::stage::Stage;

use Kind::{Count, Real, Text};

/// A table and its columns.
type Definition = (&'static str, &'static [(&'static str, Kind)]);

/// Every table. What the columns mean, and their units, is in docs/console.md.
pub(super) const TABLES: [Definition; 14] = [
    (
        "pools",
        &[
            ("node", Text),
            ("user", Text),
            ("server_user", Text),
            ("mode", Text),
            ("opening", Count),
            ("idle", Count),
            ("leased", Count),
            ("cleaning", Count),
            ("waiting", Count),
            ("longest_wait_seconds", Real),
        ],
    ),
    (
        "clients",
        &[
            ("id", Count),
            ("user", Text),
            ("host", Text),
            ("endpoint", Text),
            ("database", Text),
            ("state", Text),
            ("seconds", Real),
            ("node", Text),
            ("server_id", Count),
            ("pins", Text),
        ],
    ),
    (
        "backends",
        &[
            ("id", Text),
            ("node", Text),
            ("server_id", Count),
            ("user", Text),
            ("mode", Text),
            ("state", Text),
            ("age_seconds", Real),
            ("idle_seconds", Real),
            ("client", Count),
        ],
    ),
    (
        "nodes",
        &[
            ("name", Text),
            ("address", Text),
            ("role", Text),
            ("health", Text),
            ("traffic", Text),
            ("lagging", Text),
            ("connections", Count),
            ("max_connections", Count),
            ("idle", Count),
            ("leased", Count),
            ("waiting", Count),
            ("version", Text),
            ("fault", Text),
        ],
    ),
    (
        "fleet",
        &[
            ("instance", Count),
            ("own", Text),
            ("host", Text),
            ("pid", Count),
            ("node", Text),
            ("share", Count),
            ("max_connections", Count),
        ],
    ),
    (
        "endpoints",
        &[
            ("name", Text),
            ("listen", Text),
            ("access", Text),
            ("pool", Text),
            ("pinning", Text),
            ("nodes", Text),
            ("traffic", Text),
            ("clients", Count),
            ("waiting", Count),
            ("lease_timeout_seconds", Real),
            ("idle_timeout_seconds", Real),
        ],
    ),
    ("users", &[("name", Text), ("source", Text), ("known_by", Text), ("server_user", Text), ("clients", Count)]),
    (
        "pins",
        &[
            ("client", Count),
            ("user", Text),
            ("endpoint", Text),
            ("node", Text),
            ("server_id", Count),
            ("reason", Text),
            ("seconds", Real),
            ("until", Text),
            ("remedy", Text),
            ("statement", Text),
        ],
    ),
    ("advice", advice::COLUMNS),
    ("causes", advice::CAUSES),
    (
        "queries",
        &[
            ("shape", Text),
            ("endpoint", Text),
            ("user", Text),
            ("database", Text),
            ("count", Count),
            ("errors", Count),
            ("rows_returned", Count),
            ("rows_affected", Count),
            ("total_seconds", Real),
            ("mean_seconds", Real),
            ("p99_seconds", Real),
            ("max_seconds", Real),
            ("wait_seconds", Real),
            ("max_wait_seconds", Real),
            ("pins", Count),
            ("pin_reasons", Text),
            ("last_seconds", Real),
        ],
    ),
    ("stats", &[("name", Text), ("labels", Text), ("value", Real)]),
    ("config", &[("key", Text), ("value", Text), ("source", Text)]),
    ("version", &[("name", Text), ("value", Text)]),
];

/// The names of all tables.
pub(super) fn names() -> Vec<&'static str> {
    TABLES.iter().map(|(name, _)| *name).collect()
}

/// The table of that name, filled; empty where there is none of that name.
pub(super) async fn fill(name: &str, stage: &Stage, office: &dyn Office) -> Table {
    let columns = TABLES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, columns)| columns);
    let mut table = Table::new(name, columns);
    table.rows = match name {
        "stats" => office.samples().into_iter().map(|it| row([of(it.name), of(it.labels), of(it.value)])).collect(),
        "config" => {
            office.configuration().into_iter().map(|it| row([of(it.key), of(it.value), of(it.source)])).collect()
        }
        "version" => office.version().into_iter().map(|(name, value)| row([of(name), of(value)])).collect(),
        "pools" => pools(stage, &gather::pools(stage).await.0),
        "clients" => clients(stage, &gather::clients(stage).await),
        "backends" => backends(stage, &gather::pools(stage).await.0, &gather::clients(stage).await),
        "nodes" => nodes(stage, &gather::pools(stage).await.0),
        "fleet" => fleet(stage),
        "endpoints" => endpoints(stage, &gather::headcount(stage).await.0),
        "users" => users(stage, &gather::clients(stage).await),
        "advice" => advice::rows(stage).await,
        "causes" => advice::causes(stage).await,
        "pins" => pins(stage, &gather::clients(stage).await),
        "queries" => super::queries::rows(stage).await,
        _ => Vec::new(),
    };
    table
}

/// A cell.
pub(super) type Cell = Option<Box<[u8]>>;

pub(super) fn row<const N: usize>(cells: [Cell; N]) -> Row {
    cells.into()
}

pub(super) fn of(value: impl ToString) -> Cell {
    Some(value.to_string().into_bytes().into())
}

pub(super) fn maybe(value: Option<impl ToString>) -> Cell {
    value.and_then(of)
}

pub(super) fn bytes(value: &[u8]) -> Cell {
    Some(String::from_utf8_lossy(value).into_owned().into_bytes().into())
}

/// Seconds, to the millisecond.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn pools(stage: &Stage, view: &PoolView) -> Vec<Row> {
    let nodes = stage.nodes();
    let mut pools: Vec<ShownPool> = Vec::new();
    for pool in &view.pools {
        let same = |known: &&mut ShownPool| {
            (known.node, known.account.id, known.mode) == (pool.node, pool.account.id, pool.mode)
        };
        // The same pool of another worker.
        match pools.iter_mut().find(same) {
            Some(known) => {
                known.counts.iter_mut().zip(pool.counts).for_each(|(sum, count)| *sum += count);
                known.waiting += pool.waiting;
                known.longest = known.longest.max(pool.longest);
            }
            None => pools.push(pool.clone()),
        }
    }
    pools.sort_by(|one, other| (one.node, &one.account.user).cmp(&(other.node, &other.account.user)));
    let rows = pools.iter().map(|pool| {
        let [opening, idle, leased, cleaning] = pool.counts;
        row([
            of(node_name(&nodes, pool.node)),
            bytes(&pool.account.user),
            bytes(&pool.account.backend_user),
            of(mode_word(pool.mode)),
            of(opening),
            of(idle),
            of(leased),
            of(cleaning),
            of(pool.waiting),
            of(seconds(pool.longest)),
        ])
    });
    rows.collect()
}

/// What a session is doing, in a word.
fn state(client: &Attendee) -> &'static str {
    match (client.account.is_some(), client.place) {
        (false, _) => "login",
        _ if client.is_held => "paused",
        (_, Place::Waiting) => "waiting",
        _ if client.is_running => "active",
        _ if client.is_open => "in transaction",
        _ => "idle",
    }
}

fn clients(stage: &Stage, all: &[Attendee]) -> Vec<Row> {
    let nodes = stage.nodes();
    let rows = all.iter().map(|client| {
        let lease = client.place.lease();
        let pins: Vec<_> = client.pins.iter().map(|pin| pin.reason.name()).collect();
        row([
            of(client.id),
            client.user().and_then(bytes),
            of(client.host()),
            of(&client.endpoint.settings.name),
            client.database().and_then(bytes),
            of(state(client)),
            maybe(client.since.map(|since| seconds(since.elapsed()))),
            maybe(lease.map(|(node, _)| node_name(&nodes, node))),
            maybe(lease.map(|(_, thread_id)| thread_id)),
            of(pins.join(",")),
        ])
    });
    rows.collect()
}

fn backends(stage: &Stage, view: &PoolView, all: &[Attendee]) -> Vec<Row> {
    let nodes = stage.nodes();
    let holders: FxHashMap<_, _> = all.iter().filter_map(|client| Some((client.place.lease()?, client.id))).collect();
    let holder = |node: u16, thread_id: Option<u32>| thread_id.and_then(|id| holders.get(&(node, id)));
    let rows = view.backends.iter().map(|backend| {
        row([
            of(format!("{}.{}", backend.id.shard, backend.id.slot)),
            of(node_name(&nodes, backend.node)),
            maybe(backend.thread_id),
            bytes(&backend.account.backend_user),
            of(mode_word(backend.mode)),
            of(backend.doing.name()),
            of(seconds(backend.age)),
            maybe(backend.idle.map(seconds)),
            maybe(holder(backend.node, backend.thread_id)),
        ])
    });
    rows.collect()
}

/// Whether something takes traffic, in a word.
pub(super) fn traffic(sluice: &Sluice) -> &'static str {
    match (sluice.is_closed(), sluice.is_drained()) {
        (false, false) => "open",
        (true, false) => "paused",
        (false, true) => "drained",
        (true, true) => "paused, drained",
    }
}

/// Whether a node answers, in a word.
pub(super) fn health(node: &Node) -> &'static str {
    match (node.is_up(), node.facts().is_some()) {
        (false, _) => "down",
        (true, false) => "unknown",
        (true, true) => "up",
    }
}

fn nodes(stage: &Stage, view: &PoolView) -> Vec<Row> {
    let rows = stage.nodes().into_iter().map(|node| {
        let settings = node.settings();
        let (idle, leased, waiting) = of_node(view, node.index);
        row([
            of(&settings.name),
            of(&settings.address),
            of(role_word(node.role())),
            of(health(&node)),
            of(traffic(&node.sluice)),
            of(if node.is_lagging() { "yes" } else { "no" }),
            of(node.sockets()),
            of(node.limit()),
            of(idle),
            of(leased),
            of(waiting),
            maybe(node.facts().map(|facts| facts.version.clone())),
            maybe((!node.is_up()).then(|| node.fault())),
        ])
    });
    rows.collect()
}

fn fleet(stage: &Stage) -> Vec<Row> {
    let Some(fleet) = stage.fleet() else { return Vec::new() };
    let own = |instance| if instance == fleet.number() { "yes" } else { "no" };
    let rows = fleet.shown().into_iter().map(|it| {
        row([
            of(it.instance),
            of(own(it.instance)),
            of(it.host),
            of(it.process),
            of(it.node),
            of(it.held),
            of(it.whole),
        ])
    });
    rows.collect()
}

fn endpoints(stage: &Stage, heads: &Headcount) -> Vec<Row> {
    let rows = stage.endpoints().into_iter().map(|endpoint| {
        let settings = &endpoint.settings;
        let (access, pool) = endpoint_words(settings);
        let counts = of_endpoint(heads, &settings.name);
        let names: Vec<_> = endpoint.nodes.iter().map(|node| node.settings().name.clone()).collect();
        row([
            of(&settings.name),
            of(&settings.listen),
            of(access),
            of(pool),
            of(match settings.pinning {
                Pinning::Tracked => "tracked",
                Pinning::Strict => "strict",
            }),
            of(names.join(",")),
            of(traffic(&endpoint.sluice)),
            of(counts.clients),
            of(counts.waiting),
            of(seconds(settings.lease_timeout)),
            of(seconds(settings.idle_timeout)),
        ])
    });
    rows.collect()
}

fn users(stage: &Stage, all: &[Attendee]) -> Vec<Row> {
    let known = stage.main().map(|main| main.credentials.list()).unwrap_or_default();
    let rows = known.into_iter().map(|Listed { name, source, known_by, server_user }| {
        let here = all.iter().filter(|client| client.user() == Some(&*name));
        row([bytes(&name), of(source), of(known_by), bytes(&server_user), of(here.count())])
    });
    rows.collect()
}

fn pins(stage: &Stage, all: &[Attendee]) -> Vec<Row> {
    let nodes = stage.nodes();
    let mut rows = Vec::new();
    for client in all {
        let (lease, settings) = (client.place.lease(), &client.endpoint.settings);
        let strict = settings.pinning == Pinning::Strict && settings.pool == PoolMode::Transaction;
        for pin in &client.pins {
            rows.push(row([
                of(client.id),
                client.user().and_then(bytes),
                of(&settings.name),
                maybe(lease.map(|(node, _)| node_name(&nodes, node))),
                maybe(lease.map(|(_, thread_id)| thread_id)),
                of(pin.reason.name()),
                of(seconds(pin.since.elapsed())),
                of(pin.reason.until(strict)),
                of(pin.reason.remedy()),
                of(&pin.shape),
            ]));
        }
    }
    rows
}

/// A table's columns, without its rows; none for a name that no table has.
pub(super) fn shape(name: &str) -> Table {
    let found = TABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    Table::new(found.map_or(name, |(known, _)| known), found.map_or(&[], |(_, columns)| columns))
}

/// The columns of `SHOW PROCESSLIST`.
pub(super) const PROCESSES: &[(&str, Kind)] = &[
    ("Id", Count),
    ("User", Text),
    ("Host", Text),
    ("db", Text),
    ("Command", Text),
    ("Time", Count),
    ("State", Text),
    ("Info", Text),
];

/// `SHOW PROCESSLIST`: the sessions as servers list theirs.
pub(super) async fn processes(stage: &Stage) -> Table {
    let mut table = Table::new("processlist", PROCESSES);
    for client in gather::clients(stage).await {
        let state = state(&client);
        let command = match state {
            "login" => "Connect",
            "idle" | "in transaction" => "Sleep",
            _ => "Query",
        };
        let time = client.since.map_or(0, |since| since.elapsed().as_secs());
        table.rows.push(row([
            of(client.id),
            client.user().and_then(bytes),
            of(client.host()),
            client.database().and_then(bytes),
            of(command),
            of(time),
            of(state),
            None,
        ]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::TABLES;

    /// The first cells of the rows below the table's heading in the page.
    fn documented(table: &str) -> Vec<String> {
        let page = include_str!("../../../docs/console.md");
        let head = format!("### `SHOW {}`", table.to_uppercase());
        let below = page.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
        let cells = below.take_while(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix("| `"));
        cells.filter_map(|line| line.split_once('`').map(|(name, _)| name.to_owned())).collect()
    }

    #[test]
    fn every_column_is_documented_in_its_order() {
        for (table, columns) in TABLES {
            let names: Vec<_> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(documented(table), names, "docs/console.md, SHOW {}", table.to_uppercase());
        }
    }
}
