//! `IS_USED_LOCK(…) = CONNECTION_ID()`, in either order: both give the server's ids, and compare well as they are. Whoever
//! holds a lock keeps the connection on which it was taken.

use crate::sql::token::Token;

/// How far such a comparison has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Comparison {
    #[default]
    None,
    /// The function's name came; behind `CONNECTION_ID() =` if that is true.
    Name(bool),
    /// In its parentheses, so many of them.
    Within(u32),
    /// Its call came last.
    Lock,
    /// Its call, and a sign of comparison.
    LockIs,
    /// `CONNECTION_ID()` came last.
    Id,
    /// That, and a sign of comparison.
    IdIs,
}

impl Comparison {
    /// Takes the next token that means something. True where the `CONNECTION_ID()` before it is compared with a lock's.
    pub(super) fn take(&mut self, token: Token<'_>) -> bool {
        let sign = matches!(token, Token::Punct(b'=' | b'<' | b'>' | b'!'));
        let names = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(b"is_used_lock"));
        let (opens, closes) = (token == Token::Punct(b'('), token == Token::Punct(b')'));
        let before = *self;
        *self = match before {
            Self::Name(_) if opens => Self::Within(1),
            Self::Within(1) if closes => Self::Lock,
            Self::Within(depth) if closes => Self::Within(depth - 1),
            Self::Within(depth) if opens => Self::Within(depth.saturating_add(1)),
            Self::Within(depth) => Self::Within(depth),
            Self::Lock | Self::LockIs if sign => Self::LockIs,
            Self::Id | Self::IdIs if sign => Self::IdIs,
            _ if names => Self::Name(before == Self::IdIs),
            _ => Self::None,
        };
        before == Self::Name(true) && opens
    }

    /// A `CONNECTION_ID()` has come to its end.
    pub(super) fn id(&mut self) {
        if !matches!(self, Self::Within(_)) {
            *self = Self::Id;
        }
    }
}
