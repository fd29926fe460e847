//! Why a session keeps its backend connection past its transaction.

mod text;

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a connection is pinned. The names are stable: metrics and logs carry them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum PinReason { $($(#[$doc])* $variant,)* }

        impl PinReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The reason's name, in snake case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// A statement was prepared over the binary protocol; pins in strict mode only.
    PreparedStatement = "prepared_statement",
    /// `PREPARE … FROM`.
    SqlPrepare = "sql_prepare",
    /// A temporary table exists.
    TemporaryTable = "temporary_table",
    /// A user variable was assigned.
    UserVariable = "user_variable",
    /// A command or row of 16 MiB or more; pins in strict mode only.
    LargePacket = "large_packet",
    /// `LOCK TABLES`, `FLUSH TABLES t WITH READ LOCK`, `FLUSH TABLES t FOR EXPORT`.
    TableLock = "table_lock",
    /// `FLUSH TABLES WITH READ LOCK`.
    GlobalReadLock = "global_read_lock",
    /// `LOCK INSTANCE FOR BACKUP`, `BACKUP STAGE`, `BACKUP LOCK`.
    InstanceLock = "instance_lock",
    /// Several statements in one string; pins in strict mode only.
    MultiStatement = "multi_statement",
    /// `CALL`; in tracked mode only where the routine may leave what no tracker reports.
    Call = "call",
    /// `GET_LOCK` and the locking service's functions.
    UserLock = "user_lock",
    /// `HANDLER … OPEN`.
    Handler = "handler",
    /// An open cursor of the binary protocol.
    Cursor = "cursor",
    /// `COM_STMT_SEND_LONG_DATA` that no execute has used yet.
    LongData = "long_data",
    /// `SET TRANSACTION …` for the next transaction only.
    OneShotIsolation = "one_shot_isolation",
    /// An XA transaction between START and its end.
    XaTransaction = "xa_transaction",
    /// A sequence was used: `LASTVAL` and `PREVIOUS VALUE FOR` depend on the connection.
    Sequence = "sequence",
    /// `SET profiling`.
    Profiling = "profiling",
    /// `SET optimizer_trace…`.
    OptimizerTrace = "optimizer_trace",
    /// `SET ROLE`.
    Role = "role",
    /// `SET RESOURCE GROUP`.
    ResourceGroup = "resource_group",
    /// `SET PASSWORD`.
    Password = "password",
    /// The server reported a change that nothing explains, or the text may make one.
    UntrackedState = "untracked_state",
    /// An error came from a statement that may have run a routine, which may have changed state before.
    SuspectAfterError = "suspect_after_error",
    /// Warnings are held for SHOW WARNINGS and its like.
    Diagnostics = "diagnostics",
    /// `SQL_CALC_FOUND_ROWS`, until `FOUND_ROWS()` is read.
    FoundRows = "found_rows",
    /// A statement set a `session_track_*` variable.
    TrackerSettings = "tracker_settings",
    /// `COM_SET_OPTION`.
    SessionOption = "session_option",
    /// `SET insert_id`, until an INSERT used it.
    InsertId = "insert_id",
    /// `SET rand_seed1` or `rand_seed2`, until `RAND()` used them.
    RandSeed = "rand_seed",
    /// `SET gtid_next`, `gtid_seq_no`: the next transaction's id is chosen.
    GtidNext = "gtid_next",
    /// `COM_BINLOG_DUMP`, `COM_REGISTER_SLAVE`, clone, `BINLOG '…'`: a connection that belongs to replication.
    Replication = "replication",
}

// -- what a reason means --

impl PinReason {
    /// Whether it is one of the seven operations that database vendors' own proxies pin for: in strict mode those
    /// pin until the session ends.
    #[must_use]
    pub const fn strict_trigger(self) -> bool {
        use PinReason::{
            Call, GlobalReadLock, InstanceLock, LargePacket, MultiStatement, PreparedStatement, SqlPrepare, TableLock,
            TemporaryTable, UserVariable,
        };
        matches!(self, PreparedStatement | SqlPrepare | TemporaryTable | UserVariable | LargePacket)
            || matches!(self, TableLock | GlobalReadLock | InstanceLock | MultiStatement | Call)
    }

    /// Whether it pins by itself in strict mode only.
    #[must_use]
    pub const fn strict_only(self) -> bool {
        matches!(self, Self::PreparedStatement | Self::LargePacket | Self::MultiStatement | Self::Call)
    }

    /// The reason's bit in a [`PinSet`].
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

impl fmt::Display for PinReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// -- sets of reasons --

/// A small set of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PinSet(u64);

impl PinSet {
    /// No reason.
    pub const EMPTY: Self = Self(0);

    /// A set of these reasons.
    #[must_use]
    pub const fn of(reasons: &[PinReason]) -> Self {
        let (mut set, mut at) = (Self::EMPTY, 0);
        while at < reasons.len() {
            set.insert(reasons[at]);
            at += 1;
        }
        set
    }

    /// Adds a reason.
    pub const fn insert(&mut self, reason: PinReason) {
        self.0 |= reason.bit();
    }

    /// Takes a reason out.
    pub const fn remove(&mut self, reason: PinReason) {
        self.0 &= !reason.bit();
    }

    /// Whether the reason is in it.
    #[must_use]
    pub const fn contains(self, reason: PinReason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many reasons it holds.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The reasons that are in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What of it pins by itself when `pinning = "tracked"`.
    #[must_use]
    pub fn tracked(self) -> Self {
        self.iter().filter(|reason| !reason.strict_only()).collect()
    }

    /// Its reasons, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = PinReason> {
        PinReason::ALL.iter().copied().filter(move |reason| self.contains(*reason))
    }
}

impl FromIterator<PinReason> for PinSet {
    fn from_iter<I: IntoIterator<Item = PinReason>>(reasons: I) -> Self {
        let mut set = Self::EMPTY;
        reasons.into_iter().for_each(|reason| set.insert(reason));
        set
    }
}

impl From<PinReason> for PinSet {
    fn from(reason: PinReason) -> Self {
        Self::of(&[reason])
    }
}

impl fmt::Debug for PinSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_snake_case_and_differ() {
        let names: std::collections::BTreeSet<_> = PinReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), PinReason::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        assert!(PinReason::ALL.len() <= 64);
    }

    #[test]
    fn every_reason_has_its_texts() {
        for reason in PinReason::ALL {
            assert!(!reason.until(false).is_empty() && !reason.remedy().is_empty(), "{reason}");
            assert_eq!(reason.strict_trigger(), reason.until(true) != reason.until(false), "{reason}");
        }
    }

    #[test]
    fn sets_add_and_take_out() {
        let mut set = PinSet::of(&[PinReason::Replication, PinReason::Call]);
        set.insert(PinReason::UserLock);
        set.remove(PinReason::Replication);
        assert_eq!(set.iter().collect::<Vec<_>>(), [PinReason::Call, PinReason::UserLock]);
        assert_eq!(set.tracked(), PinSet::from(PinReason::UserLock));
        assert_eq!((set.len(), set.is_empty()), (2, false));
        assert!(set.difference(set).is_empty());
        assert_eq!(format!("{set:?}"), "{Call, UserLock}");
    }
}
