//! `credentials = "query"`: logins are judged by the server's own account table.

use std::net::SocketAddr;

use greenroom::demo::server::{Flavor, Server};

use super::ttl::{MODES, outcome};
use crate::support::observe::{Root, until};
use crate::support::proxy::{Proxy, Setup};
use crate::support::servers::{Tenant, each_server, mariadb, mysql};
use crate::support::wire::{AuthPath, Login, Wire};

/// Who reads the table; made once a server.
const READER: &str = "[[users]]\nname = \"reader\"\npassword = \"reader-secret\"";

fn reader(server: &Server) {
    let table = if server.flavor() == Flavor::MySql { "mysql.user" } else { "mysql.global_priv" };
    let mut root = Root::on(server).0;
    root.ok("CREATE USER IF NOT EXISTS reader@'%' IDENTIFIED BY 'reader-secret'");
    root.ok(&format!("GRANT SELECT ON {table} TO reader@'%'"));
}

fn querying(server: &Server, mode: &str, ttl: &str) -> Setup {
    reader(server);
    let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\"")).extra(READER);
    let setup = setup.endpoint("credentials = \"query\"").endpoint("query_user = \"reader\"");
    setup.endpoint("idle_timeout = \"1m\"").endpoint(&format!("credential_ttl = \"{ttl}\""))
}

fn bare(tenant: &Tenant) -> Login {
    Login::new(&tenant.name, &tenant.password)
}

fn works(wire: &mut Wire, tenant: &Tenant) {
    assert_eq!(wire.scalar("SELECT CURRENT_USER()"), Some(format!("{}@%", tenant.name)));
}

fn path(address: SocketAddr, login: &Login, tenant: &Tenant) -> AuthPath {
    let mut wire = outcome(address, login).unwrap();
    works(&mut wire, tenant);
    wire.auth
}

#[test]
fn the_users_of_the_server_log_in_and_nobody_else() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "query");
            let proxy = querying(server, mode, "1m").start();
            for plugin in ["mysql_native_password", "caching_sha2_password"] {
                let login = bare(&tenant).plugin(plugin);
                let paths = [(); 2].map(|()| path(proxy.address(), &login, &tenant));
                let first = plugin == "mysql_native_password";
                let due = match server.flavor() {
                    // The table's hash is enough.
                    Flavor::MariaDb => [AuthPath::Native; 2],
                    // It is not: the first login hands the password over.
                    Flavor::MySql if first => [AuthPath::FullRsa, AuthPath::Fast],
                    Flavor::MySql => [AuthPath::Fast; 2],
                };
                if !(server.flavor() == Flavor::MySql && first) {
                    assert_eq!(paths, due, "{mode} {plugin}");
                }
                for wrong in
                    [Login::new(&tenant.name, "guess"), Login::new(&tenant.name, ""), Login::new("nobody_at_all", "x")]
                {
                    let wrong = wrong.plugin(plugin);
                    let error = outcome(proxy.address(), &wrong).unwrap_err();
                    assert_eq!((error.code, error.state.as_str()), (1045, "28000"), "{mode} {plugin} {error}");
                }
            }
            // The same on a connection that is there, as somebody else.
            let other = Tenant::new(server, "other");
            let mut wire = outcome(proxy.address(), &bare(&tenant)).unwrap();
            wire.change_user(&bare(&other)).unwrap();
            works(&mut wire, &other);
            // The reader himself, and the configuration's own users, as ever.
            outcome(proxy.address(), &Login::new("reader", "reader-secret")).unwrap();
            outcome(proxy.address(), &Login::new("app", "app-secret")).unwrap();
        }
    });
}

#[test]
fn nobody_is_asked_but_the_table() {
    each_server(|server| {
        let tenant = Tenant::new(server, "quiet");
        // A reader of its own, and one worker: their connections are counted.
        let table = if server.flavor() == Flavor::MySql { "mysql.user" } else { "mysql.global_priv" };
        let own = Tenant::new(server, "reader_of");
        own.administer(&[format!("GRANT SELECT ON {table} TO {}@'%'", own.name)]);
        let setup = querying(server, "transaction", "1m").user(&own.name, &own.password);
        let setup = setup.environment("GREENROOM__ENDPOINTS__0__QUERY_USER", &own.name);
        let proxy = setup.environment("GREENROOM__SERVER__WORKERS", "1").start();
        let mut root = Root::on(server);
        let mut wires = [(); 3].map(|()| outcome(proxy.address(), &bare(&tenant)).unwrap());
        assert!(root.connections(&tenant.name).is_empty());
        assert_eq!(root.connections(&own.name).len(), 1, "one connection read it, once");
        wires.iter_mut().for_each(|wire| works(wire, &tenant));
        assert_eq!(root.connections(&tenant.name).len(), 1);
    });
}

#[test]
fn a_changed_password_counts_with_the_next_login() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "fresh");
            let proxy = querying(server, mode, "1h").start();
            let mut inside = outcome(proxy.address(), &bare(&tenant)).unwrap();
            for round in 0..3 {
                let new = format!("brand-new-{round}");
                tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY '{new}'", tenant.name)]);
                let login = Login::new(&tenant.name, &new);
                works(&mut outcome(proxy.address(), &login).unwrap(), &tenant);
                // The table is known anew by now, though it was to be believed for an hour.
                assert_eq!(outcome(proxy.address(), &bare(&tenant)).unwrap_err().code, 1045, "{mode}");
                works(&mut outcome(proxy.address(), &login).unwrap(), &tenant);
            }
            if mode != "transaction" {
                works(&mut inside, &tenant);
            }
            // A user who was made just now is there, and one who is gone is not.
            let newcomer = Tenant::new(server, "late");
            works(&mut outcome(proxy.address(), &bare(&newcomer)).unwrap(), &newcomer);
        }
    });
}

#[test]
fn old_passwords_and_barred_accounts_let_nobody_in_for_longer_than_the_tables_time() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "barred");
            let proxy = querying(server, mode, "200ms").start();
            let login = bare(&tenant);
            outcome(proxy.address(), &login).unwrap();
            for (bar, lift) in [("ACCOUNT LOCK", "ACCOUNT UNLOCK"), ("PASSWORD EXPIRE", "IDENTIFIED BY 'brand-new'")] {
                tenant.administer(&[format!("ALTER USER {}@'%' {bar}", tenant.name)]);
                // MariaDB lets expired passwords in, to be changed and for nothing else.
                let direct = outcome(server.address(), &login).err();
                let code = direct.as_ref().map_or(1862, |error| error.code);
                // In the server's own words, where it has some. Until the table's time is over one may still get in.
                until(&format!("it is refused: {mode} {bar}"), || {
                    outcome(proxy.address(), &login)
                        .is_err_and(|error| error.code == code && direct.as_ref().is_none_or(|direct| error == *direct))
                });
                // It is the account that is refused, and the node is well.
                outcome(proxy.address(), &Login::new("reader", "reader-secret")).unwrap();
                assert!(!proxy.log().contains("node is down"), "{}", proxy.log());
                tenant.administer(&[format!("ALTER USER {}@'%' {lift}", tenant.name)]);
            }
            until("the old password is refused", || {
                outcome(proxy.address(), &login).is_err_and(|error| error.code == 1045)
            });
            let new = Login::new(&tenant.name, "brand-new");
            until("the new one is taken", || outcome(proxy.address(), &new).is_ok());
        }
    });
}

#[test]
fn a_second_password_of_mysql_counts_until_it_is_discarded() {
    let Some(server) = mysql() else { return };
    for mode in MODES {
        let tenant = Tenant::new(server, "dual");
        let proxy = querying(server, mode, "1h").start();
        let (old, new) = (bare(&tenant), Login::new(&tenant.name, "second"));
        works(&mut outcome(proxy.address(), &old).unwrap(), &tenant);
        tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY 'second' RETAIN CURRENT PASSWORD", tenant.name)]);
        for login in [&new, &old, &new, &old] {
            works(&mut outcome(proxy.address(), login).unwrap(), &tenant);
        }
        tenant.administer(&[format!("ALTER USER {}@'%' DISCARD OLD PASSWORD", tenant.name)]);
        assert_eq!(outcome(proxy.address(), &Login::new(&tenant.name, "guess")).unwrap_err().code, 1045);
        assert_eq!(outcome(proxy.address(), &old).unwrap_err().code, 1045, "{mode}");
        works(&mut outcome(proxy.address(), &new).unwrap(), &tenant);
    }
}

#[test]
fn what_the_tables_hash_does_not_tell_is_left_to_the_server() {
    let mut root = Root::on(mariadb()).0;
    root.ok("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'");
    for mode in MODES {
        let tenant = Tenant::new(mariadb(), "left");
        let proxy = querying(mariadb(), mode, "1m").start();
        // The empty password, and one of two plugins.
        tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY ''", tenant.name)]);
        works(&mut outcome(proxy.address(), &Login::new(&tenant.name, "")).unwrap(), &tenant);
        tenant.administer(&[format!(
            "ALTER USER {}@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('either') OR unix_socket",
            tenant.name
        )]);
        works(&mut outcome(proxy.address(), &Login::new(&tenant.name, "either")).unwrap(), &tenant);
        let wrong = Login::new(&tenant.name, "guess");
        let direct = outcome(mariadb().address(), &wrong).unwrap_err();
        assert_eq!(outcome(proxy.address(), &wrong).unwrap_err(), direct);
    }
}

/// What the table has is a public key: a signature could be checked by it, but no server be logged in to.
#[test]
fn an_account_of_ed25519_hands_its_password_over_whatever_its_client_would_sign() {
    let mut root = Root::on(mariadb()).0;
    root.ok("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'");
    for mode in MODES {
        let tenant = Tenant::new(mariadb(), "signing");
        let by = |password: &str| {
            let via = format!("IDENTIFIED VIA ed25519 USING PASSWORD('{password}')");
            tenant.administer(&[format!("ALTER USER {}@'%' {via}", tenant.name)]);
        };
        by(&tenant.password);
        let proxy = querying(mariadb(), mode, "1m").start();
        for due in [AuthPath::FullRsa, AuthPath::Fast] {
            assert_eq!(path(proxy.address(), &bare(&tenant).plugin("client_ed25519"), &tenant), due, "{mode}");
        }
        let wrong = Login::new(&tenant.name, "guess").plugin("client_ed25519");
        let direct = outcome(mariadb().address(), &wrong).unwrap_err();
        assert_eq!(outcome(proxy.address(), &wrong).unwrap_err(), direct, "{mode}");
        by("brand-new");
        let new = Login::new(&tenant.name, "brand-new").plugin("client_ed25519");
        works(&mut outcome(proxy.address(), &new).unwrap(), &tenant);
    }
}

#[test]
fn a_reader_who_may_not_is_named_in_the_log_and_not_to_clients() {
    each_server(|server| {
        let tenant = Tenant::new(server, "blind");
        let users = format!("[[users]]\nname = \"{}\"\npassword = \"{}\"", tenant.name, tenant.password);
        let setup = Setup::new(server.address()).endpoint("credentials = \"query\"").extra(&users);
        let proxy: Proxy = setup.endpoint(&format!("query_user = \"{}\"", tenant.name)).start();
        let error = outcome(proxy.address(), &Login::new("anybody", "x")).unwrap_err();
        assert_eq!((error.code, error.message.contains(&tenant.name)), (1105, false), "{error}");
        until("the log says why", || {
            proxy.log().contains(&format!("query_user: {}", tenant.name)) && proxy.log().contains("denied")
        });
    });
}

#[test]
fn a_mapped_user_of_the_configuration_is_mapped_whatever_the_table_says() {
    each_server(|server| {
        let tenant = Tenant::new(server, "target");
        for (mode, source) in MODES.iter().flat_map(|mode| [(mode, "query"), (mode, "learned")]) {
            let users = format!(
                "[[users]]\nname = \"outside\"\npassword = \"outside-secret\"\nbackend_user = \"{}\"\nbackend_password = \"{}\"",
                tenant.name, tenant.password
            );
            let setup = querying(server, mode, "1m").extra(&users);
            let proxy = if source == "query" {
                setup
            } else {
                setup.environment("GREENROOM__ENDPOINTS__0__CREDENTIALS", source)
            }
            .start();
            works(&mut outcome(proxy.address(), &Login::new("outside", "outside-secret")).unwrap(), &tenant);
            assert_eq!(outcome(proxy.address(), &Login::new("outside", &tenant.password)).unwrap_err().code, 1045);
            works(&mut outcome(proxy.address(), &bare(&tenant)).unwrap(), &tenant);
        }
    });
}
