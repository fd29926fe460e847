//! Session tracking: what a server says in an OK packet about the session's state.
//!
//! An entry is a type byte and a length-encoded body. mysql_common reads them too, but it fails on a type that it
//! does not know, allocates for every variable (`statement_id` too), and takes the "state changed" flag, a bare
//! `1`, for a length-encoded string.

mod entry;
mod position;
mod wants;

use entry::{Entry, string};
use mysql_common::{
    constants::{SessionStateType, StatusFlags},
    io::BufMutExt,
};
use thiserror::Error;

pub use position::{Position, Unreadable};
pub use wants::{ClientTrackers, Names, Transaction};

/// What changed during one command, gathered over all its OK packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// System variables and their last values, in the order in which those were reported. `statement_id`, which
    /// MySQL 9.7 reports with every statement, is left out.
    pub variables: Vec<Variable>,
    /// The default database; empty when the current one was dropped.
    pub schema: Option<Box<[u8]>>,
    /// The "state changed" flag was raised.
    pub state_changed: bool,
    /// The last transaction state: eight characters, `_` for "no" (see `docs/servers.md`).
    pub transaction_state: Option<[u8; 8]>,
    /// The statements that start the current transaction anew; empty after its end.
    pub transaction_characteristics: Option<Box<[u8]>>,
    /// Identifiers of transactions, as text; of several results, with commas between.
    pub gtids: Option<Box<[u8]>>,
    /// An entry came whose type is not known: something changed that cannot be restored.
    pub unknown: bool,
}

/// The most variables that one command may report, and the most bytes that they may take: more than servers have, but a
/// client can set one a million times in one string, and a broken server can make names up.
const VARIABLES: usize = 1024;
const VARIABLES_BYTES: usize = 4 << 20;

/// Bytes of GTIDs kept of one command, which may be a string of many writes.
const GTIDS_BYTES: usize = 1 << 20;

/// A system variable's name and its value, as text.
pub type Variable = (Box<[u8]>, Box<[u8]>);

/// Tracker data that does not follow the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed session tracker data in an OK packet (entry type {kind})")]
pub struct Malformed {
    /// The type byte of the entry that is wrong.
    pub kind: u8,
}

/// An OK packet that tells of nothing but the default database, for a client with `CLIENT_SESSION_TRACK`.
/// `status` must say that there is session state. `info` is text for people, or empty.
#[must_use]
pub fn schema_ok(status: StatusFlags, database: &[u8], info: &[u8]) -> Vec<u8> {
    let (mut name, mut state) = (Vec::new(), vec![SessionStateType::SESSION_TRACK_SCHEMA as u8]);
    name.put_lenenc_str(database);
    state.put_lenenc_str(&name);
    // No rows, no id; two bytes of warnings.
    let mut payload = vec![0, 0, 0];
    payload.extend(status.bits().to_le_bytes());
    payload.extend([0; 2]);
    payload.put_lenenc_str(info);
    payload.put_lenenc_str(&state);
    payload
}

impl Changes {
    /// Nothing was reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
            && self.schema.is_none()
            && !self.state_changed
            && self.transaction_state.is_none()
            && self.transaction_characteristics.is_none()
            && self.gtids.is_none()
            && !self.unknown
    }

    /// Forgets everything, and keeps the memory of the list.
    pub fn clear(&mut self) {
        let mut variables = std::mem::take(&mut self.variables);
        variables.clear();
        *self = Self { variables, ..Self::default() };
    }

    /// Adds all entries of one OK packet's session state.
    ///
    /// # Errors
    /// When the data is cut short, an entry's body is not what its type says, or there are more variables than any server
    /// has.
    pub fn read(&mut self, mut data: &[u8]) -> Result<(), Malformed> {
        while let Some(entry) = Entry::first(data)? {
            self.note(&entry)?;
            data = data.get(entry.len..).unwrap_or_default();
        }
        Ok(())
    }

    fn note(&mut self, entry: &Entry<'_>) -> Result<(), Malformed> {
        match entry.kind() {
            Some(SessionStateType::SESSION_TRACK_SYSTEM_VARIABLES) => return self.note_variables(entry),
            Some(SessionStateType::SESSION_TRACK_SCHEMA) => self.schema = Some(entry.string()?.into()),
            // A bare character, unlike the others (measured).
            Some(SessionStateType::SESSION_TRACK_STATE_CHANGE) => self.state_changed |= entry.body == b"1",
            Some(SessionStateType::SESSION_TRACK_GTIDS) => self.add_gtids(entry.gtids()?),
            Some(SessionStateType::SESSION_TRACK_TRANSACTION_STATE) => {
                let state = entry.string()?.try_into().map_err(|_| entry.malformed())?;
                self.transaction_state = Some(state);
            }
            Some(SessionStateType::SESSION_TRACK_TRANSACTION_CHARACTERISTICS) => {
                self.transaction_characteristics = Some(entry.string()?.into());
            }
            None => self.unknown = true,
        }
        Ok(())
    }

    /// The results of one string each tell of their own.
    fn add_gtids(&mut self, more: &[u8]) {
        match &mut self.gtids {
            // What does not fit is lost, so that nobody knows what has changed.
            Some(known) if known.len() + more.len() > GTIDS_BYTES => self.unknown = true,
            Some(known) => *known = [known, &b","[..], more].concat().into(),
            None => self.gtids = Some(more.into()),
        }
    }

    /// Both servers send one variable an entry (measured); the format would allow more.
    fn note_variables(&mut self, entry: &Entry<'_>) -> Result<(), Malformed> {
        let mut body = entry.body;
        while !body.is_empty() {
            let (name, rest) = string(body).ok_or_else(|| entry.malformed())?;
            let (value, rest) = string(rest).ok_or_else(|| entry.malformed())?;
            body = rest;
            if name != b"statement_id" {
                self.note_variable(name, value).ok_or_else(|| entry.malformed())?;
            }
        }
        Ok(())
    }

    /// The last value counts, behind all that were reported before it: servers have several names for some.
    fn note_variable(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let (mut before, mut held) = (None, name.len() + value.len());
        for (at, (known, old)) in self.variables.iter().enumerate() {
            held += known.len() + old.len();
            if **known == *name {
                before = Some(at);
            }
        }
        match before {
            Some(at) => drop(self.variables.remove(at)),
            None if self.variables.len() == VARIABLES || held > VARIABLES_BYTES => return None,
            None => {}
        }
        self.variables.push((name.into(), value.into()));
        Some(())
    }
}

/// Reads one OK packet's session state into `changes` and moves the entries that the client asked for to the
/// front of `data`. Gives their length; `wants` is `None` for a client that understands no tracking.
///
/// # Errors
/// As [`Changes::read`]; `data` is then of no more use.
pub fn sift(data: &mut [u8], wants: Option<&ClientTrackers>, changes: &mut Changes) -> Result<usize, Malformed> {
    let (mut at, mut kept) = (0, 0);
    while let Some(entry) = Entry::first(data.get(at..).unwrap_or_default())? {
        changes.note(&entry)?;
        let len = entry.len;
        if wants.is_some_and(|wants| wants.want(&entry)) {
            if kept != at {
                data.copy_within(at..at + len, kept);
            }
            kept += len;
        }
        at += len;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
