use super::{Catalog, Hidden, Stored};
use crate::sql::{Facts, Flavor, Mode, Verdict, classify};

const MODE: Mode = Mode::new(Flavor::MySql, 90704);

fn judge(objects: &[(Stored, &str, &str)]) -> Hidden {
    let mut catalog = Catalog::default();
    for (stored, name, body) in objects {
        catalog.add(*stored, name.as_bytes(), Some(body.as_bytes()), &MODE);
    }
    catalog.judge()
}

fn verdict(hidden: &Hidden, sql: &str) -> Verdict {
    let mut verdict = classify(sql.as_bytes(), MODE);
    hidden.add_to(&mut verdict, sql.as_bytes(), MODE);
    verdict
}

fn has(hidden: &Hidden, sql: &str, fact: Facts) -> bool {
    verdict(hidden, sql).facts.contains(fact)
}

#[test]
fn a_trigger_that_only_writes_tables_is_harmless() {
    for body in [
        "INSERT INTO audit (a, b) VALUES (NEW.a, CONCAT(NEW.b, NOW()))",
        "BEGIN\n DECLARE total DECIMAL(10,2);\n SELECT SUM(x) INTO total FROM t; SET NEW.a = (total + 1) * (2);\nEND",
        "INSERT INTO `audit` (`a`) VALUES (COALESCE(OLD.a, 0))",
        "IF NEW.a IN (1, 2) THEN UPDATE other SET n = n + 1 WHERE id = NEW.id; END IF",
    ] {
        let hidden = judge(&[(Stored::Trigger, "t", body)]);
        assert_eq!(hidden.leaky(), 0, "{body}");
        assert_eq!(verdict(&hidden, "INSERT INTO t VALUES (1)"), classify(b"INSERT INTO t VALUES (1)", MODE));
    }
}

#[test]
fn a_trigger_that_may_leave_something_marks_its_table() {
    for body in [
        "SET NEW.a = GET_LOCK('x', 1)",
        "DO `get_lock`/* */('x', 1)",
        "SELECT NEW.a INTO @v",
        "CREATE TEMPORARY TABLE x SELECT 1",
        "CALL p()",
        "SET NEW.a = my_function(1)",
        "SET NEW.a = `other`.`my_function` (1)",
        "SET NEW.a = my_function /* why */ (1)",
        "",
    ] {
        let hidden = judge(&[(Stored::Trigger, "Orders", body)]);
        for sql in ["INSERT INTO orders VALUES (1)", "UPDATE x JOIN `ORDERS` SET a = 1", "DELETE FROM db.orders"] {
            assert!(has(&hidden, sql, Facts::MAY_RUN_ROUTINE), "{body}: {sql}");
        }
        assert!(!has(&hidden, "INSERT INTO other VALUES ('orders')", Facts::MAY_RUN_ROUTINE), "{body}");
    }
}

#[test]
fn what_stands_on_something_leaky_is_leaky() {
    let hidden = judge(&[
        (Stored::Function, "good", "RETURN abs(1)"),
        (Stored::Function, "bad", "BEGIN DO GET_LOCK('x', 1); RETURN 1; END"),
        (Stored::Function, "worse", "RETURN bad(1)"),
        (Stored::Trigger, "fine", "SET NEW.a = good(1)"),
        (Stored::Trigger, "ill", "SET NEW.a = worse(1)"),
        (Stored::Trigger, "first", "INSERT INTO ill VALUES (1)"),
        (Stored::View, "plain", "select `db`.`t`.`a` AS `a` from `db`.`t` where (`db`.`t`.`a` = lower('x'))"),
        (Stored::View, "calls", "select `db`.`worse`(1) AS `a`"),
        (Stored::View, "over", "select `calls`.`a` AS `a` from `db`.`calls`"),
    ]);
    for (table, leaky) in
        [("fine", false), ("ill", true), ("first", true), ("plain", false), ("calls", true), ("over", true)]
    {
        assert_eq!(has(&hidden, &format!("SELECT * FROM {table}"), Facts::MAY_RUN_ROUTINE), leaky, "{table}");
    }
    assert_eq!(hidden.leaky(), 4);
}

#[test]
fn a_name_that_two_schemas_use_counts_as_the_worse() {
    let hidden = judge(&[
        (Stored::Function, "f", "RETURN 1"),
        (Stored::Function, "F", "RETURN GET_LOCK('x', 1)"),
        (Stored::Trigger, "t", "SET NEW.a = f(1)"),
    ]);
    assert_eq!(hidden.leaky(), 1);
}

#[test]
fn what_can_not_be_seen_makes_its_connection_be_reset() {
    let mut catalog = Catalog::default();
    catalog.hide_triggers();
    catalog.add(Stored::View, b"v", None, &MODE);
    catalog.add(Stored::View, b"w", Some(b"select 1 AS `1`"), &MODE);
    let hidden = catalog.judge();
    assert!(hidden.is_partial());
    for sql in ["SELECT * FROM v", "SELECT * FROM W", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1"] {
        assert!(has(&hidden, sql, Facts::MAY_LEAK), "{sql}");
        assert!(!has(&hidden, sql, Facts::MAY_RUN_ROUTINE), "{sql}");
    }
    for sql in ["SELECT * FROM t", "SET sql_mode = ''", "BEGIN"] {
        assert!(!has(&hidden, sql, Facts::MAY_LEAK), "{sql}");
    }
}

#[test]
fn while_nothing_is_known_only_plain_statements_are_safe() {
    let hidden = Hidden::unknown();
    assert!(has(&hidden, "SELECT * FROM t", Facts::MAY_LEAK) && has(&hidden, "BEGIN; SELECT 1", Facts::MAY_LEAK));
    assert!(!has(&hidden, "SET NAMES utf8mb4", Facts::MAY_LEAK) && !has(&hidden, "COMMIT", Facts::MAY_LEAK));
    assert!(!hidden.is_partial());
}

#[test]
fn statements_that_change_what_is_stored() {
    let hidden = judge(&[]);
    for sql in [
        "CREATE DEFINER = x TRIGGER a BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "ALTER VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "RENAME TABLE a TO b",
        "ALTER TABLE a RENAME b",
        "SELECT 1; CREATE VIEW v AS SELECT 1",
    ] {
        assert!(has(&hidden, sql, Facts::CHANGES_STORED), "{sql}");
    }
    for sql in ["CREATE TABLE t (a INT)", "SELECT 'create view'", "INSERT INTO t VALUES (1)", "TRUNCATE t"] {
        assert!(!has(&hidden, sql, Facts::CHANGES_STORED), "{sql}");
    }
}

#[test]
fn names_beyond_ascii_count_in_any_character_set() {
    let hidden = judge(&[(Stored::Trigger, "größe", "SELECT 1 INTO @v")]);
    assert!(hidden.leaky() == 1 && !has(&hidden, "INSERT INTO groesse VALUES (1)", Facts::MAY_RUN_ROUTINE));
    let mut verdict = classify(b"INSERT INTO gr\xf6\xdfe VALUES (1)", MODE);
    hidden.add_to(&mut verdict, b"INSERT INTO gr\xf6\xdfe VALUES (1)", MODE);
    assert!(verdict.facts.contains(Facts::MAY_RUN_ROUTINE));
}

#[test]
fn routines_that_leave_nothing_are_known() {
    let fine =
        "BEGIN DECLARE done INT; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; UPDATE t SET a = f(1); END";
    let objects = [
        (Stored::Function, "f", "RETURN a + 1"),
        (Stored::Function, "takes_one", "RETURN GET_LOCK('x', 1)"),
        (Stored::Function, "seen", ""),
        (Stored::Procedure, "fine", fine),
        (Stored::Procedure, "calls_bad", "SELECT takes_one()"),
        (Stored::Procedure, "opens", "HANDLER t OPEN"),
        (Stored::Procedure, "flushes", "FLUSH TABLES WITH READ LOCK"),
        (Stored::Procedure, "two", "SELECT 1"),
        (Stored::Procedure, "two", "SELECT 1 INTO @a"),
        (Stored::View, "taken", "SELECT takes_one()"),
        (Stored::Trigger, "watched", "SET NEW.a = takes_one()"),
    ];
    let hidden = judge(&objects);
    let known = |sql: &str| hidden.vouches(&classify(sql.as_bytes(), MODE), sql.as_bytes(), MODE);
    for sql in [
        "CALL fine()",
        "CALL fine",
        "call `db` . `Fine` (1, (2))",
        "SELECT f(a), COUNT(*), (1) FROM t WHERE a IN (1, 2) AND (b = 3)",
        "DO f(1)",
        "SET SESSION max_join_size = f(1)",
    ] {
        assert!(known(sql), "{sql}");
    }
    for sql in [
        "CALL nobody()",
        "CALL calls_bad()",
        "CALL opens",
        "CALL flushes()",
        "CALL two()",
        "CALL fine(takes_one())",
        "SELECT f(1), takes_one()",
        "SELECT seen(1)",
        "SELECT `count`(1)",
        "SELECT f(1); SELECT 2",
        "CREATE TABLE x SELECT f(1)",
        "EXECUTE s",
        "SELECT * FROM taken",
        "SELECT f(1) FROM `Taken`",
        "INSERT INTO watched VALUES (f(1))",
    ] {
        assert!(!known(sql), "{sql}");
    }
    assert!(!Hidden::unknown().vouches(&classify(b"CALL fine()", MODE), b"CALL fine()", MODE));
}

#[test]
fn a_view_of_what_only_its_server_knows_is_no_plain_read() {
    let hidden = judge(&[
        (Stored::View, "locked", "select is_free_lock('a') AS `free`"),
        (Stored::View, "who", "select `p`.`ID` from `information_schema`.`PROCESSLIST` `p`"),
        (Stored::View, "above", "select `who`.`ID` from `app`.`who`"),
        (Stored::View, "given", "select last_insert_id() AS `id`"),
        (Stored::View, "fine", "select `t`.`version` AS `version` from `app`.`t` where (`t`.`a` > 1)"),
    ]);
    for sql in ["SELECT * FROM locked", "SELECT * FROM app.`WHO`", "SELECT 1 FROM t JOIN above", "SELECT * FROM given"]
    {
        assert!(classify(sql.as_bytes(), MODE).is_plain_read() && !verdict(&hidden, sql).is_plain_read(), "{sql}");
    }
    assert!(verdict(&hidden, "SELECT * FROM fine").is_plain_read());
}

#[test]
fn a_change_through_any_view_may_count_rows() {
    let hidden = judge(&[(Stored::View, "Both", "select `t`.`a` AS `a` from (`db`.`t` join `db`.`u`)")]);
    let untold = Facts::COUNTS_ROWS | Facts::COUNTS_UNTOLD;
    for sql in ["UPDATE both SET a = 1", "DELETE FROM db.`both` WHERE a = 1", "SET @a = 1; UPDATE both SET a = 1"] {
        assert!(has(&hidden, sql, untold), "{sql}");
    }
    for sql in ["UPDATE t SET a = 1", "INSERT INTO both VALUES (1)", "SELECT * FROM both"] {
        assert!(!has(&hidden, sql, untold), "{sql}");
    }
    assert!(has(&Hidden::unknown(), "UPDATE t SET a = 1", untold));
}

#[test]
fn a_routine_that_begins_with_a_question_about_its_callers_statement() {
    let asks = [
        "SELECT ROW_COUNT()",
        "BEGIN DECLARE n INT DEFAULT FOUND_ROWS(); UPDATE t SET a = n; END",
        "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; DELETE FROM t; END; SET n = row_count(); END",
        "BEGIN DECLARE c CURSOR FOR SELECT a FROM t; IF ROW_COUNT() = 2 THEN SELECT 2; END IF; END",
        "RETURN ROW_COUNT()",
    ];
    let own = [
        "BEGIN UPDATE t SET a = 1; SELECT ROW_COUNT(); END",
        "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; DELETE FROM t; SET n = ROW_COUNT(); END",
        "INSERT INTO t VALUES (1)",
    ];
    for (bodies, expected) in [(&asks[..], true), (&own, false)] {
        for body in bodies {
            let hidden = judge(&[
                (Stored::Procedure, "p", body),
                (Stored::View, "v", "select p() AS `n`"),
                (Stored::View, "other", "select 1 AS `n`"),
            ]);
            for sql in ["CALL p(1)", "SELECT * FROM v"] {
                assert_eq!(has(&hidden, sql, Facts::MAY_ASK), expected, "{sql}: {body}");
            }
            assert!(!has(&hidden, "SELECT * FROM other", Facts::MAY_ASK), "{body}");
        }
    }
}
