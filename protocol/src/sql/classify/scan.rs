//! From tokens to the verdict: statement after statement.

use super::statement::{Into, Last, Literal, Phase, Statement, without_high_end};
use super::{Classifier, Kind, Verdict};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::mode::Mode;
use crate::sql::pin::{PinReason, PinSet};
use crate::sql::token::{Sink, Token};

/// What is known of the text so far.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) mode: Mode,
    pub(super) source: Source,
    /// A semicolon came: whatever follows is a further statement.
    ended: bool,
    /// Statements run inside a block; semicolons only divide them.
    pub(super) compound: bool,
    /// What [`Self::is_calm`] said after the last token that mattered.
    calm: bool,
    pub(super) statement: Statement,
    /// The classifier of the literal to prepare.
    pub(super) literal: Option<Box<Classifier>>,
    total: Total,
}

/// Where the text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A client sent it.
    Command,
    /// It stands in a literal of another statement.
    Literal,
}

/// The statements before the present one, together.
#[derive(Debug, Clone)]
struct Total {
    kind: Option<Kind>,
    pins: PinSet,
    unpins: PinSet,
    facts: Facts,
    read_only: bool,
    /// Nothing but what reads or explains itself.
    explained: bool,
}

impl Scan {
    pub(super) const fn new(mode: Mode, source: Source) -> Self {
        let (pins, facts) = (PinSet::EMPTY, Facts::NONE);
        let total = Total { kind: None, pins, unpins: PinSet::EMPTY, facts, read_only: true, explained: true };
        let statement = Statement::new();
        Self { mode, source, ended: false, compound: false, calm: false, statement, literal: None, total }
    }

    pub(super) fn finish(mut self) -> Verdict {
        if self.end_routine_statement() {
            // A body without an end, or counted wrongly: what follows it may have been taken for the body.
            self.statement.pin(PinReason::UntrackedState);
        }
        self.add_up();
        let Total { kind, pins, unpins, mut facts, read_only, explained } = self.total;
        if read_only && kind.is_some() {
            facts.insert(Facts::READ_ONLY);
        }
        if !explained {
            facts.remove(Facts::SETS_ONLY_VARIABLES);
        }
        Verdict { kind: kind.unwrap_or(Kind::Empty), pins, unpins: unpins.difference(pins), facts }
    }

    /// Adds the statement to the total and begins another.
    pub(super) fn end_statement(&mut self) {
        self.add_up();
        self.statement = Statement::new();
    }

    fn add_up(&mut self) {
        self.conclude_literal();
        let statement = &self.statement;
        if statement.kind == Kind::Empty {
            return;
        }
        let mut facts = statement.facts | statement.row_counts(self.mode);
        if facts.contains(Facts::MAY_RUN_ROUTINE) {
            facts.remove(Facts::SETS_ONLY_VARIABLES);
            if self.mode.is_mariadb() {
                facts.insert(Facts::SETS_UNREPORTED);
            }
        }
        let total = &mut self.total;
        total.kind = total.kind.or(Some(statement.kind));
        total.read_only &= statement.is_read_only();
        total.explained &= facts.contains(Facts::SETS_ONLY_VARIABLES) || statement.is_silent();
        total.pins = total.pins.union(statement.pins);
        total.facts |= facts;
        if !self.compound {
            // What a block would give back it gives back on some ways only.
            total.unpins = total.unpins.union(statement.unpins);
        }
    }

    /// Whether statements may form blocks outside stored programs.
    pub(super) fn has_blocks(&self) -> bool {
        self.mode.is_mariadb() || self.compound
    }

    pub(super) fn enter_compound(&mut self) {
        self.compound = true;
        self.total.kind = self.total.kind.or(Some(Kind::Compound));
        let statement = &mut self.statement;
        statement.kind = Kind::Compound;
        statement.facts = Facts::COMPOUND | Facts::MAY_RUN_ROUTINE | Facts::SETS_LAST_INSERT_ID;
        statement.pin(PinReason::MultiStatement);
    }

    fn semicolon(&mut self) {
        if self.end_routine_statement() {
            self.statement.remember(Token::Assign, Kw::None);
            return;
        }
        self.end_statement();
        self.ended = true;
    }

    /// Something stands after a semicolon; the servers count even a comment as a statement (measured).
    fn more(&mut self) {
        if self.ended && !self.compound {
            self.total.facts.insert(Facts::MULTI);
            self.total.pins.insert(PinReason::MultiStatement);
        }
    }

    fn keyword(&self, token: Token<'_>) -> Kw {
        match token {
            Token::Word(word) if self.statement.last == Last::Punct(b'.') || word.is_empty() => Kw::None,
            Token::Word(word) if word.last() < Some(&0x80) => Kw::of(word),
            // MySQL drops an unfinished character at the end of a function's name (measured).
            Token::Word(word) => {
                Some(Kw::of(without_high_end(word))).filter(|kw| !kw.never_calls()).unwrap_or(Kw::None)
            }
            _ => Kw::None,
        }
    }
}

// -- one token --

impl Scan {
    /// Values and the signs between them, where nothing waits for them: most of what a long INSERT holds.
    #[inline]
    fn passes(&mut self, token: Token<'_>) -> bool {
        let statement = &mut self.statement;
        let last = match token {
            Token::Text | Token::Number(_) => Last::Other,
            Token::Punct(b'(') if !matches!(statement.last, Last::Word | Last::Quoted) => {
                statement.depth += 1;
                Last::Punct(b'(')
            }
            Token::Punct(b')') => {
                statement.depth = statement.depth.saturating_sub(1);
                Last::Punct(b')')
            }
            Token::Punct(byte @ (b',' | b'=' | b'<' | b'>' | b'.' | b'+' | b'-' | b'*')) => Last::Punct(byte),
            _ => return false,
        };
        (statement.last, statement.last_kw, statement.beside_high) = (last, Kw::None, false);
        true
    }

    fn take(&mut self, token: Token<'_>) {
        match token {
            // Servers of other versions read something else there.
            Token::VersionMark => return self.statement.fact(Facts::READS_SERVER),
            Token::Comment => return self.more(),
            Token::Hint { set_var } => return self.hint(set_var),
            Token::Uncertain => return self.statement.pin(PinReason::UntrackedState),
            Token::Punct(b';') => return self.semicolon(),
            Token::Punct(0x80..) => {
                // A letter or a blank: the words on both sides count, as names nobody knows.
                self.statement.beside_high = true;
                return self.more();
            }
            _ => self.more(),
        }
        let kw = self.keyword(token);
        match self.statement.phase {
            Phase::Routine(body) => self.routine(body, token, kw),
            Phase::Inert => self.names_tracker(token),
            Phase::Body if !self.compound => self.general(token, kw),
            _ => {
                self.general(token, kw);
                self.head(token, kw);
            }
        }
        self.statement.remember(token, kw);
    }

    /// A name or a keyword, where nothing waits for it: as [`Self::take`] takes it there.
    fn take_name(&mut self, word: &[u8], token: Token<'_>) {
        let kw = self.keyword(token);
        self.name(word, token, kw);
        self.statement.remember(token, kw);
        if kw != Kw::None {
            self.calm = self.is_calm();
        }
    }

    fn hint(&mut self, set_var: bool) {
        if set_var {
            self.statement.fact(Facts::TEMPORARY_VALUES);
        }
        self.more();
    }

    /// Whether nothing but words and variables can matter.
    fn is_calm(&self) -> bool {
        let statement = &self.statement;
        let waits = statement.awaits_argument || statement.into != Into::Outside || statement.counts.waits();
        statement.phase == Phase::Body && !waits && !self.compound && !self.ended
    }
}

impl Sink for Scan {
    #[inline]
    fn token(&mut self, token: Token<'_>, _start: usize, _end: usize) {
        match token {
            Token::Word(word) | Token::Quoted(word) if self.calm => self.take_name(word, token),
            _ if self.calm && self.passes(token) => {}
            _ => {
                self.take(token);
                self.calm = self.is_calm();
            }
        }
    }

    #[inline]
    fn text(&mut self, piece: &[u8]) {
        if self.statement.literal == Literal::Expected {
            self.literal_piece(piece);
        }
    }
}
