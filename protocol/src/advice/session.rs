//! One connection of a log: what of it would hold a server connection in a transaction pool.

use super::meter::Need;
use crate::sql::lexer::Lexer;
use crate::sql::token::{Sink, Token};
use crate::sql::{Facts, Foreseen, Kind, Mode, PinReason, PinSet};

/// Pins of which a session may have several, each ended by itself.
const COUNTED: [PinReason; 4] =
    [PinReason::TemporaryTable, PinReason::SqlPrepare, PinReason::Handler, PinReason::InstanceLock];

/// A connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    pub(super) user: Option<Box<[u8]>>,
    pub(super) database: Box<[u8]>,
    /// The group that it counts for, once it has run a statement.
    pub(super) group: Option<u32>,
    /// When it logged in; `None` where the log does not have that.
    pub(super) opened: Option<i64>,
    pub(super) last: i64,
    pub(super) pins: PinSet,
    counts: [u32; COUNTED.len()],
    /// A transaction is open.
    pub(super) open: bool,
    /// That one was a PREPARE whose text comes with the next entry alone.
    pub(super) elided: bool,
    /// Routines may have pinned it.
    pub(super) may: bool,
    no_autocommit: bool,
    /// The statement before, which may have been a PREPARE or EXECUTE of text: its work is logged again by itself.
    pub(super) before: Option<Kind>,
}

impl Session {
    /// One that has logged in.
    pub(super) fn new(user: Option<Box<[u8]>>, database: Box<[u8]>, opened: i64) -> Self {
        Self { user, database, opened: Some(opened), ..Self::default() }
    }

    /// Whether it would keep its connection.
    pub(super) fn keeps(&self) -> bool {
        self.open || !self.pins.is_empty()
    }

    /// What it would need behind a statement.
    pub(super) fn need(&self) -> Need {
        if self.keeps() { Need::On } else { Need::Once }
    }

    /// Its state is that of a fresh connection.
    pub(super) fn reset(&mut self) {
        (self.pins, self.counts, self.open, self.no_autocommit) = (PinSet::EMPTY, [0; COUNTED.len()], false, false);
        self.before = None;
    }

    /// Takes note of a statement, as if it went well; whether it began a transaction, or was one by itself.
    pub(super) fn run(&mut self, text: &[u8], mode: Mode, foreseen: &Foreseen) -> bool {
        let Foreseen { pins, verdict, .. } = foreseen;
        let was_open = self.open;
        let commits = verdict.facts.contains(Facts::BEGINS_OR_ENDS_TRANSACTION);
        match verdict.kind {
            Kind::Begin => self.open = true,
            Kind::Commit | Kind::Rollback => self.open = verdict.facts.contains(Facts::CHAINED),
            Kind::Set if commits => self.set_autocommit(text, mode),
            Kind::Ddl | Kind::Lock => self.open &= !commits,
            kind if touches_tables(kind) => self.open |= self.no_autocommit,
            _ => {}
        }
        let several = verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND);
        self.end(verdict.unpins.difference(*pins), several);
        if verdict.kind == Kind::Select {
            self.pins.remove(PinReason::FoundRows);
        }
        if !self.open && (was_open || touches_tables(verdict.kind)) {
            self.pins.remove(PinReason::OneShotIsolation);
        }
        self.begin(*pins, several);
        self.before = Some(verdict.kind);
        !was_open && !matches!(verdict.kind, Kind::Empty | Kind::Commit | Kind::Rollback)
    }

    fn begin(&mut self, pins: PinSet, several: bool) {
        for (reason, count) in COUNTED.iter().zip(&mut self.counts) {
            if pins.contains(*reason) {
                *count = if several { u32::MAX } else { count.saturating_add(1) };
            }
        }
        self.pins = self.pins.union(pins);
    }

    fn end(&mut self, unpins: PinSet, several: bool) {
        let mut over = unpins;
        for (reason, count) in COUNTED.iter().zip(&mut self.counts).filter(|(reason, _)| unpins.contains(**reason)) {
            if *count != u32::MAX {
                *count = count.saturating_sub(1);
            }
            if *count > 0 && !several {
                over.remove(*reason);
            }
        }
        self.pins = self.pins.difference(over);
    }

    fn set_autocommit(&mut self, text: &[u8], mode: Mode) {
        let mut search = Autocommit { seen: false, off: None };
        let mut lexer = Lexer::new(mode);
        lexer.feed(text, &mut search);
        lexer.finish(&mut search);
        if let Some(off) = search.off {
            self.no_autocommit = off;
            self.open &= off;
        }
    }
}

/// Whether a statement of this kind begins a transaction where nothing commits by itself.
const fn touches_tables(kind: Kind) -> bool {
    matches!(kind, Kind::Select | Kind::Insert | Kind::Replace | Kind::Update | Kind::Delete | Kind::Load)
        || matches!(kind, Kind::Call | Kind::Execute | Kind::Handler)
}

/// Looks for `autocommit = …`.
struct Autocommit {
    /// The name came last, or its sign of equality.
    seen: bool,
    off: Option<bool>,
}

impl Sink for Autocommit {
    fn token(&mut self, token: Token<'_>, _: usize, _: usize) {
        match token {
            Token::Word(name) | Token::Quoted(name) if name.eq_ignore_ascii_case(b"autocommit") => self.seen = true,
            Token::Punct(b'=') | Token::Assign | Token::Comment => {}
            _ if !std::mem::take(&mut self.seen) => {}
            Token::Number(value) => self.off = Some(value == Some(0)),
            Token::Word(word) => {
                self.off = Some(word.eq_ignore_ascii_case(b"off") || word.eq_ignore_ascii_case(b"false"))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Session;
    use crate::sql::{Flavor, Foreseen, Mode};

    fn run(session: &mut Session, text: &str) -> bool {
        let mode = Mode::new(Flavor::MySql, 90_704);
        session.run(text.as_bytes(), mode, &Foreseen::of(text.as_bytes(), mode, false))
    }

    #[test]
    fn transactions_hold_until_they_end() {
        let mut session = Session::default();
        for (text, begins, keeps) in [
            ("SELECT 1", true, false),
            ("BEGIN", true, true),
            ("INSERT INTO t VALUES (1)", false, true),
            ("COMMIT AND CHAIN", false, true),
            ("ROLLBACK", false, false),
            ("SET SESSION autocommit = 0", true, false),
            ("SELECT a FROM t", true, true),
            ("CREATE TABLE x (a INT)", false, false),
            ("UPDATE t SET a = 1", true, true),
            ("SET @@autocommit := ON", false, false),
            ("UPDATE t SET a = 1", true, false),
        ] {
            assert_eq!((run(&mut session, text), session.keeps()), (begins, keeps), "{text}");
        }
    }

    #[test]
    fn pins_hold_until_the_last_of_them_is_over() {
        let mut session = Session::default();
        for (text, keeps) in [
            ("CREATE TEMPORARY TABLE a (a INT)", true),
            ("CREATE TEMPORARY TABLE b (a INT)", true),
            ("DROP TEMPORARY TABLE a", true),
            ("DROP TEMPORARY TABLE b", false),
            ("SELECT GET_LOCK('a', 1)", true),
            ("SELECT RELEASE_ALL_LOCKS()", false),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", true),
            ("BEGIN", true),
            ("COMMIT", false),
            ("LOCK TABLES t READ", true),
            ("UNLOCK TABLES", false),
            ("SELECT SQL_CALC_FOUND_ROWS 1", true),
            ("SELECT FOUND_ROWS()", false),
            ("SET ROLE NONE", true),
        ] {
            run(&mut session, text);
            assert_eq!(session.keeps(), keeps, "{text}: {:?}", session.pins);
        }
        session.reset();
        assert!(!session.keeps());
    }
}
