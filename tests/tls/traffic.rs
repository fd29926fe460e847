//! What passes is what passes without TLS.

use std::{net::Shutdown, time::Duration};

use greenroom::demo::server::Server;
use mysql_common::constants::{CapabilityFlags, Command};
use rustls::{SupportedProtocolVersion, version};

use super::{authority, each_server, setup};
use crate::support::{
    observe::{Root, until},
    proxy::Proxy,
    servers::Tenant,
    wire::{AuthPath, Login, Reply, Tls, Wire},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Every pool mode in either version, TLS on both sides.
fn everywhere(label: &str, node: &[&str], test: impl Fn(&Server, &Tenant, &Proxy, &Tls)) {
    let node = [&["tls = \"required\""], node].concat();
    each_server(|server| {
        let tenant = Tenant::new(server, label);
        for pool in MODES {
            let proxy = setup(server, &tenant, &node)
                .endpoint("tls = \"required\"")
                .endpoint(&format!("pool = \"{pool}\""))
                .start();
            for only in VERSIONS {
                println!("pool = {pool}, {only:?}");
                test(server, &tenant, &proxy, &Tls::only(&authority().file, only));
            }
            let lost = proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"unexpected\""])
                + proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"server_closed\""]);
            assert_eq!(lost, 0.0, "{pool}: what TLS says of its own is nothing that a server said");
        }
    });
}

fn connect(proxy: &Proxy, login: &Login, tls: &Tls) -> Wire {
    Wire::connect_tls(proxy.address(), login, tls).expect("the test's own user logs in")
}

/// Several commands as one would send them without waiting.
fn packed(commands: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for sql in commands {
        bytes.extend(&(sql.len() as u32 + 1).to_le_bytes()[..3]);
        bytes.extend([0, Command::COM_QUERY as u8]);
        bytes.extend(sql.as_bytes());
    }
    bytes
}

#[test]
fn large_results_and_large_statements() {
    everywhere("large", &[], |_, tenant, proxy, tls| {
        let mut wire = connect(proxy, &tenant.login(), tls);
        for length in [1, 16_379, 16_380, 16_384, 16_385, 65_536, 3_000_000] {
            let text: String = (0..length).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
            assert!(wire.scalar(&format!("SELECT '{text}'")).unwrap() == text, "{length}");
        }
        let digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)";
        let rows = wire.rows(&format!(
            "SELECT REPEAT(CONCAT(a.d, b.d), 100000) FROM {digits} a, {digits} b, {digits} c ORDER BY a.d, b.d"
        ));
        assert_eq!(rows.len(), 125);
        assert!(rows.iter().all(|row| row[0].as_ref().unwrap().len() == 200_000));
        assert_eq!(wire.scalar("SELECT 'after'").as_deref(), Some("after"));
    });
}

#[test]
fn a_file_of_the_clients() {
    everywhere("infile", &[], |_, tenant, proxy, tls| {
        tenant.administer(&["SET GLOBAL local_infile = 1".into()]);
        let mut wire = connect(proxy, &tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES), tls);
        wire.ok("DROP TABLE IF EXISTS f");
        wire.ok("CREATE TABLE f (a INT, b TEXT)");
        let asked = wire.one("LOAD DATA LOCAL INFILE 'rows' INTO TABLE f");
        assert_eq!(asked, Reply::Infile("rows".into()));
        let lines: Vec<String> = (0..20_000).map(|number| format!("{number}\t{}\n", "z".repeat(100))).collect();
        for part in lines.concat().as_bytes().chunks(100_000) {
            wire.answer(part).unwrap();
        }
        wire.answer(&[]).unwrap();
        assert_eq!(wire.packet().unwrap().payload[0], 0, "OK");
        let sum = wire.rows("SELECT COUNT(*), SUM(LENGTH(b)) FROM f");
        assert_eq!(sum, [[Some("20000".to_owned()), Some("2000000".to_owned())]]);
    });
}

#[test]
fn commands_sent_ahead_are_answered_in_order() {
    everywhere("ahead", &[], |_, tenant, proxy, tls| {
        let mut wire = connect(proxy, &tenant.login(), tls);
        let commands: Vec<String> = (0..100).map(|number| format!("SELECT {number}")).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        wire.send_raw(&packed(&commands)).unwrap();
        for number in 0..100 {
            match wire.replies().unwrap().as_slice() {
                [Reply::Rows(rows)] => assert_eq!(rows.rows, [[Some(number.to_string())]]),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn who_says_in_tls_that_no_more_comes_is_answered_what_he_sent() {
    everywhere("notified", &[], |_, tenant, proxy, tls| {
        for closes in [false, true] {
            let mut wire = connect(proxy, &tenant.login(), tls);
            wire.send_raw(&packed(&["SELECT SLEEP(0.2)", "SELECT 'first'", "SELECT 'second'"])).unwrap();
            wire.close_notify();
            if closes {
                wire.stream().shutdown(Shutdown::Write).unwrap();
            }
            for due in ["0", "first", "second"] {
                match wire.replies().unwrap().as_slice() {
                    [Reply::Rows(rows)] => assert_eq!(rows.rows, [[Some(due.to_owned())]]),
                    other => panic!("{other:?}"),
                }
            }
        }
        until("both have gone", || proxy.clients() == 0.0);
    });
}

#[test]
fn what_runs_for_a_client_that_has_gone_is_killed() {
    everywhere("gone", &[], |server, tenant, proxy, tls| {
        let mut root = Root::on(server);
        let running = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{}' AND info LIKE 'SELECT SLEEP(60)%'",
            tenant.name
        );
        for notifies in [false, true] {
            let mut wire = connect(proxy, &tenant.login(), tls);
            wire.send(Command::COM_QUERY, b"SELECT SLEEP(60)").unwrap();
            until("it runs", || root.0.scalar(&running).as_deref() == Some("1"));
            if notifies {
                wire.close_notify();
            }
            drop(wire);
            until("it is killed", || root.0.scalar(&running).as_deref() == Some("0"));
            until("it has gone", || proxy.clients() == 0.0);
        }
    });
}

#[test]
fn sessions_on_two_workers_share_one_connection_that_moves_between_them() {
    each_server(|server| {
        let tenant = Tenant::new(server, "moves");
        let proxy = setup(server, &tenant, &[])
            .first_node(server.address(), &["tls = \"required\"", "max_connections = 1"])
            .endpoint("tls = \"required\"")
            .start();
        let tls = Tls::trusting(&authority().file);
        let mut wires: Vec<Wire> = (0..6).map(|_| connect(&proxy, &tenant.login(), &tls)).collect();
        for round in 0..50 {
            for (number, wire) in wires.iter_mut().enumerate() {
                wire.ok(&format!("SET @mine = {number}"));
                wire.ok("BEGIN");
                assert_eq!(wire.scalar("SELECT @mine"), Some(number.to_string()), "round {round}");
                wire.ok("COMMIT");
            }
        }
        let metrics = proxy.metrics();
        assert!(metrics.sum("greenroom_backend_ends_total", &["reason=\"transferred\""]) >= 1.0);
        assert_eq!(metrics.sum("greenroom_tls_backend_opens_total", &["version=\"none\""]), 0.0);
    });
}

#[test]
fn a_connection_that_idles_is_kept_and_one_that_the_server_closes_is_replaced() {
    each_server(|server| {
        let tenant = Tenant::new(server, "idles");
        let mut root = Root::on(server);
        let proxy = setup(server, &tenant, &["tls = \"required\""]).start();
        let tls = Tls::trusting(&authority().file);
        let mut wire = connect(&proxy, &tenant.login(), &tls);
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        proxy.wait_until_idle(1);
        let before = root.connections(&tenant.name);
        // Long enough for whatever the server's TLS says after a handshake.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(wire.scalar("SELECT 2").as_deref(), Some("2"));
        assert_eq!(root.connections(&tenant.name), before);
        proxy.wait_until_idle(1);
        root.kill(before[0]);
        until("its end is seen", || {
            proxy.metrics().sum("greenroom_backend_ends_total", &["reason=\"server_closed\""]) == 1.0
        });
        assert_eq!(wire.scalar("SELECT 3").as_deref(), Some("3"));
        assert_ne!(root.connections(&tenant.name), before);
    });
}

#[test]
fn another_user_logs_in_on_the_same_connection() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "one"), Tenant::new(server, "two"));
        let proxy = setup(server, &tenant, &["tls = \"required\""]).endpoint("credentials = \"learned\"").start();
        let tls = Tls::trusting(&authority().file);
        let mut wire = connect(&proxy, &tenant.login(), &tls);
        // Nobody has told the proxy this one's password: it is handed over as it is.
        wire.change_user(&other.login().plugin("caching_sha2_password").in_clear()).unwrap();
        assert_eq!(wire.auth, AuthPath::FullClear);
        assert_eq!(wire.scalar("SELECT DATABASE()"), Some(other.name.clone()));
    });
}
