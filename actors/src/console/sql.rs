//! What administrators and their tools select, rewritten for the engine. Pure.
//!
//! The engine reads SQL much as the servers do. What it reads otherwise is changed word by word: quotes, variables, a few functions;
//! and every column of the outermost list is given the name that a server would give it.

use super::DATABASE;
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
    /// All that it asks for is how many there are.
    pub(super) counts: bool,
    /// Why it cannot be rewritten.
    pub(super) wrong: Option<String>,
}

/// Bytes of a statement at most, and of what becomes of it.
const LENGTH: usize = 64 << 10;
const REWRITTEN: usize = 1 << 20;

/// Casts within each other at most.
const DEPTH: usize = 50;

/// What a table is called that has no name, where rows are chosen from it.
pub(super) const SHOWN: &str = "shown";

/// What servers have databases of their own for.
const FOREIGN: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// With these a select list ends.
const ENDS: [&str; 9] = ["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "FOR", "LOCK"];

/// Hints for servers alone; and `BINARY`, by which they would tell `a` from `A`.
const HINTS: [&str; 7] = [
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "SQL_CACHE",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "HIGH_PRIORITY",
    "BINARY",
];

/// What cannot stand before the name of a column that comes without `AS`.
const OPERATORS: [&str; 12] =
    ["AND", "OR", "NOT", "LIKE", "IS", "IN", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "DISTINCT"];

/// Functions of all rows, or of a group's.
const AGGREGATES: [&str; 6] = ["COUNT", "SUM", "AVG", "MIN", "MAX", "GROUP_CONCAT"];

/// Types of a cast, and what the engine calls them. Whole numbers are rounded to first.
const CASTS: [(&str, &str); 10] = [
    ("SIGNED", "INTEGER"),
    ("UNSIGNED", "INTEGER"),
    ("CHAR", "TEXT"),
    ("NCHAR", "TEXT"),
    ("VARCHAR", "TEXT"),
    ("TEXT", "TEXT"),
    ("BINARY", "TEXT"),
    ("DOUBLE", "REAL"),
    ("FLOAT", "REAL"),
    ("REAL", "REAL"),
];

/// Functions of the time, and what the engine calls them.
const CLOCKS: [(&str, &str); 10] = [
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
];

impl Query {
    /// A `SELECT`, all of whose words these are; or what is made of several.
    pub(super) fn select(statement: &str, words: &[Word]) -> Self {
        let mut rewriter = Rewriter::new(statement, words);
        rewriter.query.is_foreign = rewriter.reads_foreign();
        if !rewriter.is(0, "SELECT") {
            rewriter.copy(0, words.len());
            rewriter.bound();
            return rewriter.query;
        }
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
        rewriter.clauses(end);
        rewriter.bound();
        let counts = |name: &String| name.to_uppercase().replace(' ', "").starts_with("COUNT(");
        rewriter.query.counts = !rewriter.query.columns.is_empty() && rewriter.query.columns.iter().all(counts);
        rewriter.query
    }

    /// What stands behind `SHOW` and a table's name, whose first column is this one: `LIKE`, or clauses of a `SELECT`.
    pub(super) fn narrowing(statement: &str, words: &[Word], table: &str, first: &str) -> Self {
        let mut rewriter = Rewriter::new(statement, words);
        rewriter.query.sql = format!("SELECT * FROM {} ", identifier(table));
        if rewriter.is(0, "LIKE") {
            rewriter.query.sql.push_str(&format!("WHERE {} ", identifier(first)));
        }
        rewriter.clauses(0);
        rewriter.bound();
        rewriter.query
    }
}

/// Whether a table's name, as the engine has it, is of a database that servers have for themselves.
pub(super) fn is_foreign(table: &str) -> bool {
    let database = table.split_once('.').map(|(database, _)| database);
    database.is_some_and(|database| FOREIGN.iter().any(|known| known.eq_ignore_ascii_case(database)))
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
    /// Names that the list gives, in small letters, and the words that they stand for.
    aliases: Vec<(String, std::ops::Range<usize>)>,
    /// Such a name means what it stands for, whatever column has it, too.
    resolves: bool,
    depth: usize,
}

impl<'w> Rewriter<'w> {
    fn new(statement: &'w str, words: &'w [Word]) -> Self {
        let names = words.iter().filter(|word| word.sort == Sort::Name).map(|word| word.text.to_lowercase());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.dedup();
        let mut query = Query { names, ..Query::default() };
        // Everything below takes a statement as short as that.
        let words = if statement.len() <= LENGTH { words } else { &[] };
        if words.is_empty() {
            query.wrong = Some(format!("a question of more than {LENGTH} bytes is not answered here"));
        }
        Self { statement, words, query, aliases: Vec::new(), resolves: false, depth: 0 }
    }

    /// Whether what has become of it is too long.
    fn bound(&mut self) {
        if self.query.sql.len() > REWRITTEN {
            self.query.wrong = Some("it becomes too long".to_owned());
        }
    }

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
        while self.is_one_of(at, &["DISTINCT", "ALL", "DISTINCTROW", "STRAIGHT_JOIN"]) || self.is_one_of(at, &HINTS) {
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
        let name = if self.has_alias(from, to) {
            let end = if self.is(to - 2, "AS") { to - 2 } else { to - 1 };
            self.aliases.push((last.text.to_lowercase(), from..end));
            last.text
        } else if self.is_column(from, to) {
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
            Some(word) => !self.is_one_of(before, &OPERATORS) && !word.text.ends_with('-'),
            None => false,
        };
        named && stands && !ends
    }

    /// Names with dots between them.
    fn is_column(&self, from: usize, to: usize) -> bool {
        let alternates = (from..to).all(|at| match (at - from) % 2 {
            0 => self.words.get(at).is_some_and(|word| word.sort == Sort::Name) && !self.subtracts(at),
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

    /// A bare word with a sign in it that is one of a name's in commands alone.
    fn subtracts(&self, at: usize) -> bool {
        self.keyword(at).is_some_and(|text| text.contains('-'))
    }

    /// What follows a list of columns. A condition on what it gives, without groups, is one on the rows.
    fn clauses(&mut self, from: usize) {
        let top =
            |rewriter: &Self, keyword: &str| rewriter.find(from, rewriter.words.len(), |at| rewriter.is(at, keyword));
        let all = self.words.len();
        // Nobody else could change the rows.
        let locks = |at: usize| {
            self.is(at, "FOR") && self.is_one_of(at + 1, &["UPDATE", "SHARE"])
                || self.is(at, "LOCK") && self.is(at + 1, "IN")
        };
        let end = self.find(from, all, locks);
        let (condition, having) = (top(self, "WHERE"), top(self, "HAVING"));
        let gathers = |at: usize| self.is_one_of(at, &AGGREGATES) && self.is_sign(at + 1, "(");
        if having >= end || top(self, "GROUP") < end || top(self, "UNION") < end || (0..from).any(gathers) {
            return self.copy(from, end);
        }
        let next = self.find(having, end, |at| self.is_one_of(at, &["ORDER", "LIMIT"]));
        if condition < having {
            self.copy(from, condition);
            self.query.sql.push_str("WHERE ( ");
            self.copy(condition + 1, having);
            self.query.sql.push_str(") AND ( ");
        } else {
            self.copy(from, having);
            self.query.sql.push_str("WHERE ( ");
        }
        self.resolves = true;
        self.copy(having + 1, next);
        self.resolves = false;
        self.query.sql.push_str(") ");
        self.copy(next, end);
    }

    fn copy(&mut self, from: usize, to: usize) {
        let mut at = from;
        while at < to && self.query.sql.len() <= REWRITTEN {
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
                    "<=>" => "IS",
                    // Of two whole numbers, too, servers give a fraction.
                    "/" => "* 1.0 /",
                    sign => sign,
                }
                .to_owned(),
                1,
            ),
            Sort::Name => match self.converted(at) {
                Some(used) => (String::new(), used),
                None => self.name(at, word),
            },
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

    /// A cast, or a name of the list's: the words that stand for it are rewritten. Gives how many words it was.
    fn converted(&mut self, at: usize) -> Option<usize> {
        let is_called = self.is_sign(at + 1, "(");
        if self.is_one_of(at, &["CONVERT", "CAST"]) && is_called {
            return Some(self.cast(at));
        }
        let is_part =
            is_called || at.checked_sub(1).is_some_and(|before| self.is_sign(before, ".")) || self.is_sign(at + 1, ".");
        if !self.resolves || is_part {
            return None;
        }
        let name = self.words.get(at)?.text.to_lowercase();
        let (_, range) = self.aliases.iter().find(|(alias, _)| *alias == name)?.clone();
        self.resolves = false;
        self.query.sql.push_str("( ");
        self.copy(range.start, range.end);
        self.query.sql.push_str(") ");
        self.resolves = true;
        Some(1)
    }

    /// `CAST(x AS type)`, `CONVERT(x, type)` or `CONVERT(x USING charset)`, of which there is one.
    fn cast(&mut self, at: usize) -> usize {
        let end = self.find(at + 2, self.words.len(), |at| self.is_sign(at, ")"));
        let split = self.find(at + 2, end, |at| self.is_one_of(at, &["USING", "AS"]) || self.is_sign(at, ","));
        let kind = CASTS.iter().find(|(name, _)| self.is(split + 1, name)).map(|(_, ours)| *ours);
        let kind = if self.is(split, "USING") { Some("") } else { kind };
        let Some(kind) = kind.filter(|_| self.depth < DEPTH && split < end) else {
            let name = self.words.get(split + 1).map_or("", |word| &word.text);
            self.query.wrong = Some(format!("a cast to '{name}' is not known here"));
            return self.words.len() - at;
        };
        self.depth += 1;
        self.query.sql.push_str(match kind {
            "" => "( ",
            "INTEGER" => "CAST ( ROUND ( ",
            _ => "CAST ( ",
        });
        self.copy(at + 2, split);
        self.query.sql.push_str(&match kind {
            "" => ") ".to_owned(),
            "INTEGER" => ") AS INTEGER ) ".to_owned(),
            kind => format!("AS {kind} ) "),
        });
        self.depth -= 1;
        end + 1 - at
    }

    fn name(&self, at: usize, word: &Word) -> (String, usize) {
        let is_called = self.is_sign(at + 1, "(");
        if self.subtracts(at) {
            return (word.text.replace('-', " - "), 1);
        }
        // To the engine that is an operator.
        if self.is(at, "ISNULL") && is_called {
            return ("IS_NULL".to_owned(), 1);
        }
        // The engine takes a table's name alone before a star.
        let is_ours = word.text.eq_ignore_ascii_case(DATABASE);
        if is_ours && self.is_sign(at + 1, ".") && self.is_sign(at + 3, ".") && self.is_sign(at + 4, "*") {
            return (String::new(), 2);
        }
        if self.is(at, "STRAIGHT_JOIN") {
            let hints =
                at.checked_sub(1).is_some_and(|before| self.is(before, "SELECT") || self.is_one_of(before, &HINTS));
            return (if hints { "" } else { "JOIN" }.to_owned(), 1);
        }
        if self.is(at, "DISTINCTROW") {
            return ("DISTINCT".to_owned(), 1);
        }
        if self.is(at, "UNIX_TIMESTAMP") && is_called {
            return ("unixepoch".to_owned(), 1);
        }
        if self.is_one_of(at, &HINTS) && !self.is_sign(at + 1, ".") {
            return (String::new(), 1);
        }
        if let Some(ours) = self.clock(at) {
            let bare = ours.starts_with("CURRENT") && self.is(at, ours);
            // With or without a number of digits.
            let digits = usize::from(self.words.get(at + 2).is_some_and(|word| word.sort == Sort::Number));
            if is_called && self.is_sign(at + 2 + digits, ")") {
                return (ours.to_owned(), 3 + digits);
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
