use proptest::prelude::*;

use super::{LONGEST_NORMAL, normalise};
use crate::sql::{Doubt, Flavor, Mode};

fn usual() -> Mode {
    Mode::new(Flavor::MySql, 90_704)
}

fn by(text: &[u8], mode: Mode, doubt: Doubt) -> Option<String> {
    let mut out = b"what was there before".to_vec();
    normalise(text, mode, doubt, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
}

fn of(text: &str) -> Option<String> {
    by(text.as_bytes(), usual(), Doubt::default())
}

#[test]
fn what_differs_in_literals_alone_is_one_shape() {
    for (texts, shape) in [
        (
            &["SELECT c FROM t WHERE id=5", "SELECT c  FROM t\nWHERE id=?", "SELECT c FROM t WHERE id=-5;"][..],
            "SELECT c FROM t WHERE id=?",
        ),
        (&["SELECT 1 FROM t WHERE a IN (1)", "SELECT 'x' FROM t WHERE a IN (NULL)"], "SELECT ? FROM t WHERE a IN (?)"),
        (
            &["SELECT a IN (1,2)", "SELECT a IN (1, 'b', -3 , ?, NULL, 0xff)", "SELECT a IN (?, ?) -- of 7"],
            "SELECT a IN (?, …)",
        ),
        (
            &[
                "INSERT INTO t (a, b) VALUES (1, 'x'),(2,NULL)",
                "INSERT INTO t (a, b) VALUES (?, ?), (1, -2) , (3, TRUE)",
            ],
            "INSERT INTO t (a, b) VALUES (?, …), …",
        ),
        (&["INSERT INTO t VALUES (1), (2), (3)"], "INSERT INTO t VALUES (?), …"),
        (&["UPDATE t SET a = 1, b = NULL WHERE c IS NULL"], "UPDATE t SET a = ?, b = NULL WHERE c IS NULL"),
        (&["SELECT f(1, 2), a - 1 FROM t"], "SELECT f(?, …), a - ? FROM t"),
        (&["SELECT /*+ MAX_EXECUTION_TIME(9) */ a /* 7 */ FROM t"], "SELECT a FROM t"),
        (&["BEGIN; SELECT 1"], "BEGIN; SELECT ?"),
        (&["SELECT 'it\\'s', \"x\""], "SELECT ?, …"),
        (&[" ; "], ""),
    ] {
        for text in texts {
            assert_eq!(of(text).as_deref(), Some(shape), "{text}");
        }
    }
}

#[test]
fn what_may_be_read_in_two_ways_has_none() {
    let text = r"SELECT 'it\', a, 'b'";
    let either = Doubt { sql_mode: true, charset: false };
    assert_eq!(by(text.as_bytes(), usual(), either), None);
    assert_eq!(of(r"SET sql_mode = ''; SELECT 'it\'s', 'b'"), None, "the first may change how the second is read");
    assert_eq!(by(br#"SELECT "a" FROM t"#, usual(), either).as_deref(), Some("SELECT ? FROM t"));
    // The second byte is a backslash, or a part of a character.
    assert_eq!(by(b"SELECT '\x81\\', a, 'b'", usual(), Doubt::ALL), None);
    assert_eq!(by(b"SELECT '\xC3\xA4', 'b' FROM t", usual(), Doubt::ALL).as_deref(), Some("SELECT ?, … FROM t"));
}

#[test]
fn what_is_in_double_quotes_is_not_shown_even_where_it_is_a_name() {
    let ansi = Mode { ansi_quotes: true, ..usual() };
    let text = br#"ALTER USER `me` IDENTIFIED BY "secret""#;
    for mode in [ansi, usual()] {
        assert_eq!(by(text, mode, Doubt::default()).as_deref(), Some("ALTER USER `me` IDENTIFIED BY ?"));
        let text = br#"SELECT "a", `b` FROM "t" WHERE b = 'secret'"#;
        assert_eq!(by(text, mode, Doubt::default()).as_deref(), Some("SELECT ?, `b` FROM ? WHERE b = ?"));
    }
}

#[test]
fn long_ones_are_cut() {
    let long = of(&format!("SELECT {}", "ä, ".repeat(1000))).unwrap();
    assert!(long.len() <= LONGEST_NORMAL + 3 && long.ends_with('…'), "{long}");
    let rows = |count: usize| of(&format!("INSERT INTO t VALUES {}(1, 'x')", "(1, 'x'), ".repeat(count)));
    assert_eq!(rows(2_000).as_deref(), Some("INSERT INTO t VALUES (?, …), …"));
    assert_eq!(rows(2_000), rows(1));
    assert_eq!(of(&format!("SELECT '{}", "x".repeat(5_000))).as_deref(), Some("SELECT"));
}

/// A literal with the secret inside, in any way that a client may write it.
fn literals() -> impl Strategy<Value = String> {
    let inside = r"[a-z 0-9(),;?%_#/*-]{0,6}(''|\\'|\\\\|\\n)?[a-z ,(]{0,4}";
    let text = (inside, inside).prop_map(|(before, behind)| format!("'{before}hush{behind}'"));
    let double = (inside, inside).prop_map(|(before, behind)| format!("\"{before}hush{behind}\""));
    prop_oneof![text, double, Just("0xbadcafe".to_owned()), Just("x'badcafe0'".to_owned()), Just("48151623".to_owned())]
}

proptest! {
    #[test]
    fn any_bytes_have_a_short_shape_or_none(bytes: Vec<u8>, sql_mode: bool, charset: bool, ansi_quotes: bool) {
        let mut out = Vec::new();
        let mode = Mode { ansi_quotes, ..usual() };
        let _ = normalise(&bytes, mode, Doubt { sql_mode, charset }, &mut out);
        prop_assert!(out.len() <= LONGEST_NORMAL + 3);
    }

    #[test]
    fn no_literal_shows(
        all in prop::collection::vec((literals(), prop::sample::select(&["( a ", " = ", ", ", "\n", "/* x */ ) "][..])), 1..9),
        no_backslash_escapes: bool, sql_mode: bool, charset: bool,
    ) {
        let text = all.iter().fold("SELECT ".to_owned(), |text, (literal, between)| text + literal + between);
        // Where a backslash escapes nothing a literal may end early, and what follows is none.
        prop_assume!(!(no_backslash_escapes && text.contains('\\')));
        let mode = Mode { no_backslash_escapes, ..usual() };
        if let Some(shape) = by(text.as_bytes(), mode, Doubt { sql_mode, charset }) {
            let shows = ["hush", "badcafe", "48151623"].iter().any(|secret| shape.contains(secret));
            prop_assert!(!shows, "{text}\nhas {shape}");
        }
    }

    #[test]
    fn lists_and_rows_of_any_length_are_one_shape(lists in 2..12_usize, rows in 2..10_usize, text in "[^'\\\\]{0,9}") {
        let list = vec![format!("'{text}'"); lists].join(", ");
        let one = of(&format!("SELECT a FROM t WHERE b IN ({list}) AND c"));
        prop_assert_eq!(one, of("SELECT a FROM t WHERE b IN (1, 2) AND c"));
        let all = of(&format!("INSERT INTO t VALUES {}", vec![format!("({list})"); rows].join(",")));
        prop_assert_eq!(all, of("INSERT INTO t VALUES (1, 2), (3, 4)"));
    }
}
