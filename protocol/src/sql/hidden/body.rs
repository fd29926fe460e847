//! What the text of a trigger, a view or a function may do, read with more suspicion than a server reads it: words in
//! quotes and comments count, since the `sql_mode` that it was written in decides which of them are code.

use std::collections::BTreeSet;

use super::key;
use crate::sql::builtin::is_builtin;
use crate::sql::mode::Mode;
use crate::sql::route::{asks_for_locks, asks_server, is_own_schema};

/// Words of what no server reports, or of what nobody can tell.
const LEAKS: [&[u8]; 7] = [b"get_lock", b"temporary", b"call", b"prepare", b"execute", b"nextval", b"next"];

/// Words of what only procedures may do, and of names that many columns have.
const RISKS: [&[u8]; 8] = [b"flush", b"backup", b"instance", b"role", b"resource", b"password", b"xa", b"binlog"];

/// Functions about the statement before. In a routine they ask about the caller's until it has run one of its own (measured
/// on both).
const ASKS: [&[u8]; 2] = [b"found_rows", b"row_count"];

/// Functions about the session and its connection.
const SESSION: [&[u8]; 2] = [b"connection_id", b"last_insert_id"];

/// Words before a name and a parenthesis that is no call.
const NAMING: [&[u8]; 9] =
    [b"into", b"table", b"insert", b"replace", b"ignore", b"as", b"with", b"recursive", b"references"];

/// Words of a routine's statements that change what these give.
const SETS: [&[u8]; 15] = [
    b"insert",
    b"update",
    b"delete",
    b"replace",
    b"load",
    b"select",
    b"call",
    b"execute",
    b"truncate",
    b"commit",
    b"rollback",
    b"create",
    b"drop",
    b"alter",
    b"do",
];

/// How far a routine has come.
#[derive(Debug, Default)]
struct Course {
    /// A statement before this one is of those.
    settled: bool,
    /// This one is.
    sets: bool,
    declares: bool,
    /// It declares a handler, which runs later if at all.
    handler: bool,
    /// Of several statements.
    block: bool,
}

/// A body's words.
#[derive(Debug, Default)]
pub(super) struct Body {
    hidden: bool,
    leaks: bool,
    /// It may leave something if it is run by itself.
    risky: bool,
    /// It may ask about the statement before.
    asks: bool,
    /// The same before it has run a statement of its own.
    asks_first: bool,
    /// What it gives hangs on the server that is asked.
    asks_server: bool,
    words: BTreeSet<Box<[u8]>>,
    calls: BTreeSet<Box<[u8]>>,
}

impl Body {
    pub(super) fn read(text: &[u8], mode: &Mode) -> Self {
        let mut body = Self { hidden: text.is_empty(), ..Self::default() };
        let (mut before, mut last): (&[u8], &[u8]) = (b"", b"");
        // Whether only blanks and closing quotes stand between the last word and here.
        let (mut adjacent, mut quoted, mut qualified) = (false, false, false);
        let (mut rest, mut course) = (text, Course::default());
        while let Some((&byte, after)) = rest.split_first() {
            if is_name(byte) {
                let len = rest.iter().position(|byte| !is_name(*byte)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(len);
                // A handler of errors is declared FOR something; any other is a table's.
                body.risky |= last.eq_ignore_ascii_case(b"handler") && !word.eq_ignore_ascii_case(b"for");
                if !qualified {
                    before = last;
                }
                (last, rest, adjacent, quoted, qualified) = (word, behind, true, false, false);
                body.word(word, &mut course);
                continue;
            }
            body.asks_server |= byte == b'(' && adjacent && asks(last);
            match byte {
                b'@' => body.leaks = true,
                b';' => course.end(last),
                b'(' if adjacent && (quoted || !is_builtin(last, mode)) && !names_a_thing(before) => {
                    body.calls.insert(key(last));
                }
                // A comment may stand before a call's parenthesis.
                b'/' if text_ends_comment(text, rest) => body.leaks |= after.trim_ascii_start().starts_with(b"("),
                _ => {}
            }
            qualified = byte == b'.' || qualified && matches!(byte, b'`' | b'"' | b' ' | b'\n' | b'\t' | b'\r');
            quoted |= matches!(byte, b'`' | b'"');
            adjacent &= matches!(byte, b'`' | b'"') || byte.is_ascii_whitespace();
            rest = after;
        }
        body
    }

    fn word(&mut self, word: &[u8], course: &mut Course) {
        let word = key(word);
        self.asks_first |= !course.settled && ASKS.contains(&&*word);
        course.word(&word);
        self.leaks |= LEAKS.contains(&&*word) || word.starts_with(b"service_");
        self.risky |= RISKS.contains(&&*word) || word.starts_with(b"session_track_");
        self.asks |= ASKS.contains(&&*word);
        self.asks_server |= is_own_schema(&word);
        self.words.insert(word);
    }

    /// Whether it may ask about the statement before. `asking`: another view does.
    pub(super) fn may_ask(&self, asking: impl Fn(&[u8]) -> bool) -> bool {
        self.asks || self.words.iter().any(|word| asking(word))
    }

    /// The same of a routine.
    pub(super) fn asks_caller(&self) -> bool {
        self.asks_first
    }

    /// Whether it may ask what only the server at hand knows. `bound`: another view does.
    pub(super) fn may_ask_server(&self, bound: impl Fn(&[u8]) -> bool) -> bool {
        self.asks_server || self.words.iter().any(|word| bound(word))
    }

    pub(super) fn is_risky(&self) -> bool {
        self.risky
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Whether it may do what nobody reports. `fine`: the function of this name does not; `leaky`: a table's triggers may.
    pub(super) fn may_leak(&self, fine: impl Fn(&[u8]) -> bool, leaky: impl Fn(&[u8]) -> bool) -> bool {
        self.leaks || self.calls.iter().any(|name| !fine(name)) || self.words.iter().any(|word| leaky(word))
    }
}

impl Course {
    fn word(&mut self, word: &[u8]) {
        match word {
            b"declare" => self.declares = true,
            b"handler" => self.handler = true,
            b"begin" => self.block |= self.handler,
            _ => self.sets |= !self.declares && SETS.contains(&word),
        }
    }

    /// A statement has ended, with that word.
    fn end(&mut self, last: &[u8]) {
        if self.block && !last.eq_ignore_ascii_case(b"end") {
            return;
        }
        *self = Self { settled: self.settled || self.sets, ..Self::default() };
    }
}

/// Whether a function of that name gives something else on another server or connection.
fn asks(name: &[u8]) -> bool {
    let session = SESSION.iter().any(|function| name.eq_ignore_ascii_case(function));
    session || asks_server(name) || asks_for_locks(name)
}

fn names_a_thing(before: &[u8]) -> bool {
    NAMING.contains(&&*key(before))
}

/// Whether the slash at the head of `rest` closes a comment.
fn text_ends_comment(text: &[u8], rest: &[u8]) -> bool {
    let at = text.len() - rest.len();
    at > 0 && text.get(at - 1) == Some(&b'*')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
