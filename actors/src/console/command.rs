//! What an administrator may say. Pure.

use std::time::Duration;

use greenroom_protocol::error::SqlError;

use super::dictionary::NOTHING;
use super::sql::{Query, narrows};
use super::time::duration;
use super::words::{Sort, Word, words};
use crate::session::What;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// One of the console's tables.
    Show {
        table: String,
        clauses: Option<Clauses>,
    },
    /// What clients ask of any server: `SHOW VARIABLES` and the like.
    Server {
        what: &'static str,
        full: bool,
        /// The table that it is about.
        of: Option<String>,
        clauses: Option<Clauses>,
    },
    /// What servers may have and the console has nothing of, and its columns.
    Nothing(&'static [&'static str]),
    Select(Query),
}

/// A command, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Look(Look),
    /// An endpoint or a node, or everything; how long to wait for quiet.
    Pause {
        name: Option<String>,
        wait: Option<Duration>,
    },
    Resume {
        name: Option<String>,
    },
    Drain {
        name: String,
    },
    Enable {
        name: String,
    },
    Kill {
        what: What,
        id: u64,
    },
    Reload,
    /// What statements came to is forgotten.
    ResetQueries,
    /// One of the settings that can be changed while it runs.
    Set {
        name: String,
        value: String,
    },
    /// What a client sets in its session, which means nothing here; the name, where nobody knows it.
    Ignored {
        unknown: Option<String>,
    },
    Use {
        database: String,
    },
    Shutdown {
        patient: bool,
    },
    Help {
        about: Option<String>,
    },
}

/// Which rows of what `SHOW` shows are wanted, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clauses {
    statement: String,
    words: Vec<Word>,
}

impl Clauses {
    /// For a table of that name, whose first column is this one.
    pub(super) fn query(&self, table: &str, first: &str) -> Query {
        Query::narrowing(&self.statement, &self.words, table, first)
    }
}

/// A setting's name that is as near as this to one of ours (letters that differ) was meant to be it.
const MISTYPED: usize = 2;

/// Commands, for those who mistake one.
pub(super) const COMMANDS: [&str; 16] = [
    "SHOW", "PAUSE", "RESUME", "DRAIN", "ENABLE", "KILL", "RELOAD", "RESET", "SET", "SHUTDOWN", "HELP", "SELECT",
    "USE", "BEGIN", "COMMIT", "ROLLBACK",
];

/// What clients ask of any server.
pub(super) const SERVER: [&str; 17] = [
    "VARIABLES",
    "STATUS",
    "DATABASES",
    "SCHEMAS",
    "TABLES",
    "TABLE STATUS",
    "COLUMNS",
    "FIELDS",
    "ENGINES",
    "COLLATION",
    "CHARSET",
    "CHARACTER SET",
    "PROCESSLIST",
    "CREATE TABLE",
    "CREATE DATABASE",
    "CREATE SCHEMA",
    "GRANTS",
];

/// Settings that a session of any server has, and that clients set without being asked.
const SESSION: [&str; 5] = ["NAMES", "CHARACTER", "CHARSET", "TRANSACTION", "PASSWORD"];

/// Reads a statement. `tables` are the names of the console's own, `settings` of what `SET` changes.
pub(super) fn parse(statement: &str, tables: &[&str], settings: &[&str]) -> Result<Command, SqlError> {
    let Some(all) = words(statement) else { return Err(wrong("a quote or a comment is not closed")) };
    let mut reader = Reader { statement, words: &all, at: 0 };
    let Some(verb) = reader.name() else {
        return Err(if all.is_empty() { SqlError::new(1065, *b"42000", "Query was empty") } else { reader.strange() });
    };
    let command = match verb.to_uppercase().as_str() {
        "SHOW" => reader.show(tables),
        "DESCRIBE" | "DESC" | "EXPLAIN" => {
            let of = Some(known(&reader.required("a table")?, tables)?);
            Ok(Command::Look(Look::Server { what: "COLUMNS", full: false, of, clauses: None }))
        }
        "SELECT" | "WITH" => {
            reader.at = all.len();
            Ok(Command::Look(Look::Select(Query::select(statement, &all))))
        }
        "PAUSE" => reader.pause(),
        "RESUME" => Ok(Command::Resume { name: reader.target() }),
        "DRAIN" => reader.required("a node or endpoint").map(|name| Command::Drain { name }),
        "ENABLE" => reader.required("a node or endpoint").map(|name| Command::Enable { name }),
        "KILL" => reader.kill(),
        "RELOAD" => Ok(Command::Reload),
        "RESET" => reader.one_of("table that can be reset", &["queries"]).map(|_| Command::ResetQueries),
        "SET" => reader.set(settings),
        "USE" => reader.required("a database").map(|database| Command::Use { database }),
        "SHUTDOWN" => Ok(Command::Shutdown { patient: reader.keyword("WAIT") }),
        "HELP" => {
            let about = reader.words.get(1..).unwrap_or_default().iter().map(|word| word.text.as_str());
            let about = about.collect::<Vec<_>>().join(" ");
            reader.at = all.len();
            Ok(Command::Help { about: (!about.is_empty()).then_some(about) })
        }
        // Whoever has autocommit off says so around everything.
        "BEGIN" | "COMMIT" | "ROLLBACK" | "START" | "SAVEPOINT" | "RELEASE" | "LOCK" | "UNLOCK" => {
            reader.at = all.len();
            Ok(Command::Ignored { unknown: None })
        }
        _ => Err(unknown("command", &verb, &COMMANDS)),
    }?;
    reader.end()?;
    Ok(command)
}

/// 1064, with what is wrong.
pub(super) fn wrong(what: &str) -> SqlError {
    SqlError::new(1064, *b"42000", format!("{what}; HELP lists the commands"))
}

/// 1064 for a name that nothing has, with the nearest that something has.
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> SqlError {
    wrong(&format!("there is no {kind} '{}'{}", shortened(name), nearest(name, known)))
}

/// A table that is not there, as servers word it.
pub(super) fn no_table(name: &str, tables: &[&str]) -> SqlError {
    let (database, name) = (super::DATABASE, shortened(name));
    SqlError::new(1146, *b"42S02", format!("Table '{database}.{name}' doesn't exist{}", nearest(name, tables)))
}

/// A table's name as it is written among these; its database may stand before it.
fn known(name: &str, tables: &[&str]) -> Result<String, SqlError> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let found = tables.iter().find(|known| known.eq_ignore_ascii_case(bare));
    found.map(|known| (*known).to_owned()).ok_or_else(|| no_table(bare, tables))
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(64)).unwrap_or_default()
}

/// Names less alike than this (Jaro-Winkler, 0 to 1) are no suggestion.
const ALIKE: f64 = 0.75;

/// ": did you mean …", if anything is near.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    let name = shortened(name).to_lowercase();
    let likeness = |known: &&str| strsim::jaro_winkler(&name, &known.to_lowercase());
    let best = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best.filter(|best| likeness(best) >= ALIKE) {
        Some(best) => format!(": did you mean {best}?"),
        None => format!(", only {}", known.join(", ")),
    }
}

struct Reader<'w> {
    statement: &'w str,
    words: &'w [Word],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.peek().is_some_and(|word| word.sort == Sort::Name && word.text.eq_ignore_ascii_case(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let is = self.is_keyword(keyword);
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = self.peek().is_some_and(|word| word.sort == Sort::Sign && word.text == sign);
        self.at += usize::from(is);
        is
    }

    fn name(&mut self) -> Option<String> {
        let name = self.peek().filter(|word| word.sort == Sort::Name)?.text.clone();
        self.at += 1;
        Some(name)
    }

    /// A name that may be in quotes, of digits, or have dots in it.
    fn target(&mut self) -> Option<String> {
        let word = self.peek().filter(|word| matches!(word.sort, Sort::Name | Sort::Text | Sort::Number))?;
        let (mut text, dotted) = (word.text.clone(), word.sort == Sort::Name);
        self.at += 1;
        while dotted && self.sign(".") {
            text = format!("{text}.{}", self.name()?);
        }
        Some(text)
    }

    fn required(&mut self, what: &str) -> Result<String, SqlError> {
        self.target().ok_or_else(|| wrong(&format!("it names no {}", what.trim_start_matches("a "))))
    }

    fn strange(&self) -> SqlError {
        match self.peek() {
            Some(word) => wrong(&format!("'{}' is not understood there", shortened(&word.text))),
            None => wrong("something is missing at the end"),
        }
    }

    fn end(&self) -> Result<(), SqlError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.strange()) }
    }

    fn one_of(&mut self, kind: &str, known: &[&str]) -> Result<String, SqlError> {
        let Some(mut name) = self.name() else { return Err(self.strange()) };
        // With the name of the console's only database before it.
        if name.eq_ignore_ascii_case(super::DATABASE) && self.sign(".") {
            let Some(bare) = self.name() else { return Err(self.strange()) };
            name = bare;
        }
        let found = known.iter().find(|known| known.eq_ignore_ascii_case(&name));
        found.map(|known| (*known).to_owned()).ok_or_else(|| unknown(kind, &name, known))
    }

    /// Takes these words, if they are all next.
    fn phrase(&mut self, phrase: &str) -> bool {
        let before = self.at;
        let is = phrase.split(' ').all(|keyword| self.keyword(keyword));
        if !is {
            self.at = before;
        }
        is
    }

    fn show(&mut self, tables: &[&str]) -> Result<Command, SqlError> {
        let mut full = false;
        for prefix in ["GLOBAL", "SESSION", "LOCAL", "STORAGE", "FULL", "EXTENDED", "FULL"] {
            full |= self.keyword(prefix) && prefix == "FULL";
        }
        let start = self.at;
        if let Some((_, columns)) = NOTHING.iter().find(|(phrase, _)| self.phrase(phrase)) {
            self.at = self.words.len();
            return Ok(Command::Look(Look::Nothing(columns)));
        }
        if let Some(what) = SERVER.into_iter().find(|what| self.phrase(what)) {
            return self.as_server(what, full, tables);
        }
        self.at = start;
        let Some(name) = self.name() else { return Err(self.strange()) };
        let Some(table) = tables.iter().find(|table| table.eq_ignore_ascii_case(&name)) else {
            let all: Vec<_> = tables.iter().map(|table| table.to_uppercase()).collect();
            let all: Vec<_> = all.iter().map(String::as_str).chain(SERVER).collect();
            return Err(unknown("table", &name, &all));
        };
        Ok(Command::Look(Look::Show { table: (*table).to_owned(), clauses: self.clauses()? }))
    }

    fn as_server(&mut self, what: &'static str, full: bool, tables: &[&str]) -> Result<Command, SqlError> {
        if what == "GRANTS" {
            // Whosever they are.
            self.at = self.words.len();
        }
        let mut of = None;
        if what.starts_with("CREATE") {
            self.phrase("IF NOT EXISTS");
            of = Some(self.required("a table")?);
        }
        let describes = matches!(what, "COLUMNS" | "FIELDS");
        while self.keyword("FROM") || self.keyword("IN") {
            let name = self.required("a table")?;
            if describes && of.is_none() {
                of = Some(name);
            } else if !name.eq_ignore_ascii_case(super::DATABASE) {
                return Err(SqlError::unknown_database(name.as_bytes()));
            }
        }
        let of = match of {
            Some(name) if matches!(what, "CREATE DATABASE" | "CREATE SCHEMA") => {
                let is_ours = name.eq_ignore_ascii_case(super::DATABASE);
                Some(if is_ours { name } else { return Err(SqlError::unknown_database(name.as_bytes())) })
            }
            of => of.map(|name| known(&name, tables)).transpose()?,
        };
        Ok(Command::Look(Look::Server { what, full, of, clauses: self.clauses()? }))
    }

    /// What narrows a table that is shown.
    fn clauses(&mut self) -> Result<Option<Clauses>, SqlError> {
        match self.peek() {
            None => Ok(None),
            Some(word) if narrows(word) => {
                let words = self.words.get(self.at..).unwrap_or_default().to_vec();
                self.at = self.words.len();
                Ok(Some(Clauses { statement: self.statement.to_owned(), words }))
            }
            Some(_) => Err(self.strange()),
        }
    }

    fn value(&mut self) -> Result<String, SqlError> {
        self.target().ok_or_else(|| self.strange())
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, SqlError> {
        let number = self.peek().and_then(|word| word.text.parse().ok());
        let number = number.ok_or_else(|| self.strange())?;
        self.at += 1;
        Ok(number)
    }

    fn pause(&mut self) -> Result<Command, SqlError> {
        let name = if self.is_keyword("WAIT") { None } else { self.target() };
        let wait = if self.keyword("WAIT") {
            let text = self.required("a time")?;
            Some(duration(&text).ok_or_else(|| wrong(&format!("'{}' is no time", shortened(&text))))?)
        } else {
            None
        };
        Ok(Command::Pause { name, wait })
    }

    fn kill(&mut self) -> Result<Command, SqlError> {
        let what = if self.keyword("QUERY") { What::Query } else { What::Connection };
        self.keyword("CONNECTION");
        let id = self.number()?;
        Ok(Command::Kill { what, id })
    }

    fn set(&mut self, settings: &[&str]) -> Result<Command, SqlError> {
        let first = self.peek().cloned().ok_or_else(|| self.strange())?;
        let plain = first.sort == Sort::Name || first.sort == Sort::Text;
        let scope = ["SESSION", "GLOBAL", "LOCAL"].iter().any(|scope| self.is_keyword(scope));
        if !plain || scope || SESSION.iter().any(|name| self.is_keyword(name)) {
            self.at = self.words.len();
            return Ok(Command::Ignored { unknown: None });
        }
        let name = self.required("a setting")?;
        let bare = name.rsplit('.').next().unwrap_or(&name).to_lowercase();
        if !settings.contains(&bare.as_str()) {
            // Any server's variable is set by clients; whoever mistypes one of ours, or names an endpoint, is to hear of it.
            let is_near = |known: &&str| strsim::damerau_levenshtein(&bare, known) <= MISTYPED;
            if name.contains('.') || settings.iter().any(is_near) {
                return Err(unknown("setting", &name, settings));
            }
            self.at = self.words.len();
            return Ok(Command::Ignored { unknown: super::talk::variable(&bare).is_none().then_some(name) });
        }
        if !self.sign("=") && !self.sign(":=") && !self.keyword("TO") {
            return Err(self.strange());
        }
        let value = self.value()?;
        // The names of endpoints and nodes are as they are written.
        let name = name.rsplit_once('.').map_or(bare.clone(), |(target, _)| format!("{target}.{bare}"));
        Ok(Command::Set { name, value })
    }
}

#[cfg(test)]
mod tests;
