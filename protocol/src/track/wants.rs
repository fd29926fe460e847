//! What a client has asked to be told, which is less than Greenroom asks its servers for.

use mysql_common::constants::SessionStateType;

use super::entry::{Entry, string};
use crate::flavor::Flavor;

/// The client's own tracker settings (`session_track_*`), as if it had the server to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTrackers {
    /// `session_track_schema`.
    pub schema: bool,
    /// `session_track_state_change`.
    pub state_change: bool,
    /// `session_track_system_variables`.
    pub variables: Names,
    /// `session_track_transaction_info`.
    pub transaction: Transaction,
    /// `session_track_gtids` is not `OFF`.
    pub gtids: bool,
}

/// A list of variable names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// `*`.
    All,
    /// The servers' default list (equal on both, measured).
    Usual,
    /// These, in lower case.
    List(Vec<Box<[u8]>>),
}

/// `session_track_transaction_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// Nothing: MariaDB's `OFF`.
    Off,
    /// What MySQL 9.7 reports although it is `OFF` (measured): the state where an explicit transaction starts
    /// and where it ends, but nothing in between.
    Explicit,
    /// `STATE`: the eight characters.
    State,
    /// `CHARACTERISTICS`: the statements that start the transaction too.
    Characteristics,
}

/// Equal on MySQL 9.7 and MariaDB 10.11; no other variable is in either list.
const USUAL: [&[u8]; 5] =
    [b"autocommit", b"character_set_client", b"character_set_connection", b"character_set_results", b"time_zone"];

impl ClientTrackers {
    /// What a fresh session of that server has on.
    #[must_use]
    pub fn defaults(flavor: Flavor) -> Self {
        Self {
            schema: true,
            state_change: false,
            variables: Names::Usual,
            transaction: Transaction::off(flavor),
            gtids: false,
        }
    }

    /// What a fresh session of a server with these global values has on: of the variables, the schema, the state change,
    /// the transaction and the GTIDs, as `SELECT @@GLOBAL.…` shows them.
    #[must_use]
    pub fn of_globals(flavor: Flavor, values: [Option<&[u8]>; 5]) -> Self {
        let [variables, schema, state_change, transaction, gtids] = values.map(Option::unwrap_or_default);
        let transaction = match transaction {
            b"STATE" => Transaction::State,
            b"CHARACTERISTICS" => Transaction::Characteristics,
            _ => Transaction::off(flavor),
        };
        Self {
            schema: schema == b"1",
            state_change: state_change == b"1",
            variables: Names::parse(variables),
            transaction,
            gtids: !matches!(gtids, b"" | b"OFF"),
        }
    }

    /// Everything: the reply stays as it is.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            schema: true,
            state_change: true,
            variables: Names::All,
            transaction: Transaction::Characteristics,
            gtids: true,
        }
    }

    /// Whether the client is to see that entry. One of an unknown type it is not: nobody can have asked for it.
    #[inline]
    pub(super) fn want(&self, entry: &Entry<'_>) -> bool {
        match entry.kind() {
            Some(SessionStateType::SESSION_TRACK_SYSTEM_VARIABLES) => self.variables.want(entry.body),
            Some(SessionStateType::SESSION_TRACK_SCHEMA) => self.schema,
            Some(SessionStateType::SESSION_TRACK_STATE_CHANGE) => self.state_change,
            Some(SessionStateType::SESSION_TRACK_GTIDS) => self.gtids,
            Some(SessionStateType::SESSION_TRACK_TRANSACTION_STATE) => self.transaction.want_state(entry),
            Some(SessionStateType::SESSION_TRACK_TRANSACTION_CHARACTERISTICS) => {
                self.transaction == Transaction::Characteristics
            }
            None => false,
        }
    }
}

impl Names {
    /// Reads a value of `session_track_system_variables`: names between commas, or `*` among them.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let names = || value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        if names().any(|name| name == b"*") {
            return Self::All;
        }
        let list: Vec<Box<[u8]>> = names().map(|name| name.to_ascii_lowercase().into()).collect();
        let usual = list.len() == USUAL.len() && USUAL.iter().all(|name| list.iter().any(|own| **own == **name));
        if usual { Self::Usual } else { Self::List(list) }
    }

    /// Whether that name, in lower case, is on the list.
    #[inline]
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Usual => USUAL.contains(&name),
            Self::List(list) => list.iter().any(|own| **own == *name),
        }
    }

    fn want(&self, body: &[u8]) -> bool {
        // Whoever wants all wants the entry as it is, be there a name in it or not.
        *self == Self::All || string(body).is_some_and(|(name, _)| self.contains(name))
    }
}

impl Transaction {
    /// What `OFF` comes to on that server. (MySQL's `COMMIT AND CHAIN` then also raises the "session state changed"
    /// flag with nothing behind it, measured; that flag is not copied.)
    #[must_use]
    pub const fn off(flavor: Flavor) -> Self {
        match flavor {
            Flavor::MySql => Self::Explicit,
            Flavor::MariaDb => Self::Off,
        }
    }

    fn want_state(self, entry: &Entry<'_>) -> bool {
        match self {
            Self::Off => false,
            Self::State | Self::Characteristics => true,
            // At both ends of an explicit transaction the characteristics change as well and follow (measured).
            Self::Explicit => {
                entry.next == Some(SessionStateType::SESSION_TRACK_TRANSACTION_CHARACTERISTICS as u8)
                    && entry.string().is_ok_and(|state| state.starts_with(b"T") || state == b"________")
            }
        }
    }
}
