//! The lexer beside the servers' own: texts put together at random, of what opens, closes and hides. Where a server ran
//! `GET_LOCK`, which no tracker tells, the classifier must have seen that it may.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::env;

use greenroom::demo::server::{Flavor, Server};
use greenroom_protocol::sql::{self, ClientCharset, Doubt, Facts, Mode, PinReason, read};
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    dice::Dice,
    servers::{Tenant, each_server},
    wire::{Reply, Wire},
};

/// Texts for each character set and SQL mode; set `GREENROOM_LEXING_TEXTS` for a longer search, and
/// `GREENROOM_LEXING_SEED` for another.
const TEXTS: usize = 150;

/// A set of each kind of those that differ in the lexer.
const CHARSETS: [&str; 12] =
    ["utf8mb4", "latin1", "gbk", "big5", "sjis", "cp932", "gb18030", "gb2312", "euckr", "ujis", "eucjpms", "cp1251"];

const LOCK: &[u8] = b"GET_LOCK('k',0)";

/// What stands within quotes and comments, or where it should not.
const BITS: &[&[u8]] = &[
    LOCK,
    b"+GET_LOCK(\"k\",0)+",
    b"'",
    b"'",
    b"\"",
    b"`",
    b"\\",
    b"\\",
    b"\\'",
    b"\\\"",
    b"\\\\",
    b"''",
    b"\"\"",
    b"``",
    b"/*",
    b"*/",
    b"/*!",
    b"/*M!",
    b"--",
    b"-- ",
    b"--\x01",
    b"#",
    b"\n",
    b"\r",
    b" ",
    b"\x7f",
    b"\x0b",
    b";",
    b"a",
    b"1",
    b".",
    b"1e",
    b"0x",
    b"@",
    b"$$",
    b"$",
    b":",
    b"(",
    b")",
    b"*",
    b"/",
    b"-",
    b"+",
    b",",
    b"\x81",
    b"\xa1",
    b"\xc3",
    b"\xe0",
    b"\xf0",
    b"\xfc",
    b"\xfe",
    b"\xff",
    b"\x80",
    b"\xa0",
    b"\xbf",
    b"\x81\x5c",
    b"\xb0\x27",
    b"\xb0\x5c",
    b"\x81\x30",
    b"\x81\x30\x81\x30",
    b"\x8e",
    b"\x8f",
    b"\xc2\xa0",
    b"\xef\xbc\x87",
];

const VERSIONS: &[&[u8]] = &[
    b"",
    b" ",
    b"50000",
    b"50000 ",
    b"080000",
    b"080000 ",
    b"99999 ",
    b"50700 ",
    b"50699 ",
    b"100000",
    b"100000 ",
    b"100000\n",
    b"999999 ",
    b"1000000 ",
    b"1234 ",
    b"101114 ",
    b"101115 ",
    b"090704 ",
    b"90705 ",
    b"90704",
    b"0",
    b"4",
    b"000000",
];

/// Whole in themselves.
const WHOLE: &[&[u8]] = &[
    LOCK,
    LOCK,
    b"1",
    b"1.",
    b".5",
    b"1e1",
    b"0x41",
    b"x'41'",
    b"n'a'",
    b"N'\\''",
    b"_utf8'a'",
    b"_gbk'\\''",
    b"b'1'",
    b"@a",
    b"@`a`",
    b"@'a'",
    b"@\"a\"",
    b"@@version",
    b"NULL",
    b"(1)",
    b"{d '2000-01-01'}",
    b"- -1",
    b"!1",
    b"~1",
    b"`get_lock`('k',0)",
    b"GET_LOCK ('k',0)",
    b"GET_LOCK/**/('k',0)",
    b"GET_LOCK/*!('k',0)*/",
    b"$$a$$",
    b"$a$'$a$",
    b"1.e1",
    b"@$",
    b"@a.b",
];

fn bits(dice: &mut Dice, most: usize, text: &mut Vec<u8>) {
    for _ in 0..dice.roll(most + 1) {
        text.extend(dice.one_of(BITS));
    }
}

fn between(dice: &mut Dice, open: &[u8], close: &[u8], text: &mut Vec<u8>) {
    text.extend(open);
    bits(dice, 3, text);
    text.extend(close);
}

fn operand(dice: &mut Dice, text: &mut Vec<u8>) {
    match dice.roll(12) {
        0 | 1 => between(dice, b"'", b"'", text),
        2 => between(dice, b"\"", b"\"", text),
        3 => between(dice, b"1 AS `", b"`", text),
        4 => between(dice, b"1 AS \"", b"\"", text),
        5 => between(dice, b"$$", b"$$", text),
        6..=8 => text.extend(LOCK),
        _ => text.extend(dice.one_of(WHOLE)),
    }
}

fn separator(dice: &mut Dice, text: &mut Vec<u8>) {
    let version = dice.one_of(VERSIONS);
    match dice.roll(12) {
        0 => between(dice, b"/*", b"*/,", text),
        1 => between(dice, b"-- ", b"\n,", text),
        2 => between(dice, b"#", b"\n,", text),
        3 => between(dice, b"--", b"\n+", text),
        4 => between(dice, &[b"/*!", version, b","].concat(), b"*/+", text),
        5 => between(dice, &[b"/*!", version, b"+1*/,"].concat(), b"", text),
        6 => between(dice, &[b"/*M!", version, b"+GET_LOCK('k',0)*/,"].concat(), b"", text),
        7 => between(dice, &[b"/*!", version, b"+GET_LOCK('k',0)*/,"].concat(), b"", text),
        8 => between(dice, &[b"/*!", version, b"/*"].concat(), b"*/+1*/,", text),
        9 => text.extend(b"; SELECT "),
        10 => text.extend(b"+"),
        _ => text.extend(b","),
    }
}

/// What changes how the rest of a string is read.
const SWITCHES: &[&[u8]] = &[
    b"SET sql_mode='NO_BACKSLASH_ESCAPES';",
    b"SET sql_mode='ANSI_QUOTES';",
    b"SET @@sql_mode='';",
    b"SET NAMES gbk;",
    b"SET CHARACTER SET big5;",
    b"SET character_set_client=sjis;",
    b"SET time_zone='+1:00', NAMES utf8mb4;",
    b"SET @a='\\''''', sql_mode='NO_BACKSLASH_ESCAPES';",
    b"SET sql_mode='NO_BACKSLASH_ESCAPES', @a='\\'';SELECT '\\';",
];

/// Most would run as they are; then something is put in somewhere.
fn compose(dice: &mut Dice) -> Vec<u8> {
    let mut text = dice.one_of(&[&b"SELECT "[..], b"SELECT ", b"DO ", b"/*!50000 SELECT ", b"SELECT "]).to_vec();
    operand(dice, &mut text);
    for _ in 0..dice.roll(4) {
        separator(dice, &mut text);
        operand(dice, &mut text);
    }
    text.extend(dice.one_of(&[&b""[..], b"", b"-- '", b"#'", b"*/", b"*/*'*/", b")", b" /*'*/"]));
    for _ in 0..dice.roll(5).saturating_sub(2) {
        let (mut bit, at) = (Vec::new(), dice.roll(text.len() + 1));
        bits(dice, 2, &mut bit);
        text.splice(at..at, bit);
    }
    if dice.roll(10) == 0 {
        text = [dice.one_of(SWITCHES), &text].concat();
    }
    text
}

/// Whether the server locked anything.
fn locks(wire: &mut Wire, text: &[u8]) -> bool {
    wire.send(Command::COM_QUERY, text).unwrap();
    wire.send(Command::COM_QUERY, b"SELECT RELEASE_ALL_LOCKS()").unwrap();
    wire.replies().unwrap();
    match wire.replies().unwrap().as_slice() {
        [Reply::Rows(rows)] => rows.rows[0][0].as_deref() != Some("0"),
        other => panic!("{other:?}"),
    }
}

fn sees(text: &[u8], mode: Mode) -> bool {
    let verdict = read(text, mode, Doubt::default()).verdict;
    let pins = [PinReason::UserLock, PinReason::UntrackedState].iter().any(|reason| verdict.pins.contains(*reason));
    pins || verdict.facts.contains(Facts::MAY_RUN_ROUTINE)
}

/// Every SQL mode in turn, in one character set; gives the texts that ran unseen and how many locked.
fn search(server: &Server, tenant: &Tenant, charset: &str, seed: u64, texts: usize) -> (Vec<String>, usize) {
    let login = tenant.login().with(CapabilityFlags::CLIENT_MULTI_STATEMENTS);
    let mut wire = Wire::connect(server.address(), &login).unwrap();
    if matches!(wire.one(&format!("SET NAMES {charset}")), Reply::Err(_)) {
        return (Vec::new(), texts);
    }
    let (flavor, version) = match server.flavor() {
        Flavor::MariaDb => (sql::Flavor::MariaDb, number(server.version())),
        Flavor::MySql => (sql::Flavor::MySql, number(server.version())),
    };
    let (mut unseen, mut locked) = (Vec::new(), 0);
    for modes in 0..4_u8 {
        let (ansi_quotes, no_backslash_escapes) = (modes & 1 != 0, modes & 2 != 0);
        let names = [("ANSI_QUOTES", ansi_quotes), ("NO_BACKSLASH_ESCAPES", no_backslash_escapes)];
        let names: Vec<_> = names.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let usual = format!("SET NAMES {charset}, sql_mode = '{}'", names.join(","));
        wire.ok(&usual);
        let charset = ClientCharset::from_name(charset);
        let mode = Mode { ansi_quotes, no_backslash_escapes, charset, ..Mode::new(flavor, version) };
        let mut dice = Dice::new(seed.wrapping_mul(4).wrapping_add(u64::from(modes)));
        for _ in 0..texts {
            let text = compose(&mut dice);
            if locks(&mut wire, &text) {
                locked += 1;
                if !sees(&text, mode) {
                    unseen.push(format!("{names:?} {}", text.escape_ascii()));
                }
            }
            if text.starts_with(b"SET") {
                wire.ok(&usual);
            }
        }
    }
    (unseen, locked)
}

fn number(version: &str) -> u32 {
    let mut parts = version.split(|at: char| !at.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    next() * 10_000 + next() * 100 + next()
}

fn setting(name: &str, usual: usize) -> usize {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

#[test]
fn what_a_server_runs_the_lexer_sees() {
    each_server(|server| {
        let tenant = Tenant::new(server, "lexing");
        let texts = setting("GREENROOM_LEXING_TEXTS", TEXTS);
        let first = setting("GREENROOM_LEXING_SEED", 1) as u64;
        let mut wrong = Vec::new();
        for (charset, seed) in CHARSETS.iter().zip(first * 100..) {
            let (unseen, locked) = search(server, &tenant, charset, seed, texts);
            assert!(locked > texts / 4, "{charset}: {locked} locked, which says little");
            wrong.extend(unseen.into_iter().map(|text| format!("{charset} {text}")));
        }
        wrong.truncate(200);
        assert!(wrong.is_empty(), "{} runs unseen:\n{}", server.flavor(), wrong.join("\n"));
    });
}

/// Definitions with names that look like blocks, and what runs behind them; and what a definition itself runs. With a lock
/// of their own: there is one of a name on a server.
const DEFINITIONS: &[&str] = &[
    "CREATE PROCEDURE a1() SELECT 1 begin; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE a2() SELECT 'x' begin; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE a3() SELECT (1) begin; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE a4() SELECT 1 FROM (SELECT 1) begin; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE a5() INSERT begin VALUES (1); SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE a6() SAVEPOINT begin; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE begin() SELECT 1; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE b1() BEGIN SELECT 1 begin; END; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE b2() BEGIN SELECT CASE 1 WHEN 1 THEN begin END FROM t; END; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE b3() BEGIN DECLARE EXIT HANDLER FOR 1062 SELECT 1 begin; END; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE b4() BEGIN WHILE 0 DO SELECT 1 begin; END WHILE; END; SELECT GET_LOCK('d',0) end",
    "CREATE PROCEDURE b5() BEGIN IF 1 THEN SELECT do begin FROM t; END IF; END; SELECT GET_LOCK('d',0) end",
    "CREATE FUNCTION c1() RETURNS INT DETERMINISTIC RETURN (SELECT 1 begin); SELECT GET_LOCK('d',0) end",
    "CREATE EVENT d1 ON SCHEDULE EVERY 1 HOUR DO SELECT 1 begin; SELECT GET_LOCK('d',0) end",
    "CREATE EVENT d2 ON SCHEDULE EVERY GET_LOCK('d',0) HOUR DO SELECT 1",
    "CREATE EVENT d3 ON SCHEDULE EVERY 1 HOUR STARTS NOW() + INTERVAL GET_LOCK('d',0) DAY DO SELECT 1",
    "ALTER EVENT d2 ON SCHEDULE AT NOW() + INTERVAL GET_LOCK('d',0) DAY",
];

#[test]
fn what_stands_behind_a_definition_is_seen() {
    each_server(|server| {
        let tenant = Tenant::new(server, "lexing");
        let login = tenant.login().with(CapabilityFlags::CLIENT_MULTI_STATEMENTS);
        let mut wire = Wire::connect(server.address(), &login).unwrap();
        let flavor = if server.flavor() == Flavor::MariaDb { sql::Flavor::MariaDb } else { sql::Flavor::MySql };
        let mode = Mode::new(flavor, number(server.version()));
        for sql in DEFINITIONS {
            assert!(locks(&mut wire, sql.as_bytes()), "{} runs no lock: {sql}", server.flavor());
            assert!(sees(sql.as_bytes(), mode), "{sql}");
        }
    });
}
