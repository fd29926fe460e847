//! Two states → what makes one of the other, in one round trip.

use mysql_common::constants::CapabilityFlags as Flags;

use super::{Charset, Names, SessionState, Variable};

/// What a login sets of variables, and to what: DEFAULT is something else for whoever has these (measured).
pub const AT_LOGIN: [(Flags, &[u8], &[u8]); 2] = [
    (Flags::CLIENT_IGNORE_SPACE, b"sql_mode", b"CONCAT(@@GLOBAL.sql_mode,',IGNORE_SPACE')"),
    (Flags::CLIENT_INTERACTIVE, b"wait_timeout", b"@@GLOBAL.interactive_timeout"),
];

/// What must be sent to a connection before a session's statement may run on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restore {
    /// `COM_INIT_DB` with this name.
    pub database: Option<Box<[u8]>>,
    /// One `SET` statement.
    pub set: Option<Vec<u8>>,
}

impl Restore {
    /// Whether nothing needs to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.database.is_none() && self.set.is_none()
    }
}

/// Why a connection can not be made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No command takes a selected database away.
    #[error("the connection has a database selected and the session has none")]
    Database,
    /// The names behind a handshake collation are not known.
    #[error("the character sets of the session's handshake are not known yet")]
    Charset,
    /// A value that can not be written into a statement without knowing more of the session.
    #[error("a variable's value can not be written safely")]
    Value,
    /// No command takes a user variable away.
    #[error("the connection has user variables that the session has not")]
    UserVariables,
}

/// Plans how a connection in state `have` becomes one in state `want`; `last_insert_id` is set where given.
/// `defaults` are values that variables had when the connection was opened: a session that set one to just that
/// (most drivers set `autocommit`) needs nothing. `agreed` is what its login agreed on.
///
/// # Errors
/// [`Unfit`] where no statement does it; the connection then is for somebody else.
pub fn restore(
    want: &SessionState,
    have: &SessionState,
    defaults: &[Variable],
    agreed: Flags,
    last_insert_id: Option<u64>,
) -> Result<Restore, Unfit> {
    let mut set = Set { agreed, text: Vec::new() };
    if want.charset != have.charset {
        let Charset::Named(names) = &want.charset else { return Err(Unfit::Charset) };
        charset(names, &mut set)?;
    }
    variables(want, have, defaults, &mut set)?;
    if !want.user_variables.can_follow(&have.user_variables) {
        return Err(Unfit::UserVariables);
    }
    want.user_variables.since(&have.user_variables).for_each(|(name, sql)| set.user_variable(name, sql));
    if let Some(id) = last_insert_id {
        set.raw(b"last_insert_id", id.to_string().as_bytes());
    }
    Ok(Restore { database: database(want, have)?, set: set.finish() })
}

/// `SET NAMES` gives the results its collation, as a handshake does, and column definitions show it; assigning
/// `character_set_results` gives them the default one (measured). No variable tells which it was: the usual is taken.
fn charset(names: &Names, set: &mut Set) -> Result<(), Unfit> {
    if names.results.as_ref() == Some(&names.client) && is_collation_of(&names.client, &names.connection) {
        return set.names(&names.client, &names.connection);
    }
    set.value(b"character_set_client", &names.client)?;
    match &names.results {
        Some(results) => set.value(b"character_set_results", results)?,
        None => set.raw(b"character_set_results", b"NULL"),
    }
    set.value(b"collation_connection", &names.connection)
}

fn is_collation_of(charset: &[u8], collation: &[u8]) -> bool {
    collation.strip_prefix(charset).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"_"))
}

fn database(want: &SessionState, have: &SessionState) -> Result<Option<Box<[u8]>>, Unfit> {
    match (&want.database, &have.database) {
        (wanted, had) if wanted == had => Ok(None),
        (Some(wanted), _) => Ok(Some(wanted.clone())),
        (None, _) => Err(Unfit::Database),
    }
}

fn variables(want: &SessionState, have: &SessionState, defaults: &[Variable], set: &mut Set) -> Result<(), Unfit> {
    let default = |name: &[u8]| defaults.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value);
    // Setting max_join_size sets sql_big_selects as well (measured); its own value follows, being later in the alphabet.
    let limit_moves = want.variable(b"max_join_size") != have.variable(b"max_join_size");
    for (name, value) in &want.variables {
        let is = have.variable(name).or_else(|| default(name));
        if is != Some(value) || limit_moves && **name == *b"sql_big_selects" {
            set.value(name, value)?;
        }
    }
    for (name, value) in &have.variables {
        if want.variable(name).is_none() && default(name) != Some(value) {
            set.usual(name);
        }
    }
    Ok(())
}

/// A `SET` statement in the making.
struct Set {
    agreed: Flags,
    text: Vec<u8>,
}

impl Set {
    fn begin(&mut self) {
        self.text.extend_from_slice(if self.text.is_empty() { b"SET " } else { b", " });
    }

    fn names(&mut self, charset: &[u8], collation: &[u8]) -> Result<(), Unfit> {
        self.begin();
        self.text.extend_from_slice(b"NAMES ");
        self.quoted(charset)?;
        self.text.extend_from_slice(b" COLLATE ");
        self.quoted(collation)
    }

    /// `@@SESSION.`, never bare: a bare isolation level would be for one transaction only.
    fn raw(&mut self, name: &[u8], value: &[u8]) {
        self.begin();
        self.text.extend_from_slice(b"@@SESSION.");
        self.text.extend_from_slice(name);
        self.text.push(b'=');
        self.text.extend_from_slice(value);
    }

    fn user_variable(&mut self, name: &[u8], sql: &[u8]) {
        self.begin();
        self.text.extend_from_slice(b"@`");
        for byte in name {
            self.text.extend_from_slice(if *byte == b'`' { b"``" } else { std::slice::from_ref(byte) });
        }
        self.text.extend_from_slice(b"`=");
        self.text.extend_from_slice(sql);
    }

    /// MySQL 9.7 switches these two off by DEFAULT, whatever their global value is (measured); no other is like them.
    fn usual(&mut self, name: &[u8]) {
        let at_login = AT_LOGIN.iter().find(|(flag, set, _)| *set == name && self.agreed.contains(*flag));
        if let Some((_, _, value)) = at_login {
            return self.raw(name, value);
        }
        match name {
            b"foreign_key_checks" => self.raw(name, b"@@GLOBAL.foreign_key_checks"),
            b"unique_checks" => self.raw(name, b"@@GLOBAL.unique_checks"),
            _ => self.raw(name, b"DEFAULT"),
        }
    }

    fn value(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unfit> {
        if is_number(value) {
            self.raw(name, value);
            return Ok(());
        }
        self.raw(name, b"");
        self.quoted(value)
    }

    fn quoted(&mut self, value: &[u8]) -> Result<(), Unfit> {
        self.text.push(b'\'');
        for byte in value {
            match byte {
                // What a backslash or a byte above ASCII means depends on sql_mode and character set.
                b'\\' | 0 | 0x80.. => return Err(Unfit::Value),
                b'\'' => self.text.extend_from_slice(b"''"),
                other => self.text.push(*other),
            }
        }
        self.text.push(b'\'');
        Ok(())
    }

    fn finish(self) -> Option<Vec<u8>> {
        (!self.text.is_empty()).then_some(self.text)
    }
}

/// Servers refuse a quoted number for a numeric variable (1232, measured on both).
fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let all_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(all_digits) && parts.next().is_none_or(all_digits)
}
