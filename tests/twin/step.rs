//! One line of a script, as it is generated, printed and read back.
//!
//! A line is a statement of text, or begins with a colon and is another command:
//!
//! ```text
//! :init DATABASE         :ping           :reset          :change [DATABASE]    :fields TABLE    :option 0|1
//! :prepare SLOT SQL      :execute SLOT VALUE…            :again SLOT           :cursor SLOT VALUE…
//! :found SQL            the statement and `SELECT FOUND_ROWS()` right behind it
//! :fetch SLOT ROWS       :long SLOT PARAMETER TEXT       :renew SLOT           :close SLOT
//! ```
//!
//! `{db}` and `{tag}` are the session's own, filled in when it runs. A slot holds a prepared statement.

use super::value::Value;

/// How many prepared statements a script has at a time.
pub(crate) const SLOTS: usize = 3;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Query(String),
    InitDb(String),
    Ping,
    Reset,
    /// COM_CHANGE_USER to the same user, with this database or none.
    Change(Option<String>),
    Fields(String),
    Found(String),
    Option(u8),
    Prepare(usize, String),
    /// Values, each with its type; fewer than the statement's parameters are begun anew.
    Execute(usize, Vec<Value>),
    /// Executes with the values and without the types of the execute before.
    Again(usize),
    Cursor(usize, Vec<Value>),
    Fetch(usize, u32),
    Long(usize, u16, String),
    Renew(usize),
    Close(usize),
}

impl Step {
    /// Reads a line; panics at one that is none.
    pub(crate) fn parse(line: &str) -> Self {
        let Some(command) = line.strip_prefix(':') else { return Self::Query(line.into()) };
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let slot = || first.parse::<usize>().ok().filter(|slot| *slot < SLOTS).unwrap_or_else(|| panic!("{line}"));
        let values = || more.split_whitespace().map(Value::parse).collect();
        match name {
            "init" => Self::InitDb(rest.into()),
            "ping" => Self::Ping,
            "reset" => Self::Reset,
            "change" => Self::Change((!rest.is_empty()).then(|| rest.into())),
            "fields" => Self::Fields(rest.into()),
            "found" => Self::Found(rest.into()),
            "option" => Self::Option(rest.parse().expect(line)),
            "prepare" => Self::Prepare(slot(), more.into()),
            "execute" => Self::Execute(slot(), values()),
            "again" => Self::Again(slot()),
            "cursor" => Self::Cursor(slot(), values()),
            "fetch" => Self::Fetch(slot(), more.parse().expect(line)),
            "long" => {
                let (parameter, text) = more.split_once(' ').unwrap_or((more, ""));
                Self::Long(slot(), parameter.parse().expect(line), text.into())
            }
            "renew" => Self::Renew(slot()),
            "close" => Self::Close(slot()),
            _ => panic!("no such command: {line}"),
        }
    }
}
