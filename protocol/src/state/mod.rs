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

/// One session's restorable state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    database: Option<Box<[u8]>>,
    charset: Charset,
    /// Sorted by name; only what the session has set.
    variables: Vec<Variable>,
    user_variables: UserVariables,
    print: u64,
}

impl SessionState {
    /// A session that has only logged in.
    #[must_use]
    pub fn new(database: Option<&[u8]>, charset: Charset) -> Self {
        let (variables, user_variables) = (Vec::new(), UserVariables::default());
        let mut state = Self { database: database.map(Box::from), charset, variables, user_variables, print: 0 };
        state.print = print::of(&state);
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
        self.print = print::of(self);
    }

    /// Sets the character sets.
    pub fn set_charset(&mut self, charset: Charset) {
        self.charset = charset;
        self.print = print::of(self);
    }

    /// Sets `character_set_client` alone, by which the next text is read, where the names are known; whether it was
    /// another.
    pub fn set_client_charset(&mut self, client: &[u8]) -> bool {
        let Charset::Named(names) = &mut self.charset else { return false };
        if *names.client == *client {
            return false;
        }
        names.client = Box::from(client);
        self.print = print::of(self);
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
        self.print = print::of(self);
    }

    /// Notes that a variable is as at a login again.
    pub fn forget_variable(&mut self, name: &[u8]) {
        if let Ok(at) = self.position(name) {
            self.variables.remove(at);
            self.print = print::of(self);
        }
    }

    /// Notes what the session's user variables are.
    pub fn set_user_variables(&mut self, variables: UserVariables) {
        self.user_variables = variables;
        self.print = print::of(self);
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.variables.binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }
}
