//! Answers to functions about the previous statement, written into the statement's text.
//!
//! The answer has the type and display width that the function has, and an expression that stands unaliased in a
//! select list keeps the column name that its text gives it: from its first token to its last, comments between
//! them included (measured on both servers).

mod literal;
mod locks;
mod names;
mod select_list;
mod several;

#[cfg(test)]
mod tests;

use std::io::Write as _;

use super::classify::{Kind, Verdict, classify};
use super::facts::Facts;
use super::keyword::Kw;
use super::lexer::Lexer;
use super::mode::Mode;
use super::token::{Sink, Token};
pub use literal::with_literal;
use locks::Comparison;
use names::write_alias;
use select_list::SelectLists;
pub use several::{Several, substitute_several};

/// What the proxy knows of the previous statement and the session. What is `None` the server knows best:
/// a call for it stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// What `ROW_COUNT()` would give: rows changed, or -1 after a result set.
    pub row_count: Option<i64>,
    /// What `FOUND_ROWS()` would give.
    pub found_rows: FoundRows,
    /// The id that the client takes for its connection's.
    pub connection_id: Option<u64>,
}

/// What is known of `FOUND_ROWS()`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FoundRows {
    /// The server knows best.
    #[default]
    Server,
    /// It is this.
    Rows(u64),
    /// Nobody knows: what the server has is another session's.
    Lost,
}

/// A change to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// A call from `start` to `end` gives way to its value.
    Value { start: usize, end: usize, function: Kw },
    /// After `end`, the text since `start` becomes the column's name.
    Name { start: usize, end: usize },
}

/// Writes `sql` to `out` with every `ROW_COUNT()`, `FOUND_ROWS()` and `CONNECTION_ID()` replaced by its value.
///
/// False, with `out` as it was, if nothing is to be replaced or it cannot be done without a doubt: several
/// statements, definitions that would keep the value, quoted function names, an item that may or
/// may not have an alias.
#[must_use]
pub fn substitute(sql: &[u8], mode: Mode, known: &Known, out: &mut Vec<u8>) -> bool {
    let verdict = classify(sql, mode);
    if matches!(verdict.kind, Kind::Prepare | Kind::Execute) && asks_alone(&verdict) {
        return literal::substitute_text(sql, verdict.kind, mode, known, out);
    }
    let lost = known.found_rows == FoundRows::Lost && verdict.facts.contains(Facts::READS_FOUND_ROWS);
    if lost || !is_suited(&verdict) {
        return false;
    }
    let mut reader = Reader::new(mode, verdict.kind == Kind::Select);
    let mut lexer = Lexer::new(mode);
    lexer.feed(sql, &mut reader);
    lexer.finish(&mut reader);
    let Some(edits) = reader.finish() else { return false };
    let length = out.len();
    let written = !edits.is_empty() && write_edited(sql, mode, known, &edits, out).is_some();
    if !written {
        out.truncate(length);
    }
    written
}

impl FoundRows {
    fn rows(self) -> Option<u64> {
        if let Self::Rows(rows) = self { Some(rows) } else { None }
    }

    /// The server knows best where that is `so`.
    fn unless(self, so: bool) -> Self {
        if so { Self::Server } else { self }
    }
}

/// Whether a text may hold a call that [`substitute`] replaces: whether a name of theirs stands in it.
#[must_use]
pub fn may_ask(text: &[u8]) -> bool {
    const NAMES: [(&[u8], &[u8]); 3] = [(b"row", b"count"), (b"found", b"rows"), (b"connection", b"id")];
    let asks = |at: usize| {
        let (before, behind) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        NAMES.iter().any(|(first, second)| {
            let ends = before.len().checked_sub(first.len()).and_then(|from| before.get(from..));
            ends.is_some_and(|end| end.eq_ignore_ascii_case(first))
                && behind.get(..second.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(second))
        })
    };
    memchr::memchr_iter(b'_', text).any(asks)
}

/// Whether the statement is of a kind whose values may be written out.
fn is_suited(verdict: &Verdict) -> bool {
    let kind = matches!(
        verdict.kind,
        Kind::Select | Kind::Insert | Kind::Replace | Kind::Update | Kind::Delete | Kind::Set | Kind::Do | Kind::Call
    ) || matches!(verdict.kind, Kind::Load);
    kind && asks_alone(verdict)
}

/// Whether it is one statement, and asks for what may be known.
fn asks_alone(verdict: &Verdict) -> bool {
    let asks = Facts::READS_ROW_COUNT | Facts::READS_FOUND_ROWS | Facts::READS_CONNECTION_ID;
    !verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND) && verdict.facts.intersects(asks)
}

fn write_edited(sql: &[u8], mode: Mode, known: &Known, edits: &[Edit], out: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    for edit in edits {
        match *edit {
            Edit::Value { start, end, function } => {
                out.extend_from_slice(sql.get(at..start)?);
                if write_value(mode, known, function, out).is_none() {
                    out.extend_from_slice(sql.get(start..end)?);
                }
                at = end;
            }
            Edit::Name { start, end } => {
                out.extend_from_slice(sql.get(at..end)?);
                write_alias(sql.get(start..end)?, mode, out)?;
                at = end;
            }
        }
    }
    out.extend_from_slice(sql.get(at..)?);
    Some(())
}

/// A constant of the function's own type and width, also for expressions made of it (measured). MySQL gives a
/// string of 21 digits the width of a BIGINT; MariaDB takes over that of the function, which it never calls. MySQL
/// warns of `FOUND_ROWS()` wherever it stands (measured).
fn write_value(mode: Mode, known: &Known, function: Kw, out: &mut Vec<u8>) -> Option<()> {
    let maria = mode.is_mariadb();
    match function {
        Kw::RowCount => known.row_count.map(|value| match maria {
            true => write!(out, "COALESCE({value},ROW_COUNT())"),
            false => write!(out, "CAST('{value:021}' AS SIGNED)"),
        }),
        Kw::FoundRows => known.found_rows.rows().map(|value| match maria {
            true => write!(out, "COALESCE({value},FOUND_ROWS())"),
            // The call stays for its warning.
            false => write!(out, "COALESCE(CAST('{value:021}' AS SIGNED),FOUND_ROWS())"),
        }),
        Kw::ConnectionId => known.connection_id.map(|value| match maria {
            true => write!(out, "COALESCE(CAST({value} AS UNSIGNED),CONNECTION_ID())"),
            false => write!(out, "CAST('{value:021}' AS UNSIGNED)"),
        }),
        _ => None,
    }?
    .ok()
}

// -- reading the statement --

/// Collects the edits from the tokens.
struct Reader {
    lists: SelectLists,
    /// A call as far as it has come.
    call: Option<Call>,
    comparison: Comparison,
    last: Token<'static>,
    last_kw: Kw,
    edits: Vec<Edit>,
    doubtful: bool,
}

/// A function's name, and whether its parenthesis came.
#[derive(Clone, Copy)]
struct Call {
    start: usize,
    function: Kw,
    open: bool,
    /// It stays as it is.
    stays: bool,
}

impl Reader {
    fn new(mode: Mode, query: bool) -> Self {
        Self {
            lists: SelectLists::new(mode, query),
            call: None,
            comparison: Comparison::None,
            last: Token::Comment,
            last_kw: Kw::None,
            edits: Vec::new(),
            doubtful: false,
        }
    }

    fn finish(mut self) -> Option<Vec<Edit>> {
        self.lists.finish(&mut self.edits);
        let calls = self.edits.iter().any(|edit| matches!(edit, Edit::Value { .. }));
        (calls && !self.changes_within() && !self.doubtful && !self.lists.doubtful()).then_some(self.edits)
    }

    /// MariaDB counts the rows of derived tables and of the SELECTs of a UNION while the statement runs (measured).
    fn changes_within(&self) -> bool {
        let counts = |edit: &Edit| matches!(edit, Edit::Value { function: Kw::FoundRows, .. });
        self.lists.mariadb_selects() > 1 && self.edits.iter().any(counts)
    }

    /// Follows `name`, `(`, `)`.
    fn follow(&mut self, token: Token<'_>, kw: Kw, start: usize, end: usize) {
        let asks = matches!(kw, Kw::RowCount | Kw::FoundRows | Kw::ConnectionId);
        let stays = kw == Kw::ConnectionId && self.comparison == Comparison::LockIs;
        if self.comparison.take(token) {
            self.edits.pop();
        }
        self.call = match (self.call.take(), token) {
            (Some(call), Token::Punct(b'(')) if !call.open => Some(Call { open: true, ..call }),
            (Some(call), Token::Punct(b')')) if call.open && call.stays => None,
            (Some(call), Token::Punct(b')')) if call.open => {
                self.edits.push(Edit::Value { start: call.start, end, function: call.function });
                self.lists.replaced();
                if call.function == Kw::ConnectionId {
                    self.comparison.id();
                }
                None
            }
            _ if asks && !self.names_a_thing() => Some(Call { start, function: kw, open: false, stays }),
            _ => None,
        };
    }

    /// Whether a table or an alias comes now.
    fn names_a_thing(&self) -> bool {
        matches!(
            self.last_kw,
            Kw::Into | Kw::Table | Kw::Insert | Kw::Replace | Kw::Ignore | Kw::LowPriority | Kw::Delayed
        ) || matches!(self.last_kw, Kw::As | Kw::With | Kw::Recursive)
            || self.last_kw == Kw::HighPriority && !self.lists.any()
    }
}

impl Sink for Reader {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        let kw = match token {
            Token::Comment | Token::Hint { .. } => return,
            Token::VersionMark => return self.lists.version_mark(),
            // A high byte of an 8-bit set, or what the lexer itself is not sure of.
            Token::Uncertain | Token::Punct(0x80..) => {
                self.doubtful = true;
                return;
            }
            Token::Quoted(name) => {
                self.doubtful |= matches!(Kw::of(name), Kw::RowCount | Kw::FoundRows | Kw::ConnectionId);
                Kw::None
            }
            Token::Word(word) if self.last != Token::Punct(b'.') => Kw::of(word),
            _ => Kw::None,
        };
        // The list first: a closing parenthesis must count before the call that it ends.
        self.lists.token(token, kw, start, end, &mut self.edits);
        self.follow(token, kw, start, end);
        self.last = if let Token::Punct(byte) = token { Token::Punct(byte) } else { Token::Comment };
        self.last_kw = kw;
    }
}
