//! What may differ between the twins: every rule has its name here, and nothing else is forgiven.

use std::{collections::BTreeMap, sync::Arc};

use crate::support::wire::{ErrPacket, OkPacket, Tracked};

/// Rows of SHOW VARIABLES about the connection, the server or the moment, not the session.
const OWN_VARIABLES: [&str; 13] = [
    "error_count",
    "gtid_binlog_pos",
    "gtid_binlog_state",
    "gtid_current_pos",
    "gtid_executed",
    "gtid_owned",
    "last_gtid",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "statement_id",
    "timestamp",
    "warning_count",
];

/// Rows of SHOW VARIABLES that say which server it is: on an endpoint that splits a replica may be asked.
const SERVERS_OWN: [&str; 16] = [
    "datadir",
    "general_log_file",
    "log_bin_basename",
    "log_bin_index",
    "pid_file",
    "port",
    "relay_log_basename",
    "relay_log_index",
    "replica_load_tmpdir",
    "report_port",
    "server_id",
    "server_uuid",
    "slave_load_tmpdir",
    "slow_query_log_file",
    "socket",
    "tmpdir",
];

/// Rows of SHOW VARIABLES that follow the default database.
const DATABASES_OWN: [&str; 2] = ["character_set_database", "collation_database"];

/// The session's state has changed.
const CHANGED: u16 = 0x4000;
/// More results, no good index, no index, in a transaction, in one that only reads.
const EARLY: u16 = 0x2039;
/// No good index, no index.
const NO_INDEX: u16 = 0x30;
const ANSI_QUOTES: u16 = 0x8000;
const NO_BACKSLASH_ESCAPES: u16 = 0x0200;

/// Statements whose OK has nothing of their own to tell of a session's state.
const CHANGING_NOTHING: [&str; 10] =
    ["ROLLBACK", "COMMIT", "UNLOCK", "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "TRUNCATE"];

/// The rules for one statement's answers.
#[derive(Debug)]
pub(crate) struct Mask {
    /// Where the statement asks for it, the thread id of the session's greeting.
    own_id: Option<u32>,
    /// Ids of prepared statements, which errors name.
    pub(crate) statements: Vec<u32>,
    variables: bool,
    /// The session was reset and has not selected a database since.
    was_reset: bool,
    pub(crate) ping: bool,
    /// The statement sets variables for itself alone.
    sets_for_itself: bool,
    /// Which index it uses is the optimizer's choice.
    planned: bool,
    /// It changes nothing that clients are told of.
    pub(crate) changes_nothing: bool,
    /// An execution whose parameters are not all of a type.
    pub(crate) binds_null: bool,
    collations: Collations,
}

/// The character set of every collation that the server has a number for.
pub(crate) type Collations = Arc<BTreeMap<u16, String>>;

impl Mask {
    /// For a statement of a session with that thread id.
    pub(crate) fn new(sql: &str, id: u32, collations: &Collations, was_reset: bool) -> Self {
        let sets_for_itself = sql.starts_with("SET STATEMENT");
        let own_id = sql.to_ascii_lowercase().contains("connection_id").then_some(id);
        let variables = sql.starts_with("SHOW SESSION VARIABLES");
        let collations = Arc::clone(collations);
        let planned = sql.starts_with("SHOW ") || sql.contains(" JOIN ");
        let changes_nothing = CHANGING_NOTHING.iter().any(|verb| sql.starts_with(verb));
        Self {
            own_id,
            statements: Vec::new(),
            variables,
            was_reset,
            sets_for_itself,
            planned,
            changes_nothing,
            binds_null: false,
            collations,
            ping: false,
        }
    }

    /// Rule `own id`: a session's `CONNECTION_ID()` is the id it was greeted with, whatever that is.
    /// Rule `database's collation`: after a reset MariaDB keeps the database, but takes the server's collation for its
    /// (docs/pinning.md).
    /// Rule `own variables`: see [`OWN_VARIABLES`] and [`SERVERS_OWN`]; trackers are the proxy's business.
    pub(crate) fn cells(&self, mut cells: Vec<String>) -> Option<Vec<String>> {
        if self.was_reset && cells.iter().any(|cell| DATABASES_OWN.contains(&cell.trim_matches('\''))) {
            return None;
        }
        if self.variables {
            let name = cells.first().map(|name| name.trim_matches('\'')).unwrap_or_default();
            if OWN_VARIABLES.contains(&name) || SERVERS_OWN.contains(&name) || name.starts_with("session_track_") {
                return None;
            }
        }
        cells = cells.into_iter().map(|cell| self.without_statements(cell)).collect();
        if let Some(id) = self.own_id {
            let shown = format!("'{id}'");
            cells.iter_mut().filter(|cell| **cell == shown).for_each(|cell| *cell = "(own id)".into());
        }
        Some(cells)
    }

    /// Rule `own id`, in a row of the binary protocol.
    pub(crate) fn binary(&self, row: &[u8]) -> Vec<u8> {
        let Some(id) = self.own_id else { return row.to_vec() };
        let needle = id.to_le_bytes();
        match row.windows(needle.len()).rposition(|bytes| bytes == needle) {
            Some(at) => [&row[..at], b"(id)", &row[at + needle.len()..]].concat(),
            None => row.to_vec(),
        }
    }

    /// Rule `statement ids`: which number a prepared statement has is the server's choice.
    fn without_statements(&self, text: String) -> String {
        self.statements.iter().fold(text, |text, id| {
            // Only where a number must be a statement's: a text that an error repeats may have such a one too.
            ["handler", "statement"]
                .iter()
                .fold(text, |text, before| text.replace(&format!("{before} ({id}) "), "(that) "))
        })
    }

    /// Rule `unknown views`: on the connection that has once been refused an INSERT into it, MySQL says for good that a table
    /// of `information_schema` does not exist (1146), elsewhere that it is unknown (1109; measured).
    pub(crate) fn error(&self, error: &ErrPacket) -> String {
        let name =
            error.message.strip_prefix("Unknown table '").and_then(|rest| rest.strip_suffix("' in information_schema"));
        if let (1109, Some(name)) = (error.code, name) {
            return format!("error 1146 (42S02) Table 'information_schema.{name}' doesn't exist");
        }
        format!("error {} ({}) {}", error.code, error.state, self.without_statements(error.message.clone()))
    }

    /// An EOF, which only old clients get. Rule `changed`: it has no room for what the flag announces.
    /// Rule `behind columns`: behind an old client's column definitions servers know already that another result will
    /// follow, that no index is used, that a transaction begins, what SET STATEMENT has set, and what the parser warns
    /// of; the proxy, whose own server tells it behind the rows, can not.
    pub(crate) fn eof(&self, eof: &OkPacket, behind_columns: bool) -> String {
        let masked = match (behind_columns, self.sets_for_itself) {
            (false, _) => CHANGED,
            (true, false) => CHANGED | EARLY,
            (true, true) => CHANGED | EARLY | ANSI_QUOTES | NO_BACKSLASH_ESCAPES,
        };
        let warnings = if behind_columns { String::new() } else { format!(" warnings {}", eof.warnings) };
        format!("eof status {:#06x}{warnings}", self.without_plan(eof.status & !masked))
    }

    /// Rule `plans`: whether a join, or what SHOW asks of the dictionary, uses an index, the optimizer says by statistics
    /// that are taken at any time.
    fn without_plan(&self, status: u16) -> u16 {
        if self.planned { status & !NO_INDEX } else { status }
    }

    /// Everything that an OK says.
    ///
    /// Rule `ping`: MySQL says again how many warnings the last statement left.
    /// Rule `transaction state`: MySQL reports some of it to those who did not ask; the proxy imitates the usual cases.
    /// Rule `changed`: the flag alone, with nothing behind it, tells nothing.
    /// Rule `order of variables`: it is that of a hash table.
    pub(crate) fn ok(&self, ok: &OkPacket) -> String {
        let OkPacket { affected_rows, last_insert_id, status, warnings, info, tracked } = ok;
        let told = tracked.iter().filter(|entry| !matches!(entry, Tracked::Transaction(_)));
        let mut told: Vec<String> = told.map(told_as).collect();
        told.sort_unstable();
        let status = self.without_plan(if told.is_empty() { status & !CHANGED } else { *status });
        let warnings = if self.ping { "(ping)".to_owned() } else { warnings.to_string() };
        let head = format!("ok affected {affected_rows} id {last_insert_id} status {status:#06x} warnings {warnings}");
        format!("{head} {info:?}{}", told.concat())
    }

    /// Rule `collations`: of a character set all are the same to who reads its results.
    pub(crate) fn collation(&self, collation: u16) -> String {
        self.collations.get(&collation).cloned().unwrap_or_else(|| collation.to_string())
    }
}

fn told_as(entry: &Tracked) -> String {
    match entry {
        Tracked::Variable { name, value } => format!(" [{name} = {value:?}]"),
        other => format!(" [{other:?}]"),
    }
}
