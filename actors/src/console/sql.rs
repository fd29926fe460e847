//! What administrators and their tools select, rewritten for the engine. Pure.
//!
//! The engine reads SQL much as the servers do. What it reads otherwise is changed word by word: quotes, variables, a few functions;
//! and every column of the outermost list is given the name that a server would give it.

use super::words::{Sort, Word};

/// A statement as the engine takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) sql: String,
    /// The variables that its parameters stand for, in their order.
    pub(super) variables: Vec<String>,
    /// Every name in it, in small letters: among them are its tables.
    pub(super) names: Vec<String>,
    /// What its columns are called, as far as the list says.
    pub(super) columns: Vec<String>,
    /// It reads what servers have in databases of their own.
    pub(super) is_foreign: bool,
}

/// The table whose rows [`Query::narrowing`] chooses from.
pub(super) const SHOWN: &str = "shown";

/// What servers have databases of their own for.
const FOREIGN: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// With these a select list ends.
const ENDS: [&str; 9] = ["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "FOR", "LOCK"];

/// Hints for servers alone, and a cast that changes nothing here.
const HINTS: [&str; 8] = [
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "SQL_CACHE",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "BINARY",
];

/// What cannot stand before the name of a column that comes without `AS`.
const OPERATORS: [&str; 15] = [
    "AND", "OR", "NOT", "LIKE", "IS", "IN", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "DISTINCT", "DIV", "MOD", "XOR",
];

/// Functions of the time, and what the engine calls them.
const CLOCKS: [(&str, &str); 11] = [
    ("NOW", "CURRENT_TIMESTAMP"),
    ("SYSDATE", "CURRENT_TIMESTAMP"),
    ("UTC_TIMESTAMP", "CURRENT_TIMESTAMP"),
    ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
    ("LOCALTIME", "CURRENT_TIMESTAMP"),
    ("LOCALTIMESTAMP", "CURRENT_TIMESTAMP"),
    ("CURDATE", "CURRENT_DATE"),
    ("CURRENT_DATE", "CURRENT_DATE"),
    ("CURTIME", "CURRENT_TIME"),
    ("CURRENT_TIME", "CURRENT_TIME"),
    ("UNIX_TIMESTAMP", "unixepoch()"),
];

impl Query {
    /// A `SELECT`, all of whose words these are.
    pub(super) fn select(statement: &str, words: &[Word]) -> Self {
        let mut rewriter = Rewriter { statement, words, query: Self::default() };
        let start = rewriter.list_start();
        rewriter.copy(0, start);
        let end = rewriter.list_end(start);
        let mut from = start;
        while from < end {
            let to = rewriter.item_end(from, end);
            rewriter.item(from, to);
            if to < end {
                rewriter.query.sql.push_str(", ");
            }
            from = to + 1;
        }
        rewriter.copy(end, words.len());
        rewriter.query.is_foreign = rewriter.reads_foreign();
        rewriter.query
    }

    /// What stands behind `SHOW` and a table's name, whose first column is this one: `LIKE`, or clauses of a `SELECT`.
    pub(super) fn narrowing(statement: &str, words: &[Word], first: &str) -> Self {
        let mut rewriter = Rewriter { statement, words, query: Self::default() };
        rewriter.query.sql = format!("SELECT * FROM {SHOWN} ");
        if rewriter.is(0, "LIKE") {
            rewriter.query.sql.push_str(&format!("WHERE {} ", identifier(first)));
        }
        rewriter.copy(0, words.len());
        rewriter.query
    }
}

/// Whether a statement of `SHOW` may go on so.
pub(super) fn narrows(word: &Word) -> bool {
    word.sort == Sort::Name && ["LIKE", "WHERE", "ORDER", "LIMIT"].iter().any(|it| word.text.eq_ignore_ascii_case(it))
}

/// A name as the engine takes it whatever it is.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

struct Rewriter<'w> {
    statement: &'w str,
    words: &'w [Word],
    query: Query,
}

impl Rewriter<'_> {
    /// Whether this is a word of the language's.
    fn is(&self, at: usize, keyword: &str) -> bool {
        self.keyword(at).is_some_and(|text| text.eq_ignore_ascii_case(keyword))
    }

    fn is_one_of(&self, at: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(at, keyword))
    }

    /// A name that is in no quotes.
    fn keyword(&self, at: usize) -> Option<&str> {
        let word = self.words.get(at).filter(|word| word.sort == Sort::Name)?;
        (self.statement.as_bytes().get(word.start) != Some(&b'`')).then_some(word.text.as_str())
    }

    fn is_sign(&self, at: usize, sign: &str) -> bool {
        self.words.get(at).is_some_and(|word| word.sort == Sort::Sign && word.text == sign)
    }

    fn list_start(&self) -> usize {
        let mut at = 1;
        while self.is_one_of(at, &["DISTINCT", "ALL", "DISTINCTROW"]) || self.is_one_of(at, &HINTS) {
            at += 1;
        }
        at.min(self.words.len())
    }

    /// The first word at the same depth, from here on, of which this holds.
    fn find(&self, from: usize, until: usize, wanted: impl Fn(usize) -> bool) -> usize {
        let mut depth = 0_usize;
        for at in from..until {
            if depth == 0 && wanted(at) {
                return at;
            }
            depth = match (self.is_sign(at, "("), self.is_sign(at, ")")) {
                (true, _) => depth + 1,
                (_, true) => depth.saturating_sub(1),
                _ => depth,
            };
        }
        until
    }

    fn list_end(&self, from: usize) -> usize {
        self.find(from, self.words.len(), |at| self.is_one_of(at, &ENDS))
    }

    fn item_end(&self, from: usize, until: usize) -> usize {
        self.find(from, until, |at| self.is_sign(at, ","))
    }

    /// One item of the list; with the name that a server would give its column, where the engine would give another.
    fn item(&mut self, from: usize, to: usize) {
        self.copy(from, to);
        let Some(last) = to.checked_sub(1).filter(|last| *last >= from).and_then(|last| self.words.get(last)).cloned()
        else {
            return;
        };
        let name = if self.has_alias(from, to) || self.is_column(from, to) {
            last.text
        } else if last.text == "*" && last.sort == Sort::Sign {
            return;
        } else {
            let raw = self.words.get(from).and_then(|first| self.statement.get(first.start..last.end));
            let name = if from + 1 == to && last.sort == Sort::Text {
                last.text.clone()
            } else {
                raw.unwrap_or_default().to_owned()
            };
            self.query.sql.push_str(&format!("AS {} ", identifier(&name)));
            name
        };
        self.query.columns.push(name);
    }

    fn has_alias(&self, from: usize, to: usize) -> bool {
        let Some(last) = to.checked_sub(1).filter(|last| *last > from) else { return false };
        let before = last - 1;
        let named = self.words.get(last).is_some_and(|word| matches!(word.sort, Sort::Name | Sort::Text));
        let ends = self.is_one_of(last, &["END", "NULL", "TRUE", "FALSE"]);
        let stands = match self.words.get(before) {
            Some(word) if word.sort == Sort::Sign => word.text == ")",
            Some(_) => !self.is_one_of(before, &OPERATORS),
            None => false,
        };
        named && stands && !ends
    }

    /// Names with dots between them.
    fn is_column(&self, from: usize, to: usize) -> bool {
        let alternates = (from..to).all(|at| match (at - from) % 2 {
            0 => self.words.get(at).is_some_and(|word| word.sort == Sort::Name),
            _ => self.is_sign(at, "."),
        });
        alternates
            && (to - from) % 2 == 1
            && !self.is_one_of(from, &["CURRENT_USER", "NULL"])
            && self.clock(from).is_none()
    }

    fn clock(&self, at: usize) -> Option<&'static str> {
        CLOCKS.iter().find(|(name, _)| self.is(at, name)).map(|(_, ours)| *ours)
    }

    fn reads_foreign(&self) -> bool {
        let names = |at: usize| {
            FOREIGN.iter().any(|name| self.words.get(at).is_some_and(|it| it.text.eq_ignore_ascii_case(name)))
        };
        (0..self.words.len()).any(|at| names(at) && self.is_sign(at + 1, "."))
    }

    fn copy(&mut self, from: usize, to: usize) {
        let names = self.words.iter().take(to).skip(from).filter(|word| word.sort == Sort::Name);
        self.query.names.extend(names.map(|word| word.text.to_lowercase()));
        let mut at = from;
        while at < to {
            at += self.word(at);
        }
    }

    /// Rewrites what begins here. Gives how many words that were.
    fn word(&mut self, at: usize) -> usize {
        let Some(word) = self.words.get(at) else { return 1 };
        let (text, used) = match word.sort {
            Sort::Variable => {
                self.query.variables.push(word.text.clone());
                (format!("?{}", self.query.variables.len()), 1)
            }
            Sort::Number => (word.text.clone(), 1),
            Sort::Text => {
                // Servers take it for an escape in patterns without being told.
                let escape = if self.is_pattern(at) && word.text.contains('\\') { " ESCAPE '\\'" } else { "" };
                (format!("'{}'{escape}", word.text.replace('\'', "''")), 1)
            }
            Sort::Sign => (
                match word.text.as_str() {
                    "&&" => "AND",
                    "||" => "OR",
                    "!" => "NOT",
                    sign => sign,
                }
                .to_owned(),
                1,
            ),
            Sort::Name => self.name(at, word),
        };
        if !text.is_empty() {
            self.query.sql.push_str(&text);
            self.query.sql.push(' ');
        }
        used
    }

    fn is_pattern(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| self.is(before, "LIKE"))
    }

    fn name(&self, at: usize, word: &Word) -> (String, usize) {
        let is_called = self.is_sign(at + 1, "(");
        if self.is_one_of(at, &HINTS) && !self.is_sign(at + 1, ".") {
            return (String::new(), 1);
        }
        if let Some(ours) = self.clock(at) {
            let bare = ours.starts_with("CURRENT") && self.is(at, ours);
            // With or without a number of digits.
            let end = self.find(at + 2, self.words.len(), |at| self.is_sign(at, ")"));
            if is_called && end <= at + 3 {
                return (ours.to_owned(), end + 1 - at);
            }
            if bare && !is_called {
                return (ours.to_owned(), 1);
            }
        }
        if self.is(at, "CURRENT_USER") && !is_called {
            return ("CURRENT_USER()".to_owned(), 1);
        }
        let plain = word.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let text = if plain && self.keyword(at).is_some() { word.text.clone() } else { identifier(&word.text) };
        (text, 1)
    }
}

#[cfg(test)]
mod tests;
