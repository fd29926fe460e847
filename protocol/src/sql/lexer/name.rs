//! Unquoted names, user variable names, and dollar quotes, which begin like names.

use super::{CLASS, Class, Lexer, Sink, State, Token};

/// Since when MySQL reads `$tag$ … $tag$` as one text (measured on 9.7), and since when it may.
const DOLLAR_QUOTES: u32 = 90_000;
const DOLLAR_QUOTES_MAYBE: u32 = 80_030;

impl Lexer {
    #[inline]
    pub(super) fn begin_word<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        self.name.clear();
        let end = self.name_bytes_end(input, at);
        let bytes = input.get(at..end).unwrap_or_default();
        let undecided = end == input.len() || self.leads(input, end);
        if undecided {
            self.name.push(bytes);
            return self.go(State::Word, end);
        }
        self.name_end = self.base + end;
        self.short(Token::Word(bytes.get(..super::MAX_NAME).unwrap_or(bytes)), end, sink)
    }

    /// Goes on with a name that began in an earlier chunk or holds characters of two bytes.
    pub(super) fn word<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        let end = self.name_bytes_end(input, at);
        self.name.push(input.get(at..end).unwrap_or_default());
        if self.leads(input, end) {
            self.name.push(&[0x80]);
            return self.go(State::WordLead, end + 1);
        }
        if end == input.len() {
            return end;
        }
        self.name_end = self.base + end;
        let name = self.name;
        self.short(Token::Word(name.get()), end, sink)
    }

    pub(super) fn word_lead(&mut self, input: &[u8], at: usize) -> usize {
        let trails = input.get(at).is_some_and(|byte| self.mode.charset.is_trail(*byte));
        self.go(State::Word, at + usize::from(trails))
    }

    pub(super) fn begin_high<S: Sink>(&mut self, byte: u8, input: &[u8], at: usize, sink: &mut S) -> usize {
        if self.is_single_byte() {
            // It may be a letter or a blank. As a byte of its own it hides no keyword beside it.
            return self.short(Token::Punct(byte), at + 1, sink);
        }
        self.begin_word(input, at, sink)
    }

    pub(super) fn var_name<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        let Some(&byte) = input.get(at) else { return at };
        if byte == b'.' || (byte < 0x80 && is_name_byte(byte)) {
            return at + 1;
        }
        if byte >= 0x80 && self.is_multibyte() {
            // Which lead bytes count as letters here differs between the sets, and so does the quoting after them.
            sink.token(Token::Uncertain, self.start, self.base + at);
        } else if byte >= 0x80 && !self.is_single_byte() {
            return at + 1;
        }
        self.short(Token::UserVar, at, sink)
    }

    fn leads(&self, input: &[u8], at: usize) -> bool {
        self.is_multibyte() && input.get(at).is_some_and(|byte| self.mode.charset.is_lead(*byte))
    }

    /// Where the bytes end that belong to a name whatever comes next.
    #[inline]
    fn name_bytes_end(&self, input: &[u8], at: usize) -> usize {
        let tail = input.get(at..).unwrap_or_default();
        if self.is_plain() {
            return at + tail.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(tail.len());
        }
        let charset = self.mode.charset;
        let high_ends = self.is_single_byte();
        let foreign = |byte: &u8| !is_name_byte(*byte) || (*byte >= 0x80 && (high_ends || charset.is_lead(*byte)));
        at + tail.iter().position(foreign).unwrap_or(tail.len())
    }
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[usize::from(byte)]
}

static NAME_BYTES: [bool; 256] = name_bytes();

const fn name_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(CLASS[byte], Class::Letter | Class::Digit | Class::High | Class::Dollar);
        byte += 1;
    }
    table
}

// -- dollar quotes --

impl Lexer {
    pub(super) fn begin_dollar<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        let version = self.mode.server_version;
        if self.mode.is_mariadb() || version < DOLLAR_QUOTES_MAYBE {
            return self.begin_word(input, at, sink);
        }
        if version < DOLLAR_QUOTES {
            sink.token(Token::Uncertain, self.start, self.start);
            return self.begin_word(input, at, sink);
        }
        self.name.clear();
        self.name.push(b"$");
        self.go(State::DollarTag, at + 1)
    }

    pub(super) fn dollar_tag<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        let Some(&byte) = input.get(at) else { return at };
        if byte != b'$' {
            if is_name_byte(byte) {
                self.name.push(&[byte]);
                return at + 1;
            }
            return self.go(State::Word, at);
        }
        if self.name.len >= super::MAX_NAME {
            sink.token(Token::Uncertain, self.start, self.start);
        }
        self.name.push(b"$");
        self.go(State::Dollar(0), at + 1)
    }

    pub(super) fn dollar<S: Sink>(&mut self, matched: u8, input: &[u8], at: usize, sink: &mut S) -> usize {
        let Some(&byte) = input.get(at) else { return at };
        let expected = self.name.get().get(usize::from(matched)).copied();
        let matched = match expected == Some(byte) {
            true => matched + 1,
            false => u8::from(byte == b'$'),
        };
        if usize::from(matched) == self.name.len {
            return self.short(Token::Text, at + 1, sink);
        }
        self.go(State::Dollar(matched), at + 1)
    }
}
