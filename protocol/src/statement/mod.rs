//! Prepared statements of the binary protocol, which belong to sessions and are prepared on many connections.
//!
//! A session's statement is its text and what of the session's state decided how the text was read: its [`Source`].
//! Each server connection has a [`Cache`] of what is prepared there.

pub mod bindings;
mod cache;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

pub use cache::{Cache, Entry};

use crate::state::{Charset, SessionState};

/// Variables that a server may heed when it reads a text, not when it runs it: names, types and values of constants are
/// settled by them. Each may be set at any time, also inside a transaction.
const READING: [&[u8]; 16] = [
    b"block_encryption_mode",
    b"character_set_collations",
    b"collation_server",
    b"default_collation_for_utf8mb4",
    b"default_week_format",
    b"div_precision_increment",
    b"group_concat_max_len",
    b"lc_time_names",
    b"old_mode",
    b"optimizer_switch",
    b"sql_auto_is_null",
    b"sql_buffer_result",
    b"sql_mode",
    b"sql_select_limit",
    b"time_zone",
    b"windowing_use_high_precision",
];

/// What a statement was prepared from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    text: Box<[u8]>,
    database: Option<Box<[u8]>>,
    charset: Charset,
    /// Those of [`READING`] that the session had set.
    variables: Vec<(&'static [u8], Box<[u8]>)>,
    print: u64,
}

impl Source {
    /// A text that was prepared in that state.
    #[must_use]
    pub fn new(text: Box<[u8]>, state: &SessionState) -> Self {
        let variables = reading(state).map(|(name, value)| (name, Box::from(value))).collect();
        let (database, charset) = (state.database().map(Box::from), state.charset().clone());
        let mut source = Self { text, database, charset, variables, print: 0 };
        source.print = source.hash_up();
        source
    }

    /// Another text, in the same state.
    #[must_use]
    pub fn with_text(&self, text: Box<[u8]>) -> Self {
        let mut source = Self { text, ..self.clone() };
        source.print = source.hash_up();
        source
    }

    /// The text, as it was sent to be prepared.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The database that was the default one.
    #[must_use]
    pub fn database(&self) -> Option<&[u8]> {
        self.database.as_deref()
    }

    /// Whether a server would read the text in that state as it did when it was prepared.
    #[must_use]
    pub fn is_at_home_in(&self, state: &SessionState) -> bool {
        self.database.as_deref() == state.database()
            && self.charset == *state.charset()
            && self.variables.iter().map(|(name, value)| (*name, &**value)).eq(reading(state))
    }

    /// That state, changed to what it was when the text was prepared, as far as that matters to it.
    #[must_use]
    pub fn home(&self, state: &SessionState) -> SessionState {
        let mut home = state.clone();
        home.set_database(self.database.as_deref());
        home.set_charset(self.charset.clone());
        for name in READING {
            match self.variables.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => home.set_variable(name, value),
                None => home.forget_variable(name),
            }
        }
        home
    }

    /// Whether that state and [`Self::home`] differ in whether a variable has the value that the login found.
    #[must_use]
    pub fn differs_by_usual(&self, state: &SessionState) -> bool {
        !self.variables.iter().map(|(name, _)| *name).eq(reading(state).map(|(name, _)| name))
    }

    /// A 64-bit fingerprint: equal sources have equal ones.
    #[must_use]
    pub fn print(&self) -> u64 {
        self.print
    }

    fn hash_up(&self) -> u64 {
        let mut hasher = FxHasher::default();
        (&self.text, &self.database, &self.variables).hash(&mut hasher);
        // Sessions rarely differ in it alone; the comparison tells them apart.
        hasher.finish()
    }
}

fn reading(state: &SessionState) -> impl Iterator<Item = (&'static [u8], &[u8])> {
    READING.into_iter().filter_map(|name| Some((name, state.variable(name)?)))
}
