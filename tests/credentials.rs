//! Where the proxy has passwords from: learned from the server, given as hashes, or another user's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails by panicking")]

mod support;

use std::net::SocketAddr;

use greenroom::demo::server::ROOT;
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb, mysql},
    wire::{AuthPath, ErrPacket, Login, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

fn learning(server: SocketAddr, mode: &str) -> Setup {
    let setup = Setup::new(server).endpoint(&format!("pool = \"{mode}\""));
    // Nothing idles away while a test looks on.
    setup.endpoint("credentials = \"learned\"").endpoint("idle_timeout = \"1m\"")
}

fn refusal(address: SocketAddr, login: &Login) -> ErrPacket {
    match Wire::connect(address, login) {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

fn works(wire: &mut Wire, tenant: &Tenant) {
    let expected = [Some(format!("{}@%", tenant.name)), Some(tenant.name.clone())];
    assert_eq!(wire.rows("SELECT CURRENT_USER(), DATABASE()"), [expected]);
}

/// Logs in by these credentials and gives the way that the login took.
fn path(address: SocketAddr, login: &Login, tenant: &Tenant) -> AuthPath {
    let mut wire = Wire::connect(address, login).unwrap();
    works(&mut wire, tenant);
    wire.auth
}

#[test]
fn the_first_login_hands_the_password_over_and_later_ones_prove_it() {
    each_server(|server| {
        for (mode, first) in
            MODES.iter().flat_map(|mode| [(mode, "mysql_native_password"), (mode, "caching_sha2_password")])
        {
            let tenant = Tenant::new(server, "learn");
            let proxy = learning(server.address(), mode).start();
            assert_eq!(path(proxy.address(), &tenant.login().plugin(first), &tenant), AuthPath::FullRsa);
            let sha2 = tenant.login().plugin("caching_sha2_password");
            let native = tenant.login().plugin("mysql_native_password");
            for _ in 0..2 {
                assert_eq!(path(proxy.address(), &sha2, &tenant), AuthPath::Fast, "{mode}");
                assert_eq!(path(proxy.address(), &native, &tenant), AuthPath::Native, "{mode}");
            }
        }
    });
}

#[test]
fn a_stranger_with_a_wrong_password_neither_gets_in_nor_costs_the_user_his_place() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "stranger");
            let proxy = learning(server.address(), mode).start();
            let wrong = Login::new(&tenant.name, "guess").database(&tenant.name);
            let direct = refusal(server.address(), &wrong);
            assert_eq!(direct.code, 1045);
            assert_eq!(refusal(proxy.address(), &wrong), direct, "before anything was learned, {mode}");
            path(proxy.address(), &tenant.login(), &tenant);
            for plugin in ["mysql_native_password", "caching_sha2_password"] {
                assert_eq!(refusal(proxy.address(), &wrong.clone().plugin(plugin)), direct, "{mode}, {plugin}");
            }
            let sha2 = tenant.login().plugin("caching_sha2_password");
            assert_eq!(path(proxy.address(), &sha2, &tenant), AuthPath::Fast, "{mode}");
            for nobody in ["nobody", "somebody", "anybody", "none", "x"] {
                let error = refusal(proxy.address(), &Login::new(nobody, "guess"));
                assert_eq!((error.code, error.state.as_str()), (1045, "28000"), "{error}");
            }
        }
    });
}

/// The same user with another password.
fn with(tenant: &Tenant, password: &str) -> Login {
    Login::new(&tenant.name, password).database(&tenant.name)
}

fn change_password(tenant: &Tenant, password: &str) {
    tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY '{password}'", tenant.name)]);
}

#[test]
fn a_changed_password_is_the_one_that_counts_once_the_server_is_asked() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "changed");
            let proxy = learning(server.address(), mode).start();
            path(proxy.address(), &tenant.login(), &tenant);
            change_password(&tenant, "brand-new");
            let (old, new) = (tenant.login(), with(&tenant, "brand-new"));
            for plugin in ["mysql_native_password", "caching_sha2_password"] {
                let new = new.clone().plugin(plugin);
                works(&mut Wire::connect(proxy.address(), &new).unwrap(), &tenant);
            }
            // The new one is what is remembered; the old one must be proven by the server, and is not.
            let sha2 = new.clone().plugin("caching_sha2_password");
            assert_eq!(path(proxy.address(), &sha2, &tenant), AuthPath::Fast);
            assert_eq!(refusal(proxy.address(), &old).code, 1045, "{mode}");
            assert_eq!(path(proxy.address(), &sha2, &tenant), AuthPath::Fast);
        }
    });
}

#[test]
fn an_old_password_is_forgotten_when_the_server_refuses_it_at_a_statement() {
    each_server(|server| {
        let tenant = Tenant::new(server, "forgotten");
        let setup = learning(server.address(), "transaction");
        let proxy = setup.start();
        // With a database the login itself may ask the server, which is not what is meant here.
        let login = Login::new(&tenant.name, &tenant.password).plugin("caching_sha2_password");
        let mut first = Wire::connect(proxy.address(), &login).unwrap();
        change_password(&tenant, "brand-new");
        // One session keeps the only connection that knows the old password.
        first.ok("BEGIN");
        first.scalar("SELECT COUNT(*) FROM information_schema.tables");
        let mut second = Wire::connect(proxy.address(), &login).unwrap();
        let error = second.err("SELECT 1");
        assert_eq!((error.code, error.state.as_str()), (1045, "28000"));
        assert_eq!(refusal(proxy.address(), &login).code, 1045, "the server has refused this password");
        let new = with(&tenant, "brand-new").plugin("caching_sha2_password");
        assert_eq!(path(proxy.address(), &new, &tenant), AuthPath::FullRsa);
        assert_eq!(path(proxy.address(), &new, &tenant), AuthPath::Fast);
        // A session that was in has its transaction still.
        assert_eq!(first.scalar("SELECT 2").as_deref(), Some("2"));
        first.ok("COMMIT");
    });
}

#[test]
fn sessions_of_an_old_and_a_new_password_share_nothing() {
    each_server(|server| {
        let tenant = Tenant::new(server, "apart");
        let proxy = learning(server.address(), "transaction").environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut old = tenant.connect(proxy.address());
        let backend = |wire: &mut Wire| wire.scalar("SELECT @@pseudo_thread_id").unwrap();
        let first = backend(&mut old);
        change_password(&tenant, "brand-new");
        let mut new = Wire::connect(proxy.address(), &with(&tenant, "brand-new")).unwrap();
        assert_ne!(backend(&mut new), first);
        // Guesses do not part a user from his connections.
        let second = backend(&mut new);
        let _ = refusal(proxy.address(), &tenant.login());
        let mut third = Wire::connect(proxy.address(), &with(&tenant, "brand-new")).unwrap();
        assert_eq!(backend(&mut third), second);
    });
}

/// A proxy that knows this user by a hash alone.
fn hashed(server: SocketAddr, mode: &str, user: &str, hash: &str) -> Proxy {
    let setup = Setup::new(server).endpoint(&format!("pool = \"{mode}\""));
    setup.extra(&format!("[[users]]\nname = \"{user}\"\npassword_hash = \"{hash}\"")).start()
}

#[test]
fn the_native_hash_of_mariadb_lets_its_user_in() {
    let server = mariadb();
    for mode in MODES {
        let tenant = Tenant::new(server, "native");
        let mut own = tenant.connect(server.address());
        let hash = own.scalar(&format!("SELECT PASSWORD('{}')", tenant.password)).unwrap();
        let proxy = hashed(server.address(), mode, &tenant.name, &hash);
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            assert_eq!(path(proxy.address(), &tenant.login().plugin(plugin), &tenant), AuthPath::Native, "{mode}");
            let wrong = Login::new(&tenant.name, "guess").plugin(plugin);
            assert_eq!(refusal(proxy.address(), &wrong), refusal(server.address(), &wrong), "{mode}");
            let none = Login::new(&tenant.name, "").plugin(plugin);
            assert_eq!(refusal(proxy.address(), &none), refusal(server.address(), &none), "{mode}");
        }
    }
}

#[test]
fn the_double_sha256_lets_its_user_in_while_mysql_has_the_password_cached() {
    let Some(server) = mysql() else { return };
    for mode in MODES {
        let tenant = Tenant::new(server, "sha");
        tenant.connect(server.address());
        let mut own = tenant.connect(server.address());
        let double = format!("SELECT SHA2(UNHEX(SHA2('{}', 256)), 256)", tenant.password);
        let hash = format!("sha256:{}", own.scalar(&double).unwrap());
        let proxy = hashed(server.address(), mode, &tenant.name, &hash);
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            assert_eq!(path(proxy.address(), &tenant.login().plugin(plugin), &tenant), AuthPath::Fast, "{mode}");
            let wrong = Login::new(&tenant.name, "guess").plugin(plugin);
            assert_eq!(refusal(proxy.address(), &wrong).code, 1045, "{mode}");
        }
    }
}

#[test]
fn a_user_may_be_another_on_the_server() {
    each_server(|server| {
        let tenant = Tenant::new(server, "mapped");
        for mode in MODES {
            let users = format!(
                "[[users]]\nname = \"outside\"\npassword = \"outside-secret\"\nbackend_user = \"{0}\"\nbackend_password = \"{1}\"\n\
                 [[users]]\nname = \"same\"\npassword = \"{1}\"\nbackend_user = \"{0}\"",
                tenant.name, tenant.password
            );
            let proxy = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\"")).extra(&users).start();
            for (name, password) in [("outside", "outside-secret"), ("same", tenant.password.as_str())] {
                let login = Login::new(name, password).database(&tenant.name);
                works(&mut Wire::connect(proxy.address(), &login).unwrap(), &tenant);
            }
            for login in [Login::new("outside", &tenant.password), tenant.login()] {
                assert_eq!(refusal(proxy.address(), &login).code, 1045, "{mode}");
            }
        }
    });
}

/// Every way to write bytes that a log might have.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}");
    vec![hex.to_uppercase(), hex, list.trim_matches(['[', ']']).to_owned(), format!("{}", secret.escape_ascii())]
}

#[test]
fn no_password_hash_or_scramble_is_logged() {
    each_server(|server| {
        for (mode, credentials) in MODES.iter().flat_map(|mode| [(mode, "static"), (mode, "learned")]) {
            let tenant = Tenant::new(server, "quiet");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let setup = setup.endpoint(&format!("credentials = \"{credentials}\"")).extra("[log]\nlevel = \"trace\"");
            let setup = if credentials == "static" { setup.user(&tenant.name, &tenant.password) } else { setup };
            let proxy = setup.start();
            let mut secrets = spellings(tenant.password.as_bytes());
            for plugin in ["mysql_native_password", "caching_sha2_password"] {
                let login = tenant.login().plugin(plugin);
                let mut wire = Wire::connect(proxy.address(), &login).unwrap();
                works(&mut wire, &tenant);
                wire.change_user(&login).unwrap();
                secrets.extend(spellings(&wire.greeting.scramble));
                let _ = refusal(proxy.address(), &Login::new(&tenant.name, "a-bad-guess").plugin(plugin));
            }
            secrets.extend(spellings(b"a-bad-guess"));
            for (function, argument) in [("SHA1", ""), ("SHA2", ", 256")] {
                // MySQL 9 has no SHA1() any more.
                let mut wire = Wire::connect(mariadb().address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
                let once = format!("{function}('{}'{argument})", tenant.password);
                for hash in [once.clone(), format!("{function}(UNHEX({once}){argument})")] {
                    secrets.push(wire.scalar(&format!("SELECT {hash}")).unwrap());
                }
            }
            until("the log goes down to trace", || proxy.log().contains("client session ended"));
            drop_debug_sql(&proxy.log(), &secrets);
        }
    });
}

/// The log must hold none of these, in whatever case; statements themselves may be there at this level.
fn drop_debug_sql(log: &str, secrets: &[String]) {
    let lines = log.lines().filter(|line| !line.contains("SELECT")).map(str::to_lowercase);
    for line in lines {
        for secret in secrets {
            assert!(!line.contains(&secret.to_lowercase()), "{secret} in: {line}");
        }
    }
}
