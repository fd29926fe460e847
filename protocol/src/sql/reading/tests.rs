use super::*;
use crate::sql::mode::Flavor;
use crate::sql::pin::PinSet;

const MODE: Mode = Mode::new(Flavor::MySql, 90_704);
const SQL_MODE: Doubt = Doubt { sql_mode: true, charset: false };
const CHARSET: Doubt = Doubt { sql_mode: false, charset: true };

fn is_sure(text: &[u8], doubt: Doubt) -> bool {
    let reading = read(text, MODE, doubt);
    let pinned = reading.verdict.pins.contains(PinReason::UntrackedState);
    assert_eq!(pinned, !reading.sure, "{}", text.escape_ascii());
    reading.sure
}

#[test]
fn what_every_way_reads_alike_is_sure() {
    for text in
        ["SELECT 'a', `b`, 1", "SELECT \"a\"", "SELECT 'a\\\\b'", "SELECT 'a\\n', 1", "INSERT INTO t VALUES ('é')"]
    {
        assert!(is_sure(text.as_bytes(), Doubt::ALL), "{text}");
    }
    assert!(is_sure(b"SELECT 'it\\'s'", CHARSET) && is_sure(b"SELECT '\x81'", SQL_MODE));
}

#[test]
fn what_some_way_reads_otherwise_is_not() {
    assert!(!is_sure(b"SELECT 'it\\'s'", SQL_MODE));
    assert!(!is_sure(b"SELECT 1 AS \"\\\", GET_LOCK('a', 0) AS \"\\\"", SQL_MODE));
    assert!(!is_sure(b"SELECT '\x81\\', GET_LOCK('a', 0), '\x81\\'", CHARSET));
    assert!(!is_sure(b"SELECT \xe9t FROM t", CHARSET));
}

#[test]
fn where_the_places_are_the_same_all_that_may_happen_is_told() {
    // A text to one, the name of a function to the other.
    let text = b"SELECT \"get_lock\"('a', 0)";
    assert_eq!(read(text, MODE, Doubt::default()).verdict.pins, PinSet::EMPTY);
    let reading = read(text, MODE, SQL_MODE);
    assert!(reading.sure && reading.verdict.pins.contains(PinReason::UserLock));
    assert!(!reading.verdict.facts.contains(Facts::READ_ONLY));
    let ansi = Mode { ansi_quotes: true, ..MODE };
    assert!(!read(text, ansi, SQL_MODE).verdict.facts.contains(Facts::READ_ONLY));
    assert!(read(b"SELECT \"a\"", MODE, SQL_MODE).verdict.facts.contains(Facts::READ_ONLY));
    // One of them would release.
    let text = b"SELECT \"release_all_locks\"()";
    assert_eq!(read(text, ansi, SQL_MODE).verdict.unpins, PinSet::EMPTY);
}

#[test]
fn a_string_of_statements_may_change_how_it_is_read() {
    for (text, sure) in [
        (&b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\', GET_LOCK('a', 0), '\\'"[..], false),
        (b"SET @@sql_mode := ''; SELECT 'it\\'s'", false),
        (b"SET time_zone = '+1:00', sql_mode = ''; SELECT 'it\\'s'", false),
        (b"SET NAMES gbk; SELECT '\x81\\', GET_LOCK('a', 0), '\x81\\'", false),
        (b"SET CHARACTER SET 'gbk'; SELECT '\x81\\', GET_LOCK('a', 0), '\x81\\'", false),
        (b"SET character_set_client = gbk; SELECT '\x81\\', GET_LOCK('a', 0), '\x81\\'", false),
        (b"EXECUTE s; SELECT 'it\\'s'", false),
        (b"SET NAMES utf8mb4; SELECT 'it\\'s'", true),
        (b"SET autocommit = 0; SELECT 'it\\'s', 'it\\'s'", true),
        (b"SET GLOBAL sql_mode = ''; SELECT 'it\\'s'", true),
        (b"SELECT 'it\\'s'; SELECT 2", true),
        (b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'", true),
    ] {
        assert_eq!(read(text, MODE, Doubt::default()).sure, sure, "{}", text.escape_ascii());
    }
}

#[test]
fn an_answer_is_written_only_where_every_way_has_the_same_place_for_it() {
    let known = Known { connection_id: Some(7), ..Known::default() };
    let write = |text: &[u8], doubt| {
        let mut out = b"head".to_vec();
        let done = substitute_in_doubt(text, MODE, doubt, &known, &mut out);
        assert!(done || out == b"head");
        done
    };
    let text = b"SELECT '\\', ' , CONNECTION_ID() , '";
    assert!(write(text, Doubt::default()) && !write(text, SQL_MODE));
    assert!(write(b"SELECT 'a\\nb', \"c\", CONNECTION_ID()", Doubt::ALL));
    assert!(!write(b"SELECT 1", Doubt::ALL));
}
