//! `SHOW ADVICE`: which pool mode suits each user and database, by what their sessions were seen to do; `SHOW CAUSES`: which
//! statements speak against it.

use greenroom_protocol::advice::{Advice, Suspect, Suspects, decide};
use greenroom_protocol::answer::Row;
use greenroom_protocol::table::Kind;

use super::status::mode_word;
use super::tables::{bytes, maybe, of, row, seconds};
use crate::observed::{Seen, Whose, seen};
use crate::settings::{EndpointSettings, PoolMode};
use crate::stage::Stage;

use Kind::{Count, Real, Text};

pub(super) const COLUMNS: &[(&str, Kind)] = &[
    ("endpoint", Text),
    ("user", Text),
    ("database", Text),
    ("pool", Text),
    ("advice", Text),
    ("reason", Text),
    ("why", Text),
    ("basis", Text),
    ("size", Count),
    ("size_max", Count),
    ("connections", Count),
    ("connections_at_once", Count),
    ("connections_per_second", Real),
    ("short_connections", Count),
    ("median_life_seconds", Real),
    ("statistics_per_second", Real),
    ("statements", Count),
    ("slow_statements", Count),
    ("leases", Count),
    ("pinned_sessions", Count),
    ("pins", Text),
    ("statement", Text),
    ("saved_connections", Count),
    ("saved_logins", Count),
    ("observed_seconds", Real),
];

/// The columns of `SHOW CAUSES`.
pub(super) const CAUSES: &[(&str, Kind)] = &[
    ("endpoint", Text),
    ("user", Text),
    ("database", Text),
    ("reason", Text),
    ("count", Count),
    ("statement", Text),
    ("remedy", Text),
];

/// What a recommendation goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The leases and pins of a transaction pool.
    Leases,
    /// What a transaction pool would do in their place.
    Shadow,
    /// The transactions of sessions with connections of their own: what would pin is not known.
    Transactions,
}

impl Basis {
    const fn of(settings: &EndpointSettings) -> Self {
        match settings.pool {
            PoolMode::Transaction => Self::Leases,
            PoolMode::None | PoolMode::Session if settings.shadow => Self::Shadow,
            PoolMode::None | PoolMode::Session => Self::Transactions,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Leases => "leases",
            Self::Shadow => "shadow",
            Self::Transactions => "transactions",
        }
    }

    /// Whether it knows what pins, or would.
    const fn knows_pins(self) -> bool {
        matches!(self, Self::Leases | Self::Shadow)
    }
}

/// All rows, by endpoint, the busiest first.
pub(super) async fn rows(stage: &Stage) -> Vec<Row> {
    let endpoints = stage.endpoints();
    let settings = |name: &str| endpoints.iter().map(|it| &*it.settings).find(|settings| settings.name == name);
    seen(stage).await.iter().map(|it| advice(it, settings(&it.name.endpoint))).collect()
}

/// The statements that have pinned, or would have: by endpoint and whose they are, the most frequent first.
pub(super) async fn causes(stage: &Stage) -> Vec<Row> {
    let endpoints = stage.endpoints();
    let knows =
        |name: &str| endpoints.iter().any(|it| it.settings.name == name && Basis::of(&it.settings).knows_pins());
    let all = seen(stage).await;
    let known = all.iter().filter(|it| knows(&it.name.endpoint));
    known.flat_map(|it| it.suspects.list().into_iter().map(|suspect| cause(it, suspect))).collect()
}

fn cause(seen: &Seen, suspect: Suspect) -> Row {
    let (user, database) = whose(seen);
    row([
        of(&seen.name.endpoint),
        bytes(user),
        bytes(database),
        of(suspect.reason.name()),
        of(suspect.count),
        of(suspect.shape),
        of(suspect.reason.remedy()),
    ])
}

/// User and database.
fn whose(seen: &Seen) -> (&[u8], &[u8]) {
    match &seen.name.whose {
        Whose::One(user, database) => (user, database),
        Whose::Rest => (b"(others)", b""),
        Whose::All => (b"(all)", b""),
    }
}

fn advice(seen: &Seen, settings: Option<&EndpointSettings>) -> Row {
    let (traffic, Advice { pool, why }) = (&seen.traffic, decide(&seen.traffic));
    let basis = settings.map(Basis::of);
    let knows = basis.is_some_and(Basis::knows_pins);
    let (user, database) = whose(seen);
    let saved = |of: u64| (basis == Some(Basis::Shadow)).then(|| of.saturating_sub(traffic.most));
    let why = if knows { why.to_string() } else { format!("{why} (what would pin is not known)") };
    row([
        of(&seen.name.endpoint),
        bytes(user),
        bytes(database),
        // Of one that is configured no more nobody knows it.
        maybe(settings.map(|settings| mode_word(settings.pool))),
        of(pool.name()),
        of(decide(traffic).why.name()),
        of(why),
        maybe(basis.map(Basis::name)),
        of(traffic.size),
        of(traffic.most),
        of(traffic.connections),
        of(traffic.peak_connections),
        of(format!("{:.3}", traffic.connects_per_second)),
        of(traffic.short),
        of(seconds(traffic.median_life)),
        of(format!("{:.3}", traffic.statistics_per_second)),
        of(traffic.statements),
        maybe(traffic.slow),
        of(traffic.transactions),
        maybe(knows.then_some(traffic.pinned)),
        maybe(knows.then(|| pins(&seen.suspects))),
        maybe(seen.suspects.list().first().filter(|_| knows).map(|worst| worst.shape.clone())),
        maybe(saved(traffic.peak_connections)),
        maybe(saved(traffic.connections)),
        of(seconds(traffic.observed)),
    ])
}

/// Reasons with their counts, the most frequent first.
fn pins(suspects: &Suspects) -> String {
    let mut reasons: Vec<(&str, u64)> = Vec::new();
    for suspect in suspects.list() {
        match reasons.iter_mut().find(|(known, _)| *known == suspect.reason.name()) {
            Some((_, count)) => *count += suspect.count,
            None => reasons.push((suspect.reason.name(), suspect.count)),
        }
    }
    reasons.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    reasons.iter().map(|(name, count)| format!("{name}:{count}")).collect::<Vec<_>>().join(",")
}
