//! The tests' own tools, proven on the real servers themselves, with no proxy between.

mod support;

use greenroom::demo::server::{Flavor, Server};
use mysql_async::prelude::Queryable;
use mysql_common::constants::{CapabilityFlags, Command, StatusFlags};
use support::{
    driver::{block_on, connect},
    servers::{Tenant, each_server, mariadb, mysql},
    wire::{AuthPath, Login, Param, Reply, Tracked, Wire, WireError},
};

fn cell(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn setup(server: &Server) -> (Tenant, Wire) {
    let tenant = Tenant::new(server, "servers");
    let wire = tenant.connect(server.address());
    (tenant, wire)
}

#[test]
fn mariadb_takes_a_native_login() {
    let (tenant, wire) = setup(mariadb());
    assert_eq!(wire.auth, AuthPath::Native);
    assert_ne!(wire.greeting.mariadb_capabilities, 0);
    // A client that begins with another plugin is switched.
    let other = tenant.login().plugin("caching_sha2_password");
    assert_eq!(Wire::connect(mariadb().address(), &other).unwrap().auth, AuthPath::Native);
}

#[test]
fn mysql_takes_the_whole_password_once_and_then_knows_it() {
    let Some(server) = mysql() else { return };
    let tenant = Tenant::new(server, "auth");
    let paths = [(); 2].map(|()| Wire::connect(server.address(), &tenant.login()).unwrap().auth);
    assert_eq!(paths, [AuthPath::FullRsa, AuthPath::Fast]);
}

#[test]
fn a_wrong_password_is_refused() {
    each_server(|server| {
        let tenant = Tenant::new(server, "wrong");
        match Wire::connect(server.address(), &Login::new(&tenant.name, "guess")) {
            Err(WireError::Refused(error)) => assert_eq!((error.code, error.state.as_str()), (1045, "28000")),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_select_gives_rows_and_a_bad_statement_an_error() {
    each_server(|server| {
        let (tenant, mut wire) = setup(server);
        assert_eq!(wire.rows("SELECT 1, NULL, 'x', ''"), [[cell("1"), None, cell("x"), cell("")]]);
        assert_eq!(wire.scalar("SELECT DATABASE()"), cell(&tenant.name));
        let id = wire.greeting.thread_id.to_string();
        assert_eq!(wire.scalar("SELECT CONNECTION_ID()"), Some(id));
        let error = wire.err("SELECT nothing FROM nowhere");
        assert_eq!((error.code, error.state.as_str()), (1146, "42S02"));
    });
}

#[test]
fn a_client_that_wants_eof_packets_gets_them() {
    each_server(|server| {
        let tenant = Tenant::new(server, "eof");
        let flags = CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK;
        let mut wire = Wire::connect(server.address(), &tenant.login().without(flags)).unwrap();
        assert_eq!(wire.scalar("SELECT 7"), cell("7"));
        assert_eq!(wire.ok("CREATE TABLE t (a INT)").tracked, []);
        let statement = wire.prepare("SELECT ?").unwrap();
        let replies = wire.execute(&statement, &[Param::Text("hello")]).unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Rows(rows)] if rows.rows == [[cell("hello")]]), "{replies:?}");
    });
}

#[test]
fn several_statements_give_several_replies() {
    each_server(|server| {
        let (_tenant, mut wire) = setup(server);
        let replies = wire.query("SELECT 1; DO 2; SELECT 3 UNION SELECT 4").unwrap();
        let [Reply::Rows(first), Reply::Ok(second), Reply::Rows(third)] = replies.as_slice() else {
            panic!("{replies:?}");
        };
        assert_eq!(first.rows, [[cell("1")]]);
        assert!(second.more_follow());
        assert_eq!(third.rows, [[cell("3")], [cell("4")]]);
        let replies = wire.query("SELECT 1; SELECT nothing; SELECT 2").unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Rows(_), Reply::Err(error)] if error.code == 1054), "{replies:?}");
    });
}

#[test]
fn two_commands_may_be_sent_at_once() {
    each_server(|server| {
        let (_tenant, mut wire) = setup(server);
        wire.send(Command::COM_QUERY, b"SELECT 1").unwrap();
        wire.send(Command::COM_QUERY, b"SELECT 2").unwrap();
        let answers = [wire.replies().unwrap(), wire.replies().unwrap()];
        assert!(matches!(answers[1].as_slice(), [Reply::Rows(rows)] if rows.rows == [[cell("2")]]), "{answers:?}");
    });
}

#[test]
fn status_and_trackers_are_shown() {
    each_server(|server| {
        let (tenant, mut wire) = setup(server);
        let begun = wire.ok("START TRANSACTION");
        assert!(begun.in_transaction() && begun.has(StatusFlags::SERVER_STATUS_AUTOCOMMIT));
        assert!(!wire.ok("COMMIT").in_transaction());
        let used = wire.ok(&format!("USE {}", tenant.name));
        assert!(used.tracked.contains(&Tracked::Schema(tenant.name.clone())), "{used:?}");
        let zone = wire.ok("SET time_zone = '+03:00'");
        assert_eq!(zone.variable("time_zone"), Some("+03:00"), "{zone:?}");
    });
}

#[test]
fn a_prepared_statement_is_executed_and_closed() {
    each_server(|server| {
        let (_tenant, mut wire) = setup(server);
        wire.ok("CREATE TABLE t (a BIGINT UNSIGNED, b VARCHAR(20), c SMALLINT, d DOUBLE)");
        let insert = wire.prepare("INSERT INTO t VALUES (?, ?, ?, 0.5)").unwrap();
        assert_eq!((insert.params.len(), insert.columns.len()), (3, 0));
        let replies = wire.execute(&insert, &[Param::Int(5), Param::Null, Param::Int(-3)]).unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Ok(ok)] if ok.affected_rows == 1), "{replies:?}");
        let select = wire.prepare("SELECT a, b, c, d, 'text' FROM t").unwrap();
        let replies = wire.execute(&select, &[]).unwrap();
        let [Reply::Rows(rows)] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!(rows.rows, [[cell("5"), None, cell("-3"), cell("0.5"), cell("text")]]);
        wire.close(&select).unwrap();
        let replies = wire.execute(&select, &[]).unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Err(error)] if error.code == 1243), "{replies:?}");
    });
}

#[test]
fn a_row_over_16_mib_is_read_whole() {
    let (_tenant, mut wire) = setup(mariadb());
    assert_eq!(wire.scalar("SELECT REPEAT('x', 16777210)").map(|text| text.len()), Some(16_777_210));
    let refused = wire.err("SELECT nothing");
    assert_eq!(refused.code, 1054, "the connection is in step after a row of several packets");
}

#[test]
fn a_file_is_sent_when_it_is_asked_for() {
    let server = mariadb();
    let tenant = Tenant::new(server, "infile");
    let login = tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
    let mut wire = Wire::connect(server.address(), &login).unwrap();
    wire.ok("CREATE TABLE t (a INT)");
    let asked = wire.one("LOAD DATA LOCAL INFILE 'numbers' INTO TABLE t");
    assert_eq!(asked, Reply::Infile("numbers".into()));
    wire.send_file(b"1\n2\n").unwrap();
    let payload = wire.packet().unwrap().payload;
    assert_eq!(&payload[..2], [0x00, 2], "an OK for two rows");
}

#[test]
fn quit_closes() {
    each_server(|server| {
        let (_tenant, wire) = setup(server);
        assert!(wire.quit().unwrap());
    });
}

#[test]
fn the_driver_works_from_a_plain_test() {
    each_server(|server| {
        let tenant = Tenant::new(server, "driver");
        let answer: Option<u32> = block_on(async {
            let mut conn = connect(server.address(), &tenant.name, &tenant.password, &tenant.name).await;
            conn.exec_first("SELECT ? + 1", (41,)).await.unwrap()
        });
        assert_eq!(answer, Some(42));
    });
}

#[test]
fn each_server_has_its_flavor() {
    each_server(|server| {
        let (_tenant, mut wire) = setup(server);
        let version = wire.scalar("SELECT VERSION()").unwrap();
        assert_eq!(version.contains("MariaDB"), server.flavor() == Flavor::MariaDb, "{version}");
    });
}

#[test]
fn metrics_are_summed_over_labels() {
    let text = "# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"4\"} 5\nb 7\n";
    let metrics = support::proxy::Metrics::parse(text);
    assert_eq!(metrics.sum("a", &["x=\"1\""]), 8.0);
    assert_eq!(metrics.sum("a", &["y=\"2\""]), 3.0);
    assert_eq!(metrics.get("b"), Some(7.0));
    assert_eq!(metrics.sum("c", &[]), 0.0);
}
