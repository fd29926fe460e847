//! SIGTERM, and starting where somebody listens already.

use std::{
    fs,
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mysql_common::constants::Command as Com;

use crate::support::{
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::{Reply, WireError},
};

#[test]
fn a_stop_sends_idle_clients_away_and_lets_a_transaction_end() {
    each_server(|server| {
        let tenant = Tenant::new(server, "drain");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let mut proxy = setup.server("drain_timeout = \"15s\"").start();
        let mut idle = tenant.connect(proxy.address());
        let mut busy = tenant.connect(proxy.address());
        let mut running = tenant.connect(proxy.address());
        busy.ok("CREATE TABLE t (a INT)");
        busy.ok("START TRANSACTION");
        busy.ok("INSERT INTO t VALUES (1)");
        running.send(Com::COM_QUERY, b"SELECT SLEEP(1), 'whole'").unwrap();
        until("both have a connection", || proxy.backends("leased") == 2.0);
        proxy.term();
        assert!(idle.packet().is_err(), "an idle client is sent away");
        until("nobody listens", || TcpStream::connect(proxy.address()).is_err());
        busy.ok("INSERT INTO t VALUES (2)");
        let replies = running.replies().unwrap();
        assert!(matches!(replies.as_slice(), [Reply::Rows(rows)] if rows.rows[0][1].as_deref() == Some("whole")));
        assert!(running.packet().is_err(), "and then sent away");
        busy.ok("COMMIT");
        assert!(busy.packet().is_err(), "and then sent away");
        assert_eq!(proxy.wait().code(), Some(0));
        let mut direct = tenant.connect(server.address());
        assert_eq!(direct.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("2"));
        drop(direct);
        Root::on(server).wait_for(&tenant.name, 0);
    });
}

#[test]
fn a_transaction_beyond_drain_timeout_is_cut_off() {
    each_server(|server| {
        let tenant = Tenant::new(server, "cut");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let mut proxy = setup.server("drain_timeout = \"700ms\"").start();
        let mut busy = tenant.connect(proxy.address());
        busy.ok("CREATE TABLE t (a INT)");
        busy.ok("START TRANSACTION");
        busy.ok("INSERT INTO t VALUES (1)");
        let begun = Instant::now();
        proxy.term();
        assert!(busy.packet().is_err());
        assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
        assert_eq!(proxy.wait().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(5));
        Root::on(server).wait_for(&tenant.name, 0);
        let count = tenant.connect(server.address()).scalar("SELECT COUNT(*) FROM t");
        assert_eq!(count.as_deref(), Some("0"), "rolled back");
    });
}

#[test]
fn a_session_that_keeps_its_connection_outside_a_transaction_is_idle() {
    each_server(|server| {
        let tenant = Tenant::new(server, "pinned");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let mut proxy = setup.server("drain_timeout = \"60s\"").start();
        let mut pinned = tenant.connect(proxy.address());
        pinned.ok("CREATE TEMPORARY TABLE t (a INT)");
        pinned.ok("INSERT INTO t VALUES (1)");
        until("it has a connection", || proxy.backends("leased") == 1.0);
        proxy.term();
        // As a server does: closed, without a word.
        assert!(matches!(pinned.packet(), Err(WireError::Io(_))));
        assert_eq!(proxy.wait().code(), Some(0));
        Root::on(server).wait_for(&tenant.name, 0);
    });
}

#[test]
fn a_second_sigterm_ends_at_once() {
    each_server(|server| {
        let tenant = Tenant::new(server, "hurry");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        // Longer than the test waits for the end.
        let mut proxy = setup.server("drain_timeout = \"10m\"").start();
        let mut busy = tenant.connect(proxy.address());
        busy.ok("CREATE TABLE t (a INT)");
        busy.ok("START TRANSACTION");
        busy.ok("INSERT INTO t VALUES (1)");
        proxy.term();
        until("nobody listens", || TcpStream::connect(proxy.address()).is_err());
        busy.ok("INSERT INTO t VALUES (2)");
        proxy.term();
        assert!(busy.packet().is_err());
        assert_eq!(proxy.wait().code(), Some(0));
        assert!(proxy.log().contains("stopped at once"), "{}", proxy.log());
        Root::on(server).wait_for(&tenant.name, 0);
        let count = tenant.connect(server.address()).scalar("SELECT COUNT(*) FROM t");
        assert_eq!(count.as_deref(), Some("0"), "rolled back");
    });
}

/// A second process of a proxy's configuration, with these options, fails since its address is taken; who comes meanwhile meets
/// the first one.
fn fails_to_start(proxy: &Proxy, tenant: &Tenant, options: &[&str]) {
    let mut second = Command::new(env!("CARGO_BIN_EXE_greenroom"))
        .arg("--config")
        .arg(proxy.config())
        .args(options)
        .env("GREENROOM_ADMIN_PASSWORD", "x")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Clients come all the while: none of them may land with the one that is about to fail.
    let mut clients = 0;
    while second.try_wait().unwrap().is_none() {
        let mut wire = tenant.connect(proxy.address());
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        clients += 1;
        if clients > 3000 {
            second.kill().unwrap();
            panic!("the second one runs beside the first");
        }
    }
    let output = second.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("cannot listen on"), "{log}");
    assert_eq!(log.matches("Address already in use").count(), 1, "{log}");
}

#[test]
fn a_second_start_in_the_same_place_fails_and_takes_no_clients() {
    let tenant = Tenant::new(mariadb(), "second");
    let proxy = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password).start();
    fails_to_start(&proxy, &tenant, &[]);
    // The kernel would share the endpoint's address out among processes of one user.
    let endpoint_alone = ["--set", "http.listen=off", "--set", "admin.listen=off"];
    fails_to_start(&proxy, &tenant, &endpoint_alone);
    let everywhere = format!("endpoints.0.listen=0.0.0.0:{}", proxy.address().port());
    fails_to_start(&proxy, &tenant, &[&endpoint_alone[..], &["--set", &everywhere]].concat());
}

/// The system's look-ups cannot be broken off.
#[test]
fn an_end_does_not_wait_for_a_name_that_is_being_looked_up() {
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (directory.path().join("slow.c"), directory.path().join("slow.so"));
    let slow =
        "#include <unistd.h>\nint getaddrinfo(void) { write(2, \"LOOKED UP\\n\", 10); sleep(600); return -3; }\n";
    fs::write(&source, slow).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(made.success());
    let tenant = Tenant::new(mariadb(), "lookup");
    let setup = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password);
    let setup = setup.extra("[[nodes]]\nname = \"named\"\naddress = \"db.invalid:3306\"\n[[endpoints]]\nname = \"other\"\nlisten = \"127.0.0.1:0\"\nnodes = [\"named\"]\n");
    let mut proxy = setup.environment("LD_PRELOAD", &library.display().to_string()).start();
    until("a name is being looked up", || proxy.log().contains("LOOKED UP"));
    proxy.term();
    assert_eq!(proxy.wait().code(), Some(0));
}
