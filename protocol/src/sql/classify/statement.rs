//! What is known of the statement under way.

use super::Kind;
use super::body::RoutineBody;
use super::counts::Counts;
use super::set::SetPhase;
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::{PinReason, PinSet};
use crate::sql::token::{MAX_NAME, Token};

/// One statement, from its first token to its semicolon.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) pins: PinSet,
    pub(super) unpins: PinSet,
    pub(super) facts: Facts,
    /// Parentheses open.
    pub(super) depth: u32,
    /// CASE expressions open, counted in blocks only.
    pub(super) cases: u32,
    /// The last token, and its keyword if it was one.
    pub(super) last: Last,
    pub(super) last_kw: Kw,
    /// A high byte of an 8-bit set came since the last token.
    pub(super) beside_high: bool,
    /// The last name, which a parenthesis may follow.
    pub(super) name: Name,
    /// Whether names since the last `@@` belong to a system variable.
    pub(super) in_sysvar: bool,
    pub(super) into: Into,
    /// The text of a PREPARE or EXECUTE IMMEDIATE.
    pub(super) literal: Literal,
    /// Something other than reading.
    pub(super) writes: bool,
    /// SELECT came, so expressions are evaluated even in DDL.
    pub(super) selects: bool,
    /// `LAST_INSERT_ID(` came last.
    pub(super) awaits_argument: bool,
    pub(super) counts: Counts,
}

/// What the head of the statement expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The verb.
    Start,
    /// A name came first: a label if a colon follows (MariaDB).
    Label,
    /// The statement's verb after common table expressions, at this depth.
    With(u32),
    /// Nothing: only what counts anywhere counts.
    Body,
    /// Nothing at all: what follows does not run now.
    Inert,
    Routine(RoutineBody),
    Set(SetPhase),
    Begin,
    /// What START starts.
    StartOf,
    /// What kind of transaction.
    Starting,
    Ending,
    Lock,
    Unlock,
    Backup,
    Flush {
        tables: bool,
        names: bool,
    },
    Handler,
    Xa,
    Prepare,
    Execute,
    /// The text after FROM or IMMEDIATE.
    Literal,
    Kill {
        query: bool,
    },
    Show,
    Explain {
        analyze: bool,
    },
    Analyze,
    Create,
    Drop,
    Declare {
        handler: bool,
    },
}

/// The last token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Start,
    Word,
    Quoted,
    UserVar,
    Punct(u8),
    Other,
}

/// The last name and what stood before it.
#[derive(Debug, Clone)]
pub(super) struct Name {
    bytes: [u8; MAX_NAME],
    len: u8,
    /// No high byte touches its ends.
    pub(super) whole: bool,
    /// A dot stood before it.
    pub(super) qualified: bool,
    /// What stood before the whole name, qualifiers included.
    pub(super) before: Last,
    pub(super) before_kw: Kw,
}

/// Where in the list after INTO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Outside,
    Item,
    Comma,
}

/// What is known of the text to prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    /// The statement has none.
    None,
    /// It comes now.
    Expected,
    /// It came whole.
    Complete,
    /// It is no literal.
    Unknown,
}

impl Statement {
    pub(super) const fn new() -> Self {
        let before = Last::Start;
        let name = Name { bytes: [0; MAX_NAME], len: 0, whole: true, qualified: false, before, before_kw: Kw::None };
        Self {
            kind: Kind::Empty,
            phase: Phase::Start,
            pins: PinSet::EMPTY,
            unpins: PinSet::EMPTY,
            facts: Facts::NONE,
            depth: 0,
            cases: 0,
            last: Last::Start,
            last_kw: Kw::None,
            beside_high: false,
            name,
            in_sysvar: false,
            into: Into::Outside,
            literal: Literal::None,
            writes: false,
            selects: false,
            awaits_argument: false,
            counts: Counts::NEW,
        }
    }

    pub(super) fn pin(&mut self, reason: PinReason) {
        self.pins.insert(reason);
    }

    pub(super) fn unpin(&mut self, reason: PinReason) {
        self.unpins.insert(reason);
    }

    pub(super) fn fact(&mut self, fact: Facts) {
        self.facts.insert(fact);
    }

    pub(super) fn remember(&mut self, token: Token<'_>, kw: Kw) {
        self.last_kw = kw;
        self.beside_high = false;
        self.last = match token {
            Token::Word(_) => Last::Word,
            Token::Quoted(_) => Last::Quoted,
            Token::UserVar => Last::UserVar,
            Token::Punct(byte) => Last::Punct(byte),
            _ => Last::Other,
        };
    }

    /// Whether it may be run again elsewhere without anybody noticing.
    pub(super) fn is_read_only(&self) -> bool {
        const SPOILS: [Facts; 5] = [
            Facts::MAY_RUN_ROUTINE,
            Facts::SETS_LAST_INSERT_ID,
            Facts::READS_ROW_COUNT,
            Facts::READS_FOUND_ROWS,
            Facts::READS_DIAGNOSTICS,
        ];
        let reads = matches!(self.kind, Kind::Select | Kind::Show | Kind::ShowProcesslist { .. } | Kind::Explain);
        reads && !self.writes && self.pins.is_empty() && !SPOILS.iter().any(|fact| self.facts.contains(*fact))
    }
}

impl Statement {
    /// Whether it never raises the server's "state changed" flag.
    pub(super) fn is_silent(&self) -> bool {
        self.is_read_only() || matches!(self.kind, Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Savepoint)
    }
}

/// A name without the bytes at its end that may be a character unfinished.
pub(super) fn without_high_end(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte < 0x80).map_or(0, |last| last + 1);
    name.get(..end).unwrap_or_default()
}

impl Name {
    /// Keeps a name; `kw` tells which need no keeping.
    pub(super) fn keep(&mut self, bytes: &[u8], kw: Kw) {
        if kw.never_calls() {
            self.len = 0;
            return;
        }
        let core = without_high_end(bytes);
        self.whole &= core.len() == bytes.len();
        let (bytes, kept) = (core, core.len().min(MAX_NAME));
        if let (Some(to), Some(from)) = (self.bytes.get_mut(..kept), bytes.get(..kept)) {
            to.copy_from_slice(from);
        }
        self.len = kept as u8;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}
