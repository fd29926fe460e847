//! Which statements may run on a replica: those of which it is certain that they only read, and that what they read is
//! the same on every server that has the same data. All else is the primary's.

use super::classify::{Kind, Verdict};
use super::facts::Facts;
use super::pin::PinReason;

/// Schemas of which every server has its own.
const OWN_SCHEMAS: [&str; 5] = ["information_schema", "performance_schema", "mysql", "sys", "ndbinfo"];

/// Functions of the servers' own whose results hang on which server is asked, or that wait for something there. Each name of
/// `builtins.txt` was judged; a function that is not there counts as a stored one. `CONVERT_TZ()` needs tables that are
/// loaded into each server by itself.
const ASK_SERVER: [&str; 24] = [
    "binlog_gtid_pos",
    "convert_tz",
    "des_decrypt",
    "des_encrypt",
    "icu_version",
    "is_visible_dd_object",
    "lastval",
    "load_file",
    "master_gtid_wait",
    "master_pos_wait",
    "parse_vcol_expr",
    "ps_current_thread_id",
    "ps_thread_id",
    "release_all_locks",
    "release_lock",
    "roles_graphml",
    "setval",
    "source_pos_wait",
    "uuid_short",
    "validate_password_strength",
    "version",
    "wait_for_executed_gtid_set",
    "wsrep_last_seen_gtid",
    "wsrep_last_written_gtid",
];

/// The same, by how their names begin.
const ASK_SERVER_ALIKE: [&str; 4] = ["can_access_", "get_dd_", "internal_", "wsrep_"];

/// What may do more than its kind of statement says.
const UNSAFE: Facts = Facts::MULTI
    .union(Facts::MAY_RUN_ROUTINE)
    .union(Facts::TEMPORARY_VALUES)
    .union(Facts::TOUCHES_TRACKERS)
    .union(Facts::COMPOUND)
    .union(Facts::MAY_ASK)
    .union(Facts::MAY_LEAK);

/// What keeps a statement that reads from being read elsewhere.
const BOUND: Facts =
    UNSAFE.union(Facts::READS_LAST_INSERT_ID).union(Facts::READS_CONNECTION_ID).union(Facts::USES_USER_VARIABLES);

/// Where a client wants its statements to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// On the primary, whatever they do.
    Primary,
    /// On a replica, if they read only.
    Replica,
}

impl Wish {
    /// What a word says; `None`: nothing.
    #[must_use]
    pub const fn of(word: &[u8]) -> Option<Self> {
        if word.eq_ignore_ascii_case(b"primary") {
            Some(Self::Primary)
        } else if word.eq_ignore_ascii_case(b"replica") {
            Some(Self::Replica)
        } else {
            None
        }
    }

    /// What the comment says that a text begins with: `/* greenroom: primary */` or `/* greenroom: replica */`.
    ///
    /// ```
    /// # use greenroom_protocol::sql::Wish;
    /// assert_eq!(Wish::of_text(b"/* greenroom: primary */ SELECT 1"), Some(Wish::Primary));
    /// assert_eq!(Wish::of_text(b"SELECT 1 /* greenroom: primary */"), None);
    /// ```
    #[must_use]
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let comment = text.trim_ascii_start().strip_prefix(b"/*")?;
        let end = comment.windows(2).take(64).position(|pair| pair == b"*/")?;
        let (name, word) = comment.get(..end)?.trim_ascii().split_at_checked(b"greenroom".len())?;
        let word = word.trim_ascii_start().strip_prefix(b":").filter(|_| name.eq_ignore_ascii_case(b"greenroom"))?;
        Self::of(word.trim_ascii())
    }
}

impl Verdict {
    /// A SELECT that reads nothing but data, and leaves nothing: what every server answers alike that has the same data.
    #[must_use]
    pub const fn is_plain_read(&self) -> bool {
        matches!(self.kind, Kind::Select) && self.only_reads() && !self.facts.contains(Facts::READS_SERVER)
    }

    /// It reads, and leaves nothing; but what it reads may be the server's own.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        let reads = matches!(self.kind, Kind::Select | Kind::Show | Kind::Explain);
        reads && self.facts.contains(Facts::READ_ONLY) && !self.facts.intersects(BOUND) && self.pins.is_empty()
    }

    /// It begins a transaction that may not write.
    #[must_use]
    pub const fn begins_reading(&self) -> bool {
        let facts = self.facts;
        facts.contains(Facts::BEGINS_READ_ONLY)
            && !facts.intersects(BOUND.union(Facts::READS_SERVER))
            && matches!(self.kind, Kind::Begin)
            && self.pins.is_empty()
    }

    /// Within a transaction that may not write it reads, or ends the transaction or a part of it, and leaves nothing. What of
    /// the session's it reads the connection has.
    #[must_use]
    pub const fn keeps_to_reading(&self) -> bool {
        let ends = matches!(self.kind, Kind::Commit | Kind::Rollback | Kind::Savepoint);
        let read = matches!(self.kind, Kind::Select | Kind::Show | Kind::ShowProcesslist { .. } | Kind::Explain);
        let fits = ends || read && self.facts.contains(Facts::READ_ONLY);
        fits && self.pins.is_empty() && !self.facts.intersects(UNSAFE)
    }

    /// It would change rows and nothing else, which a transaction that may not write refuses.
    #[must_use]
    pub const fn is_refused_reading(&self) -> bool {
        let changes = matches!(self.kind, Kind::Insert | Kind::Update | Kind::Delete | Kind::Replace);
        changes && self.pins.is_empty() && !self.facts.intersects(BOUND)
    }

    /// It asks what the statement before it has left on its connection, and leaves nothing itself.
    #[must_use]
    pub const fn asks_of_previous(&self) -> bool {
        const PREVIOUS: Facts = Facts::READS_DIAGNOSTICS.union(Facts::READS_ROW_COUNT).union(Facts::READS_FOUND_ROWS);
        const SPOILT: Facts = Facts::SETS_LAST_INSERT_ID.union(Facts::IS_DML).union(Facts::SETS_UNREPORTED);
        let asks = matches!(self.kind, Kind::Select | Kind::Show | Kind::ShowWarnings);
        asks && self.facts.intersects(PREVIOUS) && !self.facts.intersects(BOUND.union(SPOILT)) && self.pins.is_empty()
    }
}

impl Verdict {
    /// Whether it may change what is stored. Not by a COMMIT: what that makes good was changed before.
    #[must_use]
    pub fn may_write(&self) -> bool {
        use Kind::{Begin, Commit, Deallocate, Do, Empty, Explain, GetDiagnostics, Handler, Kill, Lock, Rollback};
        use Kind::{Savepoint, Select, Set, Show, ShowProcesslist, ShowWarnings, Unlock, Use};
        const MAY: Facts = Facts::MULTI
            .union(Facts::MAY_RUN_ROUTINE)
            .union(Facts::COMPOUND)
            .union(Facts::MAY_LEAK)
            .union(Facts::IS_DML);
        let reads =
            matches!(self.kind, Empty | Select | Show | ShowWarnings | ShowProcesslist { .. } | Explain | Handler);
        let ends = matches!(self.kind, Begin | Commit | Rollback | Savepoint | Lock | Unlock);
        let own = matches!(self.kind, Set | Use | Do | GetDiagnostics | Kill { .. } | Deallocate);
        let quiet = reads || ends || own;
        !quiet || self.facts.intersects(MAY) || self.pins.contains(PinReason::Sequence)
    }
}

/// Whether a function tells of named locks, which a server has for itself: not even a transaction that only reads may ask
/// a replica.
pub(super) fn asks_for_locks(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"is_free_lock") || name.eq_ignore_ascii_case(b"is_used_lock")
}

/// Whether every server has a schema of that name for itself.
pub(super) fn is_own_schema(name: &[u8]) -> bool {
    matches!(name.len(), 3 | 5 | 7 | 18) && OWN_SCHEMAS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// The same of a session's default database.
#[must_use]
pub fn is_of_server(database: &[u8]) -> bool {
    is_own_schema(database)
}

/// Whether a function of the servers' own hangs on which of them is asked.
pub(super) fn asks_server(name: &[u8]) -> bool {
    let begins =
        |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    ASK_SERVER.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes())) || ASK_SERVER_ALIKE.iter().any(begins)
}

#[cfg(test)]
mod tests;
