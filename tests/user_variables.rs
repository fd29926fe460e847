//! User variables in transaction mode: each session's own, with value, type, character set and collation, wherever its
//! next statement runs.
//!
//! Every session has a twin on the server itself that is told the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::{Flavor, Server};
use support::{
    observe::Root,
    proxy::{Proxy, Setup},
    servers::each_server,
    twin::{CLEAR, Stage, Twin},
};

/// A proxy with that many server connections, and the stage for its sessions.
fn set_up(server: &Server, connections: u32) -> (Stage, Proxy) {
    let stage =
        Stage::new(server, "uservars", &["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40))"]);
    let setup = Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .user(&stage.proxied.name, &stage.proxied.password);
    (stage, setup.start())
}

/// How many pins there have been, but for warnings, which hold a connection until the next statement.
fn pins(proxy: &Proxy) -> f64 {
    let metrics = proxy.metrics();
    metrics.sum("greenroom_pins_total", &[]) - metrics.sum("greenroom_pins_total", &["reason=\"diagnostics\""])
}

/// What is there of these variables, and what a table is made of them: the server's own word for their types.
fn look(twin: &mut Twin, names: &[&str]) {
    for name in names {
        twin.same(&format!(
            "SELECT {name}, HEX({name}), CHAR_LENGTH({name}), COLLATION({name}), CHARSET({name}), COERCIBILITY({name})"
        ));
    }
    let table = format!("seen_{}", twin.label);
    twin.same(&format!("CREATE TABLE {table} AS SELECT {}", names.join(", ")));
    twin.same(&format!("SHOW CREATE TABLE {table}"));
    twin.same(&format!("DROP TABLE {table}"));
    twin.same(CLEAR);
}

/// As [`look`], and the list that MariaDB gives of all that there are.
fn look_at_all(twin: &mut Twin, server: &Server, names: &[&str]) {
    look(twin, names);
    if server.flavor() == Flavor::MariaDb {
        twin.same(
            "SELECT VARIABLE_NAME, VARIABLE_VALUE, VARIABLE_TYPE, CHARACTER_SET_NAME \
             FROM information_schema.USER_VARIABLES ORDER BY 1 LIMIT 1000",
        );
    }
}

/// Each recipe's statements, step by step in turn, and after each round every session looks at all names.
fn interleave(server: &Server, recipes: &[&[&str]], names: &[&str]) {
    for connections in [1, 2] {
        let (stage, proxy) = set_up(server, connections);
        let twin = |number: usize| stage.twin(&proxy, server, &number.to_string());
        let mut twins: Vec<Twin> = (0..recipes.len()).map(twin).collect();
        let rounds = recipes.iter().map(|recipe| recipe.len()).max().unwrap_or(0);
        for round in 0..rounds {
            for (twin, recipe) in twins.iter_mut().zip(recipes) {
                if let Some(sql) = recipe.get(round) {
                    twin.same(sql);
                    // What has warnings holds its connection until the next statement.
                    twin.same(CLEAR);
                    assert_eq!(pins(&proxy), 0.0, "{sql} pins");
                }
            }
            for twin in &mut twins {
                look_at_all(twin, server, names);
            }
        }
        assert_eq!(pins(&proxy), 0.0, "something of this pins");
    }
}

#[test]
fn literals_are_every_sessions_own() {
    each_server(|server| {
        let names = ["@a", "@B", "@`c d`", "@never"];
        let recipes: [&[&str]; 14] = [
            &["SELECT 1"],
            &["SET @a = 1", "SET @a = 'one'", "SET @a = 1.50", "SET @a = 1e3", "SET @a = NULL", "SET @a = -7"],
            &["SET @a = 'x'", "SET @a = NULL", "SET @a = NULL, @b = NULL", "SET @b = 2, @b = NULL", "SET @b = 'y'"],
            &["SET @a = NULL", "SET @a = 18446744073709551615", "SET @a = NULL", "SET @a = 1"],
            &[
                "SET @A = 1, @`C D` = 2, @'b' = 3",
                "set @a := 4 ;",
                "SET @`c d` = '`it''s`'",
                "/* so */ SET @b = 5 -- x",
            ],
            &["SET @a = 99999999999999999999", "SET @a = -9223372036854775808", "SET @a = -0", "SET @a = -0e0"],
            &["SET @a = .5, @b = 5., @`c d` = -1.5E-7", "SET @a = 123456789.123456789123456789123456789"],
            &["SET @a = true, @b = False", "SET @a = '', @b = ' '", "SET @a = '{\"key\": [1, null, \"x\"]}'"],
            &["SET NAMES latin1", "SET @a = 'latin'", "SET @b = 'x', @a = 1", "SET @`c d` = 'x'", "SET @a = NULL"],
            &["SET @a = 'before'", "SET NAMES latin1 COLLATE latin1_bin", "SET @b = 'after'", "SET NAMES utf8mb4"],
            &["SET collation_connection = utf8mb4_bin", "SET @a = 'é', @b = '日本 𝄞'", "SET @a = 'ascii'"],
            &["SET collation_connection = binary", "SET @a = 'bytes', @b = ''", "SET @b = 1, @a = NULL"],
            &["SET sql_mode = 'ANSI_QUOTES'", "SET @\"a\" = 'x'", "SET sql_mode = ''", "SET @a = \"y\""],
            &[
                "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
                "SET @a = 'x', @b = '%_'",
                "SET NAMES utf8mb3",
                "SET @a = 'mb3'",
            ],
        ];
        interleave(server, &recipes, &names);
    });
}

#[test]
fn what_is_computed_is_every_sessions_own() {
    each_server(|server| {
        let names = ["@a", "@B", "@`c d`", "@never"];
        let recipes: [&[&str]; 13] = [
            &["SELECT 1"],
            &[
                "SET @a = 1 + 1",
                "SET @a = @a + 1",
                "SET @a = @a * 1.5",
                "SET @a = CAST(3 AS UNSIGNED)",
                "SET @a = 1 / 3",
            ],
            &["SET @a = CONCAT('x', 'é')", "SET @b = UPPER(@a), @`c d` = @b", "SET @a = REVERSE(@`c d`)"],
            &["SET @a = x'00FF41', @b = 0x41, @`c d` = b'101'", "SET @a = _latin1 X'E9' COLLATE latin1_bin"],
            &["SELECT @a := 5", "SELECT @a := @a + 1", "SELECT @b := @a, @a := 'text'", "DO @b := 1e0 / 3"],
            &["SELECT 7 INTO @a", "SELECT 'x', 1.50 INTO @a, @b", "SELECT id, tag FROM t WHERE id = 0 INTO @a, @b"],
            &["INSERT INTO t (tag) VALUES (@a := 'tag')", "UPDATE t SET tag = (@b := 'tug') LIMIT 1"],
            &[
                "SET @a = 'it\\'s \\\\ \\n'",
                "SET @a = 'x' COLLATE utf8mb4_bin, @b = N'x'",
                "SET @a = DATE '2020-01-02'",
            ],
            &["SET @a = JSON_OBJECT('k', 1), @b = CURDATE() + 0", "SET @b = 1e0 * -0.0, @a = 5.0 - 5"],
            &[
                "SET @a = -9223372036854775807 - 1, @b = 1.7976931348623157e308 * 1",
                "SET @a = 4.9e-324 + 0, @b = -1e22 * 10",
            ],
            &["SET NAMES gbk", "SET @a = 'x'", "SET NAMES utf8mb4", "SET @b = CONVERT('日本' USING utf8mb3)"],
            &["SET @a = CAST(5 AS DECIMAL), @b = 0.10 * 0.10", "SET @a = 10 DIV 3, @b = 10 % 3", "SET @a = (SELECT 6)"],
            &[
                "SET @a = (1 = 1), @b = 5, @`c d` = ''",
                "SET @a = 1, autocommit = 1",
                "SET time_zone = '+01:00', @a = 'y'",
            ],
        ];
        interleave(server, &recipes, &names);
    });
}

#[test]
fn null_is_kept_where_its_type_can_be_told() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut twin = stage.twin(&proxy, server, "null");
        let mut other = stage.twin(&proxy, server, "other");
        for sql in ["SET @a = NULLIF('x', 'x')", "SET @a = CONCAT('x', NULL)"] {
            twin.same(sql);
            look_at_all(&mut other, server, &["@a"]);
            look_at_all(&mut twin, server, &["@a"]);
        }
        assert_eq!(pins(&proxy), 0.0);
        twin.all(&["SET @a = 5", "SET @a = @a + NULL"]);
        look_at_all(&mut other, server, &["@a"]);
        look_at_all(&mut twin, server, &["@a"]);
        let pinned = if server.flavor() == Flavor::MariaDb { 0.0 } else { 1.0 };
        assert_eq!(pins(&proxy), pinned, "MySQL does not say of what type a NULL is");
    });
}

#[test]
fn what_a_failed_statement_has_assigned_is_nobody_elses() {
    each_server(|server| {
        for fails in [
            "SELECT @a := 5, (SELECT 1 UNION SELECT 2)",
            "SELECT @ä := 5, (SELECT 1 UNION SELECT 2)",
            "INSERT INTO t (id, tag) VALUES (1, @a := 'first'), (1, 'second')",
            "SET @a = 'x', @b = (SELECT 1 UNION SELECT 2)",
        ] {
            let (stage, proxy) = set_up(server, 2);
            let mut twin = stage.twin(&proxy, server, "fails");
            twin.all(&[fails, CLEAR, "SELECT @a, @ä, @b, COLLATION(@a)"]);
            twin.all(&["SELECT @a, @ä, @b"]);
            for number in 0..3 {
                let mut other = stage.twin(&proxy, server, &format!("other{number}"));
                look_at_all(&mut other, server, &["@a", "@ä", "@b"]);
            }
            look_at_all(&mut twin, server, &["@a", "@ä", "@b"]);
        }
    });
}

#[test]
fn they_live_through_a_lost_connection() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut root = Root::on(server);
        let mut twin = stage.twin(&proxy, server, "survivor");
        twin.all(&["SET @a = 'kept', @b = 1.0", "SET @a = NULL", "SET @c = 3"]);
        for id in root.connections(&stage.proxied.name) {
            root.kill(id);
        }
        root.wait_for(&stage.proxied.name, 0);
        look_at_all(&mut twin, server, &["@a", "@b", "@c", "@d"]);
    });
}

#[test]
fn a_reset_forgets_them() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut twin = stage.twin(&proxy, server, "reset");
        let mut other = stage.twin(&proxy, server, "other");
        for _ in 0..3 {
            twin.all(&["SET @a = 1, @b = 'x'", "SELECT @a, @b"]);
            other.all(&["SET @b = 2", "SELECT @a, @b"]);
            twin.reset();
            look_at_all(&mut twin, server, &["@a", "@b"]);
            look_at_all(&mut other, server, &["@a", "@b"]);
        }
        assert_eq!(pins(&proxy), 0.0);
    });
}

#[test]
fn within_a_transaction_and_beside_what_pins_they_are_the_servers_own() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut twin = stage.twin(&proxy, server, "mixed");
        let mut other = stage.twin(&proxy, server, "other");
        let steps = [
            "BEGIN",
            "SET @a = 1",
            "INSERT INTO t (tag) VALUES ('x')",
            "SET NAMES latin1",
            "SET @b = 'x'",
            "ROLLBACK",
            "SET @a = 'y'",
            "SELECT LAST_INSERT_ID(), ROW_COUNT(), @a, @b",
            "SET @a = @a + 1",
            "SHOW WARNINGS",
            "SET @a = 5",
            "SELECT @a := @a + 1",
            "SET @c = 1, nosuch = 2",
            "SET @c = 1e999",
            "SET @a = 7",
        ];
        for sql in steps {
            twin.same(sql);
            other.same("SELECT @a, @b, @c");
            twin.same("SELECT @a, @b, @c, COLLATION(@a), COLLATION(@b), COLLATION(@c)");
        }
        twin.reset();
        look_at_all(&mut twin, server, &["@a", "@b", "@c"]);
        look_at_all(&mut other, server, &["@a", "@b", "@c"]);
    });
}

#[test]
fn what_is_too_much_to_keep_pins() {
    each_server(|server| {
        let many: Vec<String> = (0..65).map(|number| format!("SET @v{number} = {number}")).collect();
        let long = ["x".repeat(9000), "y".repeat(9000)].map(|text| format!("SET @{} = '{text}'", &text[..1]));
        let computed = ["SET @x = 1".to_owned(), "SET @y = REPEAT('y', 16385)".to_owned()];
        for statements in [many.as_slice(), &long, &computed] {
            let (stage, proxy) = set_up(server, 2);
            let mut twin = stage.twin(&proxy, server, "much");
            let mut other = stage.twin(&proxy, server, "other");
            let (last, first) = statements.split_last().unwrap();
            for sql in first {
                twin.same(sql);
                other.same("SELECT @v0, @x");
            }
            assert_eq!(pins(&proxy), 0.0, "{} of them", first.len());
            twin.same(last);
            other.same("SELECT @v0, @x");
            twin.same("SELECT @v0, @v7, @v64, @x, @y");
            let shown = proxy.metrics().sum("greenroom_pins_total", &["reason=\"user_variable\""]);
            assert_eq!(shown, 1.0);
        }
    });
}

/// MySQL makes strings of a number in the collation that its connection had when it was assigned.
#[test]
fn a_number_keeps_the_collation_that_it_was_assigned_in() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 3);
        let mut twin = stage.twin(&proxy, server, "number");
        let mut others: Vec<Twin> = (0..3).map(|number| stage.twin(&proxy, server, &number.to_string())).collect();
        twin.same("SET @a = 8749, @b = 'x'");
        twin.same("SET collation_connection = utf8mb4_bin");
        for round in 0..3 {
            for other in &mut others {
                other.all(&["SET NAMES latin1", &format!("SET @a = {round}"), "SELECT CONCAT(@a, 'x')"]);
            }
            twin.same("SELECT CONCAT(@a, 'x'), COLLATION(CONCAT(@a, 'x')), CONCAT(@b, 'y')");
        }
    });
}

/// MySQL can not make JSON of bytes, and Greenroom asks it to.
#[test]
fn what_greenroom_asks_in_vain_is_no_warning_of_the_clients() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut twin = stage.twin(&proxy, server, "asks");
        for name in ["@a", "@b"] {
            twin.all(&["SET NAMES binary", &format!("SET {name} = 'bytes'"), "SHOW WARNINGS"]);
            twin.all(&["BEGIN", "SET NAMES binary", &format!("SET {name} = 'more'"), "COMMIT", "SHOW WARNINGS"]);
        }
    });
}
