//! Comments, version comments, optimizer hints.

use memchr::memchr;

use super::{Lexer, Sink, State, Token};

/// A comment under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentState {
    /// To the end of the line.
    Line,
    /// `/*` came last.
    Open,
    /// `/*M` came last.
    OpenM,
    /// Plain; whether `*` came last.
    Plain { star: bool },
    /// A hint; whether `*` came last, how much of `SET_VAR` did, and whether it was seen.
    Hint { star: bool, matched: u8, set_var: bool },
    /// After `/*!` or `/*M!`: the version's digits so far.
    Version { maria: bool, digits: u8, value: u32 },
    /// A version comment that the server skips; a comment may be nested in it, once.
    Skipped { nested: bool, last: u8 },
}

/// `/*!` comments of these versions are MySQL's own to MariaDB (measured: 50699 runs, 50700 and 99999 do not).
const NOT_FOR_MARIADB: std::ops::RangeInclusive<u32> = 50_700..=99_999;

const SET_VAR: &[u8; 7] = b"set_var";

impl Lexer {
    pub(super) fn comment<S: Sink>(&mut self, state: CommentState, input: &[u8], at: usize, sink: &mut S) -> usize {
        let Some(&byte) = input.get(at) else { return at };
        match state {
            CommentState::Line => self.line(input, at, sink),
            CommentState::Open => self.opened(byte, at),
            CommentState::OpenM if byte == b'!' => self.go_comment(version(true), at + 1),
            CommentState::OpenM => self.go_comment(CommentState::Plain { star: false }, at),
            CommentState::Plain { star: true } if byte == b'/' => self.short(Token::Comment, at + 1, sink),
            CommentState::Plain { star: true } => self.go_comment(CommentState::Plain { star: byte == b'*' }, at + 1),
            CommentState::Plain { star: false } => self.plain(input, at),
            CommentState::Hint { star, matched, set_var } => self.hint((star, matched, set_var), byte, at, sink),
            CommentState::Version { maria, digits, value } => self.version((maria, digits, value), byte, at, sink),
            CommentState::Skipped { nested, last } => self.skipped(nested, last, byte, at, sink),
        }
    }

    fn go_comment(&mut self, state: CommentState, at: usize) -> usize {
        self.go(State::Comment(state), at)
    }

    fn line<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        match memchr(b'\n', input.get(at..).unwrap_or_default()) {
            Some(length) => self.short(Token::Comment, at + length + 1, sink),
            None => input.len(),
        }
    }

    fn plain(&mut self, input: &[u8], at: usize) -> usize {
        match memchr(b'*', input.get(at..).unwrap_or_default()) {
            Some(length) => self.go_comment(CommentState::Plain { star: true }, at + length + 1),
            None => input.len(),
        }
    }

    fn opened(&mut self, byte: u8, at: usize) -> usize {
        let mariadb = self.mode.is_mariadb();
        match byte {
            b'!' => self.go_comment(version(false), at + 1),
            b'M' if mariadb => self.go_comment(CommentState::OpenM, at + 1),
            b'+' if !mariadb => self.go_comment(CommentState::Hint { star: false, matched: 0, set_var: false }, at + 1),
            _ => self.go_comment(CommentState::Plain { star: false }, at),
        }
    }

    fn hint<S: Sink>(&mut self, hint: (bool, u8, bool), byte: u8, at: usize, sink: &mut S) -> usize {
        let (star, matched, set_var) = hint;
        if star && byte == b'/' {
            return self.short(Token::Hint { set_var }, at + 1, sink);
        }
        let lower = byte.to_ascii_lowercase();
        let goes_on = SET_VAR.get(usize::from(matched)) == Some(&lower);
        let matched = if goes_on { matched + 1 } else { u8::from(lower == b's') };
        let set_var = set_var || usize::from(matched) == SET_VAR.len();
        self.go_comment(CommentState::Hint { star: byte == b'*', matched, set_var }, at + 1)
    }
}

// -- version comments --

const fn version(maria: bool) -> CommentState {
    CommentState::Version { maria, digits: 0, value: 0 }
}

impl Lexer {
    fn version<S: Sink>(&mut self, seen: (bool, u8, u32), byte: u8, at: usize, sink: &mut S) -> usize {
        let (maria, digits, value) = seen;
        if byte.is_ascii_digit() && digits < 6 {
            let value = value * 10 + u32::from(byte - b'0');
            return self.go_comment(CommentState::Version { maria, digits: digits + 1, value }, at + 1);
        }
        match digits {
            // MySQL takes the sixth digit for the version only before a blank (measured).
            6 if !self.mode.is_mariadb() && !matches!(byte, b' ' | b'\t'..=b'\r') => {
                sink.token(Token::Uncertain, self.start, self.base + at);
                self.decide(maria, value / 10, at, sink)
            }
            6 if self.is_old_mysql() && self.runs(maria, value) != self.runs(maria, value / 10) => {
                sink.token(Token::Uncertain, self.start, self.base + at);
                self.decide(maria, value, at, sink)
            }
            5 | 6 => self.decide(maria, value, at, sink),
            0 => self.enter_version(at, sink),
            _ => {
                // Digits too few for a version are code, and begin a number or a name.
                sink.token(Token::Uncertain, self.start, self.base + at);
                self.enter_version(at, sink)
            }
        }
    }

    fn decide<S: Sink>(&mut self, maria: bool, version: u32, at: usize, sink: &mut S) -> usize {
        if self.runs(maria, version) {
            return self.enter_version(at, sink);
        }
        self.go_comment(CommentState::Skipped { nested: false, last: 0 }, at)
    }

    fn runs(&self, maria: bool, version: u32) -> bool {
        let foreign = self.mode.is_mariadb() && !maria && NOT_FOR_MARIADB.contains(&version);
        version <= self.mode.server_version && !foreign
    }

    /// Whether it may be one that takes five digits for the version whatever follows; 9.7 does not (measured).
    fn is_old_mysql(&self) -> bool {
        !self.mode.is_mariadb() && self.mode.server_version < 90_000
    }

    fn enter_version<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        self.in_version = true;
        self.short(Token::VersionMark, at, sink)
    }

    fn skipped<S: Sink>(&mut self, nested: bool, last: u8, byte: u8, at: usize, sink: &mut S) -> usize {
        match (last, byte) {
            (b'*', b'/') if !nested => self.short(Token::Comment, at + 1, sink),
            (b'*', b'/') => self.go_comment(CommentState::Skipped { nested: false, last: 0 }, at + 1),
            (b'/', b'*') if !nested => self.go_comment(CommentState::Skipped { nested: true, last: 0 }, at + 1),
            _ => self.go_comment(CommentState::Skipped { nested, last: byte }, at + 1),
        }
    }
}
