use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Findings, Group, Histogram, Meter, Need, Options, Pool, Study, Traffic, Why, decide};
use crate::general_log::Reader;
use crate::sql::PinReason;

fn study(log: &str, strict: bool) -> Findings {
    let (mut reader, mut study) =
        (Reader::new(), Study::new(Options { mode: None, strict, statement_time: Duration::from_millis(10) }));
    reader.feed(log.as_bytes(), &mut |entry| study.note(&entry));
    reader.finish(&mut |entry| study.note(&entry));
    study.finish()
}

/// Lines of MySQL's format, at so many milliseconds.
fn log(lines: &[(u64, u64, &str)]) -> String {
    let line = |(at, thread, what): &(u64, u64, &str)| {
        let (minute, second) = (at / 60_000, at / 1000 % 60);
        format!("2026-11-27T17:{minute:02}:{second:02}.{:03}000Z\t{thread:5} {what}\n", at % 1000)
    };
    lines.iter().map(line).collect()
}

fn group<'a>(findings: &'a Findings, user: &str) -> &'a Group {
    findings.groups.iter().find(|group| group.user.as_deref() == Some(user.as_bytes())).unwrap()
}

#[test]
fn a_login_counts_for_the_database_of_its_first_statement() {
    let findings = study(
        &log(&[
            (0, 1, "Connect\tapp@h on  using TCP/IP"),
            (1, 1, "Init DB\tshop"),
            (2, 1, "Query\tSELECT 1"),
            (3, 1, "Query\tUSE `other`"),
            (4, 1, "Query\tSELECT 1"),
            (5, 1, "Quit\t"),
            (6, 2, "Query\tSELECT 1"),
            (7, 3, "Connect\tAccess denied for user 'x'@'h' (using password: NO)"),
        ]),
        false,
    );
    let app = group(&findings, "app");
    assert_eq!((&*app.database, app.traffic.statements, app.traffic.connections), (&b"shop"[..], 3, 1));
    assert_eq!((findings.groups.len(), findings.refused, findings.unended, findings.entries), (2, 1, 1, 8));
    assert!(findings.groups.iter().any(|group| group.user.is_none()));
    assert_eq!((findings.all.traffic.statements, findings.all.traffic.peak_connections), (4, 1));
}

#[test]
fn pins_are_named_and_sessions_that_end_pinned_counted() {
    let findings = study(
        &log(&[
            (0, 1, "Connect\tapp@h on shop using TCP/IP"),
            (1, 1, "Query\tCREATE TEMPORARY TABLE a SELECT 1"),
            (2, 1, "Query\tDROP TEMPORARY TABLE a"),
            (3, 1, "Quit\t"),
            (4, 2, "Connect\tapp@h on shop using TCP/IP"),
            (5, 2, "Query\tSELECT GET_LOCK('job 7', 1)"),
            (6, 2, "Query\tCALL work(5)"),
            (7, 2, "Quit\t"),
            (8, 3, "Connect\tapp@h on shop using TCP/IP"),
            (9, 3, "Query\tPREPARE s FROM 'SELECT ?'"),
            (10, 3, "Prepare\tSELECT ?"),
            (11, 3, "Query\tEXECUTE s USING @a"),
            (12, 3, "Execute\tSELECT 5"),
            (13, 3, "Query\tDEALLOCATE PREPARE s"),
            (14, 3, "Prepare\tSELECT ?"),
            (15, 3, "Execute\tSELECT 5"),
            (16, 3, "Quit\t"),
        ]),
        false,
    );
    let app = group(&findings, "app");
    assert_eq!((app.traffic.sessions, app.traffic.pinned, app.maybe_pinned), (3, 1, 1));
    // The work of EXECUTE is not counted twice.
    assert_eq!(app.traffic.statements, 8);
    let shapes: BTreeMap<_, _> =
        app.suspects.list().into_iter().map(|it| ((it.shape, it.reason, it.may), it.count)).collect();
    let has = |shape: &str, reason, may| shapes.get(&(shape.to_owned(), reason, may)) == Some(&1);
    assert!(has("CREATE TEMPORARY TABLE a SELECT ?", PinReason::TemporaryTable, false), "{shapes:?}");
    assert!(has("SELECT GET_LOCK(?, ?)", PinReason::UserLock, false), "{shapes:?}");
    assert!(has("CALL work(?)", PinReason::UntrackedState, true), "{shapes:?}");
    assert!(!shapes.keys().any(|(.., reason, _)| *reason == PinReason::PreparedStatement));
    // As MySQL writes it.
    let elided = [(0, 1, "Query\tPREPARE s FROM ..."), (1, 1, "Prepare\tCREATE TEMPORARY TABLE b (a INT)")];
    let findings = study(&log(&elided), false);
    let reasons: Vec<_> = findings.all.suspects.list().into_iter().map(|it| it.reason).collect();
    assert_eq!(reasons, [PinReason::SqlPrepare, PinReason::TemporaryTable]);
    let strict = study(&log(&[(0, 1, "Query\tSET @a = 1"), (1, 2, "Prepare\tSELECT ?")]), true);
    assert_eq!(strict.all.traffic.pinned, 2);
    assert_eq!(strict.all.suspects.certain(), 2);
}

#[test]
fn the_pool_is_as_large_as_transactions_overlap() {
    let mut lines = Vec::new();
    for round in 0..50 {
        let at = round * 1000;
        // Three sessions inside transactions at once, a fourth that comes later.
        for thread in 1..=3 {
            lines.push((at + thread, thread, "Query\tBEGIN"));
        }
        for thread in 1..=3 {
            lines.push((at + 100 + thread, thread, "Query\tCOMMIT"));
        }
        lines.push((at + 500, 4, "Query\tSELECT 1"));
    }
    let findings = study(&log(&lines), false);
    let traffic = findings.all.traffic;
    assert_eq!((traffic.size, traffic.most, traffic.transactions), (3, 3, 200));
    assert_eq!(findings.all.size_if_slow, 3);
}

#[test]
fn a_restart_ends_every_session() {
    let one = log(&[(0, 7, "Connect\tapp@h on shop using TCP/IP"), (1, 7, "Query\tBEGIN")]);
    let banner =
        "mysqld, Version: 9.7.4 (x). started with:\nTcp port: 1  Unix socket: x\nTime   Id Command    Argument\n";
    let two = log(&[(9, 7, "Connect\tapp@h on shop using TCP/IP"), (10, 7, "Query\tBEGIN"), (11, 7, "Quit\t")]);
    let three = log(&[(9, 8, "Connect\tapp@h on shop using TCP/IP"), (10, 8, "Query\tBEGIN"), (11, 8, "Quit\t")]);
    assert_eq!(study(&format!("{one}{banner}{two}"), false).all.traffic.most, 1);
    // A log that was only opened anew ended nothing.
    assert_eq!(study(&format!("{one}{banner}{three}"), false).all.traffic.most, 2);
}

#[test]
fn time_does_not_go_back() {
    let findings = study(&log(&[(5000, 1, "Query\tSELECT 1"), (1000, 1, "Query\tSELECT 1")]), false);
    assert_eq!(findings.span.map(|(from, to)| to - from), Some(0));
}

/// As much traffic as a case does not say otherwise.
fn usual() -> Traffic {
    Traffic {
        observed: Duration::from_secs(600),
        connections: 1000,
        short: 10,
        lasting: 990,
        connects_per_second: 2.0,
        peak_connections: 990,
        statements: 100_000,
        transactions: 50_000,
        sessions: 1000,
        size: 20,
        most: 25,
        ..Traffic::default()
    }
}

#[test]
fn the_vendors_tables_decide() {
    let decided = |traffic: Traffic| {
        let advice = decide(&traffic);
        (advice.pool, advice.why.name())
    };
    let short = Traffic { short: 990, lasting: 10, ..usual() };
    for (traffic, expected) in [
        (usual(), (Pool::Transaction, "many_mostly_idle")),
        (Traffic { peak_connections: 20, ..usual() }, (Pool::None, "few_lasting_connections")),
        (Traffic { pinned: 200, ..usual() }, (Pool::None, "lasting_and_pinned")),
        (Traffic { size: 495, ..usual() }, (Pool::None, "all_at_work")),
        (Traffic { statistics_per_second: 1.0, ..usual() }, (Pool::None, "frequent_statistics")),
        (Traffic { slow: Some(9_999), ..usual() }, (Pool::Transaction, "many_mostly_idle")),
        (Traffic { slow: Some(10_000), ..usual() }, (Pool::None, "slow_statements")),
        (Traffic { statements: 0, ..usual() }, (Pool::None, "nothing_observed")),
        (short, (Pool::Transaction, "short_connections")),
        (Traffic { pinned: 200, ..short }, (Pool::Session, "short_and_pinned")),
        (Traffic { pinned: 199, ..short }, (Pool::Transaction, "short_connections")),
        (Traffic { connects_per_second: 0.05, peak_connections: 3, ..short }, (Pool::None, "rare_connections")),
        (Traffic { connects_per_second: 0.05, ..short }, (Pool::Transaction, "short_connections")),
    ] {
        assert_eq!(decided(traffic), expected, "{traffic:?}");
        assert!(!decide(&traffic).why.to_string().contains("  "));
    }
    assert!(matches!(decide(&short).why, Why::Short { short: 990, of: 1000, .. }));
}

/// The levels at each lease, found by looking at every session every time.
fn plainly(events: &[(i64, u64, Need)], lasts: i64) -> Histogram {
    let mut held: BTreeMap<u64, (bool, i64)> = BTreeMap::new();
    let mut seen = Histogram::new();
    for (at, session, need) in events {
        held.retain(|_, (keeps, until)| *keeps || *until > *at);
        if *need == Need::Gone {
            held.remove(session);
            continue;
        }
        let is_new = held.insert(*session, (*need == Need::On, at + lasts)).is_none();
        if is_new {
            seen.add(held.len() as u64);
        }
    }
    seen
}

proptest! {
    #[test]
    fn leases_are_counted_as_one_would_by_hand(
        events in prop::collection::vec((1_i64..50, 0_u64..8, 0_u8..3), 0..200),
        lasts in 0_i64..60,
    ) {
        let mut at = 0;
        let events: Vec<_> = events.into_iter().map(|(step, session, need)| {
            at += step;
            (at, session, [Need::Once, Need::On, Need::Gone][usize::from(need)])
        }).collect();
        let mut meter = Meter::new(lasts);
        for (at, session, need) in &events {
            meter.note(*at, 1, *session, (*session % 2) as u32, *need);
        }
        let (all, groups) = meter.finish();
        prop_assert_eq!(&all.seen, &plainly(&events, lasts));
        for (group, levels) in (0..).zip(&groups) {
            let own: Vec<_> = events.iter().copied().filter(|(_, session, _)| session % 2 == group).collect();
            prop_assert_eq!(&levels.seen, &plainly(&own, lasts));
        }
    }

    #[test]
    fn a_second_is_spread_evenly(count in 1_u64..500) {
        // As many sessions as come within a second, each for a tenth of it.
        let mut meter = Meter::new(100_000);
        (0..count).for_each(|session| meter.note(0, 1_000_000, session, 0, Need::Once));
        prop_assert_eq!(meter.finish().0.seen.max(), count.div_ceil(10));
    }

    #[test]
    fn any_log_comes_to_something(bytes in prop::collection::vec(any::<u8>(), 0..300), lines in prop::collection::vec((0_u64..200_000, 0_u64..4, 0_usize..10), 0..60)) {
        const WHAT: [&str; 10] = ["Connect\ta@h on d using x", "Connect\tAccess denied for user", "Quit\t", "Query\tBEGIN",
            "Query\tCOMMIT", "Execute\tSELECT 1", "Change user\tb@h on e", "Statistics\t", "Reset Connection\t", "Query\tSET @a = f()"];
        let lines: Vec<_> = lines.into_iter().map(|(at, thread, what)| (at, thread, WHAT[what])).collect();
        let findings = study(&format!("{}{}", log(&lines), String::from_utf8_lossy(&bytes)), true);
        let sum = |of: fn(&Traffic) -> u64| findings.groups.iter().map(|group| of(&group.traffic)).sum::<u64>();
        prop_assert_eq!(sum(|traffic| traffic.statements), findings.all.traffic.statements);
        prop_assert_eq!(sum(|traffic| traffic.connections), findings.all.traffic.connections);
        prop_assert_eq!(sum(|traffic| traffic.pinned), findings.all.traffic.pinned);
        prop_assert!(findings.all.traffic.size <= findings.all.traffic.most);
    }
}
