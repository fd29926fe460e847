//! Authentication plugins beyond the two that servers greet with, on each side of the proxy.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use greenroom::demo::server::{Flavor, Options, Server, free_port};
use support::{
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mysql},
    wire::{AuthPath, ErrPacket, Login, Wire, WireError},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// What clients may name, and how each then proves a password that the configuration holds, over TCP.
const PLUGINS: [(&str, AuthPath); 5] = [
    ("mysql_native_password", AuthPath::Native),
    ("caching_sha2_password", AuthPath::Fast),
    ("client_ed25519", AuthPath::Signed),
    ("parsec", AuthPath::Salted),
    ("sha256_password", AuthPath::Sha256Rsa),
];

/// MariaDB with the plugins that its packages have.
fn maria_with_plugins() -> Server {
    let extra_args = ["auth_ed25519", "auth_pam_v1"].map(|name| format!("--plugin-load-add={name}").into()).to_vec();
    let more = ["--plugin-maturity=unknown", "--pam-use-cleartext-plugin"].map(Into::into);
    let options = Options { extra_args: [extra_args, more.to_vec()].concat(), ..Options::default() };
    Server::start(Flavor::MariaDb, &options).unwrap()
}

fn refusal(address: SocketAddr, login: &Login) -> ErrPacket {
    match Wire::connect(address, login) {
        Err(WireError::Refused(error)) => error,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

/// Who the session is on the server.
fn who(wire: &mut Wire) -> Option<String> {
    wire.scalar("SELECT CURRENT_USER()")
}

/// Logs in with every plugin, in each mode, once the tenant's account is what `change` makes it.
fn every_client_gets_in(server: &Server, tenant: &Tenant) {
    for mode in MODES {
        let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        for (plugin, path) in PLUGINS {
            let mut wire = Wire::connect(proxy.address(), &tenant.login().plugin(plugin)).unwrap();
            assert_eq!(wire.auth, path, "{mode}, {plugin}");
            assert_eq!(who(&mut wire), Some(format!("{}@%", tenant.name)), "{mode}, {plugin}");
            let wrong = Login::new(&tenant.name, "guess").plugin(plugin);
            let error = refusal(proxy.address(), &wrong);
            assert_eq!((error.code, &*error.state), (1045, "28000"), "{mode}, {plugin}: {error}");
            assert!(error.message.contains("(using password: YES)"), "{mode}, {plugin}: {error}");
        }
    }
}

#[test]
fn accounts_of_the_first_plugin_are_reached_with_every_plugin_of_clients() {
    each_server(|server| every_client_gets_in(server, &Tenant::new(server, "first")));
}

#[test]
fn accounts_of_ed25519_are_reached_with_every_plugin_of_clients() {
    let server = maria_with_plugins();
    let tenant = Tenant::new(&server, "signed");
    let by = format!("IDENTIFIED VIA ed25519 USING PASSWORD('{}')", tenant.password);
    tenant.administer(&[format!("ALTER USER {}@'%' {by}", tenant.name)]);
    every_client_gets_in(&server, &tenant);
}

#[test]
fn accounts_of_sha256_password_are_reached_with_every_plugin_of_clients() {
    let Some(server) = mysql() else { return };
    let tenant = Tenant::new(server, "deprecated");
    let by = format!("IDENTIFIED WITH sha256_password BY '{}'", tenant.password);
    tenant.administer(&[format!("ALTER USER {}@'%' {by}", tenant.name)]);
    every_client_gets_in(server, &tenant);
}

/// MariaDB tries the plugins of an account one after another.
#[test]
fn an_account_with_several_plugins_is_reached_by_any_of_them() {
    let server = maria_with_plugins();
    let tenant = Tenant::new(&server, "several");
    for (first, second) in [("another", &*tenant.password), (&tenant.password, "another")] {
        let by = format!(
            "IDENTIFIED VIA unix_socket OR ed25519 USING PASSWORD('{first}') OR mysql_native_password USING PASSWORD('{second}')"
        );
        tenant.administer(&[format!("ALTER USER {}@'%' {by}", tenant.name)]);
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        assert_eq!(who(&mut tenant.connect(proxy.address())), Some(format!("{}@%", tenant.name)));
    }
}

#[test]
fn a_client_becomes_another_user_by_every_plugin() {
    each_server(|server| {
        let [one, two] = [Tenant::new(server, "changing"), Tenant::new(server, "changing")];
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&one.name, &one.password).user(&two.name, &two.password).start();
            for (first, _) in PLUGINS {
                let mut wire = Wire::connect(proxy.address(), &one.login().plugin(first)).unwrap();
                for (tenant, (plugin, path)) in [&two, &one].into_iter().cycle().zip(PLUGINS) {
                    wire.change_user(&tenant.login().plugin(plugin)).unwrap();
                    assert_eq!(wire.auth, path, "{mode}: from {first} to {plugin}");
                    assert_eq!(who(&mut wire), Some(format!("{}@%", tenant.name)), "{mode}: from {first} to {plugin}");
                }
                let refused = wire.change_user(&Login::new(&two.name, "guess").plugin(first));
                assert!(matches!(refused, Err(WireError::Refused(error)) if error.code == 1045), "{mode}, {first}");
            }
        }
    });
}

#[test]
fn an_empty_password_is_one_with_every_plugin() {
    each_server(|server| {
        let tenant = Tenant::new(server, "empty");
        tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY ''", tenant.name)]);
        let proxy = Setup::new(server.address()).user(&tenant.name, "").start();
        let locked = Setup::new(server.address()).user(&tenant.name, "something").start();
        for (plugin, _) in PLUGINS {
            let login = Login::new(&tenant.name, "").plugin(plugin);
            let mut wire = Wire::connect(proxy.address(), &login).unwrap();
            assert_eq!(who(&mut wire), Some(format!("{}@%", tenant.name)), "{plugin}");
            assert_eq!(
                refusal(proxy.address(), &Login::new(&tenant.name, "guess").plugin(plugin)).code,
                1045,
                "{plugin}"
            );
            assert_eq!(refusal(locked.address(), &login).code, 1045, "{plugin}");
        }
    });
}

#[test]
fn a_password_is_learned_from_clients_of_every_plugin() {
    each_server(|server| {
        for mode in MODES {
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.endpoint("credentials = \"learned\"").start();
            for (plugin, _) in PLUGINS {
                let tenant = Tenant::new(server, "learned");
                // Unknown at first, then remembered, then with another password than the one that is.
                for password in [&tenant.password, &tenant.password, "changed"] {
                    if password == "changed" {
                        tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY 'changed'", tenant.name)]);
                    }
                    let login = Login::new(&tenant.name, password).plugin(plugin);
                    let mut wire = Wire::connect(proxy.address(), &login).unwrap();
                    assert_eq!(who(&mut wire), Some(format!("{}@%", tenant.name)), "{mode}, {plugin}");
                }
                let wrong = Login::new(&tenant.name, "guess").plugin(plugin);
                assert_eq!(refusal(proxy.address(), &wrong).code, 1045, "{mode}, {plugin}");
            }
        }
    });
}

/// A proxy with an endpoint "app" to the server's port, and another to its Unix socket, whose address it gives too.
fn both_ways(server: &Server, node: &str, users: &str) -> (Proxy, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
    let socket = server.socket();
    let setup = Setup::new(server.address()).first_node(server.address(), &[node]).extra(&format!(
        "[[nodes]]\nname = \"socket\"\naddress = \"unix:{}\"\n{node}\n\
         [[endpoints]]\nname = \"by_socket\"\nlisten = \"{address}\"\nnodes = [\"socket\"]\n{users}",
        socket.display()
    ));
    (setup.start(), address)
}

/// Without a packet more: the server looks at who has opened the socket.
#[test]
fn an_account_of_unix_socket_is_reached_by_the_servers_socket() {
    let server = maria_with_plugins();
    let me = rustix::process::geteuid().as_raw();
    let name = std::process::Command::new("id").args(["-un", &me.to_string()]).output().unwrap().stdout;
    let name = String::from_utf8(name).unwrap().trim().to_owned();
    Tenant::new(&server, "admin").administer(&[
        format!("CREATE USER IF NOT EXISTS '{name}'@'localhost'"),
        format!("ALTER USER '{name}'@'localhost' IDENTIFIED VIA unix_socket"),
        format!("DROP USER IF EXISTS '{name}'@'%'"),
    ]);
    let users = format!("[[users]]\nname = \"me\"\npassword = \"mine\"\nbackend_user = \"{name}\"\n");
    let (proxy, by_socket) = both_ways(&server, "", &users);
    let mut wire = Wire::connect(by_socket, &Login::new("me", "mine")).unwrap();
    assert_eq!(who(&mut wire), Some(format!("{name}@localhost")));
    assert_eq!(refusal(by_socket, &Login::new("me", "guess")).code, 1045);
    // By the port the server refuses, in its own words.
    let mut wire = Wire::connect(proxy.address(), &Login::new("me", "mine")).unwrap();
    let error = wire.err("SELECT 1");
    assert!(error.code == 1698 && error.message.starts_with(&format!("Access denied for user '{name}'@")), "{error}");
}

/// PAM itself knows no such user: what counts is whether the server got to ask it.
#[test]
fn a_password_in_clear_text_goes_only_where_it_may() {
    let server = maria_with_plugins();
    let tenant = Tenant::new(&server, "clear");
    tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED VIA pam", tenant.name)]);
    let users = format!("[[users]]\nname = \"{}\"\npassword = \"{}\"\n", tenant.name, tenant.password);
    for allowed in [false, true] {
        let (proxy, by_socket) = both_ways(&server, &format!("allow_cleartext_over_tls = {allowed}"), &users);
        for (address, private) in [(proxy.address(), false), (by_socket, true)] {
            let mut wire = Wire::connect(address, &Login::new(&tenant.name, &tenant.password)).unwrap();
            let error = wire.err("SELECT 1");
            if allowed && private {
                assert_eq!((error.code, &*error.state), (1045, "28000"), "{error}");
            } else {
                assert_eq!(error.code, 1105, "{error}");
                assert!(error.message.contains("allow_cleartext_over_tls"), "{error}");
            }
        }
    }
}

#[test]
fn the_servers_rsa_key_may_be_given() {
    let Some(server) = mysql() else { return };
    let tenant = Tenant::new(server, "pinned");
    let by = format!("IDENTIFIED WITH sha256_password BY '{}'", tenant.password);
    tenant.administer(&[format!("ALTER USER {}@'%' {by}", tenant.name)]);
    let right =
        std::fs::read_dir(server.directory()).unwrap().flatten().map(|entry| entry.path().join("public_key.pem"));
    let right = right.chain([server.directory().join("public_key.pem")]).find(|path| path.is_file()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.pem");
    std::fs::write(&other, greenroom_protocol::login::rsa::RsaKey::generate().unwrap().public_pem()).unwrap();
    for (key, good) in [(&right, true), (&other, false)] {
        let node = format!("rsa_key_file = \"{}\"", key.display());
        // Within TLS the password needs no key.
        let setup = Setup::new(server.address()).first_node(server.address(), &[&node, "tls = \"disabled\""]);
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        for _ in 0..2 {
            let mut wire = Wire::connect(proxy.address(), &Login::new(&tenant.name, &tenant.password)).unwrap();
            if good {
                assert_eq!(who(&mut wire), Some(format!("{}@%", tenant.name)));
            } else {
                // The server's own key is not asked for.
                assert_eq!(wire.err("SELECT 1").code, 1045);
            }
        }
    }
}
