//! Numbers, which may touch the word after them (`1e5into @a` is a number and INTO, measured).

use super::name::is_name_byte;
use super::{Lexer, Sink, State, Token};

/// So many digits always fit a `u64`.
const LONGEST: usize = 19;

/// How far a number has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberState {
    /// Digits only; the value while it fits.
    Integer(Option<u64>),
    /// Digits and `e`: an exponent if a digit follows, otherwise a name such as `1e`.
    IntegerE,
    /// After the dot.
    Fraction,
    /// After the dot, digits and `e`.
    FractionE,
    /// After the exponent's sign.
    Sign,
    /// The exponent's digits.
    Exponent,
}

impl NumberState {
    pub(super) fn token(self) -> Token<'static> {
        match self {
            Self::Integer(value) => Token::Number(value),
            _ => Token::Number(None),
        }
    }
}

impl Lexer {
    pub(super) fn begin_number<S: Sink>(&mut self, input: &[u8], at: usize, sink: &mut S) -> usize {
        if let Some((length, value)) = at_once(input.get(at..).unwrap_or_default()) {
            return self.short(Token::Number(value), at + length, sink);
        }
        self.number(NumberState::Integer(Some(0)), input, at, sink)
    }

    pub(super) fn number<S: Sink>(&mut self, state: NumberState, input: &[u8], at: usize, sink: &mut S) -> usize {
        let (mut state, mut at) = (state, at);
        while let Some(&byte) = input.get(at) {
            match next(state, byte) {
                Some(following) => state = following,
                None if is_name_from(state, byte) => return self.become_name(at),
                None => return self.short(state.token(), at, sink),
            }
            at += 1;
        }
        self.go(State::Number(state), at)
    }

    /// Digits were the beginning of a name; no keyword begins so, and its text is of no use.
    fn become_name(&mut self, at: usize) -> usize {
        self.name.clear();
        self.name.push(b"0");
        self.go(State::Word, at)
    }
}

/// The ordinary cases in one step: a short integer, with its value, or a number with a fraction, and its end in sight.
#[inline]
fn at_once(tail: &[u8]) -> Option<(usize, Option<u64>)> {
    let (mut length, mut value) = (0, 0);
    let after = loop {
        let byte = *tail.get(length)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break byte;
        }
        if length == LONGEST {
            return None;
        }
        value = value * 10 + u64::from(digit);
        length += 1;
    };
    if after == b'.' {
        let fraction = tail.get(length + 1..)?.iter().position(|byte| !byte.is_ascii_digit())?;
        let end = length + 1 + fraction;
        return (!matches!(tail.get(end)?, b'e' | b'E')).then_some((end, None));
    }
    (!is_name_byte(after)).then_some((length, Some(value)))
}

/// The state after `byte`, if it belongs to the number.
fn next(state: NumberState, byte: u8) -> Option<NumberState> {
    use NumberState::{Exponent, Fraction, FractionE, Integer, IntegerE, Sign};
    match (state, byte) {
        (Integer(value), b'0'..=b'9') => Some(Integer(push_digit(value, byte))),
        (Integer(_), b'.') | (Fraction, b'0'..=b'9') => Some(Fraction),
        (Integer(_), b'e' | b'E') => Some(IntegerE),
        (Fraction, b'e' | b'E') => Some(FractionE),
        (FractionE, b'+' | b'-') => Some(Sign),
        (IntegerE | FractionE | Sign | Exponent, b'0'..=b'9') => Some(Exponent),
        _ => None,
    }
}

fn is_name_from(state: NumberState, byte: u8) -> bool {
    match state {
        NumberState::IntegerE => true,
        NumberState::Integer(_) => is_name_byte(byte),
        _ => false,
    }
}

fn push_digit(value: Option<u64>, digit: u8) -> Option<u64> {
    value?.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
}
