//! Session state in transaction mode: many sessions over few connections, each as if it were alone.
//!
//! Every session has a twin on the server itself that is told the same; after every round both must agree in
//! every session variable, the default database and what functions about the previous statement say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use greenroom::demo::server::{Flavor, Options, Server};
use mysql_async::{ChangeUserOpts, prelude::Queryable};
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    driver::{block_on, connect},
    proxy::{Proxy, Setup},
    servers::{each_private_server, each_server},
    twin::{CLEAR, Stage, Twin, found_rows},
    wire::Login,
};

/// One row, one routine of each kind, one trigger.
const SCHEMA: &[&str] = &[
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40), u INT UNIQUE)",
    "CREATE TABLE watched (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40))",
    "INSERT INTO t (tag) VALUES ('first')",
    "CREATE PROCEDURE set_zone(IN zone VARCHAR(20)) BEGIN SET time_zone = zone; END",
    "CREATE PROCEDURE add_row(IN label VARCHAR(20)) BEGIN INSERT INTO t (tag) VALUES (label); END",
    "CREATE PROCEDURE half() BEGIN SET SESSION lock_wait_timeout = 77; INSERT INTO nosuch VALUES (1); END",
    "CREATE FUNCTION set_mode() RETURNS INT NO SQL BEGIN SET SESSION sql_safe_updates = 1; RETURN 4; END",
    "CREATE FUNCTION set_bare() RETURNS INT NO SQL BEGIN SET @@max_sort_length = 1234; RETURN 5; END",
    "CREATE TABLE guarded (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40))",
    "CREATE TRIGGER g BEFORE INSERT ON guarded FOR EACH ROW \
     BEGIN SET @seen = 1; SET SESSION lock_wait_timeout = 78; SIGNAL SQLSTATE '45000'; END",
    "CREATE TRIGGER w BEFORE INSERT ON watched FOR EACH ROW SET SESSION group_concat_max_len = 5555",
];

/// A proxy with that many server connections, and the stage for its sessions.
fn set_up(server: &Server, connections: u32) -> (Stage, Proxy) {
    let stage = Stage::new(server, "state", SCHEMA);
    let setup = Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .user(&stage.proxied.name, &stage.proxied.password);
    (stage, setup.start())
}

fn is_mariadb(server: &Server) -> bool {
    server.flavor() == Flavor::MariaDb
}

/// Lets every session take its next step in turn, and compares all after each round.
fn interleave(server: &Server, recipes: &[&[&str]]) {
    for connections in [1, 3] {
        let (stage, proxy) = set_up(server, connections);
        let mut twins: Vec<Twin> =
            recipes.iter().map(|recipe| stage.twin(&proxy, server, &format!("{recipe:?}"))).collect();
        let rounds = recipes.iter().map(|recipe| recipe.len()).max().unwrap_or(0);
        for round in 0..rounds {
            for (twin, recipe) in twins.iter_mut().zip(recipes) {
                if let Some(sql) = recipe.get(round) {
                    twin.same(sql);
                    // What has warnings, or failed, holds its connection until the next statement.
                    twin.same(CLEAR);
                    assert_eq!(unpinned(&proxy), 0.0, "{sql} pins");
                }
            }
            for twin in &mut twins {
                twin.same_state();
                // Without autocommit, asking has begun a transaction.
                twin.same("COMMIT");
            }
        }
        assert_eq!(unpinned(&proxy), 0.0, "something of this pins");
    }
}

/// How many pins there are, but for warnings, which hold a connection until the next statement.
fn unpinned(proxy: &Proxy) -> f64 {
    let metrics = proxy.metrics();
    metrics.sum("greenroom_pins_total", &[]) - metrics.sum("greenroom_pins_total", &["reason=\"diagnostics\""])
}

#[test]
fn every_session_keeps_its_own_variables() {
    each_server(|server| {
        let mut recipes: Vec<&[&str]> = vec![
            &["SELECT 1"],
            &[
                "SET sql_mode = 'ANSI_QUOTES'",
                "SET sql_mode = 'ANSI,TRADITIONAL'",
                "SET sql_mode = ''",
                "SET sql_mode = DEFAULT",
            ],
            &["SET time_zone = '+03:00'", "SET SESSION time_zone = 'SYSTEM'", "SET @@time_zone = '-11:30'"],
            &["SET autocommit = 0", "SELECT 1", "SET autocommit = 1"],
            &["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET SESSION TRANSACTION READ ONLY"],
            &[
                "SET foreign_key_checks = 0",
                "SET foreign_key_checks = ON",
                "SET foreign_key_checks = OFF, unique_checks = 0",
            ],
            &["SET group_concat_max_len = 7, max_sort_length = 64", "SET group_concat_max_len = DEFAULT"],
            &["SET lc_time_names = 'de_DE'", "SET @@SESSION.div_precision_increment = 9"],
            &["SET optimizer_switch = 'index_merge=off'", "SET optimizer_switch = 'index_merge=default,mrr=off'"],
            &["SET long_query_time = 0.25", "SET long_query_time = 12.5", "SET long_query_time = DEFAULT"],
            &["SET sql_select_limit = 18446744073709551614", "SET sql_select_limit = DEFAULT"],
            &["SET default_storage_engine = MyISAM", "SET SESSION lock_wait_timeout = 5, innodb_lock_wait_timeout = 6"],
            &["SET group_concat_max_len = 8, nosuch = 1", "SET nosuch = 1", "SET lc_messages = 'fr_FR'"],
            &["SET sql_big_selects = 0, sql_buffer_result = 1", "SET sql_buffer_result = 0"],
            &[
                "SET wait_timeout = 1111, net_read_timeout = 33",
                "SET max_heap_table_size = 16384, tmp_table_size = 1024",
            ],
            &[
                "SET lc_time_names = 'ru_RU'; SET SESSION sort_buffer_size = 65536; SELECT 5",
                "SELECT 1; SET low_priority_updates = 1",
            ],
        ];
        if is_mariadb(server) {
            recipes.extend([
                &["SET max_statement_time = 2.5", "SET max_statement_time = 0.125", "SET max_statement_time = DEFAULT"]
                    [..],
                &["SET STATEMENT max_sort_length = 99 FOR SELECT 1", "SET max_length_for_sort_data = 77", "SELECT 1"],
                &["SET tx_isolation = 'READ-COMMITTED'", "SET old_mode = 'ZERO_DATE_TIME_CAST'", "SET old_mode = ''"],
                &["SET storage_engine = MyISAM", "SET default_storage_engine = InnoDB", "SELECT 1"],
                &["SET SESSION innodb_tmpdir = '/tmp', aria_sort_buffer_size = 65536", "SET innodb_strict_mode = OFF"],
                &["SET myisam_repair_threads = 2", "SET innodb_lock_wait_timeout = 7", "SET myisam_repair_threads = 1"],
                &["SET log_slow_query_time = 3", "SET long_query_time = 4", "SET log_slow_query_time = 5"],
                &["SET tx_isolation = SERIALIZABLE", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"],
                &["SET sql_mode = 'ORACLE'", "SET sql_mode = 'MSSQL'"],
                &["SET @@sql_mode = 'ANSI', lock_wait_timeout = 9", "SET @@autocommit = 0", "SET @@sql_mode = DEFAULT"],
                &[
                    "SET SESSION time_zone = '+01:00'",
                    "SET @@time_zone = '+02:00'",
                    "SET @@time_zone = @@GLOBAL.time_zone",
                ],
                &[
                    "SET @@character_set_client = latin1",
                    "SET @@collation_server = latin1_bin",
                    "SET @@max_join_size = 1000000",
                ],
            ]);
        } else {
            recipes.extend([
                &["SELECT /*+ SET_VAR(max_sort_length = 99) */ 1", "SET group_concat_max_len = 6"][..],
                &["SET SESSION transaction_isolation = 'READ-COMMITTED'", "SET max_execution_time = 12345"],
                &["SET SESSION sql_auto_is_null = 1", "SET block_encryption_mode = 'aes-256-cbc'"],
                &["SET default_collation_for_utf8mb4 = 'utf8mb4_general_ci'", "SET windowing_use_high_precision = 0"],
            ]);
        }
        interleave(server, &recipes);
    });
}

#[test]
fn variables_that_change_each_other_are_kept_as_they_came_out() {
    each_server(|server| {
        interleave(
            server,
            &[
                &["SET collation_server = latin1_bin", "SET character_set_server = utf8mb4", "SELECT 1"],
                &["SET character_set_server = latin1", "SET collation_server = utf8mb4_bin", "SELECT 1"],
                &["SET collation_server = latin1_bin, character_set_server = ascii", "SET collation_server = DEFAULT"],
                &["SET sql_big_selects = 1", "SET max_join_size = 1000", "SET max_join_size = DEFAULT"],
                &["SET max_join_size = 2000", "SET sql_big_selects = 1", "SELECT 1"],
                &["SELECT 1"],
            ],
        );
    });
}

#[test]
fn every_session_keeps_its_own_character_sets() {
    each_server(|server| {
        interleave(
            server,
            &[
                &["SET NAMES utf8mb4", "SET NAMES latin1 COLLATE latin1_german1_ci", "SET NAMES DEFAULT"],
                &["SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET character_set_results = NULL", "SET NAMES binary"],
                &["SET CHARACTER SET latin1", "SET CHARACTER SET DEFAULT", "SET CHARACTER SET utf8mb4"],
                &["SET character_set_client = koi8r", "SET character_set_results = cp1251", "SELECT 1"],
                &["SET character_set_connection = latin2", "SET collation_connection = latin2_croatian_ci", "SELECT 1"],
                &["SET NAMES gbk", "SET character_set_filesystem = latin1", "SET NAMES sjis"],
                &["SET NAMES latin1, time_zone = '+01:00'", "SET NAMES nosuch", "SET time_zone = DEFAULT, NAMES big5"],
                &["SELECT 1"],
            ],
        );
    });
}

#[test]
fn a_handshake_collation_is_what_the_server_makes_of_it() {
    each_server(|server| {
        for connections in [1, 2] {
            let (stage, proxy) = set_up(server, connections);
            let ids = [8, 45, 33, 255, 0, 63, 28, 46, 224, 5, 254, 1];
            let mut twins: Vec<Twin> = ids
                .iter()
                .map(|id| stage.twin_as(&proxy, server, &format!("collation {id}"), |login| login.collation(*id)))
                .collect();
            for round in 0..3 {
                twins.iter_mut().for_each(Twin::same_state);
                twins[round + 3].same("SET NAMES latin2");
                // (MariaDB resets unknown ids to what an earlier user of the server's thread had.)
                twins[round].reset();
            }
            twins.iter_mut().for_each(Twin::same_state);
        }
    });
}

#[test]
fn a_new_collation_can_wait_for_the_only_connection() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut first = stage.twin_as(&proxy, server, "first", Login::no_database);
        first.same("BEGIN");
        let mut second = stage.twin_as(&proxy, server, "second", |login| login.no_database().collation(28));
        second.proxied.send(Command::COM_QUERY, b"SELECT @@collation_connection").unwrap();
        first.same("COMMIT");
        let replies = second.proxied.replies().unwrap();
        assert!(format!("{replies:?}").contains("gbk_chinese_ci"), "{replies:?}");
        second.same_state();
        first.same_state();
    });
}

#[test]
fn every_session_keeps_its_own_default_database() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut plain = stage.twin(&proxy, server, "with a database");
        let mut bare = stage.twin_as(&proxy, server, "without a database", Login::no_database);
        let mut user = stage.twin_as(&proxy, server, "USE", Login::no_database);
        let mut command = stage.twin(&proxy, server, "COM_INIT_DB");
        for round in 0..3 {
            match round {
                0 => drop(user.same("USE information_schema")),
                1 => drop((user.same("USE {db}"), command.init_db("information_schema"), user.same("USE nosuch"))),
                _ => drop((user.same("SELECT tag FROM t"), command.init_db("{db}"), command.init_db("nosuch"))),
            }
            for twin in [&mut plain, &mut bare, &mut user, &mut command] {
                twin.same("SELECT DATABASE()");
                twin.same("SELECT tag FROM t WHERE id = 1");
                twin.same_state();
            }
        }
    });
}

#[test]
fn a_dropped_database_hurts_only_those_who_use_it() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut owner = stage.twin(&proxy, server, "the one who drops");
        let mut other = stage.twin(&proxy, server, "one whose database goes");
        let mut user = stage.twin(&proxy, server, "one in another database");
        user.same("USE information_schema");
        owner.same("DROP DATABASE {db}");
        owner.same("SELECT DATABASE()");
        user.same("SELECT DATABASE()");
        owner.same("SELECT tag FROM t");
        owner.same(CLEAR);
        other.same("SELECT 1");
        other.same("SET time_zone = '+04:00'");
        // The server keeps the name of what is gone; here there is none, but no other either.
        assert_eq!(other.proxied.scalar("SELECT DATABASE()"), None);
        assert_eq!(other.proxied.err("SELECT tag FROM t").code, 1046);
        other.same(CLEAR);
        owner.same("CREATE DATABASE {db}");
        owner.same("SELECT DATABASE()");
        other.same("CREATE TABLE t2 (a INT)");
        other.same("SELECT DATABASE(), @@time_zone");
        owner.same("USE {db}");
        owner.same("SELECT COUNT(*) FROM t2");
        owner.same("DROP DATABASE {db}");
        other.same("USE information_schema");
        other.same("SELECT DATABASE()");
        owner.same("CREATE DATABASE {db}");
        for twin in [&mut owner, &mut other, &mut user] {
            twin.same_state();
        }
    });
}

#[test]
fn state_set_out_of_sight_of_the_text_is_kept_and_not_shared() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 20);
        let mut recipes = vec![
            "CALL set_zone('+05:00')",
            "CALL half()",
            "SELECT set_mode()",
            "INSERT INTO watched (tag) VALUES ('x')",
            "PREPARE p FROM 'SET time_zone = ''+06:00'''; EXECUTE p; DEALLOCATE PREPARE p",
            "SELECT 1; SET SESSION sql_safe_updates = 1; SELECT set_mode()",
            "DO set_mode()",
            "SELECT set_bare()",
            "PREPARE p FROM 'SET @@max_sort_length = 77'; EXECUTE p; DEALLOCATE PREPARE p",
        ];
        if is_mariadb(server) {
            recipes.push("EXECUTE IMMEDIATE 'SET sql_mode = ''ORACLE'''");
            recipes.push("SET STATEMENT max_sort_length = 99 FOR CALL set_zone('+07:00')");
            recipes.push("SET STATEMENT max_sort_length = 99 FOR SELECT 1; SET time_zone = '+09:00'");
            recipes.push("BEGIN NOT ATOMIC SET time_zone = '+08:00'; SELECT 1; END");
        }
        let mut twins: Vec<Twin> = recipes.iter().map(|sql| stage.twin(&proxy, server, sql)).collect();
        let mut bystander = stage.twin(&proxy, server, "bystander");
        for (twin, sql) in twins.iter_mut().zip(&recipes) {
            twin.same(sql);
            bystander.same_state();
        }
        for _ in 0..2 {
            twins.iter_mut().for_each(Twin::same_state);
            bystander.same_state();
        }
        let mut heirs: Vec<Twin> = twins.into_iter().map(|twin| stage.twin(&proxy, server, &twin.label)).collect();
        heirs.iter_mut().for_each(Twin::same_state);
    });
}

#[test]
fn prepared_statements_set_state_when_they_are_executed() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut setter = stage.twin(&proxy, server, "setter");
        let mut other = stage.twin(&proxy, server, "other");
        for sql in ["SET time_zone = '+02:00'", "SET NAMES latin1", "SET SESSION sql_safe_updates = 1", "SELECT 1"] {
            setter.prepared(sql);
            other.same_state();
            setter.same_state();
        }
    });
}

#[test]
fn what_a_login_fixes_keeps_sessions_apart() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut changed = stage.twin(&proxy, server, "affected rows: changed");
        let mut found = stage.twin_as(&proxy, server, "affected rows: found", found_rows);
        let mut lax =
            stage.twin_as(&proxy, server, "ignores spaces", |login| login.with(CapabilityFlags::CLIENT_IGNORE_SPACE));
        let mut lone = stage.twin_as(&proxy, server, "one statement at a time", |login| {
            login.without(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
        });
        for _ in 0..3 {
            for twin in [&mut changed, &mut found, &mut lax, &mut lone] {
                twin.same("UPDATE t SET tag = 'first' WHERE id = 1");
                twin.same("SELECT COUNT (*) FROM t");
                twin.same(CLEAR);
                twin.same("SELECT 1; SELECT 2");
                twin.same(CLEAR);
            }
        }
    });
}

#[test]
fn what_a_login_sets_of_variables_is_there_whoever_had_the_connection_before() {
    let options = Options { extra_args: vec!["--interactive-timeout=12345".into()], ..Options::default() };
    let lenient = |login: Login| login.with(CapabilityFlags::CLIENT_IGNORE_SPACE | CapabilityFlags::CLIENT_INTERACTIVE);
    each_private_server(&options, |server| {
        for mode in ["session", "transaction"] {
            let stage = Stage::new(&server, "login", SCHEMA);
            let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
            let setup = setup.endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&stage.proxied.name, &stage.proxied.password).start();
            let mut first = stage.twin_as(&proxy, &server, &format!("{mode}: the first"), lenient);
            first.same_state();
            first.same("SET SESSION sql_mode = 'ANSI', wait_timeout = 999");
            drop(first);
            let mut second = stage.twin_as(&proxy, &server, &format!("{mode}: the second"), lenient);
            second.same_state();
            second.same("SELECT COUNT (*) FROM t");
            second.all(&["SET SESSION sql_mode = DEFAULT, wait_timeout = DEFAULT", "SELECT COUNT(*) FROM t"]);
            second.same_state();
            second.reset();
            second.same_state();
            second.proxied.change_user(&stage.proxied.login()).unwrap();
            second.direct.change_user(&stage.direct.login()).unwrap();
            second.same_state();
        }
    });
}

#[test]
fn a_login_that_ignores_spaces_is_told_from_a_session_that_does_not_any_more() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let lenient = |login: Login| login.with(CapabilityFlags::CLIENT_IGNORE_SPACE);
        let mut twins = ["one", "two"].map(|label| stage.twin_as(&proxy, server, label, lenient));
        for sql in ["SET sql_mode = 'ANSI'", "SET @@sql_mode = @@GLOBAL.sql_mode", "SET sql_mode = DEFAULT"] {
            twins[0].same(sql);
            for _ in 0..2 {
                twins.iter_mut().for_each(Twin::same_state);
            }
        }
        twins[1].reset();
        for _ in 0..2 {
            twins.iter_mut().for_each(Twin::same_state);
        }
    });
}

#[test]
fn a_reset_gives_a_session_as_after_its_login() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 2);
        let mut other = stage.twin(&proxy, server, "other");
        let recipes: [&[&str]; 6] = [
            &["SET time_zone = '+02:00', sql_mode = 'ANSI'", "SET NAMES latin1"],
            &["USE {db}", "SET autocommit = 0"],
            &["BEGIN", "INSERT INTO t (tag) VALUES ('lost')"],
            &["SET @a = 1", "CREATE TEMPORARY TABLE tmp (a INT)", "DO GET_LOCK('{db}', 0)"],
            &["INSERT INTO t (tag) VALUES ('kept')", "SELECT nosuch"],
            &["PREPARE p FROM 'SELECT 1'", "SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY"],
        ];
        for recipe in recipes {
            let mut twin = stage.twin(&proxy, server, &format!("{recipe:?}"));
            twin.all(recipe);
            other.same_state();
            twin.reset();
            other.same_state();
            twin.same_state();
            twin.all(&["SELECT @a", "SELECT IS_FREE_LOCK('{db}')", "SELECT COUNT(*) FROM {db}.t", "USE {db}"]);
            twin.same("SELECT 1 FROM tmp");
            twin.same("EXECUTE p");
            twin.same("INSERT INTO {db}.t (tag) VALUES ('writes')");
            other.same("SELECT tag FROM t");
        }
        let mut twin = stage.twin(&proxy, server, "in another database");
        twin.same("USE information_schema");
        twin.reset();
        twin.same("SELECT DATABASE()");
        let pins = proxy.metrics().sum("greenroom_pinned", &[]);
        assert_eq!(pins, 0.0, "a reset ends every pin");
    });
}

#[test]
fn a_change_of_user_is_a_new_session() {
    each_server(|server| {
        let (stage, proxy) = set_up(server, 1);
        let mut other = stage.twin(&proxy, server, "other");
        for recipe in ["SET time_zone = '+02:00'", "SET @a = 1", "BEGIN", "USE information_schema", "SET NAMES latin2"]
        {
            let answers =
                [(&stage.proxied, proxy.address()), (&stage.direct, server.address())].map(|(tenant, address)| {
                    block_on(async {
                        let mut conn = connect(address, &tenant.name, &tenant.password, &tenant.name).await;
                        conn.query_drop(recipe).await.unwrap();
                        conn.change_user(ChangeUserOpts::default()).await.unwrap();
                        let sql = "SELECT @a, @@time_zone, @@autocommit, @@collation_connection, DATABASE()";
                        let mut row: mysql_async::Row = conn.query_first(sql).await.unwrap().unwrap();
                        let mut row: Vec<Option<String>> = (0..row.len()).map(|at| row.take(at).unwrap()).collect();
                        let database = row.pop().unwrap();
                        conn.disconnect().await.unwrap();
                        (row, database.map(|name| name.replace(&tenant.name, "{db}")))
                    })
                });
            assert_eq!(answers[0], answers[1], "{recipe}, then COM_CHANGE_USER");
            other.same_state();
        }
    });
}

#[test]
fn what_a_failed_trigger_leaves_is_the_sessions_own() {
    each_server(|server| {
        for next in ["SET time_zone = '+01:00'", "SELECT 1", "SELECT 0 FROM t", "ROLLBACK", "SELECT nosuch"] {
            let (stage, proxy) = set_up(server, 2);
            let mut twin = stage.twin(&proxy, server, next);
            let mut other = stage.twin(&proxy, server, "other");
            twin.same("INSERT INTO guarded (tag) VALUES ('x')");
            twin.same(next);
            twin.same(CLEAR);
            for _ in 0..3 {
                other.same("SELECT @seen, @@lock_wait_timeout");
                twin.same("SELECT @seen, @@lock_wait_timeout, @@time_zone");
            }
        }
    });
}
