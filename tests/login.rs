//! Logging in through the proxy: who gets in, in which way, and what the others are told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    io::{Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use greenroom::demo::server::{Flavor, ROOT};
use mysql_common::constants::CapabilityFlags;
use support::{
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb, mysql},
    twin::{CLEAR, Stage},
    wire::{AuthPath, ErrPacket, Login, OkPacket, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
const PLUGINS: [(&str, AuthPath); 2] =
    [("mysql_native_password", AuthPath::Native), ("caching_sha2_password", AuthPath::Fast)];

/// A proxy in each mode that knows this user and the server's root.
fn each_mode(server: SocketAddr, tenant: &Tenant, test: impl Fn(&Proxy)) {
    for mode in MODES {
        println!("pool = {mode}");
        let setup = Setup::new(server).endpoint(&format!("pool = \"{mode}\""));
        test(&setup.user(&tenant.name, &tenant.password).user(ROOT.user, ROOT.password).start());
    }
}

/// The error of a login that must fail with one.
fn refusal(address: SocketAddr, login: &Login) -> ErrPacket {
    match Wire::connect(address, login) {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

fn who(wire: &mut Wire) -> Vec<Option<String>> {
    wire.rows("SELECT CURRENT_USER(), DATABASE()").remove(0)
}

#[test]
fn a_static_user_logs_in_with_either_plugin_though_the_server_has_forgotten_the_password() {
    each_server(|server| {
        let tenant = Tenant::new(server, "plugins");
        each_mode(server.address(), &tenant, |proxy| {
            for (plugin, path) in PLUGINS {
                // From here on MySQL takes nothing but the whole password, under its RSA key.
                tenant.administer(&["FLUSH PRIVILEGES".into()]);
                let mut wire = Wire::connect(proxy.address(), &tenant.login().plugin(plugin)).unwrap();
                assert_eq!(wire.auth, path);
                assert_eq!(who(&mut wire), [Some(format!("{}@%", tenant.name)), Some(tenant.name.clone())]);
            }
        });
    });
}

#[test]
fn a_client_that_begins_with_a_plugin_of_its_own_is_switched() {
    each_server(|server| {
        let tenant = Tenant::new(server, "switch");
        each_mode(server.address(), &tenant, |proxy| {
            for plugin in ["auth_gssapi_client", "mysql_clear_password", ""] {
                let mut wire = Wire::connect(proxy.address(), &tenant.login().plugin(plugin)).unwrap();
                let offered = wire.greeting.plugin.clone();
                assert_eq!(PLUGINS.iter().find(|(name, _)| *name == offered).unwrap().1, wire.auth);
                assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
            }
        });
    });
}

#[test]
fn a_client_from_before_plugins_logs_in() {
    each_server(|server| {
        let tenant = Tenant::new(server, "oldest");
        each_mode(server.address(), &tenant, |proxy| {
            let login = tenant.login().plugin("mysql_native_password");
            let login = login.without(CapabilityFlags::CLIENT_PLUGIN_AUTH | CapabilityFlags::CLIENT_CONNECT_ATTRS);
            let mut wire = Wire::connect(proxy.address(), &login).unwrap();
            assert_eq!(wire.scalar("SELECT DATABASE()"), Some(tenant.name.clone()));
        });
    });
}

/// All that a client of the years before plugins asks for, in one round trip: 20 bytes of an answer behind their length.
fn oldest(login: Login) -> Login {
    let own = CapabilityFlags::CLIENT_LONG_PASSWORD
        | CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION;
    login.without(!own).plugin("mysql_native_password")
}

#[test]
fn a_client_of_the_oldest_kind_works_as_on_the_server_itself() {
    let server = mariadb();
    let schema = ["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), UNIQUE (name))"];
    let stage = Stage::new(server, "ancient", &schema);
    each_mode(server.address(), &stage.proxied, |proxy| {
        for database in [true, false] {
            let login = |login: Login| oldest(if database { login } else { login.no_database() });
            let mut twin = stage.twin_as(proxy, server, &format!("with a database: {database}"), login);
            assert!(!twin.proxied.capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH));
            assert_eq!(twin.proxied.welcome, twin.direct.welcome);
            twin.all(&["SELECT DATABASE()", "SELECT COUNT(*) FROM t", CLEAR, "USE {db}", "TRUNCATE TABLE t"]);
            twin.all(&["INSERT INTO t (name) VALUES ('a'), ('ü')", "SELECT LAST_INSERT_ID(), @@character_set_client"]);
            twin.all(&["INSERT INTO t (name) VALUES ('a')", "SHOW WARNINGS", "SELECT * FROM t ORDER BY id", "SELECT"]);
            twin.all(&["BEGIN", "DELETE FROM t", "ROLLBACK", "SELECT COUNT(*) FROM t", "SELECT 1; SELECT 2", CLEAR]);
            twin.prepared("SELECT id, name FROM t ORDER BY id");
            twin.init_db("nosuch");
            twin.all(&[CLEAR, "SET @kept = 1", "SELECT @kept"]);
            for (wire, tenant) in [(&mut twin.proxied, &stage.proxied), (&mut twin.direct, &stage.direct)] {
                wire.change_user(&login(tenant.login())).unwrap();
            }
            twin.all(&["SELECT @kept, DATABASE()", "SELECT name FROM {db}.t ORDER BY id"]);
            twin.same_state();
        }
    });
}

#[test]
fn a_client_of_the_oldest_kind_is_refused_as_by_the_server_itself() {
    let server = mariadb();
    let tenant = Tenant::new(server, "uncouth");
    let logins = [
        Login::new(&tenant.name, "guess").database(&tenant.name),
        Login::new(&tenant.name, "guess"),
        Login::new(&tenant.name, ""),
        Login::new("nobody", "guess"),
        tenant.login().database("mysql"),
        tenant.login().database("nosuch"),
    ];
    each_mode(server.address(), &tenant, |proxy| {
        for login in logins.iter().cloned().map(oldest) {
            assert_eq!(refusal(proxy.address(), &login), refusal(server.address(), &login), "{login:?}");
        }
    });
}

/// MySQL 9 has no account left that such a client could log in to: whoever it is, and whatever it answers, it hears 1251
/// (measured). So it does here where the server decides; a user whose password the configuration holds gets in
/// nevertheless ([`a_client_from_before_plugins_logs_in`]).
#[test]
fn mysql_itself_takes_no_client_of_the_oldest_kind() {
    let Some(server) = mysql() else { return };
    let tenant = Tenant::new(server, "unwanted");
    for mode in MODES {
        let learns = |setup: Setup| setup.endpoint("credentials = \"learned\"").start();
        let proxy = learns(Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\"")));
        for login in [tenant.login(), tenant.login().no_database(), Login::new(&tenant.name, "guess")] {
            let direct = refusal(server.address(), &oldest(login.clone()));
            assert_eq!((direct.code, &*direct.state), (1251, "08004"));
            assert_eq!(refusal(proxy.address(), &oldest(login)), direct, "{mode}");
        }
    }
}

#[test]
fn the_proxy_greets_as_its_server_does() {
    each_server(|server| {
        let proxy = Proxy::before(server.address());
        let [direct, through] =
            [server.address(), proxy.address()].map(|address| Wire::open(address).unwrap().greeting);
        assert_eq!((&direct.version, direct.collation), (&through.version, through.collation));
        assert_eq!((&direct.plugin, direct.status), (&through.plugin, through.status));
        // TLS is the endpoint's own matter, whether the server has it or not.
        let own = CapabilityFlags::CLIENT_LONG_PASSWORD | CapabilityFlags::CLIENT_SSL;
        assert!((direct.capabilities | own).contains(through.capabilities));
        assert!(through.capabilities.contains(CapabilityFlags::CLIENT_SSL));
        let again = Wire::open(proxy.address()).unwrap().greeting;
        assert_ne!(again.scramble, through.scramble, "a scramble serves one login");
        assert_ne!(again.thread_id, through.thread_id);
    });
}

#[test]
fn who_is_refused_hears_it_in_the_servers_words() {
    each_server(|server| {
        let tenant = Tenant::new(server, "refused");
        let logins = [
            ("wrong password", Login::new(&tenant.name, "guess").database(&tenant.name)),
            ("no password", Login::new(&tenant.name, "").database(&tenant.name)),
            ("unknown user", Login::new("nobody", "guess")),
            ("unknown user without a password", Login::new("nobody", "")),
            ("empty user", Login::new("", "")),
            ("empty user with a password", Login::new("", "guess")),
            ("no access to the database", Login::new(&tenant.name, &tenant.password).database("mysql")),
            ("no such database, and no right to know", Login::new(&tenant.name, &tenant.password).database("nosuch")),
            ("no such database", Login::new(ROOT.user, ROOT.password).database("nosuch")),
        ];
        each_mode(server.address(), &tenant, |proxy| {
            let before = tenant.connect(proxy.address());
            for (what, login) in &logins {
                for (plugin, _) in PLUGINS {
                    let mut direct = refusal(server.address(), login);
                    if ["unknown user", "empty user with a password"].contains(what) {
                        // MySQL says NO here, which tells a stranger who exists.
                        direct.message = direct.message.replace("password: NO", "password: YES");
                    }
                    // Twice: what a refusal leaves behind must not help the next.
                    for _ in 0..2 {
                        let through = refusal(proxy.address(), &login.clone().plugin(plugin));
                        assert_eq!(through, direct, "{what}, {plugin}");
                    }
                }
            }
            drop(before);
            assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
        });
    });
}

#[test]
fn the_errors_of_a_login_have_the_documented_numbers() {
    each_server(|server| {
        let tenant = Tenant::new(server, "numbers");
        each_mode(server.address(), &tenant, |proxy| {
            let number = |login: &Login| {
                let error = refusal(proxy.address(), login);
                (error.code, error.state)
            };
            assert_eq!(number(&Login::new(&tenant.name, "guess")), (1045, "28000".into()));
            assert_eq!(number(&Login::new(ROOT.user, ROOT.password).database("nosuch")), (1049, "42000".into()));
            assert_eq!(number(&tenant.login().database("mysql")), (1044, "42000".into()));
        });
    });
}

#[test]
fn a_login_is_answered_with_the_ok_that_a_server_gives() {
    each_server(|server| {
        let tenant = Tenant::new(server, "welcome");
        let trackless = CapabilityFlags::CLIENT_SESSION_TRACK;
        each_mode(server.address(), &tenant, |proxy| {
            for login in [tenant.login(), tenant.login().without(trackless), Login::new(&tenant.name, &tenant.password)]
            {
                let [direct, through]: [OkPacket; 2] =
                    [server.address(), proxy.address()].map(|address| Wire::connect(address, &login).unwrap().welcome);
                assert_eq!(through, direct);
            }
        });
    });
}

#[test]
fn an_account_without_a_password_logs_in_without_one() {
    each_server(|server| {
        let tenant = Tenant::new(server, "open");
        tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY ''", tenant.name)]);
        for (mode, credentials) in MODES.iter().flat_map(|mode| [(mode, "static"), (mode, "learned")]) {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.endpoint(&format!("credentials = \"{credentials}\""));
            let known = credentials == "static";
            let proxy = if known { setup.user(&tenant.name, "").start() } else { setup.start() };
            for (plugin, _) in PLUGINS {
                let login = Login::new(&tenant.name, "").database(&tenant.name).plugin(plugin);
                for _ in 0..2 {
                    let mut wire = Wire::connect(proxy.address(), &login).unwrap();
                    assert_eq!(wire.scalar("SELECT DATABASE()"), Some(tenant.name.clone()), "{mode} {credentials}");
                }
                let wrong = Login::new(&tenant.name, "guess").plugin(plugin);
                assert_eq!(refusal(proxy.address(), &wrong), refusal(server.address(), &wrong), "{mode} {credentials}");
            }
        }
    });
}

#[test]
fn one_client_too_many_is_refused_before_the_greeting() {
    each_server(|server| {
        let tenant = Tenant::new(server, "many");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password).server("max_clients = 2");
        let proxy = setup.start();
        let message = "Too many connections: all 2 places for clients of [server] are taken; close some, or raise its \
                       max_clients";
        let full = ErrPacket { code: 1040, state: String::new(), message: message.into() };
        let is_full = || match Wire::connect(proxy.address(), &tenant.login()) {
            Err(WireError::Refused(error)) => {
                assert_eq!(error, full);
                None
            }
            Err(error) => panic!("{error}"),
            Ok(wire) => Some(wire),
        };
        // The start's own looks at the listener may still be counted.
        let mut inside = vec![poll(is_full), poll(is_full)];
        for _ in 0..3 {
            assert!(is_full().is_none());
        }
        assert!(inside.pop().unwrap().quit().unwrap());
        let mut next = poll(is_full);
        assert!(is_full().is_none());
        assert_eq!(next.scalar("SELECT 1").as_deref(), Some("1"));
    });
}

#[test]
fn those_who_do_not_log_in_take_no_more_places_than_are_theirs() {
    let tenant = Tenant::new(mariadb(), "newcomers");
    let setup = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password).server("max_logins = 2");
    let proxy = setup.server("login_timeout = \"10min\"").start();
    let comes = || match Wire::open(proxy.address()) {
        Ok(wire) => Some(wire),
        Err(WireError::Refused(error)) => {
            assert_eq!(error.code, 1040);
            assert!(error.message.ends_with("or raise its max_logins"), "{error}");
            None
        }
        Err(error) => panic!("{error}"),
    };
    // Who has logged in counts no more.
    let mut inside: Vec<_> = (0..4).map(|_| poll(comes).log_in(&tenant.login()).unwrap()).collect();
    let mut silent = vec![poll(comes), poll(comes)];
    for _ in 0..3 {
        assert!(comes().is_none());
    }
    inside.iter_mut().for_each(|wire| assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1")));
    // A place is free when one of them goes, or logs in, or fails to.
    drop(silent.pop());
    let next = poll(comes);
    assert!(comes().is_none());
    inside.push(next.log_in(&tenant.login()).unwrap());
    let refused = poll(comes).log_in(&Login::new(&tenant.name, "guess"));
    assert!(matches!(refused, Err(WireError::Refused(error)) if error.code == 1045));
    drop(poll(comes));
}

/// Asks until there is an answer.
fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_does_not_log_in_in_time_is_closed_whatever_he_trickles() {
    each_server(|server| {
        let tenant = Tenant::new(server, "slow");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = setup.server("login_timeout = \"800ms\"").start();
        let mut silent = Wire::open(proxy.address()).unwrap();
        assert!(matches!(silent.packet(), Err(WireError::Io(_) | WireError::Malformed(_))), "nothing can be due");
        let trickling = Wire::open(proxy.address()).unwrap();
        poll(|| trickling.stream().write_all(&[0xFE]).is_err().then_some(()));
        // Those who were in time stay.
        let mut wire = tenant.connect(proxy.address());
        poll(|| (proxy.metrics().sum("greenroom_clients", &["state=\"login\""]) == 0.0).then_some(()));
        assert_eq!(wire.scalar("SELECT SLEEP(1.2)").as_deref(), Some("0"));
    });
}

#[test]
fn who_waits_for_a_connection_at_his_login_is_told_what_is_full() {
    each_server(|server| {
        let tenant = Tenant::new(server, "waits");
        let setup = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 1"])
            .endpoint("pool = \"session\"\nlease_timeout = \"3s\"");
        let setup = setup.user(&tenant.name, &tenant.password).server("login_timeout = \"400ms\"");
        let proxy = setup.start();
        let mut one = tenant.connect(proxy.address());
        let Err(WireError::Refused(error)) = Wire::connect(proxy.address(), &tenant.login()) else {
            panic!("there is no other connection");
        };
        assert_eq!(error.code, 1040, "{error}");
        let other = std::thread::scope(|scope| {
            let other = scope.spawn(|| tenant.connect(proxy.address()));
            proxy.wait_for_waiters(1);
            std::thread::sleep(Duration::from_millis(600));
            one.ok_ping();
            one.quit().unwrap();
            other.join().unwrap()
        });
        assert_eq!({ other }.scalar("SELECT 1").as_deref(), Some("1"), "who gets one after that time has logged in");
    });
}

#[test]
fn garbage_instead_of_a_login_is_answered_as_a_server_answers_it() {
    each_server(|server| {
        let tenant = Tenant::new(server, "garbage");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let old: &[u8] = &[0x05, 0x00, 0, 0, 0, b'r', b'o', b'o', b't', 0];
        let mut cut = vec![0x0D, 0xA2, 0x0A, 0x00, 0, 0, 0, 0x40, 45];
        cut.extend([0; 23]);
        cut.extend(b"never ended");
        // Everything but a wish for TLS.
        let noise = [&[0xFF, 0xF7], &[0xFF; 62][..]].concat();
        let framed: [(u8, &[u8]); 6] = [(1, b""), (1, b"x"), (1, old), (1, &cut), (1, &noise), (0, &cut)];
        let mut wrong = Vec::new();
        for (sequence, payload) in framed {
            let [direct, through] = [server.address(), proxy.address()].map(|address| {
                let mut wire = Wire::open(address).unwrap();
                wire.send_payload(sequence, payload).unwrap();
                let mut answer = Vec::new();
                let _ = wire.stream().read_to_end(&mut answer);
                String::from_utf8_lossy(&answer).into_owned()
            });
            // MariaDB still takes logins of before MySQL 4.1; nobody sends any.
            if through != direct && !(payload == old && server.flavor() == Flavor::MariaDb) {
                wrong.push(format!("{sequence} {payload:02x?}: {through:?} instead of {direct:?}"));
            }
        }
        assert!(wrong.is_empty(), "on {}: {wrong:#?}", server.flavor());
        let web = Wire::open(proxy.address()).unwrap();
        web.stream().write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let _ = web.stream().read_to_end(&mut Vec::new());
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
    });
}
