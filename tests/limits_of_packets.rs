//! Commands and rows that just fit a packet, just do not, and fill several; and files that are broken off.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::net::SocketAddr;

use mysql_common::constants::{CapabilityFlags, Command};
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
    wire::{Param, Reply, Wire, execute_body},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
/// A packet of this many bytes is continued by the next.
const LONGEST: usize = 0xFF_FFFF;

fn everywhere(label: &str, test: impl Fn(&Tenant, &Proxy, SocketAddr)) {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, label);
            tenant.administer(&["SET GLOBAL max_allowed_packet = 67108864, GLOBAL local_infile = 1".into()]);
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            test(&tenant, &setup.user(&tenant.name, &tenant.password).start(), server.address());
        }
    });
}

fn one(replies: Vec<Reply>) -> Option<String> {
    match replies.as_slice() {
        [Reply::Rows(rows)] => rows.rows[0][0].clone(),
        other => panic!("one row was due, not {other:?}"),
    }
}

/// Bytes of an execute's body before its one text.
const PARAMETERS: usize = 13;

/// How many bytes a text's own length takes, where both together have this many.
fn counted(length: usize) -> usize {
    if length - 4 > LONGEST { 9 } else { 4 }
}

/// An execute's body of this many bytes, all of which but the head are a text, and how long that is.
fn with_text(id: u32, length: usize) -> (Vec<u8>, usize) {
    let mut body = execute_body(id, 0, &[Param::Text("")]);
    body.pop();
    assert_eq!(body.len(), PARAMETERS);
    let width = counted(length - PARAMETERS);
    let text = length - PARAMETERS - width;
    body.push(if width == 4 { 0xFD } else { 0xFE });
    body.extend(&(text as u64).to_le_bytes()[..width - 1]);
    body.resize(length, b'y');
    (body, text)
}

#[test]
fn commands_and_rows_around_the_longest_packet_arrive_whole() {
    everywhere("edges", |tenant, proxy, _| {
        for flags in [CapabilityFlags::empty(), CapabilityFlags::CLIENT_DEPRECATE_EOF] {
            let mut wire = Wire::connect(proxy.address(), &tenant.login().without(flags)).unwrap();
            let statement = wire.prepare("SELECT CONCAT(LENGTH(?), '')").unwrap();
            let echo = wire.prepare("SELECT ? AS t").unwrap();
            // To an old client it is all the same how many full packets there are.
            let full = if flags.is_empty() { &[2 * LONGEST, 2 * LONGEST + 1][..] } else { &[] };
            let around = [LONGEST - 2, LONGEST - 1, LONGEST, LONGEST + 1, LONGEST + 2];
            for length in around.into_iter().chain(full.iter().copied()) {
                // The command byte and the statement around its text.
                let text = "x".repeat(length - 1 - "SELECT LENGTH('')".len());
                let sent = format!("SELECT LENGTH('{text}')");
                assert_eq!(sent.len() + 1, length);
                assert_eq!(wire.scalar(&sent), Some(text.len().to_string()), "a command of {length}");
                // The same of an execute: its body but for the text.
                let (body, text) = with_text(statement.id, length - 1);
                wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
                assert_eq!(one(wire.executed().unwrap()), Some(text.to_string()), "an execute of {length}");
                // Rows: nothing but a text, and a binary row has two more bytes before it.
                let text = length - counted(length);
                let row = wire.scalar(&format!("SELECT CONCAT('{}', 'z')", "w".repeat(text - 1))).unwrap();
                assert!(row.len() == text && row.ends_with("wz"), "a row of {length}");
                let text = length - 2 - counted(length - 2);
                let (body, _) = with_text(echo.id, text + PARAMETERS + counted(length - 2));
                wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
                let row = one(wire.executed().unwrap()).unwrap();
                assert!(row.len() == text && row.bytes().all(|byte| byte == b'y'), "a binary row of {length}");
            }
            assert_eq!(wire.scalar("SELECT 'after'").as_deref(), Some("after"));
        }
    });
}

/// The types were said with an earlier execution, on another connection.
#[test]
fn an_execution_without_types_is_as_long_as_it_likes() {
    each_server(|server| {
        let tenant = Tenant::new(server, "types");
        tenant.administer(&["SET GLOBAL max_allowed_packet = 67108864".into()]);
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 2"]);
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut wire = tenant.connect(proxy.address());
        let statement = wire.prepare("SELECT CONCAT(LENGTH(?), '')").unwrap();
        assert_eq!(one(wire.execute(&statement, &[Param::Text("said")]).unwrap()).as_deref(), Some("4"));
        for length in [LONGEST - 2, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST] {
            // Somebody else keeps the connection that knows them, or another one.
            let mut other = tenant.connect(proxy.address());
            other.ok("BEGIN");
            other.rows("SELECT 1");
            let (mut body, text) = with_text(statement.id, length - 1);
            body[10] = 0;
            body.drain(11..13);
            wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
            assert_eq!(one(wire.executed().unwrap()), Some(text.to_string()), "{length}");
            other.ok("COMMIT");
            // A connection that was reset has forgotten them.
            wire.ok("SET @a = CONCAT('x', RAND())");
            other.ok("SET @b = 7");
            assert_eq!(wire.scalar("SELECT 'after'").as_deref(), Some("after"));
        }
    });
}

#[test]
fn long_data_of_several_packets_arrives_whole() {
    everywhere("long", |tenant, proxy, _| {
        let mut wire = tenant.connect(proxy.address());
        let statement = wire.prepare("SELECT CONCAT(LENGTH(?), ' ', ?)").unwrap();
        for length in [LONGEST - 1, LONGEST, LONGEST + 1] {
            let head = [&statement.id.to_le_bytes()[..], &0_u16.to_le_bytes()].concat();
            let data = vec![b'l'; length - 1 - head.len()];
            wire.send(Command::COM_STMT_SEND_LONG_DATA, &[&head[..], &data].concat()).unwrap();
            let body = execute_body(statement.id, 0, &[Param::Text(""), Param::Text("behind")]);
            // The first value came ahead, and is not there again.
            let at = body.len() - "behind".len() - 2;
            let body = [&body[..at], &body[at + 1..]].concat();
            wire.send(Command::COM_STMT_EXECUTE, &body).unwrap();
            assert_eq!(one(wire.executed().unwrap()), Some(format!("{} behind", data.len())), "{length}");
        }
    });
}

/// Sends the statement and reads the request for its file.
fn ask(wire: &mut Wire, sql: &str) {
    match wire.query(sql).unwrap().as_slice() {
        [Reply::Infile(name)] => assert_eq!(name, "f"),
        other => panic!("a request for a file was due, not {other:?}"),
    }
}

#[test]
fn files_that_are_refused_or_broken_off_leave_nothing_behind() {
    const LOAD: &str = "LOAD DATA LOCAL INFILE 'f' INTO TABLE l";
    everywhere("broken", |tenant, proxy, direct_address| {
        let connect =
            |address| Wire::connect(address, &tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES)).unwrap();
        let mut wire = connect(proxy.address());
        wire.ok("CREATE TABLE l (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE = InnoDB");
        // The client has no such file.
        ask(&mut wire, LOAD);
        wire.send_file(b"").unwrap();
        assert_eq!(wire.packet().unwrap().payload[0], 0);
        // The server has enough of it at the second row, but takes what still comes.
        wire.ok("SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
        ask(&mut wire, "LOAD DATA LOCAL INFILE 'f' INTO TABLE l (a, @b) SET b = (SELECT 1 UNION SELECT 2)");
        for number in 0..300 {
            wire.answer(format!("{number}\t{}\n", "f".repeat(10_000)).as_bytes()).unwrap();
        }
        wire.answer(b"").unwrap();
        let error = wire.packet().unwrap().payload;
        assert_eq!(error[..3], [0xFF, 0xDA, 0x04], "1242, after the whole file: {}", error.escape_ascii());
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM l").as_deref(), Some("0"));
        // The client goes in the middle of it: nothing of the file stays, and nobody waits for the rest.
        let mut vanishing = connect(proxy.address());
        ask(&mut vanishing, LOAD);
        vanishing.answer(b"1\tone\n2\ttwo\n3\tth").unwrap();
        drop(vanishing);
        let beside = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%'";
        until("the server has let go of the file", || wire.scalar(beside).as_deref() == Some("0"));
        assert_eq!(wire.scalar("SELECT COUNT(*) FROM l").as_deref(), Some("0"));
        // The server refuses before it asks.
        tenant.administer(&["SET GLOBAL local_infile = 0".into()]);
        let [direct, through] = [direct_address, proxy.address()].map(|address| connect(address).err(LOAD));
        assert_eq!(through, direct);
        assert_eq!(connect(proxy.address()).scalar("SELECT 'after'").as_deref(), Some("after"));
        tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
    });
}
