//! What a statement does to things that a session has by name: temporary tables, texts prepared by SQL, user locks.
//!
//! The classifier says that a statement may make or end such things; this says which, so that the last one's end can be
//! told. Where that takes a guess, it says so.

use super::lexer::Lexer;
use super::mode::Mode;
use super::token::{MAX_NAME, Sink, Token};

/// Statements with more tokens than this are not looked through.
const TOKENS: usize = 4096;

/// A table: its database where the text names it, and its name.
pub type Table = (Option<Box<[u8]>>, Box<[u8]>);

/// What one statement's text names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// `CREATE TEMPORARY TABLE` of this.
    pub made: Option<Table>,
    /// `DROP TABLE`, `DROP TEMPORARY TABLE` of these.
    pub dropped: Vec<Table>,
    /// A table may get another name.
    pub renames: bool,
    /// `PREPARE` of this, in lower case.
    pub prepared: Option<Box<[u8]>>,
    /// `DEALLOCATE PREPARE` of this, in lower case.
    pub deallocated: Option<Box<[u8]>>,
    /// `GET_LOCK` of these, as they were written: plain texts without anything that needs care in quotes. Letter case
    /// counts on MariaDB and not on MySQL (measured).
    pub locks: Vec<Box<[u8]>>,
    /// `GET_LOCK` of something else.
    pub odd_locks: bool,
    /// `RELEASE_LOCK` or `RELEASE_ALL_LOCKS` occurs.
    pub releases: bool,
}

impl Named {
    /// Tables whose database the text does not name are in this one.
    #[must_use]
    pub fn within(mut self, database: &[u8]) -> Self {
        for (qualifier, _) in self.made.iter_mut().chain(&mut self.dropped) {
            qualifier.get_or_insert_with(|| database.into());
        }
        self
    }
}

/// Reads a text of one statement. `None` where it can not be told.
#[must_use]
pub fn named(text: &[u8], mode: Mode) -> Option<Named> {
    let mut reader = Reader { tokens: Vec::new(), text: Vec::new(), whole: true };
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut reader);
    lexer.finish(&mut reader);
    reader.whole.then_some(())?;
    let mut named = Named::default();
    let tokens = reader.tokens.as_slice();
    statement(tokens, &mut named)?;
    locks(tokens, &mut named);
    Some(named)
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A word as it was written.
    Word(Box<[u8]>),
    /// A name in quotes.
    Quoted(Box<[u8]>),
    Text(Box<[u8]>),
    Punct(u8),
    Other,
}

struct Reader {
    tokens: Vec<Part>,
    text: Vec<u8>,
    whole: bool,
}

impl Sink for Reader {
    fn token(&mut self, token: Token<'_>, _: usize, _: usize) {
        let part = match token {
            // What is cut off may be another's beginning.
            Token::Word(name) | Token::Quoted(name) if name.len() >= MAX_NAME => {
                self.whole = false;
                return;
            }
            Token::Word(name) => Part::Word(name.into()),
            Token::Quoted(name) => Part::Quoted(name.into()),
            Token::Text => Part::Text(std::mem::take(&mut self.text).into()),
            Token::Punct(byte) => Part::Punct(byte),
            Token::Comment | Token::Hint { .. } | Token::VersionMark => return,
            Token::Uncertain => {
                self.whole = false;
                return;
            }
            Token::Number(_) | Token::UserVar | Token::SysVar | Token::Assign => Part::Other,
        };
        self.whole &= self.tokens.len() < TOKENS;
        if self.whole {
            self.tokens.push(part);
        }
    }

    fn text(&mut self, piece: &[u8]) {
        if self.whole {
            self.text.extend_from_slice(piece);
        }
    }
}

fn is(part: Option<&Part>, word: &[u8]) -> bool {
    matches!(part, Some(Part::Word(written)) if written.eq_ignore_ascii_case(word))
}

/// Takes the words off the front, if they stand there.
fn past<'a>(tokens: &'a [Part], words: &[&[u8]]) -> Option<&'a [Part]> {
    let here = words.iter().enumerate().all(|(at, word)| is(tokens.get(at), word));
    tokens.get(words.len()..).filter(|_| here)
}

fn statement(tokens: &[Part], named: &mut Named) -> Option<()> {
    if let Some(rest) = past(tokens, &[b"create"]) {
        let rest = past(rest, &[b"or", b"replace"]).unwrap_or(rest);
        if let Some(rest) = past(rest, &[b"temporary"]) {
            let rest = past(rest, &[b"table"])?;
            let rest = past(rest, &[b"if", b"not", b"exists"]).unwrap_or(rest);
            named.made = Some(table(rest)?.0);
        }
    } else if let Some(rest) =
        past(tokens, &[b"drop", b"prepare"]).or_else(|| past(tokens, &[b"deallocate", b"prepare"]))
    {
        named.deallocated = Some(name(rest)?);
    } else if let Some(rest) = past(tokens, &[b"drop"]) {
        let rest = past(rest, &[b"temporary"]).unwrap_or(rest);
        if let Some(rest) = past(rest, &[b"table"]).or_else(|| past(rest, &[b"tables"])) {
            dropped(past(rest, &[b"if", b"exists"]).unwrap_or(rest), &mut named.dropped)?;
        }
    } else if let Some(rest) = past(tokens, &[b"prepare"]) {
        named.prepared = Some(name(rest)?);
    } else if past(tokens, &[b"rename"]).is_some() || past(tokens, &[b"alter"]).is_some() {
        named.renames = tokens.iter().any(|part| is(Some(part), b"rename"));
    }
    Some(())
}

/// A name in lower case, as servers compare those of prepared texts. `None` beyond ASCII: who knows how.
fn name(tokens: &[Part]) -> Option<Box<[u8]>> {
    let (Part::Word(name) | Part::Quoted(name)) = tokens.first()? else { return None };
    name.is_ascii().then(|| name.to_ascii_lowercase().into())
}

/// A table's name, and what follows it. Letter case may count; what is beyond ASCII means something else in another
/// character set.
fn table(tokens: &[Part]) -> Option<(Table, &[Part])> {
    let name = |part: &Part| match part {
        Part::Word(name) | Part::Quoted(name) if name.is_ascii() => Some(name.clone()),
        _ => None,
    };
    let first = name(tokens.first()?)?;
    match tokens.get(1..)? {
        [Part::Punct(b'.'), second, rest @ ..] => Some(((Some(first), name(second)?), rest)),
        rest => Some(((None, first), rest)),
    }
}

fn dropped(tokens: &[Part], tables: &mut Vec<Table>) -> Option<()> {
    let (first, mut rest) = table(tokens)?;
    tables.push(first);
    while let Some((Part::Punct(b','), behind)) = rest.split_first() {
        let (next, behind) = table(behind)?;
        tables.push(next);
        rest = behind;
    }
    Some(())
}

fn locks(tokens: &[Part], named: &mut Named) {
    for (at, part) in tokens.iter().enumerate() {
        let (Part::Word(word) | Part::Quoted(word)) = part else { continue };
        named.releases |= word.eq_ignore_ascii_case(b"release_lock") || word.eq_ignore_ascii_case(b"release_all_locks");
        if word.eq_ignore_ascii_case(b"get_lock") {
            match tokens.get(at + 1..) {
                Some([Part::Punct(b'('), Part::Text(name), Part::Punct(b','), ..]) if is_simple(name) => {
                    named.locks.push(name.clone());
                }
                _ => named.odd_locks = true,
            }
        }
        named.odd_locks |= word.len() > 8 && word.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"service_"));
    }
}

/// Whether a lock's name means the same in any character set and SQL mode.
fn is_simple(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'\\') || *byte == b' ';
    (1..=64).contains(&name.len()) && name.iter().all(plain) && !name.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::{Named, named};
    use crate::sql::{Flavor, Mode};

    const MARIA: Mode = Mode::new(Flavor::MariaDb, 101_119);

    fn read(sql: &str) -> Named {
        named(sql.as_bytes(), MARIA).unwrap()
    }

    fn table(database: Option<&str>, name: &str) -> super::Table {
        (database.map(|name| name.as_bytes().into()), name.as_bytes().into())
    }

    #[test]
    fn tables_that_are_made_and_dropped() {
        for sql in [
            "CREATE TEMPORARY TABLE t (a INT)",
            "create /* so */ temporary table if not exists `t` select 1",
            "CREATE OR REPLACE TEMPORARY TABLE t LIKE u",
        ] {
            assert_eq!(read(sql).made, Some(table(None, "t")), "{sql}");
        }
        assert_eq!(read("CREATE TEMPORARY TABLE d . `a b` (a INT)").made, Some(table(Some("d"), "a b")));
        assert_eq!(read("CREATE TABLE t (a INT)"), Named::default());
        assert_eq!(named(b"CREATE TEMPORARY SEQUENCE s", MARIA), None);
        for sql in ["DROP TABLE a, d.b", "DROP TEMPORARY TABLE IF EXISTS a, `d`.b RESTRICT", "DROP TABLES a,d.b"] {
            assert_eq!(read(sql).dropped, [table(None, "a"), table(Some("d"), "b")], "{sql}");
        }
        assert_eq!(read("DROP VIEW a"), Named::default());
        assert_eq!(named(b"DROP TABLE a, ", MARIA), None);
        for sql in ["CREATE TEMPORARY TABLE é (a INT)", "DROP TABLE a, é.b"] {
            assert_eq!(named(sql.as_bytes(), MARIA), None, "{sql}");
        }
        let within = read("DROP TABLE a, d.b").within(b"app");
        assert_eq!(within.dropped, [table(Some("app"), "a"), table(Some("d"), "b")]);
        assert!(read("ALTER TABLE a RENAME TO b").renames && read("RENAME TABLE a TO b").renames);
        assert!(!read("ALTER TABLE a ADD b INT").renames);
    }

    #[test]
    fn texts_that_are_prepared_and_deallocated() {
        assert_eq!(read("PREPARE S1 FROM 'SELECT 1'").prepared.as_deref(), Some(&b"s1"[..]));
        assert_eq!(read("DEALLOCATE PREPARE `s1`").deallocated.as_deref(), Some(&b"s1"[..]));
        assert_eq!(read("drop prepare s1").deallocated.as_deref(), Some(&b"s1"[..]));
        assert_eq!(named("PREPARE é FROM 'SELECT 1'".as_bytes(), MARIA), None);
    }

    #[test]
    fn locks_by_plain_names() {
        let two = read("SELECT GET_LOCK('A b', 1), get_lock(\"c\", -1) FROM t");
        assert_eq!((two.locks, two.odd_locks), (vec![(*b"A b").into(), (*b"c").into()], false));
        for odd in [
            "SELECT GET_LOCK(name, 1) FROM t",
            "SELECT GET_LOCK('a' 'b', 1)",
            "SELECT GET_LOCK(CONCAT('a', 'b'), 1)",
            "SELECT GET_LOCK('it''s', 1)",
            "SELECT GET_LOCK('é', 1)",
            "SELECT GET_LOCK(?, 1)",
            "SELECT GET_LOCK(_latin1'a', 1)",
            "SELECT service_get_write_locks('n', 'a', 1)",
        ] {
            assert!(read(odd).odd_locks, "{odd}");
        }
        assert!(read("DO RELEASE_LOCK('a')").releases && read("SELECT RELEASE_ALL_LOCKS()").releases);
        assert!(!read("SELECT 'release_lock'").releases);
    }

    #[test]
    fn what_is_too_long_can_not_be_told() {
        assert_eq!(named(format!("DROP TABLE {}", "a".repeat(64)).as_bytes(), MARIA), None);
        assert!(named(format!("DROP TABLE {}", "a".repeat(63)).as_bytes(), MARIA).is_some());
        assert_eq!(named("1,".repeat(5000).as_bytes(), MARIA), None);
    }
}
