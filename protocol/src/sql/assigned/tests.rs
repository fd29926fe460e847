use super::{Literal, assigned};
use crate::sql::mode::{ClientCharset, Flavor, Mode};
use crate::state::Names;

fn mode() -> Mode {
    Mode::new(Flavor::MySql, 90704)
}

fn names(client: &str, connection: &str) -> Names {
    Names { client: client.as_bytes().into(), results: None, connection: connection.as_bytes().into() }
}

/// `name=SQL` of each assignment, in a session of utf8mb4.
fn read(text: &str) -> Option<Vec<String>> {
    let names = names("utf8mb4", "utf8mb4_bin");
    let write = |name: &[u8], sql: &[u8]| {
        format!("{}={}", std::str::from_utf8(name).unwrap(), std::str::from_utf8(sql).unwrap())
    };
    assigned(text.as_bytes(), mode())?
        .iter()
        .map(|one| Some(write(&one.name, &one.literal.sql(Some(&names))?)))
        .collect()
}

#[test]
fn literals_are_read() {
    let cases: [(&str, &[&str]); 16] = [
        ("SET @a = 1", &["a=1"]),
        ("set @A:=-17 ;", &["A=-17"]),
        ("/* why */ SET @a=1.50, @b = - .5, @c=5. -- so", &["a=1.50", "b=-.5", "c=5."]),
        ("SET @a=1e3, @b=-1.5E-7", &["a=1e3", "b=-1.5E-7"]),
        ("SET @a = null, @b = True, @c = FALSE", &["a=NULL", "b=TRUE", "c=FALSE"]),
        ("SET @a = 'x'", &["a=_utf8mb4'x' COLLATE utf8mb4_bin"]),
        ("SET @a = ''", &["a=_utf8mb4 X'' COLLATE utf8mb4_bin"]),
        ("SET @a = \"it's\"", &["a=_utf8mb4 X'69742773' COLLATE utf8mb4_bin"]),
        ("SET @a = 'it''s'", &["a=_utf8mb4 X'69742773' COLLATE utf8mb4_bin"]),
        ("SET @a = '{\"k\": 1}'", &["a=_utf8mb4'{\"k\": 1}' COLLATE utf8mb4_bin"]),
        ("SET @a = 'é'", &["a=_utf8mb4 X'C3A9' COLLATE utf8mb4_bin"]),
        ("SET @`a b` = 1, @'c' = 2, @\"d\" = 3", &["a b=1", "c=2", "d=3"]),
        ("SET @`a``b` = 1, @'it''s' = 2", &["a`b=1", "it's=2"]),
        ("SET @a.b$c_1 = 1", &["a.b$c_1=1"]),
        ("SET @a = 1, @a = 2", &["a=1", "a=2"]),
        ("SET\n@a = 18446744073709551615", &["a=18446744073709551615"]),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).as_deref(), Some(&expected.map_to_owned()[..]), "{text}");
    }
}

trait Owned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn anything_else_is_not() {
    for text in [
        "",
        "SET",
        "SET @a",
        "SET @a =",
        "SET @a = 1,",
        "SET @a = 1 + 1",
        "SET @a = --1",
        "SET @a = +1",
        "SET @a = (1)",
        "SET @a = @b",
        "SET @a = @b := 1",
        "SET @a = 1, autocommit = 1",
        "SET sql_mode = '', @a = 1",
        "SET @a = x'41'",
        "SET @a = X'41'",
        "SET @a = 0x41",
        "SET @a = b'1'",
        "SET @a = 0b1",
        "SET @a = N'x'",
        "SET @a = _latin1'x'",
        "SET @a = _latin1 'x'",
        "SET @a = DATE'2020-01-01'",
        "SET @a = 'x' 'y'",
        "SET @a = 'x' COLLATE utf8mb4_bin",
        "SET @a = 'a\\nb'",
        "SET @a = `x`",
        "SET @a = NULL IS NULL",
        "SET @a = 1 /*! + 1 */",
        "/*! SET @a = 1 */",
        "SET @`` = 1",
        "SET @ = 1",
        "SET @`a ` = 1",
        "SET @é = 1",
        "SET @'a\\'b' = 1",
        "SET @@a = 1",
        "SET GLOBAL a = 1",
        "SET STATEMENT a = 1 FOR SET @a = 1",
        "SELECT @a := 1",
        "DO @a := 1",
        "SET @a = 1; SET @b = 2",
        "SET @a = 1 1",
        "SET @a = 1 2e",
        "SET @a = 1e",
        "SET @a = 1x",
    ] {
        assert_eq!(assigned(text.as_bytes(), mode()), None, "{text}");
    }
    let long = "a".repeat(65);
    assert_eq!(read(&format!("SET @{} = 1", &long[1..])).unwrap().len(), 1);
    assert_eq!(read(&format!("SET @{long} = 1")), None);
}

#[test]
fn double_quotes_may_be_names() {
    let ansi = Mode { ansi_quotes: true, ..mode() };
    assert_eq!(assigned(b"SET @a = \"x\"", ansi), None);
    assert!(assigned(b"SET @\"a\" = 'x'", ansi).is_some());
}

#[test]
fn a_string_is_what_the_connection_makes_of_it() {
    let sql = |content: &[u8], client: &str, connection: &str| {
        let literal = Literal::Text(content.into());
        literal.sql(Some(&names(client, connection))).map(|sql| String::from_utf8(sql.into()).unwrap())
    };
    assert_eq!(sql(b"x", "latin1", "latin1_swedish_ci").as_deref(), Some("_latin1'x' COLLATE latin1_swedish_ci"));
    assert_eq!(sql(b"x", "utf8mb4", "latin1_bin").as_deref(), Some("_latin1'x' COLLATE latin1_bin"));
    assert_eq!(sql(b"x", "utf8mb4", "binary").as_deref(), Some("_binary'x'"));
    assert_eq!(sql(b"x\\", "utf8mb3", "utf8_bin").as_deref(), Some("_utf8 X'785C' COLLATE utf8_bin"));
    for (content, client, connection) in [
        (&b"\xe9"[..], "latin1", "latin1_bin"),
        (b"\xc3\xa9", "utf8mb4", "latin1_bin"),
        (b"\xc3\xa9", "latin1", "utf8mb4_bin"),
        (b"\xc3", "utf8mb4", "utf8mb4_bin"),
        (b"\xc3\xa9", "utf8mb3", "utf8mb3_bin"),
        (b"x", "utf8mb4", "ucs2_bin"),
        (b"x", "gbk", "gbk_bin"),
        (b"x", "swe7", "utf8mb4_bin"),
    ] {
        assert_eq!(sql(content, client, connection), None, "{content:?} {client} {connection}");
    }
    assert_eq!(Literal::Text((*b"x").into()).sql(None), None);
    assert_eq!(Literal::Plain((*b"1").into()).sql(None).as_deref(), Some(&b"1"[..]));
}

#[test]
fn other_character_sets_do_not_confuse_it() {
    let gbk = Mode { charset: ClientCharset::Gbk, ..mode() };
    // The quote after the lead byte is no quote.
    assert_eq!(assigned(b"SET @a = '\xbf', @b = 1", gbk).map(|all| all.len()), Some(2));
    assert_eq!(assigned(b"SET @a = '\xbf\\', @b = 1 -- '", gbk), None);
}
