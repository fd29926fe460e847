//! What users read about a pin: until when it holds, and what to do instead.

use super::PinReason;

/// When strict pins end, and those that nothing undoes.
const SESSION_END: &str = "until the session ends";

impl PinReason {
    /// Until when it holds, as the end of "pinned …".
    #[must_use]
    pub const fn until(self, strict: bool) -> &'static str {
        if strict && self.strict_trigger() {
            return SESSION_END;
        }
        match self {
            Self::PreparedStatement => {
                "not at all, unless it asks for what stands on its connection: until it is closed"
            }
            Self::MultiStatement => "not at all",
            Self::LargePacket => "not at all; the packet is streamed",
            Self::Call => "not at all, unless the procedure may change what cannot be restored",
            Self::SqlPrepare => "until every statement prepared by PREPARE is deallocated",
            Self::TemporaryTable => "until all temporary tables are dropped",
            Self::UserVariable => "until the connection is reset, or the variable's value is known exactly",
            Self::TableLock => "until UNLOCK TABLES",
            Self::GlobalReadLock => "until UNLOCK TABLES gives the global lock back",
            Self::InstanceLock => "until the backup lock is given back",
            Self::UserLock => "until all user locks are released",
            Self::Handler => "until every handler is closed",
            Self::Cursor => "until the cursor is closed or exhausted",
            Self::LongData => "until the execute that uses the data",
            Self::OneShotIsolation => "until the next transaction ends",
            Self::XaTransaction => "until the XA transaction ends",
            Self::Diagnostics => "until the next statement",
            Self::FoundRows => "until FOUND_ROWS() is read or another statement sets it",
            Self::InsertId => "until an INSERT has used the value",
            Self::GtidNext => "until the transaction with that id ends",
            Self::Sequence | Self::Profiling | Self::OptimizerTrace | Self::Role => SESSION_END,
            Self::ResourceGroup | Self::Password | Self::UntrackedState => SESSION_END,
            Self::SuspectAfterError | Self::TrackerSettings => SESSION_END,
            Self::SessionOption | Self::RandSeed | Self::Replication => SESSION_END,
        }
    }

    /// What an application can do to be pinned less.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::PreparedStatement => "ask for user variables, ROW_COUNT(), FOUND_ROWS() and warnings by text",
            Self::SqlPrepare => "use the driver's prepared statements, or DEALLOCATE PREPARE as soon as possible",
            Self::TemporaryTable => "use a regular table with a column that names the session, or drop it when done",
            Self::UserVariable => "pass the value with each statement, or set the variable once at session start",
            Self::LargePacket => "split values and statements so that each stays below 16 MiB",
            Self::TableLock => "lock rows instead (SELECT … FOR UPDATE)",
            Self::GlobalReadLock => "use a consistent snapshot, and run backups past the pool",
            Self::InstanceLock | Self::Replication => "connect backup and replication tools to the server itself",
            Self::MultiStatement => "send each statement by itself",
            Self::Call => "move the procedure's logic to the application, or make it free of session state",
            Self::UserLock => "use GET_LOCK around one transaction only, or lock a row",
            Self::Handler => "use SELECT with a key and LIMIT",
            Self::Cursor => "fetch the whole result, or page by key",
            Self::LongData => "send the value with the execute",
            Self::OneShotIsolation => "use SET SESSION TRANSACTION, or begin the transaction at once",
            Self::XaTransaction => "keep XA transactions short",
            Self::Sequence => "keep the value that NEXTVAL returned instead of asking for it again",
            Self::Profiling => "use the performance schema",
            Self::OptimizerTrace => "trace on a connection to the server itself",
            Self::Role => "give the account the privileges, or a default role",
            Self::ResourceGroup => "name the group in a RESOURCE_GROUP hint",
            Self::Password => "change passwords on a connection of its own",
            Self::UntrackedState => "avoid statements whose effect cannot be told from their text",
            Self::SuspectAfterError => "handle errors inside the procedure, or make it free of session state",
            Self::Diagnostics => "read SHOW WARNINGS directly after the statement, or avoid the warnings",
            Self::FoundRows => "use SELECT COUNT(*) with the same conditions, or read FOUND_ROWS() at once",
            Self::TrackerSettings => "leave the session_track variables to the proxy",
            Self::SessionOption => "set multi-statements when connecting",
            Self::InsertId => "name the value in the INSERT",
            Self::RandSeed => "give the seed to RAND()",
            Self::GtidNext => "let the server choose the transaction's id",
        }
    }
}
