//! Statements that are nothing but `SET @a = literal, …`: what they assign.

use super::lexer::Lexer;
use super::mode::Mode;
use super::token::{Sink, Token};
use crate::state::Names;

#[cfg(test)]
mod tests;

/// How long a variable's name may be; MySQL refuses a longer one (3061, measured).
const LONGEST_NAME: usize = 64;

/// Character sets in which ASCII is ASCII, byte for byte, and of which a literal keeps it so.
pub(crate) const LIKE_ASCII: [&[u8]; 12] = [
    b"utf8mb4", b"utf8mb3", b"utf8", b"latin1", b"ascii", b"binary", b"latin2", b"latin5", b"latin7", b"cp1250",
    b"cp1251", b"cp1252",
];

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The variable, as it is written, without quotes.
    pub name: Box<[u8]>,
    /// Its value.
    pub literal: Literal,
}

/// A literal whose value the text alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A number, TRUE, FALSE or NULL: SQL that means the same everywhere.
    Plain(Box<[u8]>),
    /// A string without a character set of its own: its content, as the client sent it.
    Text(Box<[u8]>),
}

impl Literal {
    /// SQL that gives the same, with type and collation, whatever the session's state then; `names` are the session's
    /// character sets when it came, `None` where they are not known. `None` where it can not be said.
    #[must_use]
    pub fn sql(&self, names: Option<&Names>) -> Option<Box<[u8]>> {
        match self {
            Self::Plain(sql) => Some(sql.clone()),
            Self::Text(content) => text_sql(content, names?),
        }
    }
}

/// The server makes the connection's character set of the client's; it gives the literal the connection's collation.
fn text_sql(content: &[u8], names: &Names) -> Option<Box<[u8]>> {
    let charset = charset_of(&names.connection);
    let is_known = |charset: &[u8]| LIKE_ASCII.contains(&charset);
    let same = *names.client == *charset;
    let kept = match charset {
        _ if !is_known(charset) || !is_known(&names.client) => false,
        _ if content.is_ascii() => true,
        b"utf8mb4" => same && std::str::from_utf8(content).is_ok(),
        _ => false,
    };
    kept.then(|| string_sql(content, &names.connection))
}

/// The character set that a collation is of.
fn charset_of(collation: &[u8]) -> &[u8] {
    collation.split(|byte| *byte == b'_').next().unwrap_or_default()
}

/// SQL of a string of these bytes in this collation.
#[must_use]
pub fn string_sql(content: &[u8], collation: &[u8]) -> Box<[u8]> {
    let mut sql = vec![b'_'];
    sql.extend_from_slice(charset_of(collation));
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\');
    // Under a mode of MariaDB's '' is NULL, and X'' is not (measured).
    if !content.is_empty() && content.iter().all(plain) {
        sql.push(b'\'');
        sql.extend_from_slice(content);
    } else {
        sql.extend_from_slice(b" X'");
        sql.extend(
            content.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| b"0123456789ABCDEF"[usize::from(digit)]),
        );
    }
    sql.push(b'\'');
    // The one collation of its character set, and a word that can not stand there bare (measured).
    if collation != b"binary" {
        sql.extend_from_slice(b" COLLATE ");
        sql.extend_from_slice(collation);
    }
    sql.into()
}

/// What a statement assigns that assigns literals to user variables and does no more; `None` for any other.
#[must_use]
pub fn assigned(text: &[u8], mode: Mode) -> Option<Vec<Assigned>> {
    let mut reader = Reader { text, phase: Phase::Set, name: Box::default(), content: Vec::new(), done: Vec::new() };
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut reader);
    lexer.finish(&mut reader);
    (reader.phase == Phase::After).then_some(reader.done)
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Set,
    Variable,
    Equals,
    Value,
    /// The digits behind a minus.
    Digits,
    /// A comma, or the end.
    After,
    /// It is something else.
    Other,
}

struct Reader<'a> {
    text: &'a [u8],
    phase: Phase,
    name: Box<[u8]>,
    /// Of the string under way.
    content: Vec<u8>,
    done: Vec<Assigned>,
}

impl Reader<'_> {
    fn next(&mut self, token: Token<'_>, written: &[u8]) -> Phase {
        match (self.phase, token) {
            (Phase::Set, Token::Word(word)) if word.eq_ignore_ascii_case(b"SET") => Phase::Variable,
            (Phase::Variable, Token::UserVar) => match name(written) {
                Some(name) => self.named(name),
                None => Phase::Other,
            },
            (Phase::Equals, Token::Punct(b'=') | Token::Assign) => Phase::Value,
            (Phase::Value, Token::Punct(b'-')) => Phase::Digits,
            (Phase::Value, Token::Number(_)) if is_number(written) => self.plain(written),
            (Phase::Digits, Token::Number(_)) if is_number(written) => self.plain(&[b"-", written].concat()),
            (Phase::Value, Token::Word(word)) if is_constant(word) => self.plain(&word.to_ascii_uppercase()),
            // What a backslash means is for the server to say.
            (Phase::Value, Token::Text) if matches!(written, [b'\'' | b'"', ..]) && !written.contains(&b'\\') => {
                let content = std::mem::take(&mut self.content);
                self.literal(Literal::Text(content.into()))
            }
            (Phase::After, Token::Punct(b',')) => Phase::Variable,
            _ => Phase::Other,
        }
    }

    fn named(&mut self, name: Box<[u8]>) -> Phase {
        self.name = name;
        Phase::Equals
    }

    fn plain(&mut self, sql: &[u8]) -> Phase {
        self.literal(Literal::Plain(sql.into()))
    }

    fn literal(&mut self, literal: Literal) -> Phase {
        self.done.push(Assigned { name: std::mem::take(&mut self.name), literal });
        Phase::After
    }
}

impl Sink for Reader<'_> {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let written = self.text.get(start..end).unwrap_or_default();
        // A semicolon may end it; the classifier counts what stands behind that.
        let passes = token == Token::Comment || token == Token::Punct(b';') && self.phase == Phase::After;
        if !passes {
            self.phase = self.next(token, written);
        }
    }

    fn text(&mut self, piece: &[u8]) {
        if self.phase == Phase::Value {
            self.content.extend_from_slice(piece);
        }
    }
}

/// The name of a variable written `@name`. None that two servers compare otherwise: beyond ASCII, or with a space at its
/// end, which is nothing to MySQL (measured).
pub(super) fn name(written: &[u8]) -> Option<Box<[u8]>> {
    let written = written.strip_prefix(b"@")?;
    let name = match written {
        [quote @ (b'`' | b'\'' | b'"'), inner @ .., last] if quote == last => unquoted(*quote, inner)?,
        _ if written.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(byte)) => written.to_vec(),
        _ => return None,
    };
    let is_plain = name.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\');
    let fits = is_plain && (1..=LONGEST_NAME).contains(&name.len()) && name.last() != Some(&b' ');
    fits.then(|| name.into())
}

/// `None` where a quote stands alone.
fn unquoted(quote: u8, inner: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == quote && bytes.next() != Some(&quote) {
            return None;
        }
        name.push(byte);
    }
    Some(name)
}

fn is_constant(word: &[u8]) -> bool {
    [&b"NULL"[..], b"TRUE", b"FALSE"].iter().any(|constant| word.eq_ignore_ascii_case(constant))
}

/// An integer, a decimal number, or one with an exponent.
fn is_number(written: &[u8]) -> bool {
    let mut halves = written.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let mantissa = halves.next().unwrap_or_default();
    let exponent = halves.next().map(|part| part.strip_prefix(b"-").or(part.strip_prefix(b"+")).unwrap_or(part));
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).count();
    let dots = mantissa.iter().filter(|byte| **byte == b'.').count();
    let all_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    digits > 0 && dots < 2 && digits + dots == mantissa.len() && exponent.is_none_or(all_digits)
}
