//! The PROXY protocol: from proxies before Greenroom, and to the servers behind it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::OnceLock;

use greenroom::demo::server::{Flavor, Options, ROOT, Server};
use greenroom_protocol::proxy_header::{Route, Version, write};
use mysql_common::constants::Command;
use support::observe::{Root, until};
use support::proxy::{Proxy, Setup};
use support::servers::{Tenant, each_server, mariadb};
use support::wire::{AuthPath, ErrPacket, Login, Wire, WireError};

const TWO: Ipv4Addr = loopback(2);
const THREE: Ipv4Addr = loopback(3);
const NINE: Ipv4Addr = loopback(9);

const fn loopback(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

/// What a proxy says for a client of this address.
fn header(version: Version, client: &str) -> Vec<u8> {
    let source = SocketAddr::new(client.parse().unwrap(), 4711);
    write(version, Some(Route { source, target: "10.0.0.1:3306".parse().unwrap() }))
}

fn refused(outcome: Result<Wire, WireError>) -> ErrPacket {
    match outcome {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

/// As whom, and from where, the process list shows this session.
fn seen(wire: &mut Wire) -> String {
    let id = wire.greeting.thread_id.to_string();
    let rows = wire.rows("SHOW PROCESSLIST");
    let own = rows.into_iter().find(|row| row[0].as_deref() == Some(&id)).unwrap();
    own[2].clone().unwrap()
}

#[test]
fn a_listed_proxy_speaks_for_its_clients_and_may_speak_for_itself() {
    each_server(|server| {
        let tenant = Tenant::new(server, "front");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = setup.endpoint("proxy_protocol_networks = [\"127.0.0.8/31\", \"localhost\"]").start();
        for (ahead, host) in [
            (header(Version::V1, "10.1.2.3"), "10.1.2.3:4711"),
            (header(Version::V2, "10.1.2.3"), "10.1.2.3:4711"),
            (header(Version::V1, "2001:db8::7"), "2001:db8::7:4711"),
            (header(Version::V2, "2001:db8::7"), "2001:db8::7:4711"),
            (header(Version::V2, "::ffff:10.9.9.9"), "10.9.9.9:4711"),
            ([&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xD8"[..], &[0; 216]].concat(), "localhost"),
        ] {
            let mut wire = Wire::connect_saying(NINE, proxy.address(), &ahead, &tenant.login()).unwrap();
            assert_eq!(seen(&mut wire), host);
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        }
        for own in [write(Version::V1, None), write(Version::V2, None), Vec::new()] {
            let mut wire = Wire::connect_saying(NINE, proxy.address(), &own, &tenant.login()).unwrap();
            assert!(seen(&mut wire).starts_with("127.0.0.9:"));
        }
        // The server's words for a wrong password name the client, and so does the log.
        let wrong = Login::new(&tenant.name, "guess");
        let error = refused(Wire::connect_saying(NINE, proxy.address(), &header(Version::V2, "10.1.2.3"), &wrong));
        assert_eq!((error.code, error.message.contains("'@'10.1.2.3'")), (1045, true), "{error}");
        until("the log names the client", || proxy.log().contains("client: 10.1.2.3"));
    });
}

#[test]
fn who_is_not_listed_or_makes_no_sense_is_refused_as_a_broken_handshake() {
    let tenant = Tenant::new(mariadb(), "stranger");
    let setup = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password);
    let listed = setup.clone().endpoint("proxy_protocol_networks = [\"127.0.0.9\"]").start();
    let plain = setup.start();
    let (listed, plain) = (&listed, &plain);
    let good = [header(Version::V1, "10.1.2.3"), header(Version::V2, "10.1.2.3"), write(Version::V2, None)];
    let broken =
        [&b"PROXY TCP4 10.1.2.3\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0", &[&good[1][..], &good[1]].concat()]
            .map(<[u8]>::to_vec);
    let strangers = good.iter().flat_map(move |ahead| [(listed, TWO, ahead), (plain, NINE, ahead)]);
    let broken_ones = broken.iter().map(move |ahead| (listed, NINE, ahead));
    for (proxy, source, ahead) in strangers.chain(broken_ones) {
        let error = refused(Wire::connect_saying(source, proxy.address(), ahead, &tenant.login()));
        assert_eq!((error.code, error.state.as_str()), (1043, "08S01"), "{error} {ahead:?}");
        assert_eq!(
            Wire::connect_from(source, proxy.address(), &tenant.login()).unwrap().scalar("SELECT 1").as_deref(),
            Some("1")
        );
    }
    until("the log says why", || plain.log().contains("not in proxy_protocol_networks"));
}

#[test]
fn a_header_may_come_in_pieces_or_never_and_login_timeout_covers_it() {
    let tenant = Tenant::new(mariadb(), "pieces");
    let setup = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password);
    let setup = setup.endpoint("proxy_protocol_networks = [\"*\"]").server("login_timeout = \"700ms\"");
    let proxy = setup.start();
    for version in [Version::V1, Version::V2] {
        let wire = Wire::open(proxy.address()).unwrap();
        for byte in header(version, "10.1.2.3") {
            let mut stream = wire.stream();
            stream.write_all(&[byte]).unwrap();
        }
        let mut wire = wire.log_in(&tenant.login()).unwrap();
        assert_eq!(seen(&mut wire), "10.1.2.3:4711");
    }
    for part in [&b""[..], b"PRO", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C"] {
        let wire = Wire::open(proxy.address()).unwrap();
        let mut stream = wire.stream();
        stream.write_all(part).unwrap();
        // The socket is closed, not left: the read ends, and not by this side's own patience.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{part:?}: {error}"));
        let half = Wire::open(proxy.address()).unwrap();
        let mut stream = half.stream();
        stream.write_all(part).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut rest).unwrap();
    }
    assert_eq!(Wire::connect(proxy.address(), &tenant.login()).unwrap().scalar("SELECT 1").as_deref(), Some("1"));
}

#[test]
fn a_password_to_be_learned_does_not_come_in_clear_from_behind_a_proxy() {
    let tenant = Tenant::new(mariadb(), "clear");
    let setup = Setup::new(mariadb().address()).endpoint("credentials = \"learned\"");
    let proxy = setup.endpoint("proxy_protocol_networks = [\"127.0.0.9\"]").start();
    let login = tenant.login().plugin("caching_sha2_password").in_clear();
    for client in ["10.1.2.3", "127.0.0.1"] {
        let error = refused(Wire::connect_saying(NINE, proxy.address(), &header(Version::V2, client), &login));
        assert_eq!(error.code, 1045, "{client}: the path from the client to the proxy is unknown");
    }
    // On the loopback interface itself it may.
    let wire = Wire::connect_saying(NINE, proxy.address(), &write(Version::V2, None), &login).unwrap();
    assert_eq!(wire.auth, AuthPath::FullClear);
}

#[test]
fn session_pools_keep_clients_apart_by_the_address_in_the_header() {
    each_server(|server| {
        let tenant = Tenant::new(server, "apart");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password).endpoint("pool = \"session\"");
        let setup = setup.environment("GREENROOM__SERVER__WORKERS", "1").endpoint("idle_timeout = \"1m\"");
        let proxy = setup.endpoint("proxy_protocol_networks = [\"127.0.0.9\"]").start();
        let mut root = Root::on(server);
        let mut backend = |client: &str| {
            let ahead = header(Version::V2, client);
            let mut wire = Wire::connect_saying(NINE, proxy.address(), &ahead, &tenant.login()).unwrap();
            let id = root.backend_of(&mut wire);
            wire.quit().unwrap();
            until("it lies idle", || proxy.metrics().sum("greenroom_backend_connections", &["state=\"idle\""]) >= 1.0);
            id
        };
        let first = backend("10.1.2.3");
        assert_ne!(backend("10.1.2.4"), first);
        assert_eq!(backend("10.1.2.3"), first);
    });
}

/// A MariaDB that believes Greenroom, with one user of two accounts: each may see its own database.
fn believing() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let extra_args = vec!["--proxy-protocol-networks=127.0.0.1".into(), "--skip-name-resolve".into()];
        let server = Server::start(Flavor::MariaDb, &Options { extra_args, binary_log: false }).unwrap();
        let mut root = Root::on(&server).0;
        for number in [2, 3] {
            root.ok(&format!("CREATE DATABASE d{number}"));
            root.ok(&format!("CREATE TABLE d{number}.t AS SELECT {number} AS n"));
            root.ok(&format!("CREATE USER two@'127.0.0.{number}' IDENTIFIED BY 'secret-{number}'"));
            root.ok(&format!("GRANT ALL ON d{number}.* TO two@'127.0.0.{number}'"));
        }
        root.ok("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader-secret'");
        root.ok("GRANT SELECT ON mysql.global_priv TO reader@'127.0.0.1'");
        server
    })
}

/// Before that server, which is told clients' addresses in this version.
fn telling(version: &str, mode: &str) -> Setup {
    let version = format!("proxy_protocol = {version}");
    let setup =
        Setup::new(believing().address()).first_node(believing().address(), &["max_connections = 10", &version]);
    let setup = setup.endpoint(&format!("pool = \"{mode}\"")).endpoint("credentials = \"learned\"");
    setup.endpoint("proxy_protocol_networks = [\"127.0.0.9\"]").endpoint("idle_timeout = \"1m\"")
}

fn is_its_own(wire: &mut Wire, number: u8) {
    assert_eq!(wire.scalar("SELECT CURRENT_USER()"), Some(format!("two@127.0.0.{number}")));
    assert_eq!(wire.scalar(&format!("SELECT n FROM d{number}.t")), Some(number.to_string()));
    assert_eq!(wire.err(&format!("SELECT n FROM d{}.t", 5 - number)).code, 1142);
}

#[test]
fn the_server_judges_each_client_by_its_own_address() {
    let ways =
        [("\"v1\"", "none"), ("true", "none"), ("\"v1\"", "session"), ("\"v2\"", "session"), ("true", "transaction")];
    for ((version, mode), source) in ways.into_iter().flat_map(|way| [(way, "learned"), (way, "query")]) {
        let setup = telling(version, mode).user("reader", "reader-secret");
        let setup = setup.environment("GREENROOM__ENDPOINTS__0__CREDENTIALS", source);
        let setup = setup.environment("GREENROOM__ENDPOINTS__0__QUERY_USER", "reader");
        let proxy = if mode == "transaction" { setup.endpoint("pool_by_client_ip = true") } else { setup }.start();
        for round in 0..3 {
            for (source, number) in [(TWO, 2), (THREE, 3)] {
                let login = Login::new("two", &format!("secret-{number}")).database(&format!("d{number}"));
                let direct = Wire::connect_from(source, proxy.address(), &login);
                is_its_own(&mut direct.unwrap_or_else(|error| panic!("{mode} {version} {round}: {error:?}")), number);
                // Through another proxy it is the same.
                let ahead = header(Version::V1, &source.to_string());
                let mut proxied = Wire::connect_saying(NINE, proxy.address(), &ahead, &login).unwrap();
                is_its_own(&mut proxied, number);
                // The other one's password and database are nothing to it, though the proxy knows both by now.
                let other = Login::new("two", &format!("secret-{}", 5 - number));
                let error = refused(Wire::connect_from(source, proxy.address(), &other));
                assert_eq!((error.code, error.message.contains(&source.to_string())), (1045, true), "{error}");
                let other = login.clone().database(&format!("d{}", 5 - number));
                assert_eq!(refused(Wire::connect_from(source, proxy.address(), &other)).code, 1044, "{mode}");
            }
        }
        let stranger = Login::new("two", "secret-2");
        assert!(matches!(refused(Wire::connect(proxy.address(), &stranger)).code, 1045 | 1130));
    }
}

#[test]
fn what_a_vanished_client_ran_is_killed_by_its_own_account() {
    for mode in ["none", "session"] {
        let proxy = telling("true", mode).start();
        let mut wire = Wire::connect_from(TWO, proxy.address(), &Login::new("two", "secret-2")).unwrap();
        wire.send(Command::COM_QUERY, format!("SELECT SLEEP(600) /* {mode} */").as_bytes()).unwrap();
        let mut root = Root::on(believing()).0;
        let count = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP(600) /* {mode}%' AND HOST LIKE '127.0.0.2:%'"
        );
        until("it runs", || root.scalar(&count).as_deref() == Some("1"));
        drop(wire);
        until("it is killed", || root.scalar(&count).as_deref() == Some("0"));
    }
}

#[test]
fn a_transaction_pool_for_all_addresses_speaks_for_itself() {
    let root = Login::new(ROOT.user, ROOT.password);
    let proxy = telling("true", "transaction").start();
    let mut wire = Wire::connect_from(TWO, proxy.address(), &root).unwrap();
    assert!(wire.scalar("SELECT USER()").unwrap().ends_with("@127.0.0.1"));
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_greenroom"));
    let output = { check }
        .arg("check")
        .arg("--config")
        .arg(proxy.config())
        .env("GREENROOM_ADMIN_PASSWORD", "x")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("pool_by_client_ip = true"), "{said}");
}

#[test]
fn a_server_that_takes_no_header_is_a_clear_error() {
    each_server(|server| {
        for (version, mode) in [("\"v1\"", "session"), ("\"v2\"", "transaction")] {
            let tenant = Tenant::new(server, "none");
            let version = format!("proxy_protocol = {version}");
            let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 10", &version]);
            let proxy: Proxy =
                setup.user(&tenant.name, &tenant.password).endpoint(&format!("pool = \"{mode}\"")).start();
            let error = match Wire::connect(proxy.address(), &tenant.login()) {
                Ok(mut wire) => wire.err("SELECT 1"),
                Err(WireError::Refused(error)) => error,
                Err(other) => panic!("{other:?}"),
            };
            assert!(error.message.contains("seems not to take the PROXY header"), "{error}");
        }
    });
}
