//! What looks like a trigger and is none.

use super::*;

#[test]
fn quotes_and_comments_hide() {
    let table = [
        "SELECT '@a := 1', \"GET_LOCK('a', 1)\"",
        "SELECT 'it''s @a := 1', 'a\\' INTO @x'",
        "SELECT 1 -- INTO @a\n",
        "SELECT 1 # INTO @a\n",
        "SELECT 1 /* INTO @a */",
        "SELECT `@a := 1` FROM `get_lock`",
        "SELECT `a``b INTO @x` FROM t",
        "SELECT * FROM t WHERE a = 'SET @a = 1'",
        "INSERT INTO t VALUES ('; SET @a = 1')",
        "INSERT INTO log VALUES ('PREPARE s FROM ''SELECT 1''')",
    ];
    table.iter().for_each(|sql| both(sql, &[]));
}

#[test]
fn names_that_look_like_triggers() {
    let table = [
        "SELECT get_lock FROM t",
        "SELECT t.get_lock FROM t",
        "INSERT INTO get_lock (a) VALUES (1)",
        "INSERT INTO t (get_lock) VALUES (1)",
        "REPLACE get_lock (a) VALUES (1)",
        "CREATE TABLE get_lock (a INT)",
        "CREATE INDEX get_lock ON t (a)",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT a FROM u WHERE b = @b",
        "UPDATE t SET a = @a, b = 2",
        "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = @a",
        "SELECT role, password, prepare, handler, call_id FROM t",
        "UPDATE t SET role = 'x', password = 'y', profiling = 1",
        "DELETE FROM prepare WHERE execute = 1",
        "SELECT @a, @b + 1, @'c'",
        "SELECT @@profiling, @@session.transaction_isolation, @@last_insert_id",
        "SELECT * FROM t WHERE a = @a AND b IN (@b, @c)",
        "SELECT 1 INTO OUTFILE 'f'",
        "SELECT a FROM t ORDER BY @x LIMIT 5",
        "SELECT xa, savepoint, flush FROM t",
        "HANDLER t READ FIRST",
        "HANDLER t READ i = (5) WHERE a = 1",
        "SELECT temporary FROM t",
        "SHOW CREATE TABLE t",
        "DROP USER IF EXISTS a@b",
        "ANALYZE TABLE t",
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        "SET CHARACTER SET utf8mb4",
        "SET timestamp = 5",
        "SET GLOBAL profiling = 1",
        "SET @@global.profiling = 1",
        "SET PERSIST optimizer_trace = ''",
        "SET GLOBAL TRANSACTION READ ONLY",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET LOCAL TRANSACTION READ WRITE",
        "SET transaction_isolation = 'SERIALIZABLE'",
        "SET @@session.transaction_isolation = 'SERIALIZABLE'",
        "SET SESSION tx_read_only = 0",
        "SET DEFAULT ROLE r TO u",
        "SET autocommit = 0",
        "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')",
        "SELECT RAND(), RAND(5)",
        "ROLLBACK TO SAVEPOINT x",
        "SELECT next, value FROM t",
        "KILL 5",
    ];
    table.iter().for_each(|sql| both(sql, &[]));
}

#[test]
fn accounts_are_no_variables() {
    let table = [
        "GRANT ALL ON *.* TO app@'%', 'b'@localhost, `c`@`h`",
        "CREATE USER a@b IDENTIFIED BY 'x'",
        "CREATE DEFINER=a@b VIEW v AS SELECT GET_LOCK('a', 1)",
        "CREATE DEFINER = event@localhost VIEW v AS SELECT 1",
        "ALTER DEFINER=`x`@`%` VIEW v AS SELECT @a",
        "DROP USER a@b",
        "RENAME USER a@b TO c@d",
        "SHOW GRANTS FOR a@b",
    ];
    table.iter().for_each(|sql| both(sql, &[]));
}

#[test]
fn bodies_of_stored_programs_do_not_run_now() {
    let table = [
        "CREATE PROCEDURE p() SELECT GET_LOCK('a', 1)",
        "CREATE PROCEDURE p() BEGIN SET @a = 1; SELECT GET_LOCK('a', 1); END",
        "CREATE DEFINER=a@b PROCEDURE p(IN x INT) BEGIN IF x THEN SET @a = 1; END IF; CREATE TEMPORARY TABLE t SELECT 1; END",
        "CREATE PROCEDURE p() BEGIN CASE x WHEN 1 THEN SET @a = 1; END CASE; SET @b = CASE 1 WHEN 1 THEN 2 END; SET @c = 1; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @a = 1; END; SET @b = 1; END;",
        "CREATE PROCEDURE p() l: BEGIN l2: LOOP SET @a = 1; LEAVE l2; END LOOP l2; SET @b = 1; END l",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = NEW.x",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = NEW.x; SET @b = 1; END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN SET @a = 1; SET @b = 2; END",
        "ALTER EVENT e DO SET @a = 1",
        "CREATE FUNCTION f() RETURNS INT BEGIN SET @a = 1; RETURN 1; END",
        "CREATE FUNCTION f RETURNS STRING SONAME 'x.so'",
    ];
    for sql in table {
        both(sql, &[]);
        assert_eq!(classify(sql.as_bytes(), MY).kind, Kind::Ddl, "{sql}");
    }
}

#[test]
fn blocks_are_found_where_statements_begin() {
    let table = [
        "CREATE PROCEDURE p(a DECIMAL(5, 2)) READS SQL DATA COMMENT 'x' l: BEGIN SET @a = 1; BEGIN SET @b = 1; END; END l",
        "CREATE FUNCTION f(a CHAR(5)) RETURNS VARCHAR(20) CHARSET utf8mb4 NO SQL BEGIN SET @a = 1; RETURN 'x'; END",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN CASE 1 WHEN 1 THEN 2 END",
        "CREATE PROCEDURE p() BEGIN IF a THEN BEGIN SET @a = 1; END; ELSE BEGIN SET @b = 1; END; END IF; END",
        "CREATE PROCEDURE p() BEGIN WHILE a DO BEGIN SET @a = 1; END; END WHILE; x: LOOP BEGIN SET @a = 1; END; END LOOP x; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE '23000', 1062 BEGIN SET @a = 1; END; END",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN BEGIN SET @a = 1; END; ELSE SET @b = 1; END CASE; SET @c = 1; END",
        "CREATE PROCEDURE p() BEGIN REPEAT BEGIN SET @a = 1; END; UNTIL 1 END REPEAT; SET @b = 1; END",
        "CREATE EVENT e ON SCHEDULE AT NOW() + INTERVAL (1) DAY ON COMPLETION PRESERVE DO BEGIN SET @a = 1; END",
    ];
    table.iter().for_each(|sql| both(sql, &[]));
}

#[test]
fn what_follows_a_body_runs() {
    both("CREATE PROCEDURE p() BEGIN SELECT 1; END; SET @a = 1", &[MultiStatement, UserVariable]);
    both("CREATE PROCEDURE p() SELECT 1; SET @a = 1", &[MultiStatement, UserVariable]);
    both("CREATE PROCEDURE p() SELECT begin FROM t; SET @a = 1", &[MultiStatement, UserVariable]);
    both("CREATE PROCEDURE p() BEGIN SELECT 1; SET @a = 1", &[UntrackedState]);
}

#[test]
fn dollar_quotes_cannot_hide_a_statement() {
    let sql = "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ it's $a $$; SET @a = 1";
    assert_pins(MY, sql, &[MultiStatement, UserVariable]);
    assert_pins(MY, "CREATE FUNCTION f() LANGUAGE JAVASCRIPT AS $x$ ' $$ $x $x$; DO 1", &[MultiStatement]);
    assert_pins(MARIA, "SELECT 1 AS $a$, 2 AS $b", &[]);
    assert_pins(Mode::new(Flavor::MySql, 80040), "SELECT 1 AS $a$", &[UntrackedState]);
}

#[test]
fn two_byte_characters_cannot_hide_a_quote() {
    let locks = |text: &[u8], charset| classify(text, Mode { charset, ..MY }).pins.contains(UserLock);
    for (charset, lead) in [(ClientCharset::Gbk, 0x81), (ClientCharset::Big5, 0xa4), (ClientCharset::Sjis, 0x83)] {
        let text = |text: &[u8]| text.iter().map(|byte| if *byte == b'?' { lead } else { *byte }).collect::<Vec<_>>();
        // The trail byte is no backslash, so the quote ends the literal.
        assert!(locks(&text(b"SELECT '?\\', GET_LOCK(1, 1)"), charset));
        assert!(!locks(&text(b"SELECT '?\\', GET_LOCK(1, 1)"), ClientCharset::Plain));
        assert!(!locks(&text(b"SELECT '?\\ , GET_LOCK(1, 1)'"), charset));
        // A quote is no trail byte.
        assert!(locks(&text(b"SELECT '?', GET_LOCK(1, 1)"), charset));
        // After a backslash the lead byte stands alone (measured).
        assert!(!locks(&text(b"SELECT '\\?\\', GET_LOCK(1, 1)'"), charset));
        // A backquote may be a trail byte, in quoted names and in bare ones.
        assert!(!locks(&text(b"SELECT `?`, GET_LOCK(1, 1), `"), charset));
        assert!(locks(&text(b"SELECT 1 AS a?`, GET_LOCK(1, 1)"), charset));
        assert!(locks(&text(b"SELECT 1 AS ?`, GET_LOCK(1, 1)"), charset));
        assert!(classify(&text(b"SELECT @a?`, GET_LOCK(1, 1)"), Mode { charset, ..MY }).pins.contains(UntrackedState));
    }
}

#[test]
fn high_bytes_of_8_bit_sets_may_be_blanks() {
    let mode = Mode { charset: ClientCharset::SingleByte, ..MY };
    for sql in
        [&b"SELECT\xa0GET_LOCK\xa0('a', 1)"[..], b"\xa0SELECT GET_LOCK('a', 1)", b"SELECT 1 AS a\xa0, GET_LOCK('a',1)"]
    {
        assert!(classify(sql, mode).pins.contains(UserLock));
    }
    assert!(classify(b"SELECT 1\xa0INTO\xa0@a", mode).pins.contains(UserVariable));
    assert!(classify(b"SELECT \xe9abs(1)", mode).facts.contains(Facts::MAY_RUN_ROUTINE));
}

#[test]
fn sql_mode_changes_the_quotes() {
    let ansi = Mode { ansi_quotes: true, ..MY };
    let raw = Mode { no_backslash_escapes: true, ..MY };
    assert_pins(ansi, "SELECT \"a\\\", GET_LOCK('a', 1)", &[UserLock]);
    assert_pins(MY, "SELECT \"a\\\", GET_LOCK('a', 1)", &[]);
    assert_pins(ansi, "SELECT \"get_lock\"('a', 1)", &[UserLock]);
    assert_pins(MY, "SELECT \"get_lock\"('a', 1)", &[]);
    assert_pins(raw, "SELECT 'a\\', GET_LOCK('b', 1)", &[UserLock]);
    assert_pins(MY, "SELECT 'a\\', GET_LOCK('b', 1)", &[]);
    assert_pins(raw, "SELECT @'a\\' := 1", &[UserVariable]);
}

#[test]
fn unfinished_characters_hide_no_function() {
    let plain = [
        &b"SELECT GET_LOCK\xc3('a', 1)"[..],
        b"SELECT GET_LOCK\xe2\x82 ('a', 1)",
        b"SELECT `get_lock\xf0\x9f`('a', 1)",
    ];
    for sql in plain {
        let verdict = classify(sql, MY);
        assert!(verdict.pins.contains(UserLock), "{verdict:?}");
    }
    for (charset, sql) in [
        (ClientCharset::Gbk, &b"SELECT GET_LOCK\x81/**/('a', 1)"[..]),
        (ClientCharset::Sjis, b"SELECT GET_LOCK\x83('a', 1)"),
    ] {
        assert!(classify(sql, Mode { charset, ..MY }).pins.contains(UserLock));
    }
    assert!(classify(b"SET profiling\xc3 = 1", MY).pins.contains(Profiling));
    assert!(classify("SELECT absé(1), ifé(2)".as_bytes(), MY).facts.contains(Facts::MAY_RUN_ROUTINE));
    assert!(classify("SELECT é FROM café WHERE ä IN (1)".as_bytes(), MY).facts.contains(Facts::READ_ONLY));
}
