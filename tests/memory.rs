//! What passes through costs no memory: large results, large statements, clients that do not read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use greenroom::demo::server::{Options, Server};
use mysql_common::constants::Command;
use socket2::SockRef;
use support::{
    observe::within,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server},
    wire::Wire,
};

/// What may be added to the proxy's resident memory, in KiB.
const LIMIT: u64 = 32 * 1024;

/// What a connection to a server may take besides, in TLS, in KiB.
const TLS: u64 = 12;

/// Clients that do not read.
const IDLERS: usize = 1000;

/// As many rows as wanted, up to 10,000, of a million bytes each.
const ROW: usize = 1_000_000;

/// Runs a test before each kind of pool, on servers that take large statements and many connections; with this `tls`
/// towards them.
fn everywhere(label: &str, pools: &[&str], tls: &str, test: impl Fn(&Tenant, &Proxy)) {
    let options = Options {
        extra_args: vec![
            "--max-allowed-packet=256M".into(),
            "--net-write-timeout=600".into(),
            format!("--max-connections={}", IDLERS + 50).into(),
        ],
        ..Options::default()
    };
    each_private_server(&options, |server: Server| {
        for pool in pools {
            println!("pool = {pool}");
            let tenant = Tenant::new(&server, label);
            let proxy = Setup::new(server.address())
                .first_node(
                    server.address(),
                    &[&format!("max_connections = {}", IDLERS + 20), &format!("tls = \"{tls}\"")],
                )
                .endpoint("lease_timeout = \"2min\"")
                .endpoint(&format!("pool = \"{pool}\""))
                .user(&tenant.name, &tenant.password)
                .start();
            test(&tenant, &proxy);
        }
    });
}

/// A figure of the process's status, in KiB.
fn status(proxy: &Proxy, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// By how much the resident memory was ever greater than now while something was done, in KiB.
fn peak(proxy: &Proxy, work: impl FnOnce()) -> u64 {
    // 5: the mark of the highest begins anew.
    fs::write(format!("/proc/{}/clear_refs", proxy.pid()), "5").unwrap();
    let before = status(proxy, "VmRSS:");
    work();
    status(proxy, "VmHWM:").saturating_sub(before)
}

fn leased(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("greenroom_backend_connections", &["state=\"leased\""])
}

fn rows(count: usize) -> String {
    let digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
        SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    format!("SELECT REPEAT('r', {ROW}) FROM {digits} a, {digits} b, {digits} c LIMIT {count}")
}

/// Reads a result of such rows, and says how many there were.
fn read(wire: &mut Wire) -> usize {
    let head = wire.packet().unwrap();
    assert_eq!(head.payload, [1], "one column");
    wire.packet().unwrap();
    let expected = [&[0xFD, 0x40, 0x42, 0x0F][..], &[b'r'; ROW]].concat();
    for count in 0.. {
        let packet = wire.packet().unwrap();
        if packet.payload.len() < ROW {
            assert_eq!(packet.payload[0], 0xFE, "the end");
            return count;
        }
        assert!(packet.payload == expected, "row {count}");
    }
    0
}

#[test]
fn a_result_of_a_gigabyte_is_streamed() {
    everywhere("result", &["none", "session", "transaction"], "preferred", |tenant, proxy| {
        let mut wire = tenant.connect(proxy.address());
        wire.scalar("SELECT 1");
        let cost = peak(proxy, || {
            wire.send(Command::COM_QUERY, rows(1000).as_bytes()).unwrap();
            assert_eq!(read(&mut wire), 1000);
        });
        assert!(cost < LIMIT, "{cost} KiB");
        assert_eq!(wire.scalar("SELECT 'after'").as_deref(), Some("after"));
    });
}

#[test]
fn an_insert_of_a_hundred_megabytes_is_streamed() {
    everywhere("insert", &["none", "session", "transaction"], "preferred", |tenant, proxy| {
        let mut wire = tenant.connect(proxy.address());
        wire.ok("CREATE TABLE big (t LONGTEXT)");
        let row = format!("('{}')", "i".repeat(ROW));
        let insert = format!("INSERT INTO big VALUES {}", vec![row; 100].join(","));
        let cost = peak(proxy, || assert_eq!(wire.ok(&insert).affected_rows, 100));
        assert!(cost < LIMIT, "{cost} KiB");
        let sum = wire.scalar("SELECT SUM(LENGTH(t)) FROM big");
        assert_eq!(sum.as_deref(), Some("100000000"));
    });
}

#[test]
fn a_thousand_clients_that_do_not_read_cost_no_more() {
    idlers("disabled", LIMIT);
}

#[test]
fn nor_do_their_servers_in_tls_but_for_what_a_connection_takes() {
    idlers("preferred", LIMIT + TLS * IDLERS as u64);
}

fn idlers(tls: &str, limit: u64) {
    everywhere("idlers", &["transaction"], tls, |tenant, proxy| {
        let mut idlers: Vec<Wire> = (0..IDLERS).map(|_| tenant.connect(proxy.address())).collect();
        // More than the kernel's buffers take, for nearly all of them.
        let ask = rows(12);
        let cost = peak(proxy, || {
            for idler in &mut idlers {
                SockRef::from(idler.stream()).set_recv_buffer_size(64 << 10).unwrap();
                idler.send(Command::COM_QUERY, ask.as_bytes()).unwrap();
            }
            let held = IDLERS as f64 * 0.8;
            within(Duration::from_secs(120), "nearly all are held up", || leased(proxy) >= held);
            thread::sleep(Duration::from_secs(10));
            assert!(leased(proxy) >= held);
        });
        println!("{cost} KiB");
        assert!(cost < limit, "{cost} KiB");
        // Nobody was cut off, and nobody else's bytes were lost. With so many the kernel itself is short of memory.
        idlers.truncate(1);
        idlers[0].set_timeout(Duration::from_secs(120));
        assert_eq!(read(&mut idlers[0]), 12);
        assert_eq!(idlers[0].scalar("SELECT 'after'").as_deref(), Some("after"));
    });
}
