//! Statement → verdict, row by row.

mod facts;
mod kinds;
mod traps;

use super::*;
use crate::sql::mode::{ClientCharset, Flavor};
use crate::sql::pin::PinReason::{self, *};

const MY: Mode = Mode::new(Flavor::MySql, 90704);
const MARIA: Mode = Mode::new(Flavor::MariaDb, 101_119);

fn assert_pins(mode: Mode, sql: &str, expected: &[PinReason]) {
    let verdict = classify(sql.as_bytes(), mode);
    assert_eq!(verdict.pins, PinSet::of(expected), "{:?}: {sql}: {verdict:?}", mode.flavor);
}

fn both(sql: &str, expected: &[PinReason]) {
    assert_pins(MY, sql, expected);
    assert_pins(MARIA, sql, expected);
}

/// Each row of the table of pins, in one way or several.
const TRIGGERS: &[(&str, &[PinReason])] = &[
    ("PREPARE s FROM 'SELECT 1'", &[SqlPrepare]),
    ("CREATE TEMPORARY TABLE t (a INT)", &[TemporaryTable]),
    ("create temporary table if not exists t select 1", &[TemporaryTable]),
    ("CREATE TEMPORARY TABLE t LIKE u", &[TemporaryTable]),
    ("SET @a = 1", &[UserVariable]),
    ("SET @a := 1", &[UserVariable]),
    ("SET @'a b' = 1, @`c` = 2", &[UserVariable]),
    ("SET sql_mode = '', @a = (SELECT 1, 2)", &[UserVariable]),
    ("SET x = f(1, @b), y = 2", &[]),
    ("SELECT @a := 1", &[UserVariable]),
    ("SELECT @a /* c */ :=\n1", &[UserVariable]),
    ("UPDATE t SET a = (@r := @r + 1)", &[UserVariable]),
    ("DO @d:=1", &[UserVariable]),
    ("SELECT 1 INTO @a", &[UserVariable]),
    ("SELECT 1, 2 INTO @a, @b FROM t", &[UserVariable]),
    ("SELECT 1, 2 INTO local1, @b", &[UserVariable]),
    ("SELECT * FROM t INTO @x", &[UserVariable]),
    ("LOAD DATA INFILE 'f' INTO TABLE t (a, @b) SET c = @b + 1", &[UserVariable]),
    ("GET DIAGNOSTICS @n = NUMBER", &[UserVariable]),
    ("GET DIAGNOSTICS CONDITION 1 @m = MESSAGE_TEXT", &[UserVariable]),
    ("LOCK TABLES t READ", &[TableLock]),
    ("LOCK TABLE t WRITE, u READ", &[TableLock]),
    ("FLUSH TABLES WITH READ LOCK", &[GlobalReadLock]),
    ("FLUSH LOCAL TABLES WITH READ LOCK", &[GlobalReadLock]),
    ("FLUSH TABLES t, db.u WITH READ LOCK", &[TableLock]),
    ("FLUSH TABLES `t` WITH READ LOCK", &[TableLock]),
    ("FLUSH TABLE t FOR EXPORT", &[TableLock]),
    ("FLUSH TABLES", &[]),
    ("FLUSH PRIVILEGES", &[]),
    ("LOCK INSTANCE FOR BACKUP", &[InstanceLock]),
    ("SELECT 1; SELECT 2", &[MultiStatement]),
    ("CALL p()", &[Call]),
    ("CALL p(@out)", &[Call, UserVariable]),
    ("SELECT GET_LOCK('a', 10)", &[UserLock]),
    ("DO get_lock('a', 10)", &[UserLock]),
    ("UPDATE t SET a = 1 WHERE Get_Lock('a', 1)", &[UserLock]),
    ("SELECT `get_lock`('a', 1)", &[UserLock]),
    ("SELECT service_get_read_locks('n', 'a', 1)", &[UserLock]),
    ("SELECT service_get_write_locks('n', 'a', 1)", &[UserLock]),
    ("HANDLER t OPEN", &[Handler]),
    ("HANDLER db.t OPEN AS h", &[Handler]),
    ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY", &[OneShotIsolation]),
    ("SET @@transaction_isolation = 'SERIALIZABLE'", &[OneShotIsolation]),
    ("SET @@tx_read_only = 1", &[OneShotIsolation]),
    ("SET autocommit = 1, @@`transaction_isolation` = 'SERIALIZABLE'", &[OneShotIsolation]),
    ("XA START 'x'", &[XaTransaction]),
    ("XA BEGIN 'x', 'y', 1", &[XaTransaction]),
    ("SET profiling = 1", &[Profiling]),
    ("SET SESSION profiling = 1", &[Profiling]),
    ("SET @@profiling = 1", &[Profiling]),
    ("SET @@session.profiling = 1", &[Profiling]),
    ("SET @@local . `Profiling` = 1", &[Profiling]),
    ("SET optimizer_trace = 'enabled=on'", &[OptimizerTrace]),
    ("SET optimizer_trace_offset = 1", &[OptimizerTrace]),
    ("SET ROLE admin", &[Role]),
    ("SET ROLE NONE", &[Role]),
    ("SET SESSION AUTHORIZATION a@b", &[Role]),
    ("SET RESOURCE GROUP g", &[ResourceGroup]),
    ("SET PASSWORD = 'x'", &[Password]),
    ("SET PASSWORD FOR a@b = 'x'", &[Password]),
    ("SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", &[FoundRows]),
    ("SET insert_id = 5", &[InsertId]),
    ("SET rand_seed1 = 5, rand_seed2 = 6", &[RandSeed]),
    ("SET gtid_next = 'a:1'", &[GtidNext]),
    ("SET session_track_gtids = OFF", &[TrackerSettings]),
    ("SET @@SESSION.Session_Track_Schema = 0", &[TrackerSettings]),
    ("BINLOG 'abc'", &[Replication]),
];

#[test]
fn each_trigger_of_the_table_pins() {
    TRIGGERS.iter().for_each(|(sql, pins)| both(sql, pins));
}

#[test]
fn what_only_one_server_knows() {
    let maria: &[(&str, &[PinReason])] = &[
        ("CREATE OR REPLACE TEMPORARY TABLE t SELECT 1", &[TemporaryTable]),
        ("CREATE TEMPORARY SEQUENCE s", &[TemporaryTable]),
        ("BACKUP STAGE START", &[InstanceLock]),
        ("BACKUP STAGE BLOCK_COMMIT", &[InstanceLock]),
        ("BACKUP LOCK db.t", &[InstanceLock]),
        ("BACKUP UNLOCK", &[]),
        ("SELECT NEXTVAL(s)", &[Sequence]),
        ("SELECT NEXT VALUE FOR s", &[Sequence]),
        ("INSERT INTO t VALUES (NEXTVAL(s))", &[Sequence]),
        ("SELECT s.nextval", &[Sequence]),
        ("SELECT LASTVAL(s), PREVIOUS VALUE FOR s", &[]),
        ("SET STATEMENT max_statement_time = 1 FOR SELECT GET_LOCK('a', 1)", &[UserLock]),
        ("SET STATEMENT a = (SELECT 1 FROM t FOR UPDATE), b = 2 FOR SET @a = 1", &[UserVariable]),
        ("SET STATEMENT session_track_schema = 0 FOR SELECT 1", &[TrackerSettings]),
        ("SET gtid_seq_no = 5", &[GtidNext]),
        ("EXECUTE IMMEDIATE 'SELECT GET_LOCK(\\'a\\', 1)'", &[UserLock]),
        ("EXECUTE IMMEDIATE 'SELECT ''/*'', GET_LOCK(''a'', 1)'", &[UserLock]),
        ("EXECUTE IMMEDIATE 'SET @a' '=1'", &[UserVariable]),
        ("EXECUTE IMMEDIATE 'SELECT 1'", &[]),
        ("EXECUTE IMMEDIATE 'CALL p(?)' USING @o", &[Call, UserVariable]),
        ("EXECUTE IMMEDIATE CONCAT('SET ', '@a=1')", &[UntrackedState]),
        ("EXECUTE IMMEDIATE @sql", &[UntrackedState]),
        ("EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT 1'''", &[UntrackedState]),
        ("PREPARE s FROM 0x53454c4543542031", &[SqlPrepare, UntrackedState]),
        ("BEGIN NOT ATOMIC SELECT GET_LOCK('a', 1); END", &[MultiStatement, UserLock]),
        ("BEGIN NOT ATOMIC DECLARE x INT; SET x = 1, @a = 2; END", &[MultiStatement, UserVariable]),
        ("BEGIN NOT ATOMIC IF 1 THEN SET ROLE r; END IF; END", &[MultiStatement, Role]),
        ("BEGIN NOT ATOMIC CREATE TEMPORARY TABLE t SELECT 1; END", &[MultiStatement, TemporaryTable]),
        (
            "IF 1 THEN FLUSH TABLES WITH READ LOCK; ELSE HANDLER t OPEN; END IF",
            &[MultiStatement, GlobalReadLock, Handler],
        ),
        ("x: LOOP CALL p(); LEAVE x; END LOOP", &[MultiStatement, Call]),
        ("WHILE 1 DO XA START 'x'; END WHILE", &[MultiStatement, XaTransaction]),
        ("REPEAT SET profiling = 1; UNTIL 1 END REPEAT", &[MultiStatement, Profiling]),
        ("FOR i IN 1..2 DO SET @a = CASE WHEN 1 THEN 2 ELSE 3 END; END FOR", &[MultiStatement, UserVariable]),
        ("BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION SET ROLE x; SELECT 1; END", &[MultiStatement, Role]),
        (
            "BEGIN NOT ATOMIC DECLARE c CURSOR FOR SELECT 1; OPEN c; FETCH c INTO @a; END",
            &[MultiStatement, UserVariable],
        ),
        ("ANALYZE SELECT GET_LOCK('a', 1)", &[UserLock]),
    ];
    maria.iter().for_each(|(sql, pins)| assert_pins(MARIA, sql, pins));
    assert_pins(MY, "SELECT NEXTVAL(s)", &[]);
    assert_pins(MY, "EXPLAIN ANALYZE SELECT GET_LOCK('a', 1)", &[UserLock]);
    assert_pins(MY, "EXPLAIN FORMAT = JSON INTO @v SELECT 1", &[UserVariable]);
}

#[test]
fn prepare_pins_by_its_text_in_advance() {
    both("PREPARE s FROM 'SET @a = 1'", &[SqlPrepare, UserVariable]);
    both("PREPARE s FROM \"SELECT GET_LOCK('a', ?)\"", &[SqlPrepare, UserLock]);
    both("PREPARE s FROM 'CALL p(?)'", &[SqlPrepare, Call, UserVariable]);
    both("PREPARE s FROM @text", &[SqlPrepare, UntrackedState]);
    both("PREPARE s FROM 'SET session_track_schema = 0'", &[SqlPrepare, TrackerSettings]);
    both("EXECUTE s USING @a, @b", &[]);
    both("EXECUTE s", &[]);
}

#[test]
fn any_place_and_any_writing() {
    both("/* a */ SELECT /* b */ GET_LOCK /* c */ ('a', 1)", &[UserLock]);
    both("-- a\n # b\nsElEcT gEt_LoCk\n\t('a',1)", &[UserLock]);
    both("/*!50003 SELECT*/ /*!40000 GET_LOCK*/ /*!('a', 1)*/", &[UserLock]);
    both("WITH RECURSIVE x (a, b) AS (SELECT 1, GET_LOCK('a', 1)) SELECT * FROM x", &[UserLock]);
    both("WITH x AS (SELECT 1) SELECT @a := 1 FROM x", &[UserVariable]);
    both("SELECT 1; SET @a = 1", &[MultiStatement, UserVariable]);
    both("SELECT ';'; CREATE /*x*/ TEMPORARY -- y\n TABLE t (a INT); SELECT 2", &[MultiStatement, TemporaryTable]);
    both("CREATE TABLE t SELECT GET_LOCK('a', 1)", &[UserLock]);
    both("CREATE TEMPORARY TABLE t SELECT @a := 1", &[TemporaryTable, UserVariable]);
    both("INSERT INTO t SELECT GET_LOCK('a', 1) ON DUPLICATE KEY UPDATE a = @x := 2", &[UserLock, UserVariable]);
    both("(SELECT 1) UNION (SELECT GET_LOCK('a', 1))", &[UserLock]);
    both("SELECT 1e5into @a", &[UserVariable]);
    both("SELECT 1.5into @a", &[UserVariable]);
    both("SELECT 'x'into @a", &[UserVariable]);
    both("EXPLAIN SELECT GET_LOCK('a', 1)", &[UserLock]);
    both("SELECT HIGH_PRIORITY GET_LOCK('a', 1)", &[UserLock]);
    both("INSERT HIGH_PRIORITY t SELECT HIGH_PRIORITY GET_LOCK('a', 1)", &[UserLock]);
    both("INSERT HIGH_PRIORITY get_lock (a) VALUES (1)", &[]);
    both("CALL p(GET_LOCK('a', 1))", &[Call, UserLock]);
    both("SET timestamp = GET_LOCK('a', 1)", &[UserLock]);
    both("KILL GET_LOCK('a', 1)", &[UserLock]);
}

#[test]
fn version_comments_are_code_by_version_and_flavor() {
    let table = [
        ("SELECT 1 /*!50000 , GET_LOCK('a', 1) */", true, true),
        ("SELECT 1 /*!50699 , GET_LOCK('a', 1) */", true, true),
        ("SELECT 1 /*!50700 , GET_LOCK('a', 1) */", true, false),
        ("SELECT 1 /*!90704 , GET_LOCK('a', 1) */", true, false),
        ("SELECT 1 /*!90705 , GET_LOCK('a', 1) */", false, false),
        ("SELECT 1 /*!100100 , GET_LOCK('a', 1) */", false, true),
        ("SELECT 1 /*!101119 , GET_LOCK('a', 1) */", false, true),
        ("SELECT 1 /*!101120 , GET_LOCK('a', 1) */", false, false),
        ("SELECT 1 /*!090704 , GET_LOCK('a', 1) */", true, false),
        ("SELECT 1 /*! , GET_LOCK('a', 1) */", true, true),
        ("SELECT 1 /*M! , GET_LOCK('a', 1) */", false, true),
        ("SELECT 1 /*M!50700 , GET_LOCK('a', 1) */", false, true),
        ("SELECT 1 /*M!101120 , GET_LOCK('a', 1) */", false, false),
        ("SELECT 1 /*m! , GET_LOCK('a', 1) */", false, false),
        ("SELECT 1 /*!99999 /* */ , GET_LOCK('a', 1) */", false, false),
        ("SELECT 1 /*!99999 '*/, GET_LOCK('a', 1)", true, true),
        ("SELECT 1 /*!50000 /* */ , GET_LOCK('a', 1) */", true, true),
        ("SELECT 1 /*!50000 /*!99999 */ , GET_LOCK('a', 1) */", true, true),
        ("SELECT 1 /* /*! , GET_LOCK('a', 1) */", false, false),
        ("SELECT 2 */*!50000 3 */, GET_LOCK('a', 1)", true, true),
    ];
    for (sql, mysql, maria) in table {
        let locks = |mode| classify(sql.as_bytes(), mode).pins.contains(UserLock);
        assert_eq!((locks(MY), locks(MARIA)), (mysql, maria), "{sql}");
    }
}

#[test]
fn what_ends_pins() {
    let table: &[(&str, &[PinReason])] = &[
        ("UNLOCK TABLES", &[TableLock, GlobalReadLock]),
        ("UNLOCK INSTANCE", &[InstanceLock]),
        ("SELECT RELEASE_ALL_LOCKS()", &[UserLock]),
        ("DEALLOCATE PREPARE s", &[SqlPrepare]),
        ("DROP PREPARE s", &[SqlPrepare]),
        ("HANDLER t CLOSE", &[Handler]),
        ("HANDLER open CLOSE", &[Handler]),
        ("DROP TEMPORARY TABLE t", &[TemporaryTable]),
        ("DROP TABLE IF EXISTS t", &[]),
        ("DROP DATABASE d", &[]),
        ("XA COMMIT 'x'", &[XaTransaction]),
        ("XA ROLLBACK 'x'", &[XaTransaction]),
        ("XA END 'x'", &[]),
        ("SELECT FOUND_ROWS()", &[FoundRows]),
        ("LOCK TABLES t READ; UNLOCK TABLES", &[GlobalReadLock]),
        ("SELECT RELEASE_LOCK('a')", &[]),
    ];
    for (sql, unpins) in table {
        for mode in [MY, MARIA] {
            assert_eq!(classify(sql.as_bytes(), mode).unpins, PinSet::of(unpins), "{sql}");
        }
    }
    assert_eq!(classify(b"BACKUP STAGE END", MARIA).unpins, PinSet::from(InstanceLock));
    assert_eq!(classify(b"XA PREPARE 'x'", MY).unpins, PinSet::from(XaTransaction));
    assert!(classify(b"XA PREPARE 'x'", MARIA).unpins.is_empty());
    assert!(classify(b"BEGIN NOT ATOMIC IF a THEN UNLOCK TABLES; END IF; END", MARIA).unpins.is_empty());
}
