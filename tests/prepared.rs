//! Prepared statements of the binary protocol in a transaction pool: nobody can tell that they are prepared on
//! whichever connection there is. Before each step the connection that was used is made to forget them all.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server, each_server, mysql},
    wire::{Login, Param, Prepared, Reply, Wire, execute_body},
};

const SCHEMA: [&str; 3] = [
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), b LONGTEXT)",
    "INSERT INTO t (a) VALUES ('one'), ('two'), ('three')",
    "CREATE PROCEDURE two_results() BEGIN SELECT 1; SELECT a FROM t ORDER BY id; END",
];

/// A session with something to do between its steps.
struct Stage<'a> {
    wire: Wire,
    tenant: &'a Tenant,
    proxy: Option<&'a Proxy>,
    seen: Vec<String>,
}

impl Stage<'_> {
    /// The only connection is reset, and so has forgotten every statement. Warnings would hold it.
    fn elsewhere(&mut self) {
        self.wire.rows("SELECT 0 FROM (SELECT 0) nothing");
        if let Some(proxy) = self.proxy {
            let mut other = self.tenant.connect(proxy.address());
            other.ok("SET @a = 1");
            other.quit().unwrap();
        }
    }

    fn sql(&mut self, sql: &str) {
        self.elsewhere();
        let replies = self.wire.query(sql).unwrap();
        self.seen.push(format!("{sql}: {replies:?}"));
    }

    fn prepare(&mut self, sql: &str) -> Prepared {
        self.elsewhere();
        let prepared = self.wire.prepare(sql).unwrap();
        // Ids are nobody's business: MariaDB counts them over all connections.
        self.seen.push(format!("{sql}: {:?}", Prepared { id: 0, ..prepared.clone() }));
        prepared
    }

    fn execute(&mut self, statement: &Prepared, params: &[Param<'_>]) {
        self.raw(Command::COM_STMT_EXECUTE, &execute_body(statement.id, 0, params));
    }

    fn raw(&mut self, command: Command, body: &[u8]) {
        self.elsewhere();
        self.go_on(command, body);
    }

    /// Without anything in between.
    fn go_on(&mut self, command: Command, body: &[u8]) {
        self.wire.send(command, body).unwrap();
        let replies = self.wire.executed().unwrap();
        let own = body.first_chunk::<4>().map(|id| u32::from_le_bytes(*id)).unwrap_or_default();
        self.seen.push(format!("{command:?}: {replies:?}").replace(&format!("handler ({own})"), "handler"));
    }
}

/// Plays the same steps on a connection of its own and through a pool of one connection.
fn same(play: impl Fn(&mut Stage<'_>, Flavor)) {
    each_server(|server| {
        let run = |proxied: bool| {
            let tenant = Tenant::new(server, "prepared");
            let mut direct = tenant.connect(server.address());
            for sql in SCHEMA {
                direct.ok(sql);
            }
            let proxy = proxied.then(|| pool(server, 1, &tenant));
            // Servers name several variables of one statement in any order.
            let login = tenant.login().without(CapabilityFlags::CLIENT_SESSION_TRACK);
            let address = proxy.as_ref().map_or(server.address(), Proxy::address);
            let wire = Wire::connect(address, &login).unwrap();
            let mut stage = Stage { wire, tenant: &tenant, proxy: proxy.as_ref(), seen: Vec::new() };
            play(&mut stage, server.flavor());
            stage.seen.iter().map(|line| line.replace(&tenant.name, "{db}")).collect::<Vec<_>>()
        };
        let (direct, proxied) = (run(false), run(true));
        assert_eq!(direct.len(), proxied.len());
        for (direct, proxied) in direct.iter().zip(&proxied) {
            assert_eq!(direct, proxied, "{}", server.flavor());
        }
    });
}

fn pool(server: &Server, connections: usize, tenant: &Tenant) -> Proxy {
    Setup::new(server.address())
        .first_node(server.address(), &[&format!("max_connections = {connections}")])
        .user(&tenant.name, &tenant.password)
        .start()
}

/// As [`execute_body`], without the types.
fn typeless(id: u32, params: &[Param<'_>]) -> Vec<u8> {
    let mut body = execute_body(id, 0, params);
    let at = 9 + params.len().div_ceil(8);
    body[at] = 0;
    body.drain(at + 1..at + 1 + 2 * params.len());
    body
}

#[test]
fn statements_are_where_their_session_is() {
    same(|stage, _| {
        let select = stage.prepare("SELECT a FROM t WHERE id = ?");
        let insert = stage.prepare("INSERT INTO t (a) VALUES (?)");
        let sum = stage.prepare("SELECT COUNT(*), ? AS p, LAST_INSERT_ID() FROM t");
        for id in 1..4 {
            stage.execute(&select, &[Param::Int(id)]);
            stage.execute(&insert, &[Param::Text("more")]);
            stage.execute(&sum, &[Param::Null]);
        }
        stage.sql("BEGIN");
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(insert.id, 0, &[Param::Text("undone")]));
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(sum.id, 0, &[Param::Int(7)]));
        stage.go_on(Command::COM_QUERY, b"ROLLBACK");
        stage.wire.close(&select).unwrap();
        stage.raw(Command::COM_STMT_EXECUTE, &execute_body(select.id, 0, &[Param::Int(1)]));
        stage.raw(Command::COM_STMT_RESET, &sum.id.to_le_bytes());
        stage.execute(&sum, &[Param::Int(7)]);
        let call = stage.prepare("CALL two_results()");
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(call.id, 0, &[]));
    });
}

#[test]
fn types_are_remembered_for_the_client() {
    same(|stage, flavor| {
        let statement = stage.prepare("SELECT ? + 1, CONCAT(?, '!')");
        let params = [Param::Int(41), Param::Text("x")];
        // Never named: an error of the server's, even where somebody else has named them. MariaDB crashes (10.11.14).
        if flavor == Flavor::MySql {
            stage.raw(Command::COM_STMT_EXECUTE, &typeless(statement.id, &params));
        }
        stage.execute(&statement, &params);
        stage.raw(Command::COM_STMT_EXECUTE, &typeless(statement.id, &params));
        stage.raw(Command::COM_STMT_EXECUTE, &typeless(statement.id, &[Param::Null, Param::Text("y")]));
        // Again without a change of the connection.
        stage.go_on(Command::COM_STMT_EXECUTE, &typeless(statement.id, &params));
        stage.execute(&statement, &[Param::Text("1"), Param::Int(2)]);
        stage.raw(Command::COM_STMT_EXECUTE, &typeless(statement.id, &[Param::Text("3"), Param::Int(4)]));
        if flavor == Flavor::MariaDb {
            // "The last one".
            stage.raw(Command::COM_STMT_EXECUTE, &execute_body(u32::MAX, 0, &params));
        }
    });
}

#[test]
fn a_text_means_what_it_meant_when_it_was_prepared() {
    same(|stage, _| {
        let names = stage.prepare("SELECT a, DATABASE(), 'x' || 'y', \"a\" FROM t WHERE id = 1");
        stage.execute(&names, &[]);
        stage.sql("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'");
        stage.execute(&names, &[]);
        let later = stage.prepare("SELECT 'x' || 'y', \"a\" FROM t WHERE id = 1");
        stage.sql("USE information_schema");
        stage.execute(&names, &[]);
        stage.execute(&later, &[]);
        stage.sql("SET NAMES latin1");
        stage.execute(&names, &[]);
        stage.sql("SET sql_mode = DEFAULT, time_zone = '+05:00', div_precision_increment = 9");
        stage.execute(&later, &[]);
        stage.sql("SELECT DATABASE(), @@sql_mode, @@time_zone, @@collation_connection, 1 / 3");
    });
}

#[test]
fn what_a_server_settles_when_it_reads_a_text_stays() {
    same(|stage, flavor| {
        let texts = ["SELECT WEEK('2023-01-01'), DAYNAME('2023-01-01')", "SELECT 1 / 3"];
        let early = texts.map(|text| stage.prepare(text));
        let set: &[&str] = match flavor {
            Flavor::MySql => &["SET block_encryption_mode = 'aes-256-cbc', windowing_use_high_precision = OFF"],
            Flavor::MariaDb => &[],
        };
        set.iter().for_each(|sql| stage.sql(sql));
        stage.sql("SET default_week_format = 3, lc_time_names = 'de_DE', div_precision_increment = 9");
        let late = texts.map(|text| stage.prepare(text));
        for statement in early.iter().chain(&late) {
            stage.execute(statement, &[]);
        }
        stage.sql("SET default_week_format = DEFAULT, lc_time_names = DEFAULT, div_precision_increment = DEFAULT");
        for statement in late.iter().chain(&early) {
            stage.execute(statement, &[]);
        }
    });
}

#[test]
fn what_was_set_in_a_transaction_counts_for_what_is_prepared_in_it() {
    same(|stage, _| {
        let before = stage.prepare("SELECT 'x' = 'X', \"a\" FROM t WHERE id = 1");
        stage.sql("SET NAMES utf8mb4");
        stage.sql("BEGIN");
        // What MariaDB does not report, and what neither does.
        stage.go_on(Command::COM_QUERY, b"SET @@sql_mode = 'ANSI_QUOTES'");
        stage.go_on(Command::COM_QUERY, b"SET collation_connection = 'utf8mb4_bin'");
        let within = stage.wire.prepare("SELECT 'x' = 'X', \"a\" FROM t WHERE id = 1").unwrap();
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(within.id, 0, &[]));
        stage.go_on(Command::COM_QUERY, b"SET collation_connection = 'utf8mb4_general_ci'");
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(before.id, 0, &[]));
        let replies = stage.wire.query("SELECT @@collation_connection, @@sql_mode").unwrap();
        stage.seen.push(format!("{replies:?}"));
        stage.go_on(Command::COM_QUERY, b"COMMIT");
        stage.sql("SET NAMES latin1");
        stage.sql("SET sql_mode = DEFAULT");
        stage.execute(&within, &[]);
        stage.execute(&before, &[]);
    });
}

#[test]
fn what_could_not_be_prepared_in_its_own_state_is_not_left_behind() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "left");
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        let proxy = pool(&server, 1, &tenant);
        let mut wire = tenant.connect(proxy.address());
        let statement = wire.prepare("SELECT 1").unwrap();
        wire.ok("USE information_schema");
        root.ok(&format!("DROP DATABASE {}", tenant.name));
        let mut other = Wire::connect(proxy.address(), &tenant.login().database("information_schema")).unwrap();
        other.ok("SET @a = 1");
        other.quit().unwrap();
        for _ in 0..10 {
            let replies = wire.execute(&statement, &[]).unwrap();
            assert!(matches!(replies.as_slice(), [Reply::Err(_)]), "{replies:?}");
            assert_eq!(wire.scalar("SELECT 2").as_deref(), Some("2"));
        }
        let held = root.rows("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").swap_remove(0).swap_remove(1);
        assert_eq!(held.as_deref(), Some("0"));
        root.ok(&format!("CREATE DATABASE {}", tenant.name));
    });
}

#[test]
fn what_init_connect_had_set_is_not_taken_for_the_servers_own() {
    let args = ["--init-connect=SET sql_mode = 'ANSI_QUOTES'"].map(Into::into).into();
    each_private_server(&Options { extra_args: args, ..Options::default() }, |server| {
        let tenant = Tenant::new(&server, "usual");
        let mut direct = tenant.connect(server.address());
        for sql in SCHEMA {
            direct.ok(sql);
        }
        let proxy = pool(&server, 2, &tenant);
        let mut wire = tenant.connect(proxy.address());
        let statement = wire.prepare("SELECT \"a\" FROM t WHERE id = 1").unwrap();
        let replies = wire.execute(&statement, &[]).unwrap();
        assert!(
            matches!(replies.as_slice(), [Reply::Rows(rows)] if rows.rows == [[Some("one".to_owned())]]),
            "{replies:?}"
        );
        wire.ok("SET sql_mode = ''");
        direct.quit().unwrap();
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        let of_user = format!("SELECT id FROM information_schema.processlist WHERE user = '{}'", tenant.name);
        for id in root.rows(&of_user).into_iter().filter_map(|mut row| row.swap_remove(0)) {
            root.query(&format!("KILL {id}")).unwrap();
        }
        // No connection can be brought to what it was: the client is told so, and prepares it anew.
        let replies = wire.execute(&statement, &[]).unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Err(error)] if error.code == 1615), "{replies:?}");
        assert_eq!(wire.scalar("SELECT \"a\" FROM t WHERE id = 1").as_deref(), Some("a"));
    });
}

#[test]
fn what_has_changed_beneath_a_statement_is_told() {
    same(|stage, _| {
        let all = stage.prepare("SELECT * FROM t WHERE id = ?");
        stage.sql("ALTER TABLE t ADD c INT DEFAULT 7");
        stage.elsewhere();
        stage.wire.send(Command::COM_STMT_EXECUTE, &execute_body(all.id, 0, &[Param::Int(1)])).unwrap();
        // A flag says on the server that its columns are others now; the rows are the same.
        let replies = stage.wire.executed().unwrap();
        let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{replies:?}") };
        stage.seen.push(format!("{:?}", rows.rows));
        stage.sql("DROP TABLE t");
        stage.raw(Command::COM_STMT_EXECUTE, &execute_body(all.id, 0, &[Param::Int(1)]));
        stage.go_on(Command::COM_QUERY, b"SHOW WARNINGS");
        stage.go_on(Command::COM_QUERY, b"CREATE TABLE t (id INT, z INT)");
        stage.sql("INSERT INTO t VALUES (1, 2)");
        let fresh = stage.prepare("SELECT z FROM t WHERE id = ?");
        stage.execute(&fresh, &[Param::Int(1)]);
    });
}

#[test]
fn two_of_one_text_are_two() {
    same(|stage, _| {
        let [one, two] = [(); 2].map(|()| stage.prepare("SELECT id, a FROM t ORDER BY id"));
        stage.elsewhere();
        stage.wire.send(Command::COM_STMT_EXECUTE, &execute_body(one.id, 1, &[])).unwrap();
        for _ in 0..4 {
            let packet = stage.wire.packet().unwrap();
            stage.seen.push(format!("{:?}", packet.payload.escape_ascii().to_string()));
        }
        stage.go_on(Command::COM_STMT_EXECUTE, &execute_body(two.id, 0, &[]));
        for count in [1_u32, 2, 3] {
            stage.wire.send(Command::COM_STMT_FETCH, &[one.id.to_le_bytes(), count.to_le_bytes()].concat()).unwrap();
            loop {
                let packet = stage.wire.packet().unwrap();
                stage.seen.push(format!("{:?}", packet.payload.escape_ascii().to_string()));
                if packet.payload.first().is_some_and(|first| *first >= 0xFE) {
                    break;
                }
            }
        }
        stage.execute(&two, &[]);
    });
}

#[test]
fn many_sessions_with_many_statements_over_few_connections() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "many");
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        root.ok("SET GLOBAL max_prepared_stmt_count = 400");
        let proxy = pool(&server, 5, &tenant);
        let mut sessions: Vec<_> = (0..100).map(|_| tenant.connect(proxy.address())).collect();
        let statements: Vec<Vec<_>> = sessions
            .iter_mut()
            .enumerate()
            .map(|(session, wire)| {
                let sql = |index: usize| format!("SELECT '{session}-{index}', ?");
                (0..50).map(|index| wire.prepare(&sql(index)).unwrap()).collect()
            })
            .collect();
        for index in (0..50).rev().step_by(7) {
            for (session, (wire, own)) in sessions.iter_mut().zip(&statements).enumerate() {
                let replies = wire.execute(&own[index], &[Param::Text("v")]).unwrap();
                let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{replies:?}") };
                assert_eq!(rows.rows, [[Some(format!("{session}-{index}")), Some("v".to_owned())]]);
            }
        }
        let count: usize =
            root.rows("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1].as_ref().unwrap().parse().unwrap();
        // What a connection lets go is closed with its next command.
        assert!((1..=300 + 5).contains(&count), "three quarters of what the server allows, not {count}");
        assert!(proxy.metrics().sum("greenroom_prepares_total", &[]) > 0.0);
        let of_user = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{}'", tenant.name);
        let connections: usize = root.scalar(&of_user).unwrap().parse().unwrap();
        assert!((1..=5).contains(&connections), "{connections}");
    });
}

#[test]
fn a_session_has_no_more_statements_than_its_server_allows() {
    each_private_server(&Options::default(), |server| {
        let tenant = Tenant::new(&server, "most");
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        root.ok("SET GLOBAL max_prepared_stmt_count = 8");
        let proxy = pool(&server, 1, &tenant);
        let mut wire = tenant.connect(proxy.address());
        let mut statements = Vec::new();
        let refused = loop {
            match wire.prepare(&format!("SELECT {}", statements.len())) {
                Ok(statement) => statements.push(statement),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(statements.len(), 8);
        assert!(refused.contains("max_prepared_stmt_count") && refused.contains('8'), "{refused}");
        for (index, statement) in statements.iter().enumerate() {
            let replies = wire.execute(statement, &[]).unwrap();
            let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{replies:?}") };
            assert_eq!(rows.rows, [[Some(index.to_string())]]);
        }
        wire.close(&statements[0]).unwrap();
        wire.prepare("SELECT 8").unwrap();
    });
}

#[test]
fn bulk_executions_find_their_statement() {
    each_server(|server| {
        if server.flavor() != Flavor::MariaDb {
            return;
        }
        let tenant = Tenant::new(server, "bulk");
        let mut direct = tenant.connect(server.address());
        for sql in SCHEMA {
            direct.ok(sql);
        }
        let proxy = pool(server, 1, &tenant);
        // Bulk operations are the third of MariaDB's further flags.
        let mut wire = Wire::connect(proxy.address(), &tenant.login().with_mariadb(4)).unwrap();
        let insert = wire.prepare("INSERT INTO t (a) VALUES (?)").unwrap();
        let rows = b"\0\x04bulk\0\x05bulk2";
        for flags_and_types in [&b"\x80\0\xfd\0"[..], b"\0\0"] {
            let mut other = tenant.connect(proxy.address());
            other.ok("SET @a = 1");
            other.quit().unwrap();
            let body = [&insert.id.to_le_bytes()[..], flags_and_types, rows].concat();
            wire.send(Command::COM_STMT_BULK_EXECUTE, &body).unwrap();
            let replies = wire.executed().unwrap();
            assert!(matches!(replies.as_slice(), [Reply::Ok(ok)] if ok.affected_rows == 2), "{replies:?}");
        }
        assert_eq!(direct.scalar("SELECT COUNT(*) FROM t WHERE a LIKE 'bulk%'").as_deref(), Some("4"));
    });
}

#[test]
fn a_prepared_kill_finds_whom_it_is_for() {
    each_server(|server| {
        let tenant = Tenant::new(server, "kill");
        let proxy = pool(server, 3, &tenant);
        let [mut one, mut two] = [(); 2].map(|()| tenant.connect(proxy.address()));
        let sleeper = one.greeting.thread_id;
        one.send(Command::COM_QUERY, b"SELECT SLEEP(20)").unwrap();
        until("it sleeps", || {
            let sql = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{}'", tenant.name);
            two.scalar(&format!("{sql} AND info LIKE 'SELECT SLEEP%'")).as_deref() == Some("1")
        });
        // MySQL takes parameters in data changes and queries alone.
        let (text, params) = match server.flavor() {
            Flavor::MariaDb => ("KILL QUERY ?".to_owned(), vec![Param::Int(i64::from(sleeper))]),
            Flavor::MySql => (format!("KILL QUERY {sleeper}"), Vec::new()),
        };
        let kill = two.prepare(&text).unwrap();
        assert!(matches!(two.execute(&kill, &params).unwrap().as_slice(), [Reply::Ok(_)]));
        // MySQL's SLEEP() gives 1 when it is killed, MariaDB's statement fails.
        let replies = one.replies().unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Err(_)] | [Reply::Rows(_)]), "{replies:?}");
        assert_eq!(one.scalar("SELECT 1").as_deref(), Some("1"));
        let kill = two.prepare(&format!("KILL {sleeper}")).unwrap();
        assert!(matches!(two.execute(&kill, &[]).unwrap().as_slice(), [Reply::Ok(_)]));
        assert!(one.query("SELECT 1").is_err(), "the session is over");
    });
}

/// What has to be known of the session's state before a statement is prepared must not be asked for at their cost.
#[test]
fn a_preparation_leaves_the_warnings_where_the_server_leaves_them() {
    each_server(|server| {
        let tenant = Tenant::new(server, "warned");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let [direct, through] = [server.address(), proxy.address()].map(|address| {
            let mut wire = tenant.connect(address);
            let mut seen = Vec::new();
            for first in [&["EXECUTE nosuch"][..], &["SELECT nothing", "SET @c = 4 + 1"], &["SELECT nothing", "DO 1"]] {
                for text in ["COMMIT", "SELECT @@time_zone", "SELECT 1 FROM (SELECT 1) one"] {
                    first.iter().for_each(|sql| drop(wire.query(sql)));
                    let statement = wire.prepare(text).unwrap();
                    seen.push(format!("{first:?}, {text}: {:?}", wire.rows("SELECT @@warning_count, @@error_count")));
                    seen.push(format!("{:?}", wire.rows("SHOW WARNINGS")));
                    wire.close(&statement).unwrap();
                    wire.query("ROLLBACK").unwrap();
                }
            }
            seen
        });
        assert_eq!(through, direct);
    });
}

/// Clients say with a 1 that types follow. MySQL takes any other byte but 0 for the same, MariaDB refuses them.
#[test]
fn types_are_where_the_server_looks_for_them() {
    each_server(|server| {
        let tenant = Tenant::new(server, "odd");
        let one = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = one.user(&tenant.name, &tenant.password).start();
        let [direct, through] = [server.address(), proxy.address()].map(|address| {
            let mut wire = tenant.connect(address);
            let statement = wire.prepare("SELECT CONCAT(?, '')").unwrap();
            wire.execute(&statement, &[Param::Text("usual")]).unwrap();
            // With this the connection through the proxy is reset, and has been told no types.
            let mut other = tenant.connect(address);
            other.ok("SET @a = 1");
            other.quit().unwrap();
            let mut body = execute_body(statement.id, 0, &[Param::Text("odd")]);
            body[10] = 2;
            wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
            wire.executed().unwrap()
        });
        assert_eq!(direct, through);
    });
}

/// Where MySQL's query attributes are agreed on, every execution counts its parameters. Connector/Python says so by the flag
/// for it only where attributes come along.
#[test]
fn types_are_found_behind_a_count_whether_a_flag_speaks_of_it_or_not() {
    let Some(server) = mysql() else { return };
    let tenant = Tenant::new(server, "counted");
    let proxy = pool(server, 1, &tenant);
    let login = tenant.login().with(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
    for flags in [0, 8] {
        let [direct, through] = [server.address(), proxy.address()].map(|address| {
            let mut wire = Wire::connect(address, &login).unwrap();
            let id = wire.prepare("SELECT CONCAT(?, '')").unwrap().id.to_le_bytes();
            let mut run = |types: &[u8], value: &[u8]| {
                let head = [&id[..], &[flags], &1_u32.to_le_bytes(), &[1, 0, u8::from(!types.is_empty())]].concat();
                wire.send(Command::COM_STMT_EXECUTE, &[&head, types, value].concat()).unwrap();
                wire.executed().unwrap()
            };
            let named = run(b"\xfe\0\0", b"\x05named");
            // With this the connection through the proxy is reset, and has been told no types.
            let mut other = tenant.connect(address);
            other.ok("SET @a = 1");
            other.quit().unwrap();
            [named, run(b"", b"\x04kept")]
        });
        assert!(matches!(direct[1].as_slice(), [Reply::Rows(_)]), "{direct:?}");
        assert_eq!(direct, through, "flags {flags}");
    }
}

/// Nobody answers long data, so nobody hears at once that it could not be sent on.
#[test]
fn what_lacks_a_part_of_its_long_data_is_not_executed() {
    each_server(|server| {
        let tenant = Tenant::new(server, "cut");
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.endpoint("lease_timeout = \"300ms\"").user(&tenant.name, &tenant.password).start();
        let [mut wire, mut other] = [(); 2].map(|()| tenant.connect(proxy.address()));
        wire.ok("CREATE TABLE t (a LONGTEXT)");
        let insert = wire.prepare("INSERT INTO t VALUES (?)").unwrap();
        let part = |text: &str| [&insert.id.to_le_bytes(), &[0, 0][..], text.as_bytes()].concat();
        for after in [Command::COM_STMT_EXECUTE, Command::COM_STMT_RESET] {
            other.ok("BEGIN");
            other.ok("DO 0");
            wire.send(Command::COM_STMT_SEND_LONG_DATA, &part("the beginning")).unwrap();
            // Answered after the part was refused a connection.
            wire.ok_ping();
            other.ok("COMMIT");
            wire.send(Command::COM_STMT_SEND_LONG_DATA, &part(" and the end")).unwrap();
            if after == Command::COM_STMT_EXECUTE {
                let replies = wire.execute(&insert, &[Param::Null]).unwrap();
                assert!(matches!(replies.as_slice(), [Reply::Err(error)] if error.code == 1615), "{replies:?}");
            } else {
                wire.send(after, &insert.id.to_le_bytes()).unwrap();
                assert!(matches!(wire.replies().unwrap().as_slice(), [Reply::Ok(_)]));
            }
            let replies = wire.execute(&insert, &[Param::Text("all of it")]).unwrap();
            assert!(matches!(replies.as_slice(), [Reply::Ok(_)]), "{replies:?}");
        }
        let stored = Some("all of it".to_owned());
        assert_eq!(wire.rows("SELECT a FROM t"), [[stored.clone()], [stored]]);
    });
}
