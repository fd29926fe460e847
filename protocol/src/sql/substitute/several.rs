//! Several statements in one string, each by itself: what an earlier one of the string has left, the server knows.

use super::{FoundRows, Known, substitute};
use crate::sql::classify::{Kind, Verdict, classify};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::lexer::Lexer;
use crate::sql::mode::Mode;
use crate::sql::token::{Sink, Token};

/// What came of a string of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Several {
    /// Something was replaced.
    pub changed: bool,
    /// A call is left that asks, or may ask, about the statement before the string, of which the server at hand may know
    /// another answer than what is known.
    pub open: bool,
}

/// Whom `FOUND_ROWS()` asks about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The last statement before the string.
    Before,
    /// That one or one of the string.
    Either,
    /// One of the string.
    Within,
}

/// Writes `sql`, several statements, to `out` with each replaced as [`substitute`] does, where that asks about the statement
/// before the string. Nothing is written where nothing is replaced.
#[must_use]
pub fn substitute_several(sql: &[u8], mode: Mode, known: &Known, out: &mut Vec<u8>) -> Several {
    let mut ends = Ends::default();
    let mut lexer = Lexer::new(mode);
    lexer.feed(sql, &mut ends);
    lexer.finish(&mut ends);
    ends.all.push((sql.len(), ends.defines));
    let (length, mut done) = (out.len(), Several::default());
    let mut readable = !ends.doubtful && !classify(sql, mode).facts.contains(Facts::COMPOUND);
    let (mut first, mut found, mut from) = (true, Found::Before, 0);
    for (end, defines) in ends.all {
        let piece = sql.get(from..end).unwrap_or_default();
        let verdict = classify(piece, mode);
        let row_count = known.row_count.filter(|_| first);
        let known = Known { row_count, found_rows: known.found_rows.unless(found == Found::Within), ..*known };
        let certain = Known { found_rows: known.found_rows.unless(found != Found::Before), ..known };
        readable &= !(defines && matches!(verdict.kind, Kind::Ddl | Kind::Other | Kind::Compound));
        let concerned = asks(&verdict, &certain)
            || certain.connection_id.is_some() && verdict.facts.contains(Facts::READS_CONNECTION_ID);
        let replaced = readable && concerned && substitute(piece, mode, &certain, out);
        if !replaced {
            out.extend_from_slice(piece);
        }
        done.changed |= replaced;
        done.open |= asks(&verdict, &known) && !(replaced && certain == known);
        out.extend_from_slice(sql.get(end..end + 1).unwrap_or_default());
        from = end + 1;
        if verdict.kind != Kind::Empty {
            first = false;
            found = found.after(&verdict, piece);
        }
        readable &= !reads_anew(&verdict, piece);
    }
    if !done.changed {
        out.truncate(length);
    }
    done
}

fn asks(verdict: &Verdict, known: &Known) -> bool {
    known.row_count.is_some() && verdict.facts.contains(Facts::READS_ROW_COUNT)
        || known.found_rows != FoundRows::Server && verdict.facts.contains(Facts::READS_FOUND_ROWS)
}

impl Found {
    fn after(self, verdict: &Verdict, piece: &[u8]) -> Self {
        let selects = names(piece, &[b"select"]);
        match verdict.kind {
            Kind::Select => Self::Within,
            Kind::Insert | Kind::Replace if selects => Self::Within,
            Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Savepoint | Kind::Use => self,
            Kind::Set if !selects && !verdict.facts.contains(Facts::MAY_RUN_ROUTINE) => self,
            _ if self == Self::Before => Self::Either,
            _ => self,
        }
    }
}

/// Whether what follows may be read in another SQL mode or character set than what stood before.
fn reads_anew(verdict: &Verdict, piece: &[u8]) -> bool {
    match verdict.kind {
        Kind::Execute | Kind::Compound => true,
        Kind::Set => names(piece, &[b"sql_mode", b"names", b"char"]),
        _ => false,
    }
}

/// Whether one of these words stands anywhere in it, be it within another.
fn names(piece: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| piece.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// Where the statements end, and whether each may define a routine, which holds semicolons too.
#[derive(Default)]
struct Ends {
    all: Vec<(usize, bool)>,
    defines: bool,
    doubtful: bool,
}

impl Sink for Ends {
    fn token(&mut self, token: Token<'_>, start: usize, _end: usize) {
        match token {
            Token::Punct(b';') => self.all.push((start, std::mem::take(&mut self.defines))),
            // What a version comment holds cannot be read without its beginning.
            Token::VersionMark | Token::Uncertain => self.doubtful = true,
            Token::Word(word) => {
                self.defines |= matches!(
                    Kw::of(word),
                    Kw::Procedure | Kw::Function | Kw::Trigger | Kw::Event | Kw::Package | Kw::View
                );
            }
            _ => {}
        }
    }
}
