//! Which kind a statement is of.

use super::*;

/// On both servers.
const KINDS: &[(&str, Kind)] = &[
    ("", Kind::Empty),
    (" -- x\n /* y */ ;", Kind::Empty),
    ("/*!50000 */", Kind::Empty),
    ("SELECT 1", Kind::Select),
    ("(SELECT 1)", Kind::Select),
    ("((SELECT 1) UNION SELECT 2)", Kind::Select),
    ("TABLE t", Kind::Select),
    ("VALUES ROW(1)", Kind::Select),
    ("WITH x AS (SELECT 1), y (a) AS (SELECT 2) SELECT * FROM x", Kind::Select),
    ("WITH x AS (SELECT 1) DELETE FROM t", Kind::Delete),
    ("WITH x AS (SELECT 1) UPDATE t SET a = 1", Kind::Update),
    ("INSERT t VALUES (1)", Kind::Insert),
    ("REPLACE INTO t VALUES (1)", Kind::Replace),
    ("UPDATE t SET a = 1", Kind::Update),
    ("DELETE FROM t", Kind::Delete),
    ("SET a = 1", Kind::Set),
    ("USE db", Kind::Use),
    ("BEGIN", Kind::Begin),
    ("BEGIN WORK;", Kind::Begin),
    ("START TRANSACTION READ ONLY", Kind::Begin),
    ("START REPLICA", Kind::Other),
    ("COMMIT", Kind::Commit),
    ("ROLLBACK WORK", Kind::Rollback),
    ("ROLLBACK TO x", Kind::Savepoint),
    ("SAVEPOINT x", Kind::Savepoint),
    ("RELEASE SAVEPOINT x", Kind::Savepoint),
    ("CALL p", Kind::Call),
    ("DO 1", Kind::Do),
    ("SHOW TABLES", Kind::Show),
    ("SHOW WARNINGS LIMIT 1", Kind::ShowWarnings),
    ("SHOW ERRORS", Kind::ShowWarnings),
    ("SHOW COUNT(*) WARNINGS", Kind::ShowWarnings),
    ("SHOW FULL PROCESSLIST", Kind::ShowProcesslist { full: true }),
    ("SHOW PROCESSLIST", Kind::ShowProcesslist { full: false }),
    ("SHOW FULL TABLES", Kind::Show),
    ("GET CURRENT DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT", Kind::GetDiagnostics),
    ("KILL 5", Kind::Kill { query: false, id: Some(5) }),
    ("KILL CONNECTION 5", Kind::Kill { query: false, id: Some(5) }),
    ("KILL QUERY 18446744073709551615", Kind::Kill { query: true, id: Some(u64::MAX) }),
    ("KILL 18446744073709551616", Kind::Kill { query: false, id: None }),
    ("KILL HARD QUERY 7", Kind::Kill { query: true, id: Some(7) }),
    ("KILL 5 + 1", Kind::Kill { query: false, id: None }),
    ("KILL (5)", Kind::Kill { query: false, id: None }),
    ("KILL QUERY ID 5", Kind::Kill { query: true, id: None }),
    ("KILL USER a", Kind::Kill { query: false, id: None }),
    ("KILL CONNECTION_ID()", Kind::Kill { query: false, id: None }),
    ("LOCK TABLES t READ", Kind::Lock),
    ("UNLOCK TABLES", Kind::Unlock),
    ("PREPARE s FROM 'x'", Kind::Prepare),
    ("EXECUTE s", Kind::Execute),
    ("DEALLOCATE PREPARE s", Kind::Deallocate),
    ("DROP PREPARE s", Kind::Deallocate),
    ("HANDLER t CLOSE", Kind::Handler),
    ("XA RECOVER", Kind::Xa),
    ("FLUSH LOGS", Kind::Flush),
    ("CREATE TABLE t (a INT)", Kind::Ddl),
    ("ALTER TABLE t ADD b INT", Kind::Ddl),
    ("DROP TABLE t", Kind::Ddl),
    ("TRUNCATE t", Kind::Ddl),
    ("ANALYZE LOCAL TABLE t", Kind::Ddl),
    ("EXPLAIN SELECT 1", Kind::Explain),
    ("DESC t", Kind::Explain),
    ("LOAD DATA INFILE 'x' INTO TABLE t", Kind::Load),
    ("SIGNAL SQLSTATE '45000'", Kind::Signal),
    ("RESIGNAL", Kind::Signal),
    ("HELP 'x'", Kind::Other),
    ("nonsense", Kind::Other),
    ("'x'", Kind::Other),
    ("SELECT 1; DELETE FROM t", Kind::Select),
];

/// On MariaDB alone.
const MARIA_KINDS: &[(&str, Kind)] = &[
    ("BEGIN NOT ATOMIC SELECT 1; END", Kind::Compound),
    ("IF 1 THEN SELECT 1; END IF", Kind::Compound),
    ("l: BEGIN SELECT 1; END", Kind::Compound),
    ("SET STATEMENT a = 1 FOR DELETE FROM t", Kind::Delete),
    ("ANALYZE FORMAT=JSON DELETE FROM t", Kind::Explain),
    ("BACKUP STAGE START", Kind::Lock),
    ("BACKUP STAGE END", Kind::Unlock),
    ("BACKUP UNLOCK", Kind::Unlock),
    ("EXECUTE IMMEDIATE 'SELECT 1'", Kind::Execute),
];

#[test]
fn kinds() {
    for &(sql, kind) in KINDS {
        assert_eq!(classify(sql.as_bytes(), MY).kind, kind, "{sql}");
        assert_eq!(classify(sql.as_bytes(), MARIA).kind, kind, "{sql}");
    }
    for &(sql, kind) in MARIA_KINDS {
        assert_eq!(classify(sql.as_bytes(), MARIA).kind, kind, "{sql}");
    }
}
