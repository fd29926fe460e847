//! What else the text says about a statement, as a small set of bits.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of facts about one command's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Facts(u64);

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Facts {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            const NAMES: &[(&str, Self)] = &[$((stringify!($name), Self::$name),)*];
        }
    };
}

facts! {
    /// Safe to run again on another connection: it only reads, and nothing of the previous statement
    /// but what can be restored (`last_insert_id`).
    READ_ONLY = 0;
    /// Several statements in one string.
    MULTI = 1;
    /// SETs of system variables, NAMES, character set or transaction, and beside them at most what raises no flag:
    /// they explain the server's "state changed" flag.
    SETS_ONLY_VARIABLES = 2;
    /// Calls `LAST_INSERT_ID()` or reads `@@last_insert_id`, `@@identity`.
    READS_LAST_INSERT_ID = 3;
    /// Calls `ROW_COUNT()`.
    READS_ROW_COUNT = 4;
    /// Calls `FOUND_ROWS()`.
    READS_FOUND_ROWS = 5;
    /// Reads what the previous statement left: SHOW WARNINGS, `@@warning_count`, GET DIAGNOSTICS.
    READS_DIAGNOSTICS = 6;
    /// Calls `CONNECTION_ID()` or reads `@@pseudo_thread_id`.
    READS_CONNECTION_ID = 7;
    /// May set `last_insert_id` to what no OK packet tells.
    SETS_LAST_INSERT_ID = 8;
    /// May run a stored routine: after an error its connection is suspect.
    MAY_RUN_ROUTINE = 9;
    /// Changes rows: triggers may run.
    IS_DML = 10;
    /// Some variables have other values while it runs (SET STATEMENT, `SET_VAR`): reported values may be those.
    TEMPORARY_VALUES = 11;
    /// Names a `session_track_*` variable, or may do so in a text that is not known.
    TOUCHES_TRACKERS = 12;
    /// SET ROLE.
    SETS_ROLE = 13;
    /// SET `insert_id`.
    SETS_INSERT_ID = 14;
    /// BEGIN or START TRANSACTION.
    IS_TRANSACTION_START = 15;
    /// Begins or ends a transaction by its nature: BEGIN, COMMIT, ROLLBACK, XA, SET autocommit,
    /// or the implicit commit of DDL and LOCK TABLES.
    BEGINS_OR_ENDS_TRANSACTION = 16;
    /// COMMIT or ROLLBACK AND CHAIN.
    CHAINED = 17;
    /// COMMIT or ROLLBACK RELEASE: the server closes the connection.
    RELEASES_CONNECTION = 18;
    /// Compares something with IS NULL: under `sql_auto_is_null` that reads `last_insert_id`.
    READS_AUTO_IS_NULL = 19;
    /// A block of statements that run by themselves (MariaDB: BEGIN NOT ATOMIC, IF, LOOP …).
    COMPOUND = 20;
    /// May set variables that MariaDB does not report: as `SET @@name = …`, without a scope, or of a plugin (measured).
    SETS_UNREPORTED = 21;
    /// May run code that nobody can see, and whose traces only a reset takes away (see [`crate::sql::Hidden`]).
    MAY_LEAK = 22;
    /// Creates, changes or renames triggers, views or functions.
    CHANGES_STORED = 23;
    /// Names a user variable.
    USES_USER_VARIABLES = 24;
    /// The routines that it may run are known, and none leaves anything that no server reports.
    ROUTINES_ARE_KNOWN = 25;
    /// SAVEPOINT, which makes one even before there is a transaction when `autocommit` is off.
    MAKES_SAVEPOINT = 26;
    /// Sets `sql_mode` or may do so: what follows it may be read otherwise.
    SETS_SQL_MODE = 27;
    /// Sets `character_set_client` or may do so.
    SETS_CHARSET = 28;
    /// Another `FOUND_ROWS()` is there after it than before.
    COUNTS_ROWS = 29;
    /// Which one, its reply need not tell.
    COUNTS_UNTOLD = 30;
    /// Asks for `ROW_COUNT()` or `FOUND_ROWS()` otherwise than in its own text: through a view, or in a text that it prepares.
    MAY_ASK = 31;
    /// Asks what hangs on the server that is asked: system variables, tables of the server itself, a few functions.
    READS_SERVER = 32;
    /// START TRANSACTION … READ ONLY.
    BEGINS_READ_ONLY = 33;
    /// `FOUND_ROWS()` after it is the rows that it matched, if it matched any.
    COUNTS_MATCHED = 34;
    /// Even if it succeeds it may leave `FOUND_ROWS()` as it was.
    MAY_COUNT = 35;
}

impl Facts {
    /// No fact.
    pub const NONE: Self = Self(0);

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Adds those of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Takes out those of `other`.
    pub const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in it.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Facts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Facts {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for (name, _) in Self::NAMES.iter().filter(|(_, fact)| self.contains(*fact)) {
            set.entry(&format_args!("{name}"));
        }
        set.finish()
    }
}
