//! Runs a script's lines on one connection and writes down every packet of the answers.

use mysql_common::constants::Command;

use super::{
    mask::{Collations, Mask},
    reply::Answers,
    step::{SLOTS, Step},
    value::Value,
};
use crate::support::wire::{Login, Wire, WireError};

/// What no server has prepared: a slot that holds nothing is asked for by this number.
const NOTHING: u32 = 0x00FF_FFFE;

/// A prepared statement.
#[derive(Debug, Default)]
struct Slot {
    id: Option<u32>,
    sql: String,
    parameters: usize,
    /// What the last execute bound.
    bound: Vec<Value>,
    /// It was executed with a cursor.
    cursor: bool,
}

/// One connection and what a script has prepared on it.
pub(crate) struct Runner {
    wire: Wire,
    login: Login,
    slots: [Slot; SLOTS],
    names: [(&'static str, String); 2],
    collations: Collations,
    /// Since it last selected a database.
    was_reset: bool,
}

impl Runner {
    /// On a connection that has just logged in by `login`; `{db}` and `{tag}` in lines are these.
    ///
    /// # Errors
    /// Where the connection does not answer.
    pub(crate) fn new(
        wire: Wire,
        login: Login,
        db: &str,
        tag: &str,
        collations: Collations,
    ) -> Result<Self, WireError> {
        let names = [("{db}", db.to_owned()), ("{tag}", tag.to_owned())];
        let mut runner = Self { wire, login, slots: Default::default(), names, collations, was_reset: false };
        runner.begin()?;
        Ok(runner)
    }

    /// The id that its session was greeted with.
    pub(crate) fn id(&self) -> u64 {
        self.wire.greeting.thread_id.into()
    }

    /// Whether the other side has closed, or does not answer as a server does.
    ///
    /// Gives the lines of the answer, one a packet; the last says what went wrong where something did.
    pub(crate) fn run(&mut self, line: &str) -> (Vec<String>, bool) {
        let filled = self.names.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        let mut lines = Vec::new();
        let outcome = self.take(&Step::parse(&filled), &mut lines);
        if let Err(error) = &outcome {
            lines.push(format!("LOST: {error}"));
        }
        (lines, outcome.is_ok())
    }

    /// Leaves as clients do.
    pub(crate) fn quit(self) {
        let _ = self.wire.quit();
    }

    fn take(&mut self, step: &Step, lines: &mut Vec<String>) -> Result<(), WireError> {
        match step {
            Step::Query(sql) => {
                self.mend_database(sql)?;
                let before = lines.len();
                self.wire.send(Command::COM_QUERY, sql.as_bytes())?;
                self.answers(sql, false, false, lines)?;
                self.was_reset &= !sql.starts_with("USE ") || failed(&lines[before..]);
                Ok(())
            }
            Step::InitDb(name) => {
                let before = lines.len();
                self.plain(Command::COM_INIT_DB, name.as_bytes(), false, lines)?;
                self.was_reset &= failed(&lines[before..]);
                Ok(())
            }
            Step::Ping => {
                self.wire.send(Command::COM_PING, &[])?;
                let mut mask = self.mask("");
                mask.ping = true;
                Answers { wire: &mut self.wire, mask, binary: false, lines, several: false }.read(false)
            }
            Step::Fields(table) => self.plain(Command::COM_FIELD_LIST, &[table.as_bytes(), &[0]].concat(), true, lines),
            Step::Found(sql) => {
                self.take(&Step::Query(sql.clone()), lines)?;
                // Of what failed it says nothing: that is another statement's, perhaps no SELECT.
                match failed(lines) {
                    true => Ok(()),
                    false => self.take(&Step::Query("SELECT FOUND_ROWS()".into()), lines),
                }
            }
            Step::Option(value) => self.plain(Command::COM_SET_OPTION, &[*value, 0], false, lines),
            Step::Reset => {
                self.slots = Default::default();
                self.was_reset = true;
                self.plain(Command::COM_RESET_CONNECTION, &[], false, lines)
            }
            Step::Change(database) => self.change(database.as_deref(), lines),
            Step::Prepare(slot, sql) => self.prepare(*slot, sql, lines),
            Step::Execute(slot, values) => self.execute(*slot, values, 0, lines),
            Step::Cursor(slot, values) => self.execute(*slot, values, 1, lines),
            Step::Again(slot) => self.again(*slot, lines),
            Step::Fetch(slot, rows) => {
                self.on(*slot, Command::COM_STMT_FETCH, &rows.to_le_bytes())?;
                self.answers("", true, true, lines)
            }
            Step::Long(slot, parameter, text) => {
                let body = [&parameter.to_le_bytes(), text.as_bytes()].concat();
                self.on(*slot, Command::COM_STMT_SEND_LONG_DATA, &body)
            }
            Step::Renew(slot) => {
                self.on(*slot, Command::COM_STMT_RESET, &[])?;
                self.answers("", false, false, lines)
            }
            Step::Close(slot) => {
                self.on(*slot, Command::COM_STMT_CLOSE, &[])?;
                self.slots[*slot] = Slot::default();
                Ok(())
            }
        }
    }

    /// MariaDB answers `FOUND_ROWS()` with what a stranger's SELECT found until the session's own first.
    fn begin(&mut self) -> Result<(), WireError> {
        self.take(&Step::Query("SELECT 1".into()), &mut Vec::new())
    }

    /// Rule `database's collation` of `mask.rs`: MariaDB's SET CHARACTER SET takes it.
    fn mend_database(&mut self, sql: &str) -> Result<(), WireError> {
        if !self.was_reset || !(sql.starts_with("SET CHARACTER SET") || sql.starts_with("SET CHARSET")) {
            return Ok(());
        }
        let database = self.names[0].1.clone();
        self.take(&Step::InitDb(database), &mut Vec::new())
    }

    fn plain(&mut self, command: Command, body: &[u8], bare: bool, lines: &mut Vec<String>) -> Result<(), WireError> {
        self.wire.send(command, body)?;
        self.answers("", false, bare, lines)
    }

    fn on(&mut self, slot: usize, command: Command, body: &[u8]) -> Result<(), WireError> {
        let id = self.slots[slot].id.unwrap_or(NOTHING).to_le_bytes();
        self.wire.send(command, &[&id, body].concat())
    }

    fn answers(&mut self, sql: &str, binary: bool, bare: bool, lines: &mut Vec<String>) -> Result<(), WireError> {
        let mut mask = self.mask(sql);
        mask.statements = self.slots.iter().filter_map(|slot| slot.id).collect();
        Answers { wire: &mut self.wire, mask, binary, lines, several: false }.read(bare)
    }

    fn mask(&self, sql: &str) -> Mask {
        Mask::new(sql, self.wire.greeting.thread_id, &self.collations, self.was_reset)
    }

    fn change(&mut self, database: Option<&str>, lines: &mut Vec<String>) -> Result<(), WireError> {
        self.slots = Default::default();
        self.was_reset = false;
        let login = match database {
            Some(name) => self.login.clone().database(name),
            None => self.login.clone().no_database(),
        };
        match self.wire.change_user(&login) {
            Ok(welcome) => {
                lines.push(format!("{welcome:?}"));
                self.begin()?;
            }
            Err(WireError::Refused(error)) => lines.push(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn prepare(&mut self, slot: usize, sql: &str, lines: &mut Vec<String>) -> Result<(), WireError> {
        if self.slots[slot].id.is_some() {
            self.on(slot, Command::COM_STMT_CLOSE, &[])?;
        }
        self.slots[slot] = Slot::default();
        self.wire.send(Command::COM_STMT_PREPARE, sql.as_bytes())?;
        let mask = self.mask(sql);
        if let Some((id, parameters)) =
            (Answers { wire: &mut self.wire, mask, binary: true, lines, several: false }).prepared()?
        {
            self.slots[slot] = Slot { id: Some(id), sql: sql.into(), parameters, ..Slot::default() };
        }
        Ok(())
    }

    fn execute(&mut self, slot: usize, values: &[Value], cursor: u8, lines: &mut Vec<String>) -> Result<(), WireError> {
        let count = self.slots[slot].parameters;
        let values: Vec<Value> = values.iter().cycle().take(count).cloned().collect();
        if values.len() < count {
            lines.push("no values".into());
            return Ok(());
        }
        self.send_execute(slot, &values, cursor, true)?;
        self.slots[slot].bound = values;
        self.executed(slot, lines)
    }

    fn again(&mut self, slot: usize, lines: &mut Vec<String>) -> Result<(), WireError> {
        let bound = self.slots[slot].bound.clone();
        if bound.len() < self.slots[slot].parameters {
            lines.push("never bound".into());
            return Ok(());
        }
        self.send_execute(slot, &bound, 0, false)?;
        self.executed(slot, lines)
    }

    fn executed(&mut self, slot: usize, lines: &mut Vec<String>) -> Result<(), WireError> {
        let mut mask = self.mask(&self.slots[slot].sql);
        mask.statements = self.slots.iter().filter_map(|slot| slot.id).collect();
        mask.binds_null = self.slots[slot].bound.iter().any(|value| value.bytes.is_none());
        Answers { wire: &mut self.wire, mask, binary: true, lines, several: false }.read(false)
    }

    fn send_execute(&mut self, slot: usize, values: &[Value], cursor: u8, types: bool) -> Result<(), WireError> {
        // From a cursor's execute on, MySQL answers one without a cursor with half a reply and then nothing (measured).
        self.slots[slot].cursor |= cursor != 0;
        let mut body = vec![self.slots[slot].cursor.into(), 1, 0, 0, 0];
        if !values.is_empty() {
            let mut nulls = vec![0; values.len().div_ceil(8)];
            for (at, _) in values.iter().enumerate().filter(|(_, value)| value.bytes.is_none()) {
                nulls[at / 8] |= 1 << (at % 8);
            }
            body.extend(nulls);
            body.push(types.into());
            if types {
                body.extend(values.iter().flat_map(|value| value.kind));
            }
            body.extend(values.iter().filter_map(|value| value.bytes.as_ref()).flatten());
        }
        self.on(slot, Command::COM_STMT_EXECUTE, &body)
    }
}

/// Whether an answer is an error.
fn failed(lines: &[String]) -> bool {
    lines.iter().any(|line| line.starts_with("error "))
}
