//! A statement's shape: its text without literals and comments, for people who look for what their application does.

mod normal;

pub use normal::{LONGEST_NORMAL, normalise};

use super::lexer::Lexer;
use super::mode::Mode;
use super::token::{Sink, Token};

/// What stands for all that was left out.
const ELLIPSIS: &[u8] = "…".as_bytes();

/// The longest shape, in bytes; the rest is left out.
const LONGEST: usize = 240;

/// The longest text that is looked at.
const LOOKED_AT: usize = 16 * 1024;

/// The text with `?` for each literal. `None` where servers may read it in more than one way: a literal might show.
#[must_use]
pub fn shape(text: &[u8], mode: Mode) -> Option<String> {
    let text = text.get(..LOOKED_AT).unwrap_or(text);
    let shape = written(text, mode)?;
    if text.contains(&b'\\') {
        // Whether a backslash hides a quote is what the session says, which the statement itself may have changed.
        let other = Mode { no_backslash_escapes: !mode.no_backslash_escapes, ..mode };
        written(text, other).filter(|other| *other == shape)?;
    }
    Some(shape)
}

fn written(text: &[u8], mode: Mode) -> Option<String> {
    let mut writer = Writer { text, out: Vec::new(), end: 0, uncertain: false };
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut writer);
    lexer.finish(&mut writer);
    if writer.uncertain {
        return None;
    }
    let mut shape = String::from_utf8_lossy(&writer.out).trim().trim_end_matches(';').trim_end().to_owned();
    if shape.len() > LONGEST {
        shape.truncate(shape.floor_char_boundary(LONGEST));
        shape.push('…');
    }
    Some(shape)
}

/// What of a token is shown.
enum Shown {
    Nothing,
    Uncertain,
    Literal,
    Itself,
}

fn shown(token: Token<'_>, own: &[u8]) -> Shown {
    match token {
        Token::Comment | Token::Hint { .. } | Token::VersionMark => Shown::Nothing,
        Token::Uncertain => Shown::Uncertain,
        Token::Text | Token::Number(_) => Shown::Literal,
        // `0xff` is read like a name.
        Token::Word(_) if own.first().is_some_and(u8::is_ascii_digit) => Shown::Literal,
        // By the SQL mode a name or a text.
        Token::Quoted(_) if own.first() != Some(&b'`') => Shown::Literal,
        _ => Shown::Itself,
    }
}

struct Writer<'t> {
    text: &'t [u8],
    out: Vec<u8>,
    /// Where the last token ended.
    end: usize,
    uncertain: bool,
}

impl Sink for Writer<'_> {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let own = self.text.get(start..end).unwrap_or_default();
        let shown = match shown(token, own) {
            Shown::Nothing => &b""[..],
            Shown::Uncertain => {
                self.uncertain = true;
                return;
            }
            Shown::Literal => b"?",
            Shown::Itself => own,
        };
        if (start > self.end || shown.is_empty()) && !self.out.is_empty() && !self.out.ends_with(b" ") {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(shown);
        self.end = end;
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, shape};
    use crate::sql::{Flavor, Mode};

    fn of(text: &str) -> Option<String> {
        shape(text.as_bytes(), Mode::new(Flavor::MySql, 90_700))
    }

    #[test]
    fn literals_and_comments_are_left_out() {
        for (text, expected) in [
            ("SET @token = 'secret'", "SET @token = ?"),
            ("select GET_LOCK(\"job 1\",10) -- nightly", "select GET_LOCK(?,?)"),
            ("CREATE TEMPORARY TABLE `t 1` (a INT);", "CREATE TEMPORARY TABLE `t 1` (a INT)"),
            (
                "INSERT /* of 7 */ INTO t\n\tVALUES (1.5e3, 0xff, x'ff', N'y', NULL)",
                "INSERT INTO t VALUES (?, ?, x?, N?, NULL)",
            ),
            ("SELECT /*!80000 1 + */ 2", "SELECT ? + ?"),
        ] {
            assert_eq!(of(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_may_be_read_in_two_ways_has_none() {
        assert_eq!(of(r"SET @a = 'it\'s', @b = 'x'"), None);
        assert_eq!(of(r"SET @a = 'a\nb'").as_deref(), Some("SET @a = ?"));
    }

    #[test]
    fn a_long_one_is_cut() {
        let long = of(&format!("SELECT {}", "ä, ".repeat(500))).unwrap();
        assert!(long.len() <= LONGEST + 3 && long.ends_with('…'), "{long}");
    }
}
