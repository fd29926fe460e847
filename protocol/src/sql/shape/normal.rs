//! The shape by which statements are counted: what differs only in its literals, or in how many of them stand in a row, has
//! one shape.

use super::{ELLIPSIS, Shown, shown};
use crate::sql::lexer::Lexer;
use crate::sql::mode::Mode;
use crate::sql::reading::Doubt;
use crate::sql::token::{Sink, Token};

/// The longest such shape, in bytes; the rest is left out.
pub const LONGEST_NORMAL: usize = 1024;

/// The longest text that is looked at, in bytes.
const LOOKED_AT: usize = 4096;

/// So much is read before it is looked whether the shape is full.
const STEP: usize = 512;

/// What a list of literals becomes.
const MANY: &[u8] = "?, …".as_bytes();

/// What is behind a row of literals that others follow.
const ROWS: &[u8] = "), …".as_bytes();

/// Words that are literals where a list may begin or go on.
const LITERALS: [&[u8]; 3] = [b"NULL", b"TRUE", b"FALSE"];

/// Writes into `out` the text with `?` for each literal, each placeholder and what stands in double quotes (where these hold
/// names, some commands still take a text in them: a password), `?, …` for several in a row, and of rows of these the first
/// alone. `false` where servers may read the text in more than one way: a literal might show. Allocates
/// nothing once `out` has grown, unless there is a doubt.
#[must_use]
pub fn normalise(text: &[u8], mode: Mode, doubt: Doubt, out: &mut Vec<u8>) -> bool {
    let text = text.get(..LOOKED_AT + 1).unwrap_or(text);
    let Some(several) = fold(text, mode, out) else { return false };
    // A string of several statements may change on its way how it is read.
    let doubt = Doubt { sql_mode: doubt.sql_mode || several, charset: doubt.charset || several };
    if doubt.is_none() {
        return true;
    }
    let mut again = Vec::new();
    doubt.others(text, mode).all(|other| fold(text, other, &mut again).is_some() && again == *out)
}

/// Whether there are several statements; `None` where that, or a token, is not certain.
fn fold(text: &[u8], mode: Mode, out: &mut Vec<u8>) -> Option<bool> {
    out.clear();
    let looked_at = text.get(..LOOKED_AT).unwrap_or(text);
    let mut folder = Folder { text, out, end: 0, semicolon: false, several: false, uncertain: false };
    let mut lexer = Lexer::new(mode);
    for part in looked_at.chunks(STEP) {
        lexer.feed(part, &mut folder);
        if folder.out.len() > LONGEST_NORMAL {
            break;
        }
    }
    lexer.finish(&mut folder);
    let (several, uncertain) = (folder.several, folder.uncertain);
    if looked_at.len() < text.len() {
        leave_part_of_a_row(out);
    }
    let end = out.trim_ascii_end();
    let end = end.strip_suffix(b";").unwrap_or(end).trim_ascii_end().len();
    out.truncate(end);
    cut(out);
    (!uncertain).then_some(several)
}

/// Of rows that go on behind what was looked at, the last is there in part.
fn leave_part_of_a_row(out: &mut Vec<u8>) {
    let at = memchr::memmem::rfind(out, ROWS);
    out.truncate(at.map_or(out.len(), |at| at + ROWS.len()));
}

fn cut(out: &mut Vec<u8>) {
    if out.len() > LONGEST_NORMAL {
        let inside = |at: usize| out.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let end = (LONGEST_NORMAL - 3..=LONGEST_NORMAL).rev().find(|at| !inside(*at)).unwrap_or(LONGEST_NORMAL);
        out.truncate(end);
        out.extend_from_slice(ELLIPSIS);
    }
}

struct Folder<'t> {
    text: &'t [u8],
    out: &'t mut Vec<u8>,
    /// Where the last token ended.
    end: usize,
    /// A semicolon came.
    semicolon: bool,
    /// And something behind it.
    several: bool,
    uncertain: bool,
}

impl Folder<'_> {
    fn space(&mut self, is_due: bool) {
        if is_due && !self.out.is_empty() && !self.out.ends_with(b" ") {
            self.out.push(b' ');
        }
    }

    /// Whether a list begins here, or goes on.
    fn is_in_list(&self) -> bool {
        matches!(self.out.trim_ascii_end().last(), Some(b'(' | b','))
    }

    fn literal(&mut self, apart: bool) {
        // A sign behind what nothing is subtracted from is the number's own.
        if let [before @ .., b'-' | b'+'] = self.out.trim_ascii_end()
            && matches!(before.trim_ascii_end().last(), Some(b'(' | b',' | b'=' | b'<' | b'>'))
        {
            let end = before.len();
            self.out.truncate(end);
        }
        if let Some(before) = self.out.trim_ascii_end().strip_suffix(b",") {
            let list = before.trim_ascii_end();
            let end = list.len();
            if list.ends_with(MANY) {
                return self.out.truncate(end);
            }
            if list.ends_with(b"?") {
                self.out.truncate(end - 1);
                return self.out.extend_from_slice(MANY);
            }
        }
        self.space(apart);
        self.out.push(b'?');
    }

    /// A closing bracket: of rows that are alike the first is kept.
    fn close(&mut self, apart: bool) {
        if let Some(open) = memchr::memrchr(b'(', self.out) {
            let (head, row) = self.out.split_at(open);
            let inside = row.get(1..).unwrap_or_default().trim_ascii();
            if (inside == b"?" || inside == MANY)
                && let Some(before) = head.trim_ascii_end().strip_suffix(b",")
            {
                let before = before.trim_ascii_end();
                let end = before.len();
                if before.ends_with(ROWS) {
                    return self.out.truncate(end);
                }
                if before.strip_suffix(b")").is_some_and(|before| before.ends_with(row)) {
                    self.out.truncate(end - 1);
                    return self.out.extend_from_slice(ROWS);
                }
            }
        }
        self.space(apart);
        self.out.push(b')');
    }
}

impl Sink for Folder<'_> {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let own = self.text.get(start..end).unwrap_or_default();
        let apart = start > std::mem::replace(&mut self.end, end);
        match (shown(token, own), token) {
            (Shown::Nothing, _) => return self.space(true),
            (Shown::Uncertain, _) => {
                self.uncertain = true;
                return;
            }
            (_, Token::Punct(b';')) => {
                self.semicolon = true;
                return self.out.push(b';');
            }
            (_, Token::Punct(b')')) => self.close(apart),
            (Shown::Literal, _) => self.literal(apart),
            (_, Token::Punct(b'?')) => self.literal(apart),
            (_, Token::Word(word)) if LITERALS.iter().any(|it| word.eq_ignore_ascii_case(it)) && self.is_in_list() => {
                self.literal(apart);
            }
            _ => {
                self.space(apart);
                self.out.extend_from_slice(own);
            }
        }
        self.several |= self.semicolon;
    }
}

#[cfg(test)]
mod tests;
