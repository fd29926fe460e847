//! The kinds of statements.

/// The kind of a statement, as far as the proxy tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing but blanks and comments.
    Empty,
    /// SELECT, TABLE, VALUES, also in parentheses or after WITH.
    Select,
    /// INSERT.
    Insert,
    /// REPLACE.
    Replace,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// SET of anything.
    Set,
    /// USE.
    Use,
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT.
    Commit,
    /// ROLLBACK of the whole transaction.
    Rollback,
    /// SAVEPOINT, ROLLBACK TO, RELEASE SAVEPOINT.
    Savepoint,
    /// CALL.
    Call,
    /// DO.
    Do,
    /// SHOW of anything not named below.
    Show,
    /// SHOW WARNINGS, SHOW ERRORS, SHOW COUNT(*) of either.
    ShowWarnings,
    /// SHOW PROCESSLIST.
    ShowProcesslist {
        /// With whole texts: SHOW FULL PROCESSLIST.
        full: bool,
    },
    /// GET DIAGNOSTICS.
    GetDiagnostics,
    /// KILL.
    Kill {
        /// The statement only, not the connection.
        query: bool,
        /// The connection's id where it is a plain number.
        id: Option<u64>,
    },
    /// LOCK TABLES, LOCK INSTANCE, BACKUP STAGE, BACKUP LOCK.
    Lock,
    /// UNLOCK TABLES, UNLOCK INSTANCE, BACKUP STAGE END, BACKUP UNLOCK.
    Unlock,
    /// PREPARE.
    Prepare,
    /// EXECUTE, EXECUTE IMMEDIATE.
    Execute,
    /// DEALLOCATE PREPARE, DROP PREPARE.
    Deallocate,
    /// HANDLER.
    Handler,
    /// XA.
    Xa,
    /// FLUSH.
    Flush,
    /// Whatever defines, alters or drops, and commits by that (temporary tables do not).
    Ddl,
    /// EXPLAIN, DESCRIBE, MariaDB's ANALYZE of a statement.
    Explain,
    /// LOAD DATA, LOAD XML.
    Load,
    /// SIGNAL, RESIGNAL.
    Signal,
    /// A block that runs by itself (MariaDB).
    Compound,
    /// Anything else.
    Other,
}
