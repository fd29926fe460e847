use proptest::prelude::*;

use super::{Deed, Entry, LONGEST, Login, Reader, login};
use crate::flavor::Flavor;

/// An entry that owns its text.
type Kept = (u64, i64, u64, Deed, String);

fn kept(entry: Entry<'_>) -> Kept {
    (entry.line, entry.at, entry.thread, entry.deed, String::from_utf8_lossy(entry.text).into_owned())
}

fn read(log: &[u8], piece: usize) -> (Vec<Kept>, Reader) {
    let (mut reader, mut all) = (Reader::new(), Vec::new());
    for part in log.chunks(piece) {
        reader.feed(part, &mut |entry| all.push(kept(entry)));
    }
    reader.finish(&mut |entry| all.push(kept(entry)));
    (all, reader)
}

const MYSQL: &str = "\
/usr/sbin/mysqld, Version: 9.7.4 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock
Time                 Id Command    Argument
2026-11-27T17:40:15.123456Z\t    8 Connect\tapp@localhost on shop using SSL/TLS
2026-11-27T17:40:15.200000Z\t    8 Query\tSELECT 1,
  2

FROM t
2026-11-27T18:40:16.000000+01:00\t 1234567 Execute\tSELECT 'a\tb'
2026-11-27T17:40:17.000000Z\t    8 Close stmt\t
2026-11-27T17:40:17.000001Z\t    8 Reset Connection\t
2026-11-27T17:40:18.000000Z\t    8 Newfangled thing\tx
2026-11-27T17:40:19.000000Z\t    8 Quit\t
";

/// 2026-11-27T17:40:15Z, in microseconds.
const NOON: i64 = 1_795_801_215_000_000;

#[test]
fn a_log_of_mysql_is_read() {
    for piece in [1, 7, 64, 10_000] {
        let (all, reader) = read(MYSQL.as_bytes(), piece);
        let expected = [
            (4, NOON + 123_456, 8, Deed::Connect, "app@localhost on shop using SSL/TLS"),
            (5, NOON + 200_000, 8, Deed::Query, "SELECT 1,\n  2\n\nFROM t"),
            (9, NOON + 1_000_000, 1_234_567, Deed::Execute, "SELECT 'a\tb'"),
            (10, NOON + 2_000_000, 8, Deed::CloseStatement, ""),
            (11, NOON + 2_000_001, 8, Deed::Reset, ""),
            (12, NOON + 3_000_000, 8, Deed::Other, "x"),
            (13, NOON + 4_000_000, 8, Deed::Quit, ""),
        ];
        let expected: Vec<Kept> = expected.map(|(a, b, c, d, text)| (a, b, c, d, text.to_owned())).into();
        assert_eq!(all, expected, "in pieces of {piece}");
        assert_eq!(reader.strays().count, 0);
    }
}

const MARIADB: &str = "\
/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-log (MariaDB Server). started with:
Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock
Time\t\t    Id Command\tArgument
261127  7:40:15\t     3 Connect\troot@localhost on  using Socket
\t\t     3 Init DB\tshop
\t\t     3 Query\tSELECT '
\t\tx'
261127 17:40:16\t     4 Statistics\t
\t\t     3 Quit\t
";

#[test]
fn a_log_of_mariadb_is_read_with_the_times_that_it_leaves_out() {
    for piece in [1, 5, 10_000] {
        let (mut reader, mut all, mut flavors) = (Reader::new(), Vec::new(), Vec::new());
        let mut each = |entry: Entry<'_>| {
            flavors.push((entry.flavor, entry.resolution, entry.after_banner));
            all.push(kept(entry));
        };
        MARIADB.as_bytes().chunks(piece).for_each(|part| reader.feed(part, &mut each));
        reader.finish(&mut each);
        let early = NOON - 10 * 3_600_000_000;
        let expected = [
            (4, early, 3, Deed::Connect, "root@localhost on  using Socket"),
            (5, early, 3, Deed::InitDb, "shop"),
            (6, early, 3, Deed::Query, "SELECT '\n\t\tx'"),
            (8, NOON + 1_000_000, 4, Deed::Statistics, ""),
            (9, NOON + 1_000_000, 3, Deed::Quit, ""),
        ];
        let expected: Vec<Kept> = expected.map(|(a, b, c, d, text)| (a, b, c, d, text.to_owned())).into();
        assert_eq!(all, expected);
        assert!(flavors.iter().all(|(flavor, exact, _)| *flavor == Flavor::MariaDb && *exact == 1_000_000));
        assert_eq!(flavors.iter().map(|(.., first)| *first).collect::<Vec<_>>(), [true, false, false, false, false]);
    }
}

#[test]
fn a_banner_in_the_middle_ends_the_statement_before_it() {
    let log = format!("{MYSQL}2026-11-27T17:41:00.000000Z\t    9 Query\tSELECT 3\n{MYSQL}");
    let (all, _) = read(log.as_bytes(), 100);
    assert_eq!(all.len(), 15);
    assert_eq!((all[7].0, all[7].4.as_str(), all[8].0), (14, "SELECT 3", 18));
}

#[test]
fn the_rest_of_a_statement_before_the_first_entry_is_told() {
    let (all, reader) = read(b"  FROM t\nWHERE x\n2026-11-27T17:40:15.000000Z\t    8 Quit\t", 9);
    assert_eq!((all.len(), reader.strays().count, reader.strays().first), (1, 2, 1));
    let (all, reader) = read(b"\x1f\x8b\x08 nothing\n\nof the kind\n", 9);
    assert_eq!((all.len(), reader.strays().count), (0, 2));
}

#[test]
fn what_only_looks_like_a_head_is_text() {
    for line in [
        "2026-13-27T17:40:15.000000Z\t    8 Query\tx",
        "2026-11-27T25:40:15.000000Z\t    8 Query\tx",
        "2026-11-27T17:40:15.000000Z\t    x Query\tx",
        "2026-11-27T17:40:15.000000Z     8 Query\tx",
        "2026-11-27T17:40:15.000000Z\t    8 Query x",
        "\t\t    8 Query\tx",
        "261127 17:40:15\t    8 Query\tx",
    ] {
        let log = format!("2026-11-27T17:40:15.000000Z\t    8 Query\tSELECT\n{line}\n");
        let (all, _) = read(log.as_bytes(), 50);
        assert_eq!(all.len(), 1, "{line}");
        assert_eq!(all[0].4, format!("SELECT\n{line}"));
    }
    let (all, _) = read(b"261127 17:40:15\t    8 Query\tSELECT\n\t\t    8 Dance\tx\n\t\t    8 Quit\t\n", 50);
    assert_eq!(all.iter().map(|entry| entry.4.as_str()).collect::<Vec<_>>(), ["SELECT\n\t\t    8 Dance\tx", ""]);
}

#[test]
fn a_huge_statement_is_cut_and_measured() {
    let log = format!("2026-11-27T17:40:15.000000Z\t    8 Query\t{}\n", "x".repeat(3 * LONGEST));
    let mut reader = Reader::new();
    let mut found = None;
    let mut each = |entry: Entry<'_>| found = Some((entry.text.len(), entry.length));
    log.as_bytes().chunks(65_536).for_each(|part| reader.feed(part, &mut each));
    reader.finish(&mut each);
    // The line's end cannot be told from the text's, once it is cut.
    assert_eq!(found, Some((LONGEST, 3 * LONGEST as u64 + 1)));
}

#[test]
fn logins_say_who_and_where() {
    let found = |user: &'static str, database: &'static str| {
        Some(Login::In { user: user.as_bytes(), database: database.as_bytes() })
    };
    for (text, expected) in [
        ("root@localhost on  using Socket", found("root", "")),
        ("root@localhost on shop using TCP/IP", found("root", "shop")),
        ("a@b@10.0.0.1 on my using db using SSL/TLS", found("a@b", "my using db")),
        ("app@localhost as anonymous on shop", found("app", "shop")),
        ("root@localhost on", found("root", "")),
        ("Access denied for user 'x'@'localhost' (using password: YES)", Some(Login::Refused)),
        ("nothing", None),
    ] {
        assert_eq!(login(text.as_bytes()), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_come_to_the_same(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\t'), any::<u8>()], 0..400),
        piece in 1_usize..50,
    ) {
        let log = [MARIADB.as_bytes(), &bytes, b"\n", MARIADB.as_bytes()].concat();
        prop_assert_eq!(read(&log, piece).0, read(&log, log.len()).0);
        read(&bytes, piece);
    }

    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::vec((0_i64..4_000_000_000, 0_u64..100_000, "[ -~]{0,30}(\n[!-~][ -~]{0,30}){0,3}"), 1..20),
        piece in 1_usize..200,
        compact: bool,
    ) {
        // No text begins a line like an entry.
        let texts: Vec<_> = entries.iter().map(|(.., text)| text.replace("\n2", "\nx").replace("\n/", "\nx").replace("\nT", "\nx")).collect();
        let mut log = String::new();
        let (mut clock, mut expected) = (0, Vec::new());
        for ((step, thread, _), text) in entries.iter().zip(&texts) {
            let second = *step % 3;
            clock += second * 1_000_000;
            let at = NOON + clock;
            let (hour, minute, sec) = (17, 40 + (15 + clock / 1_000_000) / 60, (15 + clock / 1_000_000) % 60);
            match compact {
                true if second > 0 || expected.is_empty() => log += &format!("261127 {hour}:{minute}:{sec:02}"),
                true => log += "\t",
                false => log += &format!("2026-11-27T{hour}:{minute}:{sec:02}.000000Z"),
            }
            log += &format!("\t{thread:5} Query\t{text}\n");
            expected.push((at, *thread, text.clone()));
        }
        let found: Vec<_> = read(log.as_bytes(), piece).0.into_iter().map(|(_, at, thread, _, text)| (at, thread, text)).collect();
        prop_assert_eq!(found, expected);
    }
}
