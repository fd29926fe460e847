//! `COM_CHANGE_USER` through the proxy, beside what the server itself does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use greenroom::demo::server::{Flavor, Server};
use mysql_common::constants::Command;
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::{AuthPath, ErrPacket, Login, Reply, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
/// Each plugin, and how it proves a password that is known.
const PLUGINS: [(&str, AuthPath); 2] =
    [("mysql_native_password", AuthPath::Native), ("caching_sha2_password", AuthPath::Fast)];

fn state(wire: &mut Wire) -> Vec<Option<String>> {
    wire.rows("SELECT CURRENT_USER(), DATABASE(), @kept, @@autocommit, @@sql_mode, LAST_INSERT_ID()").remove(0)
}

fn refusal(wire: &mut Wire, login: &Login) -> ErrPacket {
    match wire.change_user(login) {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

#[test]
fn a_client_becomes_another_user_and_comes_back_with_nothing_kept() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "one"), Tenant::new(server, "two")];
        for (mode, credentials) in MODES.iter().flat_map(|mode| [(mode, "static"), (mode, "learned")]) {
            println!("{mode}, {credentials}");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.endpoint(&format!("credentials = \"{credentials}\""));
            let known = [&one, &two].into_iter().filter(|_| credentials == "static");
            let proxy = known.fold(setup, |setup, tenant| setup.user(&tenant.name, &tenant.password)).start();
            let walk = |address| {
                let mut wire = one.connect(address);
                wire.ok("CREATE TABLE IF NOT EXISTS t (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB");
                let mut seen = Vec::new();
                for login in [two.login(), one.login(), Login::new(&one.name, &one.password), two.login()] {
                    wire.ok("SET @kept = 1, autocommit = 0, SESSION sql_mode = ''");
                    wire.query(&format!("INSERT INTO {}.t VALUES ()", one.name)).unwrap();
                    let welcome = wire.change_user(&login).unwrap();
                    seen.push((welcome.status, format!("{:?}", welcome.tracked), state(&mut wire)));
                }
                wire.change_user(&one.login()).unwrap();
                assert_eq!(wire.scalar("SELECT COUNT(*) FROM t").as_deref(), Some("0"), "what was open is rolled back");
                seen
            };
            assert_eq!(walk(proxy.address()), walk(server.address()));
        }
    });
}

#[test]
fn a_change_that_fails_is_told_as_it_is_directly() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "from"), Tenant::new(server, "to")];
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.user(&one.name, &one.password).user(&two.name, &two.password);
            let proxy = setup.start();
            let logins = [
                Login::new(&two.name, "guess"),
                two.login().database(&one.name),
                two.login().database("nosuch"),
                Login::new(&two.name, ""),
            ];
            for login in &logins {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut wire = one.connect(address);
                    refusal(&mut wire, login)
                });
                assert_eq!(through, direct, "{mode}");
            }
        }
    });
}

#[test]
fn the_native_plugin_is_challenged_by_the_scramble_that_the_client_has() {
    // MariaDB's client library answers by that one whatever the challenge says.
    let server = mariadb();
    let tenant = Tenant::new(server, "again");
    let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
    for address in [server.address(), proxy.address()] {
        let mut wire = tenant.connect(address);
        let plugin = b"mysql_native_password\0";
        let challenge = [b"\xfe", &plugin[..], &wire.greeting.scramble, b"\0"].concat();
        let body = [tenant.name.as_bytes(), b"\0\0\0\x2d\0", plugin, b"\0"].concat();
        wire.send(Command::COM_CHANGE_USER, &body).unwrap();
        assert_eq!(wire.packet().unwrap().payload, challenge);
    }
}

/// A proxy that learns passwords, and listens on a Unix socket too.
fn learning(server: &Server, mode: &str, directory: &Path) -> (Proxy, PathBuf) {
    let socket = directory.join(format!("{mode}.sock"));
    let listen = format!("listen = \"unix:{}\"\nnodes = [\"db1\"]", socket.display());
    let both = format!("pool = \"{mode}\"\ncredentials = \"learned\"");
    let setup = Setup::new(server.address()).endpoint(&both);
    (setup.extra(&format!("[[endpoints]]\nname = \"socket\"\n{listen}\n{both}")).start(), socket)
}

/// Who the session is now, and where.
fn is(wire: &mut Wire, tenant: &Tenant) {
    let expected = [Some(format!("{}@%", tenant.name)), Some(tenant.name.clone())];
    assert_eq!(wire.rows("SELECT CURRENT_USER(), DATABASE()"), [expected]);
}

#[test]
fn a_user_who_is_known_proves_himself_by_either_plugin() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "known"), Tenant::new(server, "known")];
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&one.name, &one.password).user(&two.name, &two.password).start();
            for (first, _) in PLUGINS {
                let mut wire = Wire::connect(proxy.address(), &one.login().plugin(first)).unwrap();
                // Another plugin than at the login, the same again, and back.
                for (tenant, (plugin, path)) in [&two, &one, &one, &two].into_iter().zip(PLUGINS.iter().cycle()) {
                    wire.change_user(&tenant.login().plugin(plugin)).unwrap();
                    assert_eq!(wire.auth, *path, "{mode}: from {first} to {plugin}");
                    is(&mut wire, tenant);
                }
            }
        }
    });
}

#[test]
fn a_user_who_is_not_known_hands_his_password_over_in_every_way_that_there_is() {
    each_server(|server| {
        let directory = tempfile::tempdir().unwrap();
        for mode in MODES {
            println!("pool = {mode}");
            let (proxy, socket) = learning(server, mode, directory.path());
            let from = Tenant::new(server, "host");
            for (plugin, path) in PLUGINS {
                for (in_clear, whole) in [(false, AuthPath::FullRsa), (true, AuthPath::FullClear)] {
                    for by_socket in [false, true] {
                        let to = Tenant::new(server, "guest");
                        let login = to.login().plugin(plugin);
                        let first = if in_clear { login.clone().in_clear() } else { login.clone() };
                        let mut wire = match by_socket {
                            true => Wire::connect_unix(&socket, &from.login()).unwrap(),
                            false => from.connect(proxy.address()),
                        };
                        wire.change_user(&first).unwrap();
                        assert_eq!(wire.auth, whole, "{mode}, {plugin}, by a socket: {by_socket}");
                        is(&mut wire, &to);
                        // From now on he is known. Who was learned is asked by the plugin that can hand over another
                        // password: clients take one switch alone.
                        wire.change_user(&login).unwrap();
                        assert_eq!(wire.auth, AuthPath::Fast, "{mode}, {plugin}, {path:?}");
                        is(&mut wire, &to);
                        // His password changes on the server.
                        to.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY 'brand-new'", to.name)]);
                        let new = Login::new(&to.name, "brand-new").database(&to.name).plugin(plugin);
                        wire.change_user(&new).unwrap();
                        assert_eq!(wire.auth, AuthPath::FullRsa, "{mode}, {plugin}, by a socket: {by_socket}");
                        is(&mut wire, &to);
                    }
                }
            }
        }
    });
}

#[test]
fn a_user_without_a_password_proves_nothing() {
    each_server(|server| {
        let [from, to] = [Tenant::new(server, "locked"), Tenant::new(server, "open")];
        to.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY ''", to.name)]);
        let direct = refusal(&mut from.connect(server.address()), &Login::new(&to.name, "guess"));
        for (mode, credentials) in MODES.iter().flat_map(|mode| [(mode, "static"), (mode, "learned")]) {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.endpoint(&format!("credentials = \"{credentials}\""));
            let known = credentials == "static";
            let setup = if known { setup.user(&from.name, &from.password).user(&to.name, "") } else { setup };
            let proxy = setup.start();
            for (plugin, _) in PLUGINS {
                let mut wire = from.connect(proxy.address());
                let open = Login::new(&to.name, "").database(&to.name).plugin(plugin);
                for _ in 0..2 {
                    wire.change_user(&open).unwrap();
                    is(&mut wire, &to);
                }
                let guess = Login::new(&to.name, "guess").plugin(plugin);
                assert_eq!(refusal(&mut wire, &guess), direct, "{mode}, {credentials}, {plugin}");
            }
        }
    });
}

#[test]
fn who_names_another_plugin_is_switched_to_the_one_that_greets() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "names"), Tenant::new(server, "names")];
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&one.name, &one.password).user(&two.name, &two.password).start();
            for name in ["", "nosuch", "auth_gssapi_client", "mysql_clear_password", "dialog"] {
                let [direct, through] = [server.address(), proxy.address()].map(|address| {
                    let mut wire = one.connect(address);
                    wire.change_user(&two.login().plugin(name)).unwrap();
                    is(&mut wire, &two);
                    match wire.auth {
                        // Directly it depends on whether the server has seen him lately.
                        AuthPath::FullRsa => AuthPath::Fast,
                        path => path,
                    }
                });
                assert_eq!(through, direct, "{mode}: {name:?}");
            }
        }
    });
}

#[test]
fn who_is_refused_is_sent_away() {
    each_server(|server| {
        let directory = tempfile::tempdir().unwrap();
        let [from, to, known] = ["from", "to", "seen"].map(|label| Tenant::new(server, label));
        // MariaDB takes a second for each.
        let guesses = [(&*to.name, "guess"), (&*to.name, ""), (&*known.name, "guess"), ("nobody", "guess")];
        let refused = guesses.map(|(name, password)| {
            let login = Login::new(name, password);
            let mut direct = refusal(&mut from.connect(server.address()), &login);
            assert_eq!((direct.code, direct.state.as_str()), (1045, "28000"));
            if name == "nobody" {
                // MySQL says NO here, which tells a stranger who exists.
                direct.message = direct.message.replace("password: NO", "password: YES");
            }
            (login, direct)
        });
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let strict = setup.user(&from.name, &from.password).user(&to.name, &to.password).start();
            let (learning, _) = learning(server, mode, directory.path());
            known.connect(learning.address());
            for ((plugin, _), proxy) in PLUGINS.iter().flat_map(|plugin| [(plugin, &strict), (plugin, &learning)]) {
                for (login, direct) in &refused {
                    let mut wire = from.connect(proxy.address());
                    wire.ok("BEGIN");
                    assert_eq!(refusal(&mut wire, &login.clone().plugin(plugin)), *direct, "{mode}, {plugin}");
                    assert!(wire.query("SELECT 1").is_err(), "the session is over");
                }
            }
        }
    });
}

#[test]
fn a_server_sends_away_who_is_refused_but_mariadb_lets_him_try_three_times() {
    // What docs/protocol.md says of it.
    each_server(|server| {
        let [from, to] = [Tenant::new(server, "was"), Tenant::new(server, "willbe")];
        let mut wire = from.connect(server.address());
        wire.ok("SET @kept = 1");
        if server.flavor() == Flavor::MySql {
            assert_eq!(refusal(&mut wire, &Login::new(&to.name, "guess")).code, 1045);
            assert!(wire.query("SELECT 1").is_err());
            return;
        }
        for code in [1045, 1045, 1045, 1047] {
            assert_eq!(refusal(&mut wire, &Login::new(&to.name, "guess")).code, code);
            is(&mut wire, &from);
            assert_eq!(wire.scalar("SELECT @kept"), None);
        }
    });
}

#[test]
fn nothing_of_the_session_before_is_left() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "left"), Tenant::new(server, "left")];
        for tenant in [&one, &two] {
            tenant.connect(server.address()).ok("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB");
        }
        for mode in MODES {
            println!("pool = {mode}");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&one.name, &one.password).user(&two.name, &two.password).start();
            let walk = |address: SocketAddr, pinned: &dyn Fn(f64)| {
                let mut wire = one.connect(address);
                let mut seen = Vec::new();
                for tenant in [&one, &two, &one] {
                    let statement = wire.prepare("SELECT 'prepared'").unwrap();
                    for sql in [
                        "SET @kept = 'kept', SESSION sql_mode = 'ANSI', time_zone = '+05:00', lock_wait_timeout = 77",
                        "SET NAMES latin1",
                        "CREATE TEMPORARY TABLE temporary (a INT)",
                        "PREPARE texted FROM 'SELECT 1'",
                        "DO GET_LOCK('of the session before', 0)",
                        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                        "LOCK TABLES t WRITE",
                        "INSERT INTO t VALUES ()",
                        "HANDLER t OPEN",
                        "SET autocommit = 0",
                        "INSERT INTO t VALUES ()",
                    ] {
                        wire.query(sql).unwrap();
                    }
                    pinned(1.0);
                    wire.change_user(&tenant.login()).unwrap();
                    pinned(0.0);
                    for sql in [
                        "SELECT CURRENT_USER(), DATABASE(), @kept, @@autocommit, @@sql_mode, @@time_zone",
                        "SELECT @@character_set_client, @@collation_connection, @@lock_wait_timeout",
                        "SELECT LAST_INSERT_ID(), IS_FREE_LOCK('of the session before')",
                        "SELECT * FROM temporary",
                        "EXECUTE texted",
                        "HANDLER t READ FIRST",
                        "SHOW VARIABLES LIKE 'transaction_isolation'",
                        "SHOW VARIABLES LIKE 'tx_isolation'",
                        "UNLOCK TABLES",
                    ] {
                        seen.push(match wire.query(sql).unwrap().remove(0) {
                            Reply::Rows(rows) => format!("{:?}", rows.rows),
                            Reply::Err(error) => error.to_string(),
                            other => format!("{other:?}"),
                        });
                    }
                    seen.push(match wire.execute(&statement, &[]).unwrap().remove(0) {
                        Reply::Err(error) => error.code.to_string(),
                        other => format!("{other:?}"),
                    });
                    // The locks are gone, and what was not committed.
                    tenant.administer(&[format!("DELETE FROM {}.t", one.name), format!("DELETE FROM {}.t", two.name)]);
                }
                seen
            };
            let held = |count: f64| {
                let now = || proxy.metrics().sum("greenroom_pinned", &[]);
                // A pool without pins has none to show.
                if mode == "transaction" {
                    until("the pins", || (now() > 0.0) == (count > 0.0));
                }
            };
            assert_eq!(walk(proxy.address(), &held), walk(server.address(), &|_| {}), "{mode}");
        }
    });
}

#[test]
fn a_user_whose_hash_is_known_proves_it_by_the_plugin_that_it_is_for() {
    each_server(|server| {
        let [from, to] = [Tenant::new(server, "plain"), Tenant::new(server, "hashed")];
        // MySQL takes no hash but that of a password which it has cached.
        let mut own = to.connect(server.address());
        let (asked, prefix, path) = match server.flavor() {
            Flavor::MariaDb => (format!("SELECT PASSWORD('{}')", to.password), "", AuthPath::Native),
            Flavor::MySql => {
                (format!("SELECT SHA2(UNHEX(SHA2('{}', 256)), 256)", to.password), "sha256:", AuthPath::Fast)
            }
        };
        let hash = format!("{prefix}{}", own.scalar(&asked).unwrap());
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.extra(&format!("[[users]]\nname = \"{}\"\npassword_hash = \"{hash}\"", to.name));
            let proxy = setup.user(&from.name, &from.password).start();
            for (plugin, _) in PLUGINS {
                let mut wire = from.connect(proxy.address());
                wire.change_user(&to.login().plugin(plugin)).unwrap();
                assert_eq!(wire.auth, path, "{mode}, {plugin}");
                is(&mut wire, &to);
                wire.change_user(&from.login().plugin(plugin)).unwrap();
                is(&mut wire, &from);
                for password in ["guess", ""] {
                    let error =
                        refusal(&mut from.connect(proxy.address()), &Login::new(&to.name, password).plugin(plugin));
                    assert_eq!(error.code, 1045, "{mode}, {plugin}");
                }
            }
        }
    });
}
