//! What a session has on its server connection only, and so must keep it for.

use super::{Group, Holds};

pub(crate) const USER_VARIABLES: Group = Group {
    name: "user variables",
    holds: Holds::ToTheEnd,
    both: &[
        "SET @{var} = '{s}'",
        "SET @{var} = {k}, @b = @{var} + 1",
        "SET @{var} := (SELECT COUNT(*) FROM t1)",
        "SELECT @{var} := {d}",
        "SELECT v INTO @{var} FROM t1 ORDER BY id LIMIT 1",
        "SELECT @{var}",
        "SELECT CONCAT(@{var}, '{s}')",
        "INSERT INTO t1 (v) VALUES (@{var})",
        "UPDATE t1 SET v = (@{var} := '{s}') WHERE u = {d}",
        "SET @{var} = NULL",
        "SET @{var} = x'{mm}', @c = 1.50, @b = 1e3",
        "DO @{var} := {d}",
        "GET DIAGNOSTICS @{var} = NUMBER",
        "SET @`{var}` = _latin1 'x' COLLATE latin1_bin\nSELECT COLLATION(@{var})",
        "SET @{var} = 5, time_zone = '{zone}'",
        "SET group_concat_max_len = @{var}",
    ],
    mysql: &[],
    mariadb: &["EXECUTE IMMEDIATE 'SELECT ?' USING @{var}"],
};

pub(crate) const TEMPORARY: Group = Group {
    name: "temporary tables",
    holds: Holds::ForAWhile,
    both: &[
        "CREATE TEMPORARY TABLE {tmp} (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(20))",
        "CREATE TEMPORARY TABLE {tmp} SELECT * FROM t1",
        "CREATE TEMPORARY TABLE IF NOT EXISTS {tmp} (a INT)",
        "CREATE TEMPORARY TABLE {tmp} LIKE t1",
        "CREATE TEMPORARY TABLE shared_words.{tmp} (a INT)",
        "CREATE TEMPORARY TABLE t1 (id INT, v VARCHAR(20))",
        "INSERT INTO {tmp} (b) VALUES ('{s}')",
        "INSERT INTO shared_words.{tmp} VALUES ({mm})",
        "SELECT * FROM {tmp}",
        "SELECT * FROM shared_words.{tmp}",
        "ALTER TABLE {tmp} ADD COLUMN c INT",
        "DROP TEMPORARY TABLE {tmp}",
        "DROP TEMPORARY TABLE IF EXISTS {tmp}",
        "DROP TEMPORARY TABLE shared_words.{tmp}",
        "DROP TEMPORARY TABLE tmp1, tmp2",
        "DROP TABLE {tmp}",
        "DROP TEMPORARY TABLE t1",
        "TRUNCATE {tmp}",
        "BEGIN\nCREATE TEMPORARY TABLE {tmp} (a INT)\nINSERT INTO t1 (v) VALUES ('{s}')\nROLLBACK",
        "BEGIN\nCREATE TEMPORARY TABLE {tmp} (a INT)\nDROP TEMPORARY TABLE {tmp}\nCOMMIT",
        "CREATE TEMPORARY TABLE {tmp} (a INT); DROP TEMPORARY TABLE {tmp}",
        "SHOW CREATE TABLE {tmp}",
        "ALTER TABLE {tmp} RENAME TO tmp3\nDROP TEMPORARY TABLE tmp3",
    ],
    mysql: &[],
    mariadb: &["CREATE OR REPLACE TEMPORARY TABLE {tmp} (a INT)"],
};

pub(crate) const LOCKS: Group = Group {
    name: "named locks",
    holds: Holds::ToTheEnd,
    both: &[
        "SELECT GET_LOCK('{tag}l{l}', 0)",
        "DO GET_LOCK('{tag}l{l}', 1)",
        "SELECT RELEASE_LOCK('{tag}l{l}')",
        "DO RELEASE_LOCK('{tag}l{l}')",
        "SELECT RELEASE_ALL_LOCKS()",
        "DO RELEASE_ALL_LOCKS()",
        "SELECT IS_FREE_LOCK('{tag}l1'), IS_FREE_LOCK('{tag}l2')",
        "SELECT IS_USED_LOCK('{tag}l{l}') IS NULL",
        "SELECT GET_LOCK(CONCAT('{tag}', 'l{l}'), 0), RELEASE_LOCK('{tag}l1')",
        "BEGIN\nSELECT GET_LOCK('{tag}l1', 0)\nCOMMIT",
        "SELECT GET_LOCK('', 0)",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const TABLE_LOCKS: Group = Group {
    name: "table locks",
    holds: Holds::ForAWhile,
    both: &[
        "LOCK TABLES t1 WRITE",
        "LOCK TABLES t1 READ, t2 WRITE",
        "LOCK TABLES t1 READ LOCAL",
        "LOCK TABLES nosuch WRITE",
        "UNLOCK TABLES",
        "INSERT INTO t1 (v) VALUES ('{s}')",
        "SELECT COUNT(*) FROM t2",
        "BEGIN",
        "COMMIT",
        "LOCK TABLES t1 WRITE\nINSERT INTO t1 (v) VALUES ('{s}')\nUNLOCK TABLES\nSELECT COUNT(*) FROM t1",
        "SET autocommit = 0\nLOCK TABLES t1 WRITE\nINSERT INTO t1 (v) VALUES ('{s}')\nCOMMIT\nUNLOCK TABLES\n\
         SET autocommit = 1",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const SQL_PREPARE: Group = Group {
    name: "prepare",
    holds: Holds::ForAWhile,
    both: &[
        "PREPARE {stmt} FROM 'SELECT {mm}'",
        "PREPARE {stmt} FROM 'INSERT INTO t1 (v) VALUES (''{s}'')'",
        "PREPARE {stmt} FROM 'SELECT @@time_zone, DATABASE()'",
        "PREPARE {stmt} FROM 'SET time_zone = ''{zone}'''",
        "PREPARE {stmt} FROM 'CREATE TEMPORARY TABLE tmp1 (a INT)'",
        "PREPARE {stmt} FROM 'SELECT ? + 1'",
        "PREPARE {stmt} FROM 'SELEC'",
        "EXECUTE {stmt}",
        "EXECUTE {stmt}",
        "EXECUTE {stmt} USING @a",
        "DEALLOCATE PREPARE {stmt}",
        "DROP PREPARE {stmt}",
        "USE shared_words",
        "USE {db}",
        "SELECT * FROM tmp1",
        "DROP TEMPORARY TABLE IF EXISTS tmp1",
    ],
    mysql: &[],
    mariadb: &["EXECUTE IMMEDIATE 'SELECT {d}'", "EXECUTE IMMEDIATE 'SET time_zone = ''{zone}'''"],
};

pub(crate) const HANDLERS: Group = Group {
    name: "handlers",
    holds: Holds::ForAWhile,
    both: &[
        "HANDLER t1 OPEN",
        "HANDLER t1 OPEN AS h",
        "HANDLER plain OPEN AS h",
        "HANDLER h READ FIRST",
        "HANDLER h READ NEXT LIMIT {d}",
        "HANDLER t1 READ `PRIMARY` FIRST",
        "HANDLER t1 READ `PRIMARY` >= ({d})",
        "HANDLER h CLOSE",
        "HANDLER t1 CLOSE",
        "HANDLER nosuch OPEN",
        "INSERT INTO t1 (v) VALUES ('{s}')",
    ],
    mysql: &[],
    mariadb: &[],
};

/// What fails sets nothing that clients are told of: MySQL tells it with the next OK, MariaDB directly never, but with the
/// next OK where it tracks more than those few variables.
pub(crate) const CALLS: Group = Group {
    name: "calls",
    holds: Holds::ToTheEnd,
    both: &[
        "CALL sets('{zone}')",
        "CALL shows()",
        "CALL adds('{s}')",
        "CALL adds('{s}')\nSELECT LAST_INSERT_ID()",
        "CALL adds('{s}')\nSELECT ROW_COUNT()",
        "CALL warns()",
        "CALL warns()\nSHOW WARNINGS",
        "CALL fails(9{mm})",
        "CALL fails(9{mm})\nSELECT @a, @@lock_wait_timeout",
        "CALL assigns('{s}')\nSELECT @a",
        "CALL gives(@b)\nSELECT @b",
        "CALL makes()\nSELECT * FROM tmp1",
        "CALL locks('{tag}l1')\nSELECT IS_FREE_LOCK('{tag}l1')",
        "CALL begins()",
        "CALL ends()",
        "CALL prepares('SELECT {d}')",
        "CALL resets_id({mm})\nSELECT LAST_INSERT_ID()",
        "CALL nosuch()",
        "CALL sets()",
        "CALL several()",
        "SELECT LAST_INSERT_ID()",
        "DROP TEMPORARY TABLE IF EXISTS tmp1",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const ROUTINES: Group = Group {
    name: "stored functions",
    holds: Holds::ToTheEnd,
    both: &[
        "SELECT plus({d})",
        "SELECT inserting('{s}')",
        "SELECT inserting('{s}')\nSELECT LAST_INSERT_ID()",
        "SELECT assigning({mm})\nSELECT @a",
        "INSERT INTO t1 (v) VALUES (plus({d}))",
        "UPDATE t1 SET u = NULL, v = assigning({d})",
        "SELECT failing('{zone}')",
        "SELECT failing('{zone}')\nSELECT @a, @@time_zone",
        "SELECT locking('{tag}l2')\nSELECT IS_FREE_LOCK('{tag}l2')",
        "SELECT {db}.plus(1)",
        "SELECT nosuch(1)",
        "SHOW WARNINGS",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const SEEDS: Group = Group {
    name: "seeds",
    holds: Holds::ToTheEnd,
    both: &[
        "SET rand_seed1 = {k}, rand_seed2 = {k}\nSELECT RAND(), RAND()",
        "SET rand_seed1 = {k}, rand_seed2 = {k}\nSELECT 1\nSELECT RAND()",
        "SELECT RAND({d}), RAND({d})",
        "SELECT 1",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const SEQUENCES: Group = Group {
    name: "sequences",
    holds: Holds::ToTheEnd,
    both: &["SELECT 1"],
    mysql: &[],
    mariadb: &[
        "SELECT NEXTVAL(q)",
        "SELECT NEXT VALUE FOR q",
        "SELECT LASTVAL(q)",
        "SELECT PREVIOUS VALUE FOR q",
        "SELECT SETVAL(q, {k})",
        "DO NEXTVAL(q)",
        "INSERT INTO t1 (u) VALUES (NEXTVAL(q))",
    ],
};
