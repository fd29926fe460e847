//! What user variables have become, asked of the server: SQL that gives each its value again, type and collation included.

use super::assigned::{name, string_sql};
use super::lexer::Lexer;
use super::mode::{Flavor, Mode};
use super::token::{Sink, Token};

/// How many columns a variable takes in the answer.
pub const COLUMNS: usize = 4;

/// How long a value may be that is read.
const LONGEST: &str = "16384";

/// What a variable was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is not set.
    Unset,
    /// This SQL gives it again.
    Value(Box<[u8]>),
    /// NULL, with the type and collation of what this SQL gives.
    Null(Box<[u8]>),
    /// Nobody can tell exactly.
    Unknown,
}

/// Every user variable that a text names; `None` where one is named in a way that servers take differently, or twice in
/// different letters, or where the text itself can be read in more than one way.
#[must_use]
pub fn user_variables(text: &[u8], mode: Mode) -> Option<Vec<Box<[u8]>>> {
    let mut names = Names { text, names: Some(Vec::new()) };
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut names);
    lexer.finish(&mut names);
    names.names
}

struct Names<'a> {
    text: &'a [u8],
    names: Option<Vec<Box<[u8]>>>,
}

impl Names<'_> {
    fn add(&mut self, written: &[u8]) -> Option<()> {
        let (name, names) = (name(written)?, self.names.as_mut()?);
        match names.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
            Some(known) if *known != name => return None,
            Some(_) => {}
            None => names.push(name),
        }
        Some(())
    }
}

impl Sink for Names<'_> {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let written = self.text.get(start..end).unwrap_or_default();
        let added = match token {
            Token::UserVar => self.add(written),
            Token::Uncertain => None,
            _ => return,
        };
        if added.is_none() {
            self.names = None;
        }
    }
}

/// The statement that asks for variables: [`COLUMNS`] for each.
#[must_use]
pub fn question(names: &[Box<[u8]>], flavor: Flavor) -> Vec<u8> {
    let mut sql = "SELECT ".to_owned();
    for (index, name) in names.iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        // All are ASCII, see `name`.
        let name = String::from_utf8_lossy(name);
        let kind = kind_of(&name, flavor);
        let name = format!("@`{}`", name.replace('`', "``"));
        sql += &format!(
            "{separator}CAST({kind} AS BINARY), CAST(COLLATION({name}) AS BINARY), \
             IF(LENGTH({name})<={LONGEST}, CAST({name} AS BINARY), NULL), \
             CAST(IF({kind}='DOUBLE', CAST({name} AS CHAR)+0e0<=>{name}, \
             {name} IS NULL OR LENGTH({name})<={LONGEST}) AS BINARY)"
        );
    }
    sql += " LIMIT 1";
    sql.into_bytes()
}

/// Only MariaDB has a list that every account may read; what is not in it is not set. On MySQL, JSON tells types apart.
fn kind_of(name: &str, flavor: Flavor) -> String {
    match flavor {
        Flavor::MariaDb => format!(
            "(SELECT VARIABLE_TYPE FROM information_schema.USER_VARIABLES WHERE VARIABLE_NAME='{}' LIMIT 1)",
            name.replace('\'', "''")
        ),
        Flavor::MySql => {
            let name = format!("@`{}`", name.replace('`', "``"));
            format!("IF(COLLATION({name})='binary', JSON_TYPE(JSON_EXTRACT(JSON_ARRAY({name}), '$[0]')), 'TEXT')")
        }
    }
}

/// What one variable's [`COLUMNS`] say.
#[must_use]
pub fn found(cells: &[Option<Box<[u8]>>], flavor: Flavor) -> Found {
    let [kind, Some(collation), value, exact] = cells else { return Found::Unknown };
    if exact.as_deref() != Some(b"1") {
        return if kind.is_none() && flavor == Flavor::MariaDb { Found::Unset } else { Found::Unknown };
    }
    match (kind.as_deref(), value) {
        (Some(kind), Some(value)) => sql(kind, value, collation).map_or(Found::Unknown, Found::Value),
        // MySQL keeps the type of a NULL to itself, but for strings that are no bytes.
        (Some(kind), None) if flavor == Flavor::MariaDb || kind == b"TEXT" => {
            let zero: &[u8] = if matches!(kind, b"TEXT" | b"VARCHAR") { b"" } else { b"0" };
            sql(kind, zero, collation).map_or(Found::Unknown, Found::Null)
        }
        (None, None) if flavor == Flavor::MariaDb => Found::Unset,
        _ => Found::Unknown,
    }
}

fn sql(kind: &[u8], value: &[u8], collation: &[u8]) -> Option<Box<[u8]>> {
    let has = |bytes: &[u8]| value.iter().any(|byte| bytes.contains(byte));
    let ending: &[u8] = match kind {
        b"TEXT" | b"VARCHAR" | b"BLOB" => return Some(string_sql(value, collation)),
        b"INTEGER" | b"INT" => b"",
        b"UNSIGNED INTEGER" | b"INT UNSIGNED" => return Some([b"CAST(", value, b" AS UNSIGNED)"].concat().into()),
        // Without a point it would be an integer, and without an exponent a decimal number.
        b"DECIMAL" if has(b".") => b"",
        b"DECIMAL" => b".",
        b"DOUBLE" if has(b"e") => b"",
        b"DOUBLE" => b"e0",
        _ => return None,
    };
    Some([value, ending].concat().into())
}

#[cfg(test)]
mod tests {
    use super::{Flavor, Found, Mode, found, question, user_variables};

    fn names(text: &str) -> Option<Vec<String>> {
        let names = user_variables(text.as_bytes(), Mode::new(Flavor::MariaDb, 101_114))?;
        Some(names.into_iter().map(|name| String::from_utf8(name.into()).unwrap()).collect())
    }

    #[test]
    fn all_names_are_found() {
        let text = "SELECT @a := @`b``c` + 1, '@x', @@sql_mode INTO @d /* @y */ /*! , @e */ -- @z";
        assert_eq!(names(text).unwrap(), ["a", "b`c", "d", "e"]);
        assert_eq!(names("SET @a = @a + @a").unwrap(), ["a"]);
        assert_eq!(names("SET @a = @A"), None);
        assert_eq!(names("SET @é = 1"), None);
        assert_eq!(names("SET @`a ` = 1"), None);
    }

    #[test]
    fn what_is_asked_is_quoted() {
        let asked = |flavor| String::from_utf8(question(&[(*b"it's`").into()], flavor)).unwrap();
        let mariadb = asked(Flavor::MariaDb);
        assert!(
            mariadb.contains("VARIABLE_NAME='it''s`'") && mariadb.contains("CAST(@`it's``` AS BINARY)"),
            "{mariadb}"
        );
        assert!(asked(Flavor::MySql).contains("JSON_ARRAY(@`it's```)"));
    }

    fn cells(kind: Option<&str>, collation: &str, value: Option<&str>, exact: &str) -> Vec<Option<Box<[u8]>>> {
        let cell = |text: &str| Box::from(text.as_bytes());
        vec![kind.map(cell), Some(cell(collation)), value.map(cell), Some(cell(exact))]
    }

    #[test]
    fn answers_become_sql() {
        let cases = [
            (("INTEGER", "binary", "-5"), "-5"),
            (("UNSIGNED INTEGER", "binary", "5"), "CAST(5 AS UNSIGNED)"),
            (("INT UNSIGNED", "binary", "5"), "CAST(5 AS UNSIGNED)"),
            (("DECIMAL", "binary", "-5"), "-5."),
            (("DECIMAL", "binary", "0.50"), "0.50"),
            (("DOUBLE", "binary", "-0"), "-0e0"),
            (("DOUBLE", "binary", "1.5e308"), "1.5e308"),
            (("BLOB", "binary", "\0"), "_binary X'00'"),
            (("VARCHAR", "latin1_bin", "x"), "_latin1'x' COLLATE latin1_bin"),
        ];
        for ((kind, collation, value), sql) in cases {
            let value = found(&cells(Some(kind), collation, Some(value), "1"), Flavor::MySql);
            assert_eq!(value, Found::Value(sql.as_bytes().into()), "{kind}");
        }
        let null = |kind, collation, flavor| found(&cells(kind, collation, None, "1"), flavor);
        assert_eq!(null(Some("DECIMAL"), "binary", Flavor::MariaDb), Found::Null((*b"0.").into()));
        let text = Found::Null((*b"_latin1 X'' COLLATE latin1_bin").into());
        assert_eq!(null(Some("TEXT"), "latin1_bin", Flavor::MySql), text);
        assert_eq!(null(Some("NULL"), "binary", Flavor::MySql), Found::Unknown);
        assert_eq!(null(None, "binary", Flavor::MySql), Found::Unknown);
        assert_eq!(null(None, "binary", Flavor::MariaDb), Found::Unset);
        let inexact = found(&cells(Some("DOUBLE"), "binary", Some("0.1"), "0"), Flavor::MySql);
        assert_eq!(inexact, Found::Unknown);
        assert_eq!(found(&cells(Some("VARCHAR"), "latin1_bin", None, "0"), Flavor::MariaDb), Found::Unknown);
        assert_eq!(found(&[], Flavor::MariaDb), Found::Unknown);
    }
}
