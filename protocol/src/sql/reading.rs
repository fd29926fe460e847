//! Reading a text where it is not certain how the server reads it: in every way that it may, and with a remark where
//! these part.
//!
//! Two ways that find the same tokens in the same places come to the same at every semicolon, so that a string whose
//! first statement changes how the next is read means nothing else either.

use super::classify::{Verdict, classify};
use super::facts::Facts;
use super::lexer::Lexer;
use super::mode::{ClientCharset, Mode};
use super::pin::PinReason;
use super::substitute::{Known, Several, substitute, substitute_several};
use super::token::{Sink, Token};

/// What of a [`Mode`] is not certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubt {
    /// Whether `sql_mode` holds `ANSI_QUOTES` or `NO_BACKSLASH_ESCAPES`.
    pub sql_mode: bool,
    /// What `character_set_client` is.
    pub charset: bool,
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it does, as far as any way to read it says.
    pub verdict: Verdict,
    /// Every way finds the same tokens. Else the verdict pins, and nothing finer may be taken from the text.
    pub sure: bool,
}

/// Where tokens stand.
#[derive(Default, PartialEq)]
struct Places(Vec<(usize, usize)>);

impl Sink for Places {
    fn token(&mut self, _: Token<'_>, start: usize, end: usize) {
        self.0.push((start, end));
    }
}

impl Doubt {
    /// Both.
    pub const ALL: Self = Self { sql_mode: true, charset: true };

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.sql_mode && !self.charset
    }

    /// The other ways to read a text of `mode` that could differ.
    pub fn others(self, text: &[u8], mode: Mode) -> impl Iterator<Item = Mode> {
        use ClientCharset::{Big5, Gbk, Plain, SingleByte, Sjis};
        let has = |byte| self.sql_mode && memchr::memchr(byte, text).is_some();
        let (quotes, escapes) = (has(b'"'), has(b'\\'));
        let charsets = self.charset && !text.is_ascii();
        let both = |either: bool| [Some(false), Some(true)].into_iter().filter(move |_| either).chain([None]);
        both(quotes)
            .flat_map(move |quotes| both(escapes).map(move |escapes| (quotes, escapes)))
            .flat_map(move |(quotes, escapes)| {
                let all = [Plain, SingleByte, Gbk, Big5, Sjis].into_iter().filter(move |_| charsets);
                all.chain((!charsets).then_some(mode.charset)).map(move |charset| Mode {
                    ansi_quotes: quotes.unwrap_or(mode.ansi_quotes),
                    no_backslash_escapes: escapes.unwrap_or(mode.no_backslash_escapes),
                    charset,
                    ..mode
                })
            })
            .filter(move |other| *other != mode)
    }
}

/// Reads a command's text that the server reads in `mode`, as far as that is certain.
#[must_use]
pub fn read(text: &[u8], mode: Mode, doubt: Doubt) -> Reading {
    let mut verdict = classify(text, mode);
    let doubt = doubt.with_own(&verdict);
    let mut places = None;
    let mut sure = true;
    for other in doubt.others(text, mode) {
        let places = places.get_or_insert_with(|| places_of(text, mode));
        sure &= *places == places_of(text, other);
        unite(&mut verdict, &classify(text, other));
    }
    if !sure {
        unsettle(&mut verdict);
    }
    Reading { verdict, sure }
}

/// Nobody knows how the text was read: whatever it did, its connection is kept to the end.
pub fn unsettle(verdict: &mut Verdict) {
    verdict.pins.insert(PinReason::UntrackedState);
    verdict.unpins = verdict.unpins.difference(verdict.pins);
    // Also where it failed.
    verdict.facts.insert(Facts::MAY_RUN_ROUTINE);
    verdict.facts.remove(Facts::READ_ONLY | Facts::SETS_ONLY_VARIABLES);
}

impl Doubt {
    /// A string of several statements may change on its way how it is read.
    #[must_use]
    pub const fn with_own(self, verdict: &Verdict) -> Self {
        let several = verdict.facts.contains(Facts::MULTI);
        Self {
            sql_mode: self.sql_mode || several && verdict.facts.contains(Facts::SETS_SQL_MODE),
            charset: self.charset || several && verdict.facts.contains(Facts::SETS_CHARSET),
        }
    }
}

/// As [`substitute`]; false also where another way to read the text comes to something else.
#[must_use]
pub fn substitute_in_doubt(text: &[u8], mode: Mode, doubt: Doubt, known: &Known, out: &mut Vec<u8>) -> bool {
    agreed(text, mode, doubt, out, |mode, out| substitute(text, mode, known, out)) == Some(true)
}

/// As [`substitute_several`]; where another way to read the text comes to something else, all is left as it is.
#[must_use]
pub fn substitute_several_in_doubt(text: &[u8], mode: Mode, doubt: Doubt, known: &Known, out: &mut Vec<u8>) -> Several {
    let several = agreed(text, mode, doubt, out, |mode, out| substitute_several(text, mode, known, out));
    several.unwrap_or(Several { open: true, changed: false })
}

/// What every way to read the text comes to, and writes; with `out` as it was where they differ.
fn agreed<T: PartialEq>(
    text: &[u8],
    mode: Mode,
    doubt: Doubt,
    out: &mut Vec<u8>,
    write: impl Fn(Mode, &mut Vec<u8>) -> T,
) -> Option<T> {
    let start = out.len();
    let done = write(mode, out);
    let same = doubt.others(text, mode).all(|other| {
        let mut again = Vec::new();
        write(other, &mut again) == done && out.get(start..) == Some(&again)
    });
    if !same {
        out.truncate(start);
    }
    same.then_some(done)
}

fn places_of(text: &[u8], mode: Mode) -> Places {
    let (mut lexer, mut places) = (Lexer::new(mode), Places::default());
    lexer.feed(text, &mut places);
    lexer.finish(&mut places);
    places
}

fn unite(verdict: &mut Verdict, other: &Verdict) {
    // Of these the text is good only where it is so in every way.
    const GOOD: Facts = Facts::READ_ONLY.union(Facts::SETS_ONLY_VARIABLES);
    let mut spoilt = GOOD;
    spoilt.remove(verdict.facts.intersection(other.facts));
    verdict.facts |= other.facts;
    verdict.facts.remove(spoilt);
    verdict.pins = verdict.pins.union(other.pins);
    verdict.unpins = verdict.unpins.intersection(other.unpins).difference(verdict.pins);
}

#[cfg(test)]
mod tests;
