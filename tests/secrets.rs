//! What a stranger can find out, by guessing or from the logs: nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    net::SocketAddr,
};

use greenroom_protocol::{
    login::scramble::{native, sha2},
    secret::Secret,
};
use support::{
    proxy::Setup,
    servers::{Tenant, each_server, mariadb},
    wire::{AuthPath, Login, Tls, Wire, WireError},
};

/// What a client may name.
const PLUGINS: [&str; 7] = [
    "mysql_native_password",
    "caching_sha2_password",
    "client_ed25519",
    "parsec",
    "sha256_password",
    "mysql_clear_password",
    "nosuch",
];

fn native_hash(password: &str) -> [u8; 20] {
    *native::stage2(&native::stage1(&Secret::new(password))).expose()
}

fn sha2_hash(password: &str) -> [u8; 32] {
    *sha2::stage2(&sha2::stage1(&Secret::new(password))).expose()
}

/// A user who is known by what stands in `key`.
fn user(name: &str, backend: &str, key: &str) -> String {
    format!("[[users]]\nname = \"{name}\"\nbackend_user = \"{backend}\"\n{key}\n")
}

/// Everything that may stand for a password: itself and its hashes, as text and as hexadecimal digits of either case.
fn forms(password: &str) -> Vec<String> {
    let secret = Secret::new(password);
    let (one, two) = (native::stage1(&secret), sha2::stage1(&secret));
    let hashes =
        [one.expose().to_vec(), native_hash(password).to_vec(), two.expose().to_vec(), sha2_hash(password).to_vec()];
    let digits = [hashes.to_vec(), vec![password.as_bytes().to_vec()]].concat().into_iter().map(hex::encode);
    let numbers = hashes.iter().map(|hash| format!("{:?}", &hash[..8]).trim_end_matches(']').to_owned());
    digits.flat_map(|text| [text.to_uppercase(), text]).chain(numbers).chain([password.to_owned()]).collect()
}

#[test]
fn no_log_line_has_a_secret_after_any_login() {
    each_server(|server| {
        let tenant = Tenant::new(server, "unlogged");
        let (name, password) = (&tenant.name, &tenant.password);
        let (guess, mapped) = ("a-wrong-guess", "mapped-client-side");
        let users = [
            user("by_password", name, &format!("password = \"{password}\"")),
            user("by_native", name, &format!("password_hash = \"*{}\"", hex::encode(native_hash(password)))),
            user("by_sha2", name, &format!("password_hash = \"sha256:{}\"", hex::encode(sha2_hash(password)))),
            user("by_map", name, &format!("password = \"{mapped}\"\nbackend_password = \"{password}\"")),
            user("by_wrong_map", name, &format!("password = \"{mapped}\"\nbackend_password = \"{guess}\"")),
            "[log]\nlevel = \"trace\"\n".to_owned(),
        ];
        let setup =
            Setup::new(server.address()).server("login_failure_delay = \"0s\"").endpoint("credentials = \"learned\"");
        let proxy = setup.extra(&users.concat()).start();
        let mut logins = 0;
        for user in ["by_password", "by_native", "by_sha2", "by_map", "by_wrong_map", name, "nobody"] {
            for plugin in PLUGINS {
                for given in [password, mapped, guess, ""] {
                    for login in [Login::new(user, given), Login::new(user, given).in_clear()] {
                        let login = login.plugin(plugin);
                        if let Ok(mut wire) = Wire::connect(proxy.address(), &login) {
                            let _ = wire.query("SELECT 1");
                            let _ = wire.change_user(&login);
                            logins += 1;
                        }
                    }
                }
            }
        }
        assert!(logins > 60, "only {logins} logins");
        proxy.hup();
        assert_eq!(Wire::connect(proxy.address(), &tenant.login()).unwrap().scalar("SELECT 1").as_deref(), Some("1"));
        let log = proxy.log();
        assert!(log.contains("login refused") && log.lines().count() > 100, "{log}");
        for secret in [password.as_str(), mapped, guess].into_iter().flat_map(forms) {
            let shown: Vec<_> = log.lines().filter(|line| line.contains(&secret)).collect();
            assert!(shown.is_empty(), "{secret}: {shown:#?}");
        }
        assert!(!proxy.get("/metrics").1.contains(password));
    });
}

/// What somebody who has no password sees of a user: the way of the exchange, and its end.
fn seen(address: SocketAddr, way_in: &Login, user: &str, plugin: &str, password: &str) -> (AuthPath, String) {
    let mut wire = Wire::connect(address, way_in).unwrap();
    match wire.change_user(&Login::new(user, password).plugin(plugin)) {
        Err(WireError::Refused(error)) => (wire.auth, error.to_string().replace(user, "…")),
        other => panic!("a refusal was due, not {other:?}"),
    }
}

#[test]
fn who_does_not_exist_looks_like_those_who_do() {
    each_server(|server| {
        let tenant = Tenant::new(server, "hidden");
        let password = &tenant.password;
        let keys = [
            format!("password = \"{password}\""),
            format!("password_hash = \"*{}\"", hex::encode(native_hash(password))),
            format!("password_hash = \"sha256:{}\"", hex::encode(sha2_hash(password))),
        ];
        for key in keys {
            let users: String = (0..9).map(|n| user(&format!("user{n}"), &tenant.name, &key)).collect();
            let setup = Setup::new(server.address()).no_users().server("login_failure_delay = \"0s\"");
            let proxy = setup.endpoint("credentials = \"static\"").extra(&users).start();
            let way_in = Login::new("user1", password);
            for (plugin, given) in PLUGINS.iter().flat_map(|plugin| [(plugin, "a-guess"), (plugin, "")]) {
                let known = seen(proxy.address(), &way_in, "user7", plugin, given);
                for name in ["nobody", "user99"] {
                    assert_eq!(seen(proxy.address(), &way_in, name, plugin, given), known, "{key}: {plugin} {given:?}");
                }
            }
        }
    });
}

/// How often bytes stand in what a process has written to.
fn found_in_memory(pid: u32, wanted: &[u8]) -> usize {
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let ranges = maps.lines().filter(|line| line.contains(" rw")).filter_map(|line| {
        let (from, to) = line.split_once(' ')?.0.split_once('-')?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    });
    let count = ranges.map(|(from, to)| {
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What is mapped and cannot be read was never written.
        let read = memory.read_exact(&mut bytes);
        if read.is_err() { 0 } else { bytes.windows(wanted.len()).filter(|window| *window == wanted).count() }
    });
    count.sum()
}

#[test]
fn a_password_that_was_handed_over_and_refused_is_nowhere_in_memory() {
    let tenant = Tenant::new(mariadb(), "wiped");
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("socket");
    let hashed = user("hashed", &tenant.name, &format!("password_hash = \"*{}\"", hex::encode(native_hash("right"))));
    let by_socket =
        format!("[[endpoints]]\nname = \"socket\"\nlisten = \"unix:{}\"\nnodes = [\"db1\"]\n", socket.display());
    let setup = Setup::new(mariadb().address()).server("login_failure_delay = \"0s\"").extra(&by_socket);
    let proxy = setup.user(&tenant.name, &tenant.password).extra(&hashed).start();
    let refused = |what: &str, outcome: Result<(), WireError>| match outcome {
        Err(WireError::Refused(error)) => assert_eq!(error.code, 1045, "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    for plugin in ["mysql_clear_password", "sha256_password", "caching_sha2_password"] {
        for channel in ["Unix socket", "TCP", "TLS", "change of users"] {
            let guess = format!("handed over by {plugin}, {channel}");
            let login = Login::new("hashed", &guess).plugin(plugin);
            let what = format!("{plugin}, {channel}");
            match channel {
                "TCP" => refused(&what, Wire::connect(proxy.address(), &login).map(drop)),
                "TLS" => {
                    refused(&what, Wire::connect_tls(proxy.address(), &login.in_clear(), &Tls::credulous()).map(drop));
                }
                "Unix socket" => refused(&what, Wire::connect_unix(&socket, &login.in_clear()).map(drop)),
                _ => {
                    let first = Login::new(&tenant.name, &tenant.password);
                    let mut wire = Wire::connect_unix(&socket, &first.in_clear()).unwrap();
                    refused(&what, wire.change_user(&login.in_clear()).map(drop));
                }
            }
            // What rustls has decrypted it frees and does not wipe; that much cannot be helped here.
            let due = usize::from(channel == "TLS");
            let found = found_in_memory(proxy.pid(), guess.as_bytes());
            assert!(found <= due, "{what}: {found} copies");
        }
    }
    // What it has to know is found.
    assert!(found_in_memory(proxy.pid(), tenant.password.as_bytes()) > 0);
}

#[test]
fn after_many_wrong_passwords_no_verdict_comes_in_time() {
    each_server(|server| {
        let [tenant, other] = [Tenant::new(server, "guessed"), Tenant::new(server, "spared")];
        let start = |delay: &str| {
            let setup = Setup::new(server.address()).server(&format!("login_failure_delay = \"{delay}\""));
            let setup = setup.server("login_timeout = \"1s\"").user(&tenant.name, &tenant.password);
            setup.user(&other.name, &other.password).start()
        };
        let refused = |address, user: &str| {
            let guess = Wire::connect(address, &Login::new(user, "guess").plugin("mysql_native_password"));
            matches!(guess, Err(WireError::Refused(error)) if error.code == 1045)
        };
        for user in [tenant.name.as_str(), "nobody"] {
            // 50 ms, 100, 200, 400, 800, and then more than a login may take.
            let proxy = start("1h");
            let answered = (0..16).take_while(|_| refused(proxy.address(), user)).count();
            assert!((5..13).contains(&answered), "{user}: {answered} guesses were answered");
            let right = Wire::connect(proxy.address(), &tenant.login());
            assert_eq!(right.is_err(), user == tenant.name, "the right password is no way to find out: {right:?}");
            assert_eq!(other.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
            let away = std::net::Ipv4Addr::new(127, 0, 0, 7);
            assert!(
                Wire::connect_from(away, proxy.address(), &tenant.login()).is_ok(),
                "somebody from elsewhere waits"
            );
        }
        let proxy = start("0s");
        assert!((0..40).all(|_| refused(proxy.address(), &tenant.name)));
        assert!(Wire::connect(proxy.address(), &tenant.login()).is_ok());
    });
}
