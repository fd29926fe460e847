//! How far a server says that it is behind.

use std::time::Duration;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::flavor::Flavor;

use super::rows;
use crate::role::Replication;

/// How group replication's applier goes: how many transactions wait for it, and how old the oldest is that it applies. An
/// ordinary account may not ask.
pub(super) const APPLIER: &[u8] = b"SELECT COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE, (SELECT MAX(TIMESTAMPDIFF(MICROSECOND, \
    APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6))) FROM performance_schema.replication_applier_status_by_worker \
    WHERE CHANNEL_NAME = 'group_replication_applier' AND APPLYING_TRANSACTION <> '') \
    FROM performance_schema.replication_group_member_stats WHERE MEMBER_ID = @@server_uuid";

/// Where `Seconds_Behind_…` stands in a row of a replica's status; new columns have always come behind it.
const SECONDS_BEHIND: usize = 32;

/// MariaDB's list of all sources has two more columns in front.
const ALL_SOURCES: usize = 2;

/// Where MySQL names the channel.
const CHANNEL: usize = 55;

/// The question after a server's sources.
pub(super) fn sources(flavor: Flavor) -> &'static [u8] {
    match flavor {
        Flavor::MySql => b"SHOW REPLICA STATUS",
        Flavor::MariaDb => b"SHOW ALL SLAVES STATUS",
    }
}

/// How a server follows its sources.
pub(super) fn followed(answer: Option<&Answer>, flavor: Flavor) -> Replication {
    let Some(sources) = rows(answer) else { return Replication::Hidden };
    let place = if flavor == Flavor::MySql { SECONDS_BEHIND } else { SECONDS_BEHIND + ALL_SOURCES };
    let seconds = |row: &Row| {
        let cell = std::str::from_utf8(row.get(place)?.as_deref()?).ok()?;
        cell.parse().ok().map(Duration::from_secs)
    };
    // A group's own channels stand still while nobody joins.
    let own = |row: &&Row| {
        let channel = row.get(CHANNEL).and_then(Option::as_deref).unwrap_or_default();
        flavor == Flavor::MySql && channel.starts_with(b"group_replication_")
    };
    let lags: Option<Vec<Duration>> = sources.iter().filter(|row| !own(row)).map(seconds).collect();
    match lags {
        Some(lags) => lags.into_iter().max().map_or(Replication::Source, Replication::Behind),
        None => Replication::Stopped,
    }
}

/// How a member of a group applies what the others write. What waits while nothing is being applied waits for an applier that
/// stands still, or will go on at once.
pub(super) fn applied(answer: Option<&Answer>) -> Replication {
    let Some(row) = rows(answer).and_then(<[Row]>::first) else { return Replication::Hidden };
    let number = |at: usize| -> Option<i64> { std::str::from_utf8(row.get(at)?.as_deref()?).ok()?.parse().ok() };
    match (number(0), number(1)) {
        (_, Some(age)) => Replication::Behind(Duration::from_micros(age.try_into().unwrap_or(0))),
        (Some(0), None) => Replication::Behind(Duration::ZERO),
        (Some(_), None) => Replication::Stopped,
        (None, None) => Replication::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::answer;
    use super::*;

    fn source(seconds: &str, channel: &str) -> Vec<Option<Box<[u8]>>> {
        let mut row: Vec<Option<Box<[u8]>>> = vec![Some((*b"x").into()); CHANNEL + 1];
        row[SECONDS_BEHIND] = Some(seconds.as_bytes().into()).filter(|_| !seconds.is_empty());
        row[CHANNEL] = Some(channel.as_bytes().into());
        row
    }

    #[test]
    fn a_groups_own_channels_are_no_sources() {
        let follow = |rows: Vec<Row>| followed(Some(&Answer::Rows(rows)), Flavor::MySql);
        assert_eq!(follow(vec![source("", "group_replication_recovery")]), Replication::Source);
        assert_eq!(follow(vec![source("", "")]), Replication::Stopped);
        let both = vec![source("", "group_replication_recovery"), source("3", "a")];
        assert_eq!(follow(both), Replication::Behind(Duration::from_secs(3)));
        assert_eq!(followed(None, Flavor::MySql), Replication::Hidden);
    }

    #[test]
    fn a_member_is_as_far_behind_as_what_it_applies_is_old() {
        assert_eq!(applied(None), Replication::Hidden);
        assert_eq!(applied(Some(&answer(&[&["0", "-"]]))), Replication::Behind(Duration::ZERO));
        assert_eq!(applied(Some(&answer(&[&["7", "1500000"]]))), Replication::Behind(Duration::from_millis(1500)));
        assert_eq!(applied(Some(&answer(&[&["7", "-20"]]))), Replication::Behind(Duration::ZERO));
        assert_eq!(applied(Some(&answer(&[&["7", "-"]]))), Replication::Stopped);
    }
}
