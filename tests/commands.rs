//! Every command, byte for byte as the server itself answers it, in every pool mode.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use greenroom::demo::server::Flavor;
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    proxy::Setup,
    script::{Client, Script, compare},
    servers::{Tenant, each_server},
    wire::{Param, Reply, Wire, execute_body},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// Runs a script on the server itself and through a proxy in each mode, as each kind of client.
fn everywhere(label: &str, script: impl Fn(&Tenant, Flavor) -> Script) {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, label);
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            for client in Client::ALL {
                println!("pool = {mode}, {client:?}");
                compare(server, &proxy, &tenant, client, &script(&tenant, server.flavor()));
            }
        }
    });
}

#[test]
fn queries() {
    everywhere("queries", |_, _| {
        Script::default()
            .sql("SELECT 1, NULL, 'x', ''")
            .sql("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20))")
            .sql("INSERT INTO t (a) VALUES ('one'), ('two')")
            .sql("UPDATE t SET a = 'deux' WHERE id = 2")
            .sql("SELECT * FROM t ORDER BY id")
            .sql("SELECT * FROM t WHERE id = 0")
            .sql("SELECT nothing FROM nowhere")
            .sql("not sql at all")
            .sql("")
            .sql("DO 1")
            .sql("BEGIN")
            .sql("SELECT COUNT(*) FROM t")
            .sql("INSERT INTO t (a) VALUES ('three')")
            .sql("ROLLBACK")
            .sql("SELECT COUNT(*) FROM t")
            .sql("SELECT 1/0, CAST('x' AS SIGNED)")
            .sql("SHOW WARNINGS")
            .sql("SHOW TABLES")
            .sql("SET time_zone = '+03:00'")
            .sql("SELECT @@time_zone")
            .sql("DROP TABLE t")
    });
}

#[test]
fn several_statements_and_results() {
    everywhere("several", |_, _| {
        Script::default()
            .sql("SELECT 1; SELECT 2, 3; SELECT 4 FROM DUAL WHERE FALSE; DO 5")
            .sql("SELECT 1; SELECT nothing; SELECT 3")
            .sql("DO 1; not sql; DO 3")
            .sql("CREATE TABLE m (a INT); INSERT INTO m VALUES (1), (2); SELECT a FROM m")
            .sql("BEGIN; INSERT INTO m VALUES (3); ROLLBACK; SELECT COUNT(*) FROM m")
            .sql("SELECT 1;")
            .sql(";")
            .sql("CREATE PROCEDURE p(IN n INT) BEGIN SELECT n; SELECT n + 1 FROM DUAL WHERE n > 1; INSERT INTO m VALUES (n); END")
            .sql("CALL p(1)")
            .sql("CALL p(2); SELECT 'after'")
            .sql("CALL p(NULL); CALL nosuch(); SELECT 'never'")
            .sql("CALL p('x')")
            .sql("DROP PROCEDURE p")
            .sql("DROP TABLE m")
    });
}

#[test]
fn one_packet_commands() {
    everywhere("onepacket", |tenant, flavor| {
        let script = Script::default()
            .command(Command::COM_PING, b"")
            .command(Command::COM_INIT_DB, tenant.name.as_bytes())
            .command(Command::COM_INIT_DB, b"nosuch")
            .command(Command::COM_INIT_DB, b"")
            .sql("SELECT DATABASE()")
            .command(Command::COM_INIT_DB, b"information_schema")
            .sql("SELECT DATABASE()")
            .command(Command::COM_INIT_DB, tenant.name.as_bytes())
            .sql("CREATE TABLE f (a INT DEFAULT 7, b VARCHAR(3))")
            .command(Command::COM_FIELD_LIST, b"f\0%")
            .command(Command::COM_FIELD_LIST, b"nosuch\0%")
            .command(Command::COM_SET_OPTION, &[1, 0])
            .sql("SELECT 1; SELECT 2")
            .command(Command::COM_SET_OPTION, &[0, 0])
            .sql("SELECT 1; SELECT 2")
            .command(Command::COM_SET_OPTION, &[9, 0])
            .command(Command::COM_PROCESS_INFO, b"")
            .command(Command::COM_DEBUG, b"");
        let unknown: &[u8] = match flavor {
            // Those that only MySQL's servers, or only MariaDB's, know are other tests' matter.
            Flavor::MariaDb => &[0x00, 0x0B, 0x0F, 0x10, 0x13, 0x14, 0x1D, 0x60, 0xF0],
            Flavor::MySql => &[0x00, 0x0B, 0x0F, 0x10, 0x13, 0x14, 0x1D, 0x60, 0xF0, 0xFA],
        };
        unknown.iter().fold(script, |script, byte| script.raw_command(*byte, b"whatever")).sql("DROP TABLE f")
    });
}

#[test]
fn commands_for_administrators() {
    everywhere("admin", |tenant, _| {
        let grant = format!("GRANT PROCESS, RELOAD, SUPER ON *.* TO {}@'%'", tenant.name);
        tenant.administer(&[grant]);
        let script = Script::default().command(Command::COM_DEBUG, b"").command(Command::COM_PROCESS_INFO, b"");
        // Tables, hosts, the status counts, and nothing.
        let script = [4, 8, 16, 0].into_iter().fold(script, |script, what| script.raw_command(0x07, &[what]));
        script.command(Command::COM_PROCESS_KILL, &0x3FFF_FFFF_u32.to_le_bytes()).sql("SELECT 'after'")
    });
}

#[test]
fn resets() {
    // No text in the results: after one of these, MySQL names another collation of the same character set for it.
    everywhere("resets", |_, _| {
        Script::default()
            .command(Command::COM_RESET_CONNECTION, b"")
            .sql("SELECT DATABASE() IS NULL, @@character_set_client = 'utf8mb4', @@autocommit")
            .sql("CREATE TABLE r (a INT) ENGINE = InnoDB")
            .sql("SET @a = 1, autocommit = 0, SESSION sql_mode = ''")
            .sql("INSERT INTO r VALUES (1)")
            .command(Command::COM_RESET_CONNECTION, b"")
            .sql("SELECT @a IS NULL, @@autocommit, @@sql_mode = '', (SELECT COUNT(*) FROM r)")
            .prepare("SELECT 1")
            .command(Command::COM_RESET_CONNECTION, b"")
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[])[4..])
            .sql("SELECT nothing FROM nowhere")
            .command(Command::COM_RESET_CONNECTION, b"")
            .sql("SELECT @@warning_count, @@error_count, LAST_INSERT_ID()")
            .sql("DROP TABLE r")
    });
}

#[test]
fn what_a_reset_lets_go_is_free_when_it_is_answered() {
    everywhere("freed", |tenant, _| {
        let lock = format!("SELECT GET_LOCK('{}', 0)", tenant.name);
        let script = Script::default().sql("CREATE TABLE f (a INT) ENGINE = InnoDB").sql("INSERT INTO f VALUES (1)");
        let script = (0..20).fold(script, |script, _| {
            let script = script.sql(&lock).sql("BEGIN").sql("SELECT a FROM f FOR UPDATE NOWAIT").sql("DELETE FROM f");
            script.command(Command::COM_RESET_CONNECTION, b"").sql("SELECT COUNT(*) FROM f")
        });
        script.sql("DROP TABLE f")
    });
}

#[test]
fn an_option_outlives_resets_and_changes_of_user() {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "option");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            let several = CapabilityFlags::CLIENT_MULTI_STATEMENTS;
            for login in [tenant.login(), tenant.login().without(several)] {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut wire = Wire::connect(address, &login).unwrap();
                    let mut seen = Vec::new();
                    // 9 is no option, and changes nothing.
                    for option in [None, Some(0), Some(9), Some(1), Some(9), Some(0), Some(1)] {
                        if let Some(option) = option {
                            wire.send(Command::COM_SET_OPTION, &[option, 0]).unwrap();
                            let answer = wire.replies().unwrap();
                            seen.push(format!("{option}: {}", matches!(answer[0], Reply::Err(_))));
                        }
                        let allowed = |wire: &mut Wire| wire.query("SELECT 1; SELECT 2").unwrap().len() == 2;
                        seen.push(format!("{}", allowed(&mut wire)));
                        wire.send(Command::COM_RESET_CONNECTION, b"").unwrap();
                        wire.replies().unwrap();
                        seen.push(format!("reset: {}", allowed(&mut wire)));
                        wire.change_user(&login).unwrap();
                        seen.push(format!("change: {}", allowed(&mut wire)));
                    }
                    seen
                });
                assert_eq!(through, direct, "{mode}");
            }
        }
    });
}

#[test]
fn prepared_statements() {
    everywhere("prepared", |_, _| {
        let text = |text: &'static str| [Param::Text(text)];
        Script::default()
            .sql("CREATE TABLE s (a INT, b LONGTEXT)")
            .prepare("INSERT INTO s VALUES (?, ?)")
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[Param::Int(1), Param::Text("one")])[4..])
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[Param::Int(2), Param::Null])[4..])
            .silent_on(0, Command::COM_STMT_SEND_LONG_DATA, b"\x01\x00long ")
            .silent_on(0, Command::COM_STMT_SEND_LONG_DATA, b"\x01\x00data")
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[Param::Int(3), Param::Text("")])[4..])
            .silent_on(0, Command::COM_STMT_SEND_LONG_DATA, b"\x01\x00dropped")
            .on(0, Command::COM_STMT_RESET, b"")
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[Param::Int(4), Param::Text("four")])[4..])
            .prepare("SELECT a, b FROM s ORDER BY a")
            .on(1, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[])[4..])
            .cursor(1, &execute_body(0, 1, &[])[4..])
            .on(1, Command::COM_STMT_FETCH, &2_u32.to_le_bytes())
            .sql("SELECT 'between'")
            .on(1, Command::COM_STMT_FETCH, &9_u32.to_le_bytes())
            .on(1, Command::COM_STMT_FETCH, &1_u32.to_le_bytes())
            .cursor(1, &execute_body(0, 1, &[])[4..])
            .on(1, Command::COM_STMT_RESET, b"")
            .on(1, Command::COM_STMT_FETCH, &1_u32.to_le_bytes())
            .prepare("SELECT nothing FROM nowhere")
            .prepare("SELECT ? + 1, ?; SELECT 2")
            .prepare("SELECT CAST(? AS CHAR)")
            .on(2, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &text("again"))[4..])
            .silent_on(0, Command::COM_STMT_CLOSE, b"")
            .on(0, Command::COM_STMT_EXECUTE, &execute_body(0, 0, &[Param::Int(5), Param::Null])[4..])
            .silent_on(1, Command::COM_STMT_CLOSE, b"")
            .silent_on(1, Command::COM_STMT_CLOSE, b"")
            .silent_on(2, Command::COM_STMT_CLOSE, b"")
            .command(Command::COM_STMT_RESET, &77_u32.to_le_bytes())
            .command(Command::COM_STMT_EXECUTE, &execute_body(77, 0, &[]))
            .sql("DROP TABLE s")
    });
}

#[test]
fn local_files() {
    everywhere("files", |_, _| {
        let load = "LOAD DATA LOCAL INFILE 'whatever' INTO TABLE l";
        Script::default()
            .with(CapabilityFlags::CLIENT_LOCAL_FILES)
            .sql("CREATE TABLE l (a INT, b VARCHAR(20))")
            .file(load, &[b"1\tone\n2\ttwo\n"])
            .file(load, &[])
            .file(load, &[b"3\tthr", b"ee\n", b"4\tfour\n"])
            .file(load, &[b"five\tnot a number\n"])
            .file("LOAD DATA LOCAL INFILE 'w' INTO TABLE nosuch", &[])
            .sql("SELECT * FROM l ORDER BY a, b")
            .file(&format!("{load}; SELECT COUNT(*) FROM l"), &[b"6\tsix\n"])
            .sql("DROP TABLE l")
    });
}

#[test]
fn commands_that_are_no_statements_leave_its_warnings_alone() {
    everywhere("warnings", |tenant, _| {
        let commands: [(Command, &[u8]); 6] = [
            (Command::COM_PING, b""),
            (Command::COM_INIT_DB, tenant.name.as_bytes()),
            (Command::COM_FIELD_LIST, b"w\0%"),
            (Command::COM_SET_OPTION, &[0, 0]),
            (Command::COM_PROCESS_INFO, b""),
            (Command::COM_DEBUG, b""),
        ];
        let script = Script::default().sql("CREATE TABLE w (a INT)").sql("INSERT INTO w VALUES (1), (2)");
        let script = commands.iter().fold(script, |script, (command, body)| {
            let script = script.sql("SELECT CAST('x' AS SIGNED) FROM w").command(*command, body);
            script.sql("SHOW WARNINGS").sql("UPDATE w SET a = a + 1").command(*command, body).sql("SELECT ROW_COUNT()")
        });
        script.sql("DROP TABLE w")
    });
}

#[test]
fn a_field_list_may_leave_a_warning_that_it_does_not_tell_of() {
    everywhere("listed", |_, _| {
        let script = Script::default().sql("CREATE TABLE f (a INT)").command(Command::COM_FIELD_LIST, b"f\0%");
        script.sql("SHOW WARNINGS").sql("SELECT 1").sql("SHOW WARNINGS").sql("DROP TABLE f")
    });
}

#[test]
fn a_restored_state_leaves_no_warnings_for_what_only_adds_to_them() {
    each_server(|server| {
        let one = Tenant::new(server, "adds");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.user(&one.name, &one.password).start();
        let [mut other, mut through] = [one.connect(proxy.address()), one.connect(proxy.address())];
        let mut direct = one.connect(server.address());
        // MySQL warns of this one whenever it is set.
        for wire in [&mut through, &mut direct] {
            wire.query("SET character_set_results = utf8mb3").unwrap();
            wire.query("SELECT 1").unwrap();
        }
        for command in [Command::COM_STMT_RESET, Command::COM_STMT_EXECUTE, Command::COM_STMT_FETCH] {
            other.query("SET time_zone = '+01:00'").unwrap();
            other.query("SELECT 1").unwrap();
            let [through, direct] = [&mut through, &mut direct].map(|wire| {
                let body = [&77_u32.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat();
                wire.send(command, &body).unwrap();
                let refused = wire.replies().unwrap();
                let counted = wire.rows("SELECT @@warning_count, @@error_count");
                wire.query("SELECT 1").unwrap();
                (format!("{refused:?}"), counted)
            });
            assert_eq!(through, direct, "{command:?}");
        }
    });
}
