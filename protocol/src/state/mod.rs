//! What a server remembers of a session and Greenroom can read back and restore.
//!
//! The value is small and mostly empty: only what differs from a fresh login is held. It is shared by
//! reference between a session and the connection that it last ran on, so that "equal" is one comparison.

mod absorb;
mod diff;
mod print;
#[cfg(test)]
mod tests;
mod user_variables;

use crate::sql::ClientCharset;

pub use absorb::{Absorbed, absorb};
pub use diff::{AT_LOGIN, Restore, Unfit, restore};
pub use user_variables::{Full, UserVariables};

/// The character sets of a session: they move together and are restored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// As the server made them of the collation id sent at login; the names are not known yet.
    Handshake(u16),
    /// As the server itself named them.
    Named(Names),
}

/// The names of a session's character sets, as `SELECT @@…` gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `character_set_client`.
    pub client: Box<[u8]>,
    /// `character_set_results`; `None` is NULL: no conversion.
    pub results: Option<Box<[u8]>>,
    /// `collation_connection`, which implies `character_set_connection`.
    pub connection: Box<[u8]>,
}

/// A variable's name and the value that a session gave it.
pub type Variable = (Box<[u8]>, Box<[u8]>);

/// What an SQL mode says of how texts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotes {
    /// It holds `ANSI_QUOTES`: double quotes delimit identifiers.
    pub ansi: bool,
    /// It holds `NO_BACKSLASH_ESCAPES`.
    pub no_backslash_escapes: bool,
}

impl Quotes {
    /// Of an SQL mode as it stands in the variable.
    #[must_use]
    pub fn of(sql_mode: &[u8]) -> Self {
        let has = |name: &[u8]| sql_mode.split(|byte| *byte == b',').any(|mode| mode == name);
        Self { ansi: has(b"ANSI_QUOTES"), no_backslash_escapes: has(b"NO_BACKSLASH_ESCAPES") }
    }
}

/// One session's restorable state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    database: Option<Box<[u8]>>,
    charset: Charset,
    /// Sorted by name; only what the session has set.
    variables: Vec<Variable>,
    user_variables: UserVariables,
    print: u64,
    client: Option<ClientCharset>,
    quotes: Option<Quotes>,
}

impl SessionState {
    /// A session that has only logged in.
    #[must_use]
    pub fn new(database: Option<&[u8]>, charset: Charset) -> Self {
        let (variables, user_variables) = (Vec::new(), UserVariables::default());
        let database = database.map(Box::from);
        let mut state = Self { database, charset, variables, user_variables, print: 0, client: None, quotes: None };
        state.derive();
        state
    }

    /// The default database, if one is selected.
    #[must_use]
    pub fn database(&self) -> Option<&[u8]> {
        self.database.as_deref()
    }

    /// The character sets.
    #[must_use]
    pub fn charset(&self) -> &Charset {
        &self.charset
    }

    /// The value that the session gave a variable, if it set it.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(name).ok().and_then(|at| self.variables.get(at)).map(|(_, value)| &**value)
    }

    /// How many variables the session has set.
    #[must_use]
    pub fn variable_count(&self) -> usize {
        self.variables.len()
    }

    /// The user variables that the session has assigned.
    #[must_use]
    pub const fn user_variables(&self) -> &UserVariables {
        &self.user_variables
    }

    /// A 64-bit fingerprint: equal states have equal ones. Different states are told apart by comparing.
    #[must_use]
    pub fn print(&self) -> u64 {
        self.print
    }

    /// Selects another database, or none.
    pub fn set_database(&mut self, database: Option<&[u8]>) {
        self.database = database.map(Box::from);
        self.derive();
    }

    /// Sets the character sets.
    pub fn set_charset(&mut self, charset: Charset) {
        self.charset = charset;
        self.derive();
    }

    /// Sets `character_set_client` alone, by which the next text is read, where the names are known; whether it was
    /// another.
    pub fn set_client_charset(&mut self, client: &[u8]) -> bool {
        let Charset::Named(names) = &mut self.charset else { return false };
        if *names.client == *client {
            return false;
        }
        names.client = Box::from(client);
        self.derive();
        true
    }

    /// Notes that the session has set a variable.
    pub fn set_variable(&mut self, name: &[u8], value: &[u8]) {
        match self.position(name) {
            Ok(at) => {
                if let Some(slot) = self.variables.get_mut(at) {
                    slot.1 = Box::from(value);
                }
            }
            Err(at) => self.variables.insert(at, (Box::from(name), Box::from(value))),
        }
        self.derive();
    }

    /// Notes that a variable is as at a login again.
    pub fn forget_variable(&mut self, name: &[u8]) {
        if let Ok(at) = self.position(name) {
            self.variables.remove(at);
            self.derive();
        }
    }

    /// Notes what the session's user variables are.
    pub fn set_user_variables(&mut self, variables: UserVariables) {
        self.user_variables = variables;
        self.derive();
    }

    /// The kind of the client's character set, once a server has named it.
    #[must_use]
    pub const fn client_charset(&self) -> Option<ClientCharset> {
        self.client
    }

    /// What the session's own SQL mode says of quotes, if it set one.
    #[must_use]
    pub const fn quotes(&self) -> Option<Quotes> {
        self.quotes
    }

    /// What follows from the rest, so that no statement has to work it out.
    fn derive(&mut self) {
        self.print = print::of(self);
        self.client = match &self.charset {
            Charset::Named(names) => {
                Some(ClientCharset::from_name(std::str::from_utf8(&names.client).unwrap_or_default()))
            }
            Charset::Handshake(_) => None,
        };
        self.quotes = self.variable(b"sql_mode").map(Quotes::of);
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.variables.binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }
}
