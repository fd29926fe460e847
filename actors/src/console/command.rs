//! What an administrator may say. Pure.

use std::time::Duration;

use greenroom_protocol::error::SqlError;

use super::filter::{Condition, Filter, Test};
use super::time::duration;
use super::words::{Sort, Word, words};
use crate::session::What;

/// A command, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// One of the console's tables.
    Show {
        table: String,
        columns: Vec<String>,
        filter: Filter,
    },
    /// What clients ask of any server: `SHOW VARIABLES` and the like.
    Server {
        what: &'static str,
        filter: Filter,
    },
    /// What clients select from nothing: each item, and the name that its column has.
    Select {
        items: Vec<(Item, String)>,
        limit: Option<usize>,
    },
    /// `SELECT … FROM` something of a server's that is empty here.
    Empty {
        columns: Vec<String>,
    },
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
    /// What a client sets in its session, which means nothing here.
    Ignored,
    Use {
        database: String,
    },
    Shutdown {
        patient: bool,
    },
    Help,
}

/// Something that a client selects from nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Variable(String),
    Function(String),
    Literal(String),
    Null,
}

/// Commands, for those who mistake one.
pub(super) const COMMANDS: [&str; 16] = [
    "SHOW", "PAUSE", "RESUME", "DRAIN", "ENABLE", "KILL", "RELOAD", "RESET", "SET", "SHUTDOWN", "HELP", "SELECT",
    "USE", "BEGIN", "COMMIT", "ROLLBACK",
];

/// What clients ask of any server.
pub(super) const SERVER: [&str; 14] = [
    "VARIABLES",
    "STATUS",
    "DATABASES",
    "SCHEMAS",
    "TABLES",
    "COLUMNS",
    "FIELDS",
    "WARNINGS",
    "ERRORS",
    "ENGINES",
    "PLUGINS",
    "COLLATION",
    "CHARSET",
    "PROCESSLIST",
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
            let table = reader.one_of("table", tables)?;
            Ok(Command::Server { what: "COLUMNS", filter: of_table(&table) })
        }
        "SELECT" => reader.select(tables),
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
            reader.at = all.len();
            Ok(Command::Help)
        }
        // Whoever has autocommit off says so around everything.
        "BEGIN" | "COMMIT" | "ROLLBACK" | "START" => {
            reader.at = all.len();
            Ok(Command::Ignored)
        }
        _ => Err(unknown("command", &verb, &COMMANDS)),
    }?;
    reader.end()?;
    Ok(command)
}

/// 1064, with what is wrong.
fn wrong(what: &str) -> SqlError {
    SqlError::new(1064, *b"42000", format!("{what}; HELP lists the commands"))
}

/// 1064 for a name that nothing has, with the nearest that something has.
pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> SqlError {
    wrong(&format!("there is no {kind} '{}'{}", shortened(name), nearest(name, known)))
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(64)).unwrap_or_default()
}

/// Names less alike than this (Jaro-Winkler, 0 to 1) are no suggestion.
const ALIKE: f64 = 0.75;

/// ": did you mean …", if anything is near.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    let name = name.to_lowercase();
    let likeness = |known: &&str| strsim::jaro_winkler(&name, &known.to_lowercase());
    let best = known.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best.filter(|best| likeness(best) >= ALIKE) {
        Some(best) => format!(": did you mean {best}?"),
        None => format!(", only {}", known.join(", ")),
    }
}

fn of_table(table: &str) -> Filter {
    let condition = Condition { column: Some("table".to_owned()), test: Test::Equal, value: table.to_owned() };
    Filter { conditions: vec![condition], ..Filter::default() }
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

    fn show(&mut self, tables: &[&str]) -> Result<Command, SqlError> {
        for prefix in ["GLOBAL", "SESSION", "FULL", "EXTENDED"] {
            self.keyword(prefix);
        }
        if self.keyword("CHARACTER") {
            self.keyword("SET");
            return Ok(Command::Server { what: "CHARSET", filter: self.filter()? });
        }
        let Some(name) = self.name() else { return Err(self.strange()) };
        if let Some(table) = tables.iter().find(|table| table.eq_ignore_ascii_case(&name)) {
            let filter = self.filter()?;
            return Ok(Command::Show { table: (*table).to_owned(), columns: Vec::new(), filter });
        }
        let Some(what) = SERVER.into_iter().find(|what| what.eq_ignore_ascii_case(&name)) else {
            let all: Vec<_> = tables.iter().map(|table| table.to_uppercase()).collect();
            let all: Vec<_> = all.iter().map(String::as_str).chain(SERVER).collect();
            return Err(unknown("table", &name, &all));
        };
        let mut filter = Filter::default();
        while self.keyword("FROM") || self.keyword("IN") {
            let name = self.required("a table")?;
            let table = name.rsplit('.').next().unwrap_or(&name);
            if matches!(what, "COLUMNS" | "FIELDS") && !table.eq_ignore_ascii_case(super::DATABASE) {
                filter = of_table(table);
            }
        }
        let further = self.filter()?;
        filter.conditions.extend(further.conditions);
        Ok(Command::Server { what, filter: Filter { order: further.order, limit: further.limit, ..filter } })
    }

    fn filter(&mut self) -> Result<Filter, SqlError> {
        let mut filter = Filter::default();
        if self.keyword("LIKE") {
            let value = self.value()?;
            filter.conditions.push(Condition { column: None, test: Test::Like, value });
        }
        if self.keyword("WHERE") {
            loop {
                filter.conditions.push(self.condition()?);
                if !self.keyword("AND") && !self.sign("&&") {
                    break;
                }
            }
        }
        if self.keyword("ORDER") {
            if !self.keyword("BY") {
                return Err(self.strange());
            }
            let Some(column) = self.name() else { return Err(self.strange()) };
            let descending = self.keyword("DESC");
            if !descending {
                self.keyword("ASC");
            }
            filter.order = Some((column, descending));
        }
        if self.keyword("LIMIT") {
            filter.limit = Some(self.number()?);
        }
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Condition, SqlError> {
        let Some(column) = self.name() else { return Err(self.strange()) };
        let column = Some(column);
        if self.keyword("IS") {
            let test = if self.keyword("NOT") { Test::NotNull } else { Test::Null };
            return if self.keyword("NULL") {
                Ok(Condition { column, test, value: String::new() })
            } else {
                Err(self.strange())
            };
        }
        const SIGNS: [(&str, Test); 7] = [
            ("=", Test::Equal),
            ("!=", Test::Unequal),
            ("<>", Test::Unequal),
            ("<=", Test::LessOrEqual),
            (">=", Test::GreaterOrEqual),
            ("<", Test::Less),
            (">", Test::Greater),
        ];
        let test = if self.keyword("LIKE") {
            Test::Like
        } else if self.keyword("NOT") {
            if !self.keyword("LIKE") {
                return Err(self.strange());
            }
            Test::NotLike
        } else {
            let Some((_, test)) = SIGNS.into_iter().find(|(sign, _)| self.sign(sign)) else {
                return Err(self.strange());
            };
            test
        };
        Ok(Condition { column, test, value: self.value()? })
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

    fn select(&mut self, tables: &[&str]) -> Result<Command, SqlError> {
        let (mut items, mut columns) = (Vec::new(), Vec::new());
        if !self.sign("*") {
            loop {
                match self.item()? {
                    Ok(item) => items.push(item),
                    Err(column) => columns.push(column),
                }
                if !self.sign(",") {
                    break;
                }
            }
        }
        if !self.keyword("FROM") {
            if let Some(column) = columns.first() {
                return Err(SqlError::new(1054, *b"42S22", format!("Unknown column '{column}' in 'field list'")));
            }
            let limit = if self.keyword("LIMIT") { Some(self.number()?) } else { None };
            return if items.is_empty() { Err(self.strange()) } else { Ok(Command::Select { items, limit }) };
        }
        let is_other =
            !self.is_keyword(super::DATABASE) && self.words.get(self.at + 1).is_some_and(|word| word.text == ".");
        if is_other {
            // The dictionaries of a server, which GUIs read: there is nothing in them.
            self.at = self.words.len();
            columns.extend(items.into_iter().map(|(_, name)| name));
            return Ok(Command::Empty { columns });
        }
        if !items.is_empty() {
            return Err(wrong("of the console's tables only columns, or *, can be selected"));
        }
        let table = self.one_of("table", tables)?;
        Ok(Command::Show { table, columns, filter: self.filter()? })
    }

    /// An item of a select list with its column's name, or a column.
    fn item(&mut self) -> Result<Result<(Item, String), String>, SqlError> {
        let Some(word) = self.peek().cloned() else { return Err(self.strange()) };
        self.at += 1;
        let item = match word.sort {
            Sort::Variable => Item::Variable(word.text.clone()),
            Sort::Text | Sort::Number => Item::Literal(word.text.clone()),
            Sort::Name if word.text.eq_ignore_ascii_case("NULL") => Item::Null,
            Sort::Name if self.sign("(") => {
                if !self.sign(")") {
                    return Err(self.strange());
                }
                Item::Function(word.text.to_uppercase())
            }
            Sort::Name if word.text.eq_ignore_ascii_case("CURRENT_USER") => Item::Function("CURRENT_USER".to_owned()),
            Sort::Name => {
                if self.keyword("AS") {
                    self.name();
                }
                return Ok(Err(word.text));
            }
            Sort::Sign => {
                self.at -= 1;
                return Err(self.strange());
            }
        };
        let end = self.words.get(self.at - 1).map_or(word.end, |last| last.end);
        let raw = self.statement.get(word.start..end).unwrap_or_default().to_owned();
        let aliased =
            self.keyword("AS") || self.peek().is_some_and(|next| next.sort != Sort::Sign) && !self.ends_list();
        let name = if aliased {
            self.value()?
        } else if word.sort == Sort::Text {
            word.text
        } else {
            raw
        };
        Ok(Ok((item, name)))
    }

    fn ends_list(&self) -> bool {
        ["FROM", "LIMIT"].iter().any(|keyword| self.is_keyword(keyword))
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
            return Ok(Command::Ignored);
        }
        let name = self.required("a setting")?;
        let bare = name.rsplit('.').next().unwrap_or(&name).to_lowercase();
        if !settings.contains(&bare.as_str()) {
            // Any server's variable is set by clients; whoever mistypes one of ours is to hear of it.
            if super::talk::variable(&bare).is_some() || super::talk::OTHER_VARIABLES.contains(&bare.as_str()) {
                self.at = self.words.len();
                return Ok(Command::Ignored);
            }
            return Err(unknown("setting", &name, settings));
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
