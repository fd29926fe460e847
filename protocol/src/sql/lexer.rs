//! Tokens over bytes, resumable at any byte.
//!
//! One state a construct; every state either takes a byte or changes the state, so that a chunk may
//! end anywhere. The rules are the servers' own lexers', each oddity measured on MySQL 9.7 and MariaDB 10.11.

mod comment;
mod name;
mod number;
mod quote;

#[cfg(test)]
mod tests;

use super::mode::{ClientCharset, Mode};
use super::token::{MAX_NAME, Sink, Token};
use comment::CommentState;
use number::NumberState;
use quote::QuoteState;

/// Lexes one command's text, in one piece or in many.
#[derive(Debug, Clone)]
pub struct Lexer {
    mode: Mode,
    state: State,
    /// Bytes fed before the present chunk.
    base: usize,
    /// Where the token under way began.
    start: usize,
    /// Where the last name ended: a dot right there separates names instead of beginning a number.
    name_end: usize,
    /// A dot that separates names came last: what follows is a name, digits or not.
    after_dot: bool,
    /// Inside a version comment whose content is code.
    in_version: bool,
    name: NameBuffer,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Word,
    /// A lead byte in a name came last.
    WordLead,
    Number(NumberState),
    Quote(QuoteState),
    Comment(CommentState),
    /// `-` came last.
    Dash,
    /// `--` came last.
    DashDash,
    /// `/` came last.
    Slash,
    /// `*` came last inside a version comment.
    Star,
    /// `:` came last.
    Colon,
    /// `.` came last, not after a name.
    Dot,
    /// `@` came last.
    At,
    /// Inside an unquoted user variable name.
    VarName,
    /// Between the dollars of a dollar-quoted text's opening tag.
    DollarTag,
    /// In a dollar-quoted text; this many bytes of the closing tag came last.
    Dollar(u8),
}

/// The beginning of a name that arrives in pieces.
#[derive(Debug, Clone, Copy)]
struct NameBuffer {
    bytes: [u8; MAX_NAME],
    len: usize,
}

// -- the front --

impl Lexer {
    /// A lexer before its first byte.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            state: State::Start,
            base: 0,
            start: 0,
            name_end: usize::MAX,
            after_dot: false,
            in_version: false,
            name: NameBuffer { bytes: [0; MAX_NAME], len: 0 },
        }
    }

    /// Takes the next bytes and gives every token that is complete.
    pub fn feed<S: Sink>(&mut self, input: &[u8], sink: &mut S) {
        let mut at = 0;
        while at < input.len() {
            at = self.step(input, at, sink);
        }
        self.base += input.len();
    }

    /// Ends the text and gives the token that only the end completes. An unclosed quote or comment
    /// gives nothing: no server runs such a statement.
    pub fn finish<S: Sink>(&mut self, sink: &mut S) {
        let (start, end) = (self.start, self.base);
        match self.state {
            State::Word | State::WordLead => sink.token(Token::Word(self.name.get()), start, end),
            State::Number(number) => sink.token(number.token(), start, end),
            State::Quote(quote) => self.finish_quote(quote, end, sink),
            State::Comment(CommentState::Line) | State::DashDash => sink.token(Token::Comment, start, end),
            State::Dash => sink.token(Token::Punct(b'-'), start, end),
            State::Slash => sink.token(Token::Punct(b'/'), start, end),
            State::Star => sink.token(Token::Punct(b'*'), start, end),
            State::Colon => sink.token(Token::Punct(b':'), start, end),
            State::Dot => sink.token(Token::Punct(b'.'), start, end),
            State::At | State::VarName => sink.token(Token::UserVar, start, end),
            State::Start | State::Comment(_) | State::DollarTag | State::Dollar(_) => {}
        }
        self.state = State::Start;
    }

    /// Gives the byte at `at` to the state; returns where to go on.
    fn step<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        match self.state {
            State::Start => self.begin(input, at, sink),
            State::Word => self.word(input, at, sink),
            State::WordLead => self.word_lead(input, at),
            State::Number(number) => self.number(number, input, at, sink),
            State::Quote(quote) => self.quote(quote, input, at, sink),
            State::Comment(comment) => self.comment(comment, input, at, sink),
            State::VarName => self.var_name(input, at, sink),
            State::DollarTag => self.dollar_tag(input, at, sink),
            State::Dollar(matched) => self.dollar(matched, input, at, sink),
            _ => self.second_byte(input.get(at).copied().unwrap_or(0), at, sink),
        }
    }
}

// -- the first byte of a token, and short tokens --

impl Lexer {
    fn begin<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        let mut at = at;
        while let Some(&byte) = input.get(at) {
            let class = CLASS[usize::from(byte)];
            match class {
                Class::Blank => at += 1,
                Class::Punct => {
                    sink.token(Token::Punct(byte), self.base + at, self.base + at + 1);
                    self.after_dot = false;
                    at += 1;
                }
                _ => {
                    at = self.begin_token(class, byte, input, at, sink);
                    if !matches!(self.state, State::Start) {
                        return at;
                    }
                }
            }
        }
        at
    }

    #[inline]
    fn begin_token<S: Sink>(&mut self, class: Class, byte: u8, input: &[u8], at: usize, sink: &mut S) -> usize {
        self.start = self.base + at;
        let after_dot = std::mem::take(&mut self.after_dot);
        let state = match class {
            Class::Letter => return self.begin_word(input, at, sink),
            Class::Digit if after_dot => return self.begin_word(input, at, sink),
            Class::Digit => return self.begin_number(input, at, sink),
            Class::High => return self.begin_high(byte, input, at, sink),
            Class::Dollar => return self.begin_dollar(input, at, sink),
            Class::Quote => return self.begin_quote(byte, input, at, sink),
            Class::Dash => State::Dash,
            Class::Slash => State::Slash,
            Class::Hash => State::Comment(CommentState::Line),
            Class::Colon => State::Colon,
            Class::At => State::At,
            Class::Dot if self.name_end == self.start => return self.separator(at, sink),
            Class::Dot => State::Dot,
            Class::Star if self.in_version => State::Star,
            Class::Star | Class::Blank | Class::Punct => return self.short(Token::Punct(byte), at + 1, sink),
        };
        self.state = state;
        at + 1
    }

    /// A dot between names.
    fn separator<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        self.after_dot = true;
        self.short(Token::Punct(b'.'), at + 1, sink)
    }

    /// Gives a token that ends before the chunk's byte `at`.
    #[inline]
    fn short<S: Sink>(&mut self, token: Token<'_>, at: usize, sink: &mut S) -> usize {
        sink.token(token, self.start, self.base + at);
        self.state = State::Start;
        at
    }

    /// Decides what a byte that begins several tokens began.
    fn second_byte<S: Sink>(&mut self, byte: u8, at: usize, sink: &mut S) -> usize {
        match (self.state, byte) {
            (State::Dash, b'-') => self.go(State::DashDash, at + 1),
            // A comment only before a blank or a control byte; otherwise two minus signs.
            (State::DashDash, 0..=b' ' | 0x7f) => self.go(State::Comment(CommentState::Line), at),
            (State::DashDash, _) => self.split_dashes(at, sink),
            (State::Slash, b'*') => self.go(State::Comment(CommentState::Open), at + 1),
            (State::Star, b'/') => self.close_version(at + 1, sink),
            (State::Colon, b'=') => self.short(Token::Assign, at + 1, sink),
            (State::Dot, b'0'..=b'9') => self.go(State::Number(NumberState::Fraction), at),
            (State::At, b'@') => self.short(Token::SysVar, at + 1, sink),
            (State::At, b'\'' | b'"' | b'`') => self.go(State::Quote(QuoteState::variable(byte)), at + 1),
            (State::At, _) => self.go(State::VarName, at),
            (State::Dash, _) => self.short(Token::Punct(b'-'), at, sink),
            (State::Slash, _) => self.short(Token::Punct(b'/'), at, sink),
            (State::Star, _) => self.short(Token::Punct(b'*'), at, sink),
            (State::Colon, _) => self.short(Token::Punct(b':'), at, sink),
            _ => self.separator_later(at, sink),
        }
    }

    fn go(&mut self, state: State, at: usize) -> usize {
        self.state = state;
        at
    }

    fn split_dashes<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        sink.token(Token::Punct(b'-'), self.start, self.start + 1);
        self.start += 1;
        self.go(State::Dash, at)
    }

    /// A dot apart from the name before it, and no number.
    fn separator_later<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        self.after_dot = true;
        self.short(Token::Punct(b'.'), at, sink)
    }

    fn close_version<S: Sink>(&mut self, at: usize, sink: &mut S) -> usize {
        self.in_version = false;
        self.short(Token::VersionMark, at, sink)
    }

    fn is_plain(&self) -> bool {
        self.mode.charset == ClientCharset::Plain
    }

    fn is_multibyte(&self) -> bool {
        self.mode.charset.is_multibyte()
    }

    fn is_single_byte(&self) -> bool {
        self.mode.charset == ClientCharset::SingleByte
    }
}

// -- the buffer --

impl NameBuffer {
    fn clear(&mut self) {
        self.len = 0;
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = bytes.len().min(room.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.len += taken;
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

// -- the classes of bytes --

/// What a byte can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Punct,
    Letter,
    Digit,
    High,
    Dollar,
    Quote,
    Dash,
    Slash,
    Hash,
    Colon,
    At,
    Dot,
    Star,
}

static CLASS: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Punct; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class(byte as u8);
        byte += 1;
    }
    table
}

const fn class(byte: u8) -> Class {
    match byte {
        b' ' | b'\t'..=b'\r' => Class::Blank,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => Class::Letter,
        b'0'..=b'9' => Class::Digit,
        0x80.. => Class::High,
        b'$' => Class::Dollar,
        b'\'' | b'"' | b'`' => Class::Quote,
        b'-' => Class::Dash,
        b'/' => Class::Slash,
        b'#' => Class::Hash,
        b':' => Class::Colon,
        b'@' => Class::At,
        b'.' => Class::Dot,
        b'*' => Class::Star,
        _ => Class::Punct,
    }
}
