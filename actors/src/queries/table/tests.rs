use std::time::{Duration, Instant};

use greenroom_protocol::sql::PinReason;

use super::{Key, Outcome, Row, Table, merged};

fn key(shape: &str) -> Key<'_> {
    Key { endpoint: "app", user: b"u", database: b"d", shape: shape.as_bytes() }
}

fn taking(millis: u64) -> Outcome {
    Outcome { time: Duration::from_millis(millis), rows: 2, ..Outcome::default() }
}

fn count(table: &mut Table, shape: &str, outcome: &Outcome, limit: usize) {
    let place = table.place(key(shape), limit);
    table.note(place, outcome, std::iter::empty(), Instant::now());
}

fn shown(rows: &[Row]) -> Vec<(String, u64)> {
    let shape =
        |row: &Row| row.name.as_ref().map_or("others".to_owned(), |it| String::from_utf8_lossy(&it.shape).into());
    rows.iter().map(|row| (shape(row), row.sum.count)).collect()
}

#[test]
fn statements_are_summed_up_by_what_they_are_told_apart_by() {
    let mut table = Table::default();
    let pinned = Outcome { wait: Duration::from_millis(3), affected: 7, failed: true, ..taking(20) };
    let place = table.place(key("a"), 10);
    table.note(place, &taking(10), std::iter::empty(), Instant::now());
    table.note(place, &pinned, [PinReason::UserLock].into_iter(), Instant::now());
    for other in [Key { endpoint: "b", ..key("a") }, Key { user: b"v", ..key("a") }, Key { database: b"", ..key("a") }]
    {
        assert_ne!(table.place(other, 10), place);
    }
    assert_eq!(table.place(key("a"), 10), place);
    let rows = table.rows();
    assert_eq!(shown(&rows), [("a".to_owned(), 2)], "what was never counted is not shown");
    let sum = &rows[0].sum;
    assert_eq!((sum.errors, sum.rows, sum.affected), (1, 4, 7));
    assert_eq!((sum.time, sum.longest), (Duration::from_millis(30), Duration::from_millis(20)));
    assert_eq!((sum.wait, sum.longest_wait), (Duration::from_millis(3), Duration::from_millis(3)));
    assert_eq!(sum.pins, [(PinReason::UserLock, 1)]);
}

#[test]
fn rows_that_are_fetched_later_count_no_further_statement() {
    let mut table = Table::default();
    count(&mut table, "a", &taking(10), 10);
    count(&mut table, "a", &Outcome { is_fetch: true, ..taking(90) }, 10);
    count(&mut table, "a", &Outcome { is_fetch: true, failed: true, rows: 0, ..taking(1) }, 10);
    let sum = &table.rows()[0].sum;
    assert_eq!((sum.count, sum.errors, sum.rows, sum.longest), (1, 0, 4, Duration::from_millis(10)));
}

#[test]
fn what_has_no_room_is_among_the_others() {
    let mut table = Table::default();
    for shape in ["a", "b", "c", "d", "a", "c"] {
        count(&mut table, shape, &taking(1), 2);
    }
    assert_eq!(shown(&table.rows()), [("a".to_owned(), 2), ("b".to_owned(), 1), ("others".to_owned(), 3)]);
}

#[test]
fn a_reset_forgets_and_what_had_begun_before_it_counts_nowhere() {
    let mut table = Table::default();
    let before = table.place(key("a"), 2);
    table.renew(1);
    let after = table.place(key("b"), 2);
    table.note(before, &taking(1), std::iter::empty(), Instant::now());
    assert!(table.rows().is_empty() && table.name(before).is_none());
    table.renew(1);
    // Who asked before the reset is answered after it.
    table.renew(0);
    table.note(after, &taking(1), std::iter::empty(), Instant::now());
    assert_eq!(shown(&table.rows()), [("b".to_owned(), 1)]);
    let mut table = Table::default();
    table.renew(u32::MAX / 2);
    table.renew(u32::MAX - 1);
    count(&mut table, "a", &taking(1), 2);
    table.renew(0);
    assert!(table.rows().is_empty(), "so many resets that they are counted from the beginning again");
}

#[test]
fn workers_are_put_together_and_the_longest_kept() {
    let (mut one, mut other) = (Table::default(), Table::default());
    for (shape, millis) in [("a", 5), ("b", 1), ("c", 9)] {
        count(&mut one, shape, &taking(millis), 3);
    }
    for (shape, millis) in [("d", 2), ("b", 6), ("e", 1)] {
        count(&mut other, shape, &taking(millis), 2);
    }
    let rows = merged(one.rows().into_iter().chain(other.rows()), 2);
    assert_eq!(shown(&rows), [("c".to_owned(), 1), ("b".to_owned(), 2), ("others".to_owned(), 3)]);
    assert_eq!(rows[1].sum.longest, Duration::from_millis(6));
    assert_eq!(rows[2].sum.time, Duration::from_millis(8));
}
