//! Whether every routine that a statement may run is known to leave nothing that no server reports.

use std::collections::BTreeSet;

use super::key;
use crate::sql::builtin::is_builtin;
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::lexer::Lexer;
use crate::sql::mode::Mode;
use crate::sql::token::{Sink, Token};
use crate::sql::{Kind, Verdict};

/// Reads a statement's text against the names of harmless routines.
pub(super) fn vouches(known: &BTreeSet<Box<[u8]>>, verdict: &Verdict, text: &[u8], mode: Mode) -> bool {
    use Kind::{Call, Delete, Do, Insert, Replace, Select, Set, Update};
    let one = !verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND);
    if !one || ![Call, Delete, Do, Insert, Replace, Select, Set, Update].contains(&verdict.kind) || known.is_empty() {
        return false;
    }
    let mut calls = Calls { known, mode, name: None, bare: verdict.kind == Kind::Call, doubtful: false };
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut calls);
    lexer.finish(&mut calls);
    // `CALL p` needs no parentheses.
    if calls.bare {
        calls.called(true);
    }
    !calls.doubtful
}

struct Calls<'a> {
    known: &'a BTreeSet<Box<[u8]>>,
    mode: Mode,
    /// The name that came last, whether it was quoted or stood behind a dot.
    name: Option<(Box<[u8]>, bool)>,
    /// The procedure of a `CALL` is still to come.
    bare: bool,
    doubtful: bool,
}

impl Calls<'_> {
    /// The last name is one of a routine, or of whatever else may stand before a parenthesis.
    fn called(&mut self, routine: bool) {
        let Some((name, special)) = self.name.take() else {
            self.doubtful |= routine;
            return;
        };
        let is_word = !routine && !special && (Kw::of(&name).never_calls() || is_builtin(&name, &self.mode));
        self.doubtful |= !is_word && !self.known.contains(&key(&name));
    }
}

impl Sink for Calls<'_> {
    fn token(&mut self, token: Token<'_>, _: usize, _: usize) {
        match token {
            Token::Word(name) | Token::Quoted(name) => {
                let qualified = matches!(&self.name, Some((before, _)) if **before == *b".");
                let quoted = matches!(token, Token::Quoted(_));
                self.name = Some((name.into(), qualified || quoted));
            }
            Token::Punct(b'.') => self.name = Some(((*b".").into(), true)),
            Token::Punct(b'(') if self.name.is_some() => {
                let routine = std::mem::take(&mut self.bare);
                self.called(routine);
            }
            Token::Comment | Token::VersionMark => {}
            Token::Hint { .. } | Token::Uncertain => self.doubtful = true,
            _ => self.name = None,
        }
    }
}
