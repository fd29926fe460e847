//! A statement's shape: its text without literals and comments, for people who look for what their application does.

mod normal;

pub use normal::{LONGEST_NORMAL, normalise};

use super::lexer::Lexer;
use super::mode::Mode;
use super::reading::Doubt;
use super::token::{Sink, Token};

/// What stands for all that was left out.
const ELLIPSIS: &[u8] = "…".as_bytes();

/// The longest shape, in bytes; the rest is left out.
const LONGEST: usize = 240;

/// The longest text that is looked at.
const LOOKED_AT: usize = 16 * 1024;

/// The text with `?` for each literal, and for what stands in double quotes. `None` where servers may read it in more than one
/// way: a literal might show. What a quote and a backslash mean is what the session says, which the statement itself may have
/// changed, so that is in doubt in any text; `doubt` says whether its character set is, too.
#[must_use]
pub fn shape(text: &[u8], mode: Mode, doubt: Doubt) -> Option<String> {
    let text = text.get(..LOOKED_AT).unwrap_or(text);
    let (shape, several) = written(text, mode)?;
    // Without a backslash both kinds of quotes end at the same places in every SQL mode.
    let sql_mode = text.contains(&b'\\');
    let doubt = Doubt { sql_mode, charset: doubt.charset || several };
    let is_same = |other| written(text, other).is_some_and(|(other, _)| other == shape);
    doubt.others(text, mode).all(is_same).then_some(shape)
}

/// The shape, and whether it is of several statements.
fn written(text: &[u8], mode: Mode) -> Option<(String, bool)> {
    let mut writer = Writer { text, out: Vec::new(), end: 0, semicolon: false, several: false, uncertain: false };
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
    Some((shape, writer.several))
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
    /// A semicolon came.
    semicolon: bool,
    /// And something behind it.
    several: bool,
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
        match token {
            Token::Punct(b';') => self.semicolon = true,
            _ => self.several |= self.semicolon && !shown.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, shape};
    use crate::sql::{Doubt, Flavor, Mode};

    fn usual() -> Mode {
        Mode::new(Flavor::MySql, 90_700)
    }

    fn of(text: &str) -> Option<String> {
        shape(text.as_bytes(), usual(), Doubt::default())
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
        // In ANSI quotes a backslash hides nothing: with these three texts, and a word between them.
        let said = br#"SELECT @x := "he said \"hunter2\" ok""#;
        for (ansi_quotes, no_backslash_escapes) in [(false, false), (false, true), (true, false), (true, true)] {
            let believed = Mode { ansi_quotes, no_backslash_escapes, ..usual() };
            assert_eq!(shape(said, believed, Doubt::default()), None, "{believed:?}");
        }
        // The second byte is a backslash, or a part of a character.
        let charset = Doubt { sql_mode: false, charset: true };
        let text = b"SELECT '\x81\\', a, 'b'";
        assert_eq!(shape(text, usual(), charset), None);
        let several = b"SET NAMES sjis; SELECT '\x81\\', a, 'b'";
        assert_eq!(shape(several, usual(), Doubt::default()), None, "the first may change how the second is read");
        assert_eq!(shape(b"SET @a = '\xC3\xA4'", usual(), charset).as_deref(), Some("SET @a = ?"));
    }

    #[test]
    fn a_long_one_is_cut() {
        let long = of(&format!("SELECT {}", "ä, ".repeat(500))).unwrap();
        assert!(long.len() <= LONGEST + 3 && long.ends_with('…'), "{long}");
    }
}
