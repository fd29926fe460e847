//! A statement in a string literal: `PREPARE … FROM`, and MariaDB's `EXECUTE IMMEDIATE`.

use super::{Known, substitute};
use crate::sql::assigned::name;
use crate::sql::classify::Kind;
use crate::sql::keyword::Kw;
use crate::sql::lexer::Lexer;
use crate::sql::mode::Mode;
use crate::sql::token::{Sink, Token};

/// Writes `sql`, which prepares or executes a text, to `out` with calls in that text replaced. A text that is prepared may be
/// executed at any time: of what is known, only the session's id is the same then.
pub(super) fn substitute_text(sql: &[u8], kind: Kind, mode: Mode, known: &Known, out: &mut Vec<u8>) -> bool {
    let known = match kind {
        Kind::Execute => *known,
        _ => Known { connection_id: known.connection_id, ..Known::default() },
    };
    let Some(Place { start, end, content: Some(content) }) = place(sql, mode) else { return false };
    let mut text = Vec::new();
    if !is_plain(&content) || !substitute(&content, mode, &known, &mut text) {
        return false;
    }
    out.extend_from_slice(sql.get(..start).unwrap_or_default());
    write_literal(&text, mode, out);
    out.extend_from_slice(sql.get(end..).unwrap_or_default());
    true
}

/// The same statement with a literal in place of the user variable whose value it prepares or executes, where `value`
/// tells that by the variable's name.
#[must_use]
pub fn with_literal(sql: &[u8], mode: Mode, value: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let Place { start, end, .. } = place(sql, mode).filter(|place| place.content.is_none())?;
    let text = value(&name(sql.get(start..end)?)?).filter(|text| is_plain(text))?;
    let mut out = sql.get(..start)?.to_vec();
    write_literal(&text, mode, &mut out);
    out.extend_from_slice(sql.get(end..)?);
    Some(out)
}

/// What another character set makes of a quote or a backslash nobody asks here.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~'))
}

fn write_literal(text: &[u8], mode: Mode, out: &mut Vec<u8>) {
    out.push(b'\'');
    for &byte in text {
        if byte == b'\'' || byte == b'\\' && !mode.no_backslash_escapes {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'\'');
}

/// Where the text stands.
struct Place {
    start: usize,
    end: usize,
    /// What the literal holds; `None` of a user variable.
    content: Option<Vec<u8>>,
}

fn place(sql: &[u8], mode: Mode) -> Option<Place> {
    let mut reader = Reader::default();
    let mut lexer = Lexer::new(mode);
    lexer.feed(sql, &mut reader);
    lexer.finish(&mut reader);
    reader.place.filter(|_| !reader.doubtful)
}

/// Finds the one literal, or the one variable, that stands right behind FROM or IMMEDIATE.
#[derive(Default)]
struct Reader {
    content: Vec<u8>,
    place: Option<Place>,
    /// FROM or IMMEDIATE came last.
    due: bool,
    doubtful: bool,
}

impl Sink for Reader {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let due = std::mem::take(&mut self.due);
        match (token, &self.place) {
            (Token::VersionMark | Token::Uncertain | Token::Hint { .. }, _) => self.doubtful = true,
            (Token::Comment, _) => self.due = due,
            (Token::Word(word), None) => self.due = matches!(Kw::of(word), Kw::From | Kw::Immediate),
            (Token::Text, None) if due => {
                self.place = Some(Place { start, end, content: Some(std::mem::take(&mut self.content)) });
            }
            (Token::UserVar, None) if due => self.place = Some(Place { start, end, content: None }),
            // Literals that follow each other are one to MariaDB.
            (Token::Text, _) => self.doubtful = true,
            _ => {}
        }
    }

    fn text(&mut self, piece: &[u8]) {
        self.content.extend_from_slice(piece);
    }
}
