//! String literals and quoted names: doubled quotes, backslashes, characters of two bytes.

use memchr::memchr2;

use super::{Lexer, Sink, State, Token};

/// A quoted thing under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuoteState {
    kind: QuoteKind,
    quote: u8,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteKind {
    Text,
    Name,
    Variable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Body,
    /// A backslash came last.
    Escape,
    /// The quote came last: the end, unless another follows.
    Closing,
    /// A lead byte came last.
    Lead,
}

impl QuoteState {
    pub(super) fn variable(quote: u8) -> Self {
        Self { kind: QuoteKind::Variable, quote, phase: Phase::Body }
    }
}

impl Lexer {
    pub(super) fn begin_quote<S: Sink>(&mut self, quote: u8, input: &[u8], at: usize, sink: &mut S) -> usize {
        let is_name = quote == b'`' || (quote == b'"' && self.mode.ansi_quotes);
        let kind = if is_name { QuoteKind::Name } else { QuoteKind::Text };
        self.name.clear();
        let state = QuoteState { kind, quote, phase: Phase::Body };
        self.quote_at_once(state, input, at + 1, sink).unwrap_or_else(|| self.go(State::Quote(state), at + 1))
    }

    /// The ordinary case in one step: no special byte inside, and the end is certain.
    fn quote_at_once<S: Sink>(&mut self, state: QuoteState, input: &[u8], at: usize, sink: &mut S) -> Option<usize> {
        let tail = input.get(at..)?;
        let length = self.find_special(state, tail)?;
        let after = *tail.get(length + 1)?;
        if tail.get(length) != Some(&state.quote) || after == state.quote {
            return None;
        }
        self.content(state, tail.get(..length)?, sink);
        let end = at + length + 1;
        self.end_quote(state, self.base + end, sink);
        Some(end)
    }

    pub(super) fn quote<S: Sink>(&mut self, state: QuoteState, input: &[u8], at: usize, sink: &mut S) -> usize {
        let Some(&byte) = input.get(at) else { return at };
        match state.phase {
            Phase::Body => self.quote_body(state, input, at, sink),
            Phase::Escape => {
                self.content(state, &[unescaped(byte)], sink);
                self.phase(state, Phase::Body, at + 1)
            }
            Phase::Closing if byte == state.quote => {
                self.content(state, &[byte], sink);
                self.phase(state, Phase::Body, at + 1)
            }
            Phase::Closing => {
                self.end_quote(state, self.base + at, sink);
                self.go(State::Start, at)
            }
            Phase::Lead if self.mode.charset.is_trail(byte) => {
                self.content(state, &[byte], sink);
                self.phase(state, Phase::Body, at + 1)
            }
            Phase::Lead => self.phase(state, Phase::Body, at),
        }
    }

    pub(super) fn finish_quote<S: Sink>(&mut self, state: QuoteState, end: usize, sink: &mut S) {
        if state.phase == Phase::Closing {
            self.end_quote(state, end, sink);
        }
    }

    fn quote_body<S: Sink>(&mut self, state: QuoteState, input: &[u8], at: usize, sink: &mut S) -> usize {
        let tail = input.get(at..).unwrap_or_default();
        let length = self.find_special(state, tail).unwrap_or(tail.len());
        let content = tail.get(..length).unwrap_or_default();
        if !content.is_empty() {
            self.content(state, content, sink);
        }
        let Some(&byte) = tail.get(length) else {
            return self.phase(state, Phase::Body, input.len());
        };
        let after = at + length + 1;
        if byte == state.quote {
            return self.phase(state, Phase::Closing, after);
        }
        if byte == b'\\' {
            return self.phase(state, Phase::Escape, after);
        }
        self.content(state, &[byte], sink);
        self.phase(state, Phase::Lead, after)
    }

    #[inline]
    fn find_special(&self, state: QuoteState, tail: &[u8]) -> Option<usize> {
        let escapes = state.kind != QuoteKind::Name && state.quote != b'`' && !self.mode.no_backslash_escapes;
        if self.is_multibyte() {
            return self.find_lead(state, escapes, tail);
        }
        // Where a backslash means nothing, the quote is looked for twice.
        let special = [state.quote, if escapes { b'\\' } else { state.quote }];
        near(special, tail).or_else(|| far(special, tail))
    }

    /// The same where a lead byte is special, too.
    fn find_lead(&self, state: QuoteState, escapes: bool, tail: &[u8]) -> Option<usize> {
        let charset = self.mode.charset;
        let special = |byte: &u8| *byte == state.quote || (escapes && *byte == b'\\') || charset.is_lead(*byte);
        tail.iter().position(special)
    }

    fn phase(&mut self, state: QuoteState, phase: Phase, at: usize) -> usize {
        self.go(State::Quote(QuoteState { phase, ..state }), at)
    }

    fn content<S: Sink>(&mut self, state: QuoteState, bytes: &[u8], sink: &mut S) {
        match state.kind {
            QuoteKind::Text => sink.text(bytes),
            QuoteKind::Name => self.name.push(bytes),
            QuoteKind::Variable => {}
        }
    }

    fn end_quote<S: Sink>(&mut self, state: QuoteState, end: usize, sink: &mut S) {
        let token = match state.kind {
            QuoteKind::Text => Token::Text,
            QuoteKind::Variable => Token::UserVar,
            QuoteKind::Name => {
                self.name_end = end;
                Token::Quoted(self.name.get())
            }
        };
        sink.token(token, self.start, end);
    }
}

/// How far to look before a search that is made for long texts is worth its call, in steps of eight bytes.
const NEAR: usize = 4;

/// Where the first of two bytes is, if that is near.
#[inline]
fn near(special: [u8; 2], tail: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let [one, other] = special.map(|byte| u64::from(byte) * ONES);
    // The lowest bit that is left belongs to the first byte that is zero; only higher ones may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    tail.as_chunks().0.iter().take(NEAR).enumerate().find_map(|(step, bytes)| {
        let word = u64::from_le_bytes(*bytes);
        let found = zeros(word ^ one) | zeros(word ^ other);
        (found != 0).then(|| step * 8 + found.trailing_zeros() as usize / 8)
    })
}

/// The same, looking at what is not near or in no whole step.
fn far([one, other]: [u8; 2], tail: &[u8]) -> Option<usize> {
    let seen = (tail.len() / 8).min(NEAR) * 8;
    memchr2(one, other, tail.get(seen..)?).map(|length| seen + length)
}

/// What a byte after a backslash stands for.
fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}
