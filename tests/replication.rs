//! Replicas and binary log readers through the proxy, of both servers and in every pool mode.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    fs,
    io::Read,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use mysql_common::constants::{CapabilityFlags, Command as Byte};
use support::{
    observe::{Root, until},
    program::tool,
    proxy::{Proxy, Setup},
    servers::each_private_server,
    wire::{Login, Reply, Wire},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// One database, so that its name is the same in every log.
const SCHEMA: [&str; 4] = [
    "CREATE TABLE app.r (id INT PRIMARY KEY, t LONGTEXT) ENGINE = InnoDB",
    "INSERT INTO app.r VALUES (1, 'one'), (2, 'zwei')",
    "UPDATE app.r SET t = CONCAT(t, '!')",
    "DELETE FROM app.r WHERE id = 2",
];

fn source() -> Options {
    let args = ["--server-id=1", "--binlog-format=ROW", "--max-allowed-packet=64M"];
    Options { extra_args: args.map(Into::into).to_vec(), binary_log: true }
}

fn as_root() -> Login {
    Login::new(ROOT.user, ROOT.password)
}

/// A proxy of that mode, whose users may read the log (`root`) and may not (`app`).
fn before(server: &Server, mode: &str) -> Proxy {
    let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
    setup.user(ROOT.user, ROOT.password).start()
}

/// The program that reads this server's log, reading it from `address`.
fn reader(server: &Server, address: SocketAddr) -> Command {
    let mut command = tool(server, ["mysqlbinlog", "mariadb-binlog"], address);
    command.arg("--read-from-remote-server");
    command
}

/// What the reader prints of the first log.
fn printed(server: &Server, address: SocketAddr, options: &[&str]) -> String {
    let output = reader(server, address).args(options).arg("binlog.000001").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The server's connections that send a log.
fn dumps(root: &mut Root) -> usize {
    root.0.rows("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'").len()
}

fn pinned(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("greenroom_pinned", &["reason=\"replication\""])
}

/// A dump's body: from the head of the log, ending at its end where `flags` is 1.
fn dump(flags: u16, id: u32, file: &str) -> Vec<u8> {
    [&4_u32.to_le_bytes()[..], &flags.to_le_bytes(), &id.to_le_bytes(), file.as_bytes()].concat()
}

/// A replica's registration.
fn registration(id: u32) -> Vec<u8> {
    [&id.to_le_bytes()[..], &[0, 0, 0], &3306_u16.to_le_bytes(), &[0; 8]].concat()
}

struct Reading(Child);

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_is_read_as_from_the_server_itself() {
    each_private_server(&source(), |server| {
        let mut root = Root::on(&server);
        SCHEMA.iter().for_each(|sql| drop(root.0.ok(sql)));
        // An event of more than one packet.
        root.0.ok("INSERT INTO app.r SELECT 3, CONCAT(REPEAT('x', 10000000), REPEAT('y', 7000000))");
        root.0.ok("FLUSH BINARY LOGS");
        root.0.ok("INSERT INTO app.r VALUES (4, 'in the second file')");
        for options in [&["--to-last-log", "--verbose"][..], &["--base64-output=DECODE-ROWS", "--start-position=4"]] {
            for mode in MODES {
                let proxy = before(&server, mode);
                loop {
                    let direct = printed(&server, server.address(), options);
                    assert!(direct.contains("app") && direct.len() > 1000, "{direct}");
                    let through = printed(&server, proxy.address(), options);
                    // MariaDB adds to its log by itself a while after a new file has been begun.
                    if printed(&server, server.address(), options) == direct {
                        assert!(through == direct, "{mode} {options:?}: {} bytes, not {}", through.len(), direct.len());
                        break;
                    }
                }
            }
        }
    });
}

#[test]
fn a_reader_of_what_is_still_written_has_a_connection_of_its_own() {
    each_private_server(&source(), |server| {
        let mut root = Root::on(&server);
        SCHEMA.iter().for_each(|sql| drop(root.0.ok(sql)));
        for (number, mode) in MODES.iter().enumerate() {
            println!("pool = {mode}");
            let proxy = before(&server, mode);
            let directory = tempfile::tempdir().unwrap();
            let child = reader(&server, proxy.address())
                .args(["--raw", "--stop-never", "binlog.000001"])
                .arg(format!("--result-file={}/", directory.path().display()))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let reading = Reading(child);
            until("the server sends its log", || dumps(&mut root) == 1);
            let marker = format!("written while reading {number}");
            root.0.ok(&format!("INSERT INTO app.r VALUES ({}, '{marker}')", 10 + number));
            let file = directory.path().join("binlog.000001");
            until("the new row is read", || {
                fs::read(&file).is_ok_and(|bytes| bytes.windows(marker.len()).any(|part| part == marker.as_bytes()))
            });
            if *mode == "transaction" {
                until("the connection is pinned", || pinned(&proxy) == 1.0);
            }
            let mut beside = Wire::connect(proxy.address(), &as_root()).unwrap();
            assert_eq!(beside.scalar("SELECT 'beside'").as_deref(), Some("beside"));
            drop(reading);
            until("the server stops to send", || dumps(&mut root) == 0);
            until("nothing is pinned", || pinned(&proxy) == 0.0);
            assert_eq!(beside.scalar("SELECT 'after'").as_deref(), Some("after"));
        }
    });
}

/// Every byte that the server sends up to its end, or up to the first ERR of a dump that is refused.
fn bytes_of(mut wire: Wire, body: &[u8]) -> Vec<u8> {
    wire.send(Byte::COM_BINLOG_DUMP, body).unwrap();
    let mut bytes = Vec::new();
    wire.stream().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_dump_ends_as_on_the_server() {
    each_private_server(&source(), |server| {
        let mut admin = Root::on(&server);
        SCHEMA.iter().for_each(|sql| drop(admin.0.ok(sql)));
        let checksum = "SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE', \
                        @mariadb_slave_capability = 4";
        let old = CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK;
        for mode in MODES {
            println!("pool = {mode}");
            let proxy = before(&server, mode);
            for login in [as_root(), as_root().without(old)] {
                // To the end of the log, and from a log that there is not.
                for body in [dump(1, 77, "binlog.000001"), dump(1, 77, "nosuch.000009")] {
                    let [direct, through] = [server.address(), proxy.address()].map(|address| {
                        let mut wire = Wire::connect(address, &login).unwrap();
                        wire.ok(checksum);
                        bytes_of(wire, &body)
                    });
                    assert!(direct.len() > 20);
                    assert!(through == direct, "{mode}: {} bytes, not {}", through.len(), direct.len());
                }
            }
            // Who may not read the log is told so, and goes on; what was sent at once is served.
            for login in [Login::new("app", "app-secret"), Login::new("app", "app-secret").without(old)] {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut wire = Wire::connect(address, &login).unwrap();
                    let mut seen = Vec::new();
                    for (byte, body) in
                        [(Byte::COM_REGISTER_SLAVE, registration(77)), (Byte::COM_BINLOG_DUMP, dump(1, 77, "x"))]
                    {
                        wire.send(byte, &body).unwrap();
                        wire.send(Byte::COM_QUERY, b"SELECT 'goes on'").unwrap();
                        for _ in 0..2 {
                            seen.push(format!("{:?}", wire.replies().unwrap()));
                        }
                    }
                    seen
                });
                assert_eq!(through, direct, "{mode}");
                assert!(direct[3].contains("goes on"));
            }
        }
    });
}

#[test]
fn a_registered_replica_keeps_its_connection_which_then_ends() {
    each_private_server(&source(), |server| {
        let mut admin = Root::on(&server);
        let replicas = "SHOW SLAVE HOSTS";
        let replicas = if server.flavor() == Flavor::MySql { "SHOW REPLICAS" } else { replicas };
        for mode in MODES {
            println!("pool = {mode}");
            let proxy = before(&server, mode);
            let mut replica = Wire::connect(proxy.address(), &as_root()).unwrap();
            replica.send(Byte::COM_REGISTER_SLAVE, &registration(4242)).unwrap();
            assert!(matches!(replica.replies().unwrap().as_slice(), [Reply::Ok(_)]));
            let listed = |admin: &mut Root| admin.0.rows(replicas).iter().any(|row| row[0].as_deref() == Some("4242"));
            assert!(listed(&mut admin));
            let own = admin.backend_of(&mut replica);
            assert_eq!(admin.backend_of(&mut replica), own);
            replica.quit().unwrap();
            // In a pool it would stay registered for as long as the connection lives.
            until("the registration is over", || !listed(&mut admin));
        }
    });
}

/// What differs in how replicas are told.
struct Dialect {
    change: fn(&Proxy) -> String,
    start: &'static str,
    stop: &'static str,
    semi_sync: [&'static [&'static str]; 2],
    acknowledged: &'static str,
    waits: &'static str,
    clients: &'static str,
    wait: &'static str,
}

const MYSQL: Dialect = Dialect {
    change: |proxy| {
        format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='{}', \
             SOURCE_PASSWORD='{}', GET_SOURCE_PUBLIC_KEY=1, SOURCE_SSL=0, SOURCE_HEARTBEAT_PERIOD=0.1, \
             SOURCE_CONNECT_RETRY=1",
            proxy.address().port(),
            ROOT.user,
            ROOT.password
        )
    },
    start: "START REPLICA",
    stop: "STOP REPLICA",
    semi_sync: [
        &[
            "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
            "SET GLOBAL rpl_semi_sync_source_enabled = 1, GLOBAL rpl_semi_sync_source_timeout = 20000",
        ],
        &[
            "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
            "SET GLOBAL rpl_semi_sync_replica_enabled = 1",
        ],
    ],
    acknowledged: "SHOW STATUS LIKE 'Rpl_semi_sync_source_yes_tx'",
    waits: "SHOW STATUS LIKE 'Rpl_semi_sync_source_status'",
    clients: "SHOW STATUS LIKE 'Rpl_semi_sync_source_clients'",
    wait: "SET GLOBAL rpl_semi_sync_source_enabled = ",
};

const MARIADB: Dialect = Dialect {
    change: |proxy| {
        format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
             MASTER_HEARTBEAT_PERIOD=0.1, MASTER_CONNECT_RETRY=1",
            proxy.address().port(),
            ROOT.user,
            ROOT.password
        )
    },
    start: "START SLAVE",
    stop: "STOP SLAVE",
    semi_sync: [
        &["SET GLOBAL rpl_semi_sync_master_enabled = 1, GLOBAL rpl_semi_sync_master_timeout = 20000"],
        &["SET GLOBAL rpl_semi_sync_slave_enabled = 1"],
    ],
    acknowledged: "SHOW STATUS LIKE 'Rpl_semi_sync_master_yes_tx'",
    waits: "SHOW STATUS LIKE 'Rpl_semi_sync_master_status'",
    clients: "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'",
    wait: "SET GLOBAL rpl_semi_sync_master_enabled = ",
};

fn status(root: &mut Root, sql: &str) -> String {
    root.0.rows(sql)[0][1].clone().unwrap()
}

#[test]
fn a_real_replica_follows_through_the_proxy() {
    each_private_server(&source(), |server| {
        let options =
            Options { extra_args: vec!["--server-id=2".into(), "--max-allowed-packet=64M".into()], ..source() };
        let copy = Server::start(server.flavor(), &options).unwrap();
        let dialect = if server.flavor() == Flavor::MySql { MYSQL } else { MARIADB };
        let [mut from, mut to] = [&server, &copy].map(Root::on);
        for (root, statements) in [&mut from, &mut to].into_iter().zip(dialect.semi_sync) {
            statements.iter().for_each(|sql| drop(root.0.ok(sql)));
        }
        for (number, mode) in MODES.iter().enumerate() {
            println!("pool = {mode}");
            let proxy = before(&server, mode);
            to.0.ok(&(dialect.change)(&proxy));
            to.0.ok(dialect.start);
            until("the replica is there", || status(&mut from, dialect.clients) == "1");
            if number == 0 {
                SCHEMA.iter().for_each(|sql| drop(from.0.ok(sql)));
            }
            until("commits wait for the replica", || status(&mut from, dialect.waits) == "ON");
            let acknowledged = |from: &mut Root| status(from, dialect.acknowledged).parse::<usize>().unwrap();
            let before = acknowledged(&mut from);
            for round in 0..20 {
                from.0.ok(&format!("INSERT INTO app.r VALUES ({}, 'row')", 100 + 100 * number + round));
            }
            // What the replica answers reaches the source: no commit had to do without.
            assert_eq!(acknowledged(&mut from), before + 20);
            from.0.ok(&format!("INSERT INTO app.r SELECT {}, REPEAT('long ', 4000000)", 50 + number));
            let sum = "SELECT CONCAT(COUNT(*), ' ', SUM(id), ' ', SUM(LENGTH(t))) FROM app.r";
            let expected = from.0.scalar(sum);
            until("the replica has it all", || {
                to.0.query(sum).is_ok_and(|replies| match &replies[0] {
                    Reply::Rows(rows) => rows.rows[0][0] == expected,
                    _ => false,
                })
            });
            // The replica goes away and comes back at the same place.
            to.0.ok(dialect.stop);
            until("the dump is over", || dumps(&mut from) == 0);
            until("nothing is pinned", || pinned(&proxy) == 0.0);
            // Else this commit would wait for a replica.
            from.0.ok(&format!("{}0", dialect.wait));
            from.0.ok(&format!("INSERT INTO app.r VALUES ({}, 'meanwhile')", 60 + number));
            from.0.ok(&format!("{}1", dialect.wait));
            to.0.ok(dialect.start);
            let expected = from.0.scalar(sum);
            until("the replica has caught up", || to.0.scalar(sum) == expected);
            to.0.ok(dialect.stop);
            until("the dump is over", || dumps(&mut from) == 0);
        }
    });
}
