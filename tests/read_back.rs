//! What a server does not report of a session's state, and Greenroom therefore reads back: in whatever mode the session
//! is, it is the session's and nobody else's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use greenroom::demo::server::{Flavor, Server};
use support::{
    observe::Root,
    proxy::{Proxy, Setup},
    servers::each_server,
    twin::{CLEAR, Stage},
};

/// A proxy with one server connection, and the stage for its sessions.
fn set_up(server: &Server) -> (Stage, Proxy) {
    let schema = ["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40))"];
    let stage = Stage::new(server, "read", &schema);
    let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
    let proxy = setup.user(&stage.proxied.name, &stage.proxied.password).start();
    (stage, proxy)
}

/// What the server does not report is asked for in the session's own SQL mode.
#[test]
fn whatever_the_sql_mode_what_a_session_has_set_is_its_own() {
    each_server(|server| {
        let (stage, proxy) = set_up(server);
        let mut bystander = stage.twin(&proxy, server, "bystander");
        let all = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,NO_UNSIGNED_SUBTRACTION,\
            NO_DIR_IN_CREATE,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
            HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH,NO_ENGINE_SUBSTITUTION,ANSI,TRADITIONAL";
        let own = "ORACLE,MSSQL,DB2,POSTGRESQL,MAXDB,MYSQL40,EMPTY_STRING_IS_NULL,SIMULTANEOUS_ASSIGNMENT,\
            TIME_ROUND_FRACTIONAL,NO_KEY_OPTIONS,IGNORE_BAD_TABLE_OPTIONS";
        let own = if server.flavor() == Flavor::MariaDb { own } else { "TIME_TRUNCATE_FRACTIONAL" };
        for mode in all.split(',').chain(own.split(',')) {
            let mut twin = stage.twin(&proxy, server, mode);
            twin.same(&format!("SET SESSION sql_mode = '{mode}', net_read_timeout = 119"));
            // MariaDB keeps this one to itself.
            twin.same("SET @@max_sort_length = 1234");
            twin.same(CLEAR);
            bystander.same_state();
            twin.same_state();
            twin.same("SET SESSION sql_mode = DEFAULT");
            bystander.same_state();
            twin.same_state();
        }
    });
}

#[test]
fn whatever_the_character_sets_what_a_session_has_set_is_its_own() {
    each_server(|server| {
        let (stage, proxy) = set_up(server);
        let mut bystander = stage.twin(&proxy, server, "bystander");
        let sets: Vec<String> = Root::on(server)
            .0
            .rows("SHOW CHARACTER SET")
            .into_iter()
            .map(|mut row| row.swap_remove(0).unwrap())
            .collect();
        for set in &sets {
            for what in ["character_set_results", "character_set_connection", "character_set_client"] {
                let mut twin = stage.twin(&proxy, server, set);
                println!("{set} {what}");
                twin.same(&format!("SET SESSION {what} = {set}, net_read_timeout = 119"));
                twin.same("SET @@max_sort_length = 1234");
                twin.same("INSERT INTO t (tag) VALUES ('x')");
                twin.same(CLEAR);
                bystander.same_state();
                twin.same("SELECT LAST_INSERT_ID(), @@net_read_timeout");
                bystander.same_state();
            }
        }
    });
}

/// What has no global value shows as nothing that differs from it.
#[test]
fn a_variable_that_only_sessions_have_is_not_forgotten() {
    each_server(|server| {
        if server.flavor() != Flavor::MariaDb {
            return;
        }
        let (stage, proxy) = set_up(server);
        let mut bystander = stage.twin(&proxy, server, "bystander");
        for name in ["skip_replication", "skip_parallel_replication"] {
            for bare in ["", "@@"] {
                let mut twin = stage.twin(&proxy, server, name);
                for sql in [&format!("SET {name} = 1"), "SET @@max_sort_length = 1234", "SET nosuch = 1", CLEAR] {
                    twin.same(sql);
                    twin.same(CLEAR);
                    bystander.same_state();
                    twin.same_state();
                }
                // Set without a report: it keeps its connection.
                twin.same(&format!("SET {bare}{name} = 0"));
                drop(twin);
                bystander.same_state();
                let mut twin = stage.twin(&proxy, server, name);
                twin.same(&format!("SET {bare}{name} = 1"));
                twin.same(CLEAR);
                twin.same_state();
                drop(twin);
                bystander.same_state();
            }
        }
    });
}
