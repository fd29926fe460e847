//! The binary protocol, and commands that are no statements.

use super::{Group, Holds};

/// `ROW_COUNT()` and `FOUND_ROWS()` stand in none: there they may be another's (docs/pinning.md).
pub(crate) const STATEMENTS: Group = Group {
    name: "prepared statements",
    holds: Holds::ForAWhile,
    both: &[
        ":prepare {slot} SELECT {d}",
        ":prepare {slot} SELECT ?, ? + 1, CONCAT(?, '{s}')",
        ":prepare {slot} SELECT id, u, v, d, at FROM t1 WHERE id > ? ORDER BY id",
        ":prepare {slot} INSERT INTO t1 (u, v) VALUES (?, ?)",
        ":prepare {slot} INSERT INTO t1 (v, d, at) VALUES ('{s}', ?, ?)",
        ":prepare {slot} UPDATE t1 SET v = ? WHERE u = ?",
        ":prepare {slot} DELETE FROM t1 WHERE u = ?",
        ":prepare {slot} SELECT word FROM shared_words.words WHERE word < ? ORDER BY word",
        ":prepare {slot} SELECT * FROM nosuch",
        ":prepare {slot} SELEC",
        ":prepare {slot} SELECT 1; SELECT 2",
        ":prepare {slot} BEGIN",
        ":prepare {slot} COMMIT",
        ":prepare {slot} DO ?",
        ":prepare {slot} SHOW TABLES",
        ":execute {slot} {p}",
        ":execute {slot} {p} {p}",
        ":execute {slot} {p} {p} {p}",
        ":execute {slot} {p}",
        ":again {slot}",
        ":again {slot}",
        ":renew {slot}",
        ":close {slot}",
        "SELECT LAST_INSERT_ID()",
        "SELECT * FROM t1 ORDER BY id",
        "SHOW WARNINGS",
        ":prepare {slot} SELECT ?\n:execute {slot} {p}\n:close {slot}",
        ":prepare {slot} INSERT INTO t1 (v) VALUES (?)\n:execute {slot} {p}\n:again {slot}\n:close {slot}\n\
         SELECT LAST_INSERT_ID()",
        "ALTER TABLE plain ADD COLUMN added{d} INT",
        ":prepare {slot} SELECT * FROM plain",
    ],
    mysql: &[],
    mariadb: &[":prepare {slot} INSERT INTO t1 (v) VALUES (?) RETURNING id"],
};

/// What statements make of a state that changed since they were prepared, and what they change.
pub(crate) const STATE: Group = Group {
    name: "prepared state",
    holds: Holds::ForAWhile,
    both: &[
        ":prepare {slot} SELECT @@time_zone, @@sql_mode, DATABASE()",
        ":prepare {slot} SELECT LAST_INSERT_ID(), @@identity",
        ":prepare {slot} SELECT CONNECTION_ID()",
        ":prepare {slot} SELECT \"v\", '1' || '2'",
        ":prepare {slot} SELECT COUNT(*) FROM t1",
        ":prepare {slot} SELECT COLLATION('x'), ?",
        ":prepare {slot} SET time_zone = '{zone}'",
        ":prepare {slot} SET group_concat_max_len = ?",
        ":prepare {slot} SHOW WARNINGS",
        ":execute {slot} i32:2{mm}",
        ":execute {slot} string:{s}",
        ":again {slot}",
        ":close {slot}",
        "USE shared_words",
        "USE {db}",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET sql_mode = DEFAULT",
        "SET time_zone = '{zone}'",
        "SET NAMES {charset}",
        "INSERT INTO t1 (v) VALUES ('{s}')",
        ":prepare {slot} SET autocommit = 0\n:execute {slot}\n:close {slot}\nCOMMIT\nSET autocommit = 1",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const CURSORS: Group = Group {
    name: "cursors",
    holds: Holds::ForAWhile,
    both: &[
        ":prepare {slot} SELECT word FROM shared_words.words ORDER BY word",
        ":prepare {slot} SELECT id, v FROM t1 WHERE id > ? ORDER BY id",
        ":cursor {slot} i32:0",
        ":cursor {slot} {p}",
        ":fetch {slot} {d}",
        ":fetch {slot} {d}",
        ":fetch {slot} 100",
        ":renew {slot}",
        ":close {slot}",
        ":execute {slot} i32:0",
        "SELECT 1",
        ":prepare {slot} INSERT INTO t1 (v) VALUES (?)",
        "COMMIT",
        ":prepare {slot} SELECT word FROM shared_words.words ORDER BY word\n:cursor {slot}\n:fetch {slot} 2\nSELECT {d}\n\
         :fetch {slot} 2\n:fetch {slot} 9\n:close {slot}",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const LONG_DATA: Group = Group {
    name: "long data",
    holds: Holds::ForAWhile,
    both: &[
        ":prepare {slot} SELECT ?, LENGTH(?)",
        ":prepare {slot} INSERT INTO t2 (body, note) VALUES (?, ?)",
        ":long {slot} 0 {s}",
        ":long {slot} 1 {s}",
        ":long {slot} 0 {s}{s}",
        ":execute {slot} string:{s} blob:{s}",
        ":execute {slot} blob:{s} i32:{d}",
        ":renew {slot}",
        ":close {slot}",
        "SELECT COUNT(*) FROM t2",
        ":prepare {slot} SELECT ?, ?\n:long {slot} 0 {s}\n:long {slot} 0 {s}\n:execute {slot} blob:x i32:{d}\n\
         :execute {slot} blob:y null\n:close {slot}",
    ],
    mysql: &[],
    mariadb: &[],
};

pub(crate) const COMMANDS: Group = Group {
    name: "commands",
    holds: Holds::Nothing,
    both: &[
        ":ping",
        ":init {db}",
        ":fields t1",
        ":fields plain",
        ":reset",
        ":change {db}",
        ":change",
        ":change shared_words",
        // Servers keep it through a reset, too; the proxy does not.
        ":option 1\nSELECT 1; SELECT {d}\n:option 0\nSELECT 1; SELECT {d}",
        "USE {db}",
        "SET time_zone = '{zone}'",
        "INSERT INTO t1 (v) VALUES ('{s}')",
        "BEGIN\nINSERT INTO t1 (v) VALUES ('{s}')\n:reset\nSELECT COUNT(*) FROM t1",
        "BEGIN\nINSERT INTO t1 (v) VALUES ('{s}')\n:change {db}\nSELECT COUNT(*) FROM t1",
        "SET NAMES {charset}\n:reset\nSELECT @@character_set_client, @@collation_connection",
        "SELECT ROW_COUNT()",
        "SELECT DATABASE()",
    ],
    mysql: &[],
    mariadb: &[],
};
