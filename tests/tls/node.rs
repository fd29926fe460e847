//! What the proxy makes of its servers' TLS.

use greenroom::demo::server::{Flavor, ROOT, Server};

use super::{
    authority,
    between::{Trick, between},
    cipher, each_server, setup, showing, stranger,
};
use crate::support::{
    authority::{Authority, Wish},
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_private_server},
    wire::{Login, Reply, Wire},
};

fn ca(authority: &Authority) -> String {
    format!("tls_ca = \"{}\"", authority.file.display())
}

/// Whether the server says that the connection is encrypted; `Err` with the error that a statement gets instead.
fn encrypted(server: &Server, tenant: &Tenant, proxy: &Proxy) -> Result<bool, String> {
    let mut wire = tenant.connect(proxy.address());
    match wire.one("SELECT 1") {
        Reply::Rows(_) => {}
        Reply::Err(error) if error.code == 1429 => return Err(error.message),
        other => panic!("{other:?}"),
    }
    Ok(!wire.scalar(&cipher(server)).unwrap().is_empty())
}

/// Logs in without a database, since nobody can look whether there is one.
fn proxy(server: &Server, tenant: &Tenant, lines: &[&str]) -> Proxy {
    setup(server, tenant, lines).start()
}

fn refused_because(server: &Server, tenant: &Tenant, proxy: &Proxy, why: &str) {
    let login = Login::new(&tenant.name, &tenant.password);
    for _ in 0..2 {
        let mut wire = Wire::connect(proxy.address(), &login).unwrap();
        let error = wire.err("SELECT 1");
        assert_eq!(error.code, 1429, "on {}: {error}", server.flavor());
        assert!(error.message.contains(why), "{error} does not say {why:?}");
    }
}

#[test]
fn every_mode_is_what_it_says_and_sessions_of_tls_are_resumed() {
    each_server(|server| {
        let tenant = Tenant::new(server, "modes");
        let ca = ca(authority());
        for (mode, is) in [
            ("disabled", false),
            ("preferred", true),
            ("required", true),
            ("verify-ca", true),
            ("verify-identity", true),
        ] {
            for pool in ["none", "session", "transaction"] {
                let tls = format!("tls = \"{mode}\"");
                let proxy = setup(server, &tenant, &[&tls, &ca]).endpoint(&format!("pool = \"{pool}\"")).start();
                assert_eq!(encrypted(server, &tenant, &proxy), Ok(is), "{mode}, {pool}");
                let mut both = [(); 2].map(|()| tenant.connect(proxy.address()));
                both.iter_mut().for_each(|wire| drop(wire.ok("BEGIN")));
                both.iter_mut().for_each(|wire| assert_ne!(wire.scalar(&cipher(server)).unwrap().is_empty(), is));
                let opened = |kind: &str| proxy.metrics().sum("greenroom_tls_backend_opens_total", &[kind]);
                assert_eq!(opened("handshake=\"resumed\"") >= 1.0, is, "{mode}, {pool}");
                assert_eq!(opened("handshake=\"full\"") >= 1.0, is, "{mode}, {pool}");
            }
        }
    });
}

#[test]
fn the_servers_own_certificates_are_enough_where_none_is_verified() {
    // MySQL makes its own at its first start; MariaDB has none, and no TLS, until it is given one.
    each_private_server(&greenroom::demo::server::Options::default(), |server| {
        let tenant = Tenant::new(&server, "own");
        let has = server.flavor() == Flavor::MySql;
        assert_eq!(encrypted(&server, &tenant, &proxy(&server, &tenant, &[])), Ok(has));
        let required = proxy(&server, &tenant, &["tls = \"required\""]);
        if has {
            assert_eq!(encrypted(&server, &tenant, &required), Ok(true));
            let ca = format!("tls_ca = \"{}\"", server.directory().join("data/ca.pem").display());
            let verified = proxy(&server, &tenant, &["tls = \"verify-ca\"", &ca]);
            assert_eq!(encrypted(&server, &tenant, &verified), Ok(true));
        } else {
            refused_because(&server, &tenant, &required, "does not offer TLS");
        }
    });
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_not_logged_in_to() {
    each_server(|server| {
        let tenant = Tenant::new(server, "verified");
        let (ours, theirs) = (ca(authority()), ca(stranger()));
        let (verify_ca, verify_identity) = ("tls = \"verify-ca\"", "tls = \"verify-identity\"");
        let another = "tls_server_name = \"db.example.org\"";
        for mode in [verify_ca, verify_identity] {
            refused_because(server, &tenant, &proxy(server, &tenant, &[mode, &theirs]), "UnknownIssuer");
        }
        let named = proxy(server, &tenant, &[verify_ca, &ours, another]);
        assert_eq!(encrypted(server, &tenant, &named), Ok(true));
        let named = proxy(server, &tenant, &[verify_identity, &ours, another]);
        refused_because(server, &tenant, &named, "not valid for name");
        let named = proxy(server, &tenant, &[verify_identity, &ours, "tls_server_name = \"127.0.0.1\""]);
        assert_eq!(encrypted(server, &tenant, &named), Ok(true));
    });
}

#[test]
fn an_expired_certificate_counts_where_certificates_do() {
    let expired = authority().issue(&Wish::of(&["127.0.0.1"]).expired());
    each_private_server(&showing(&expired), |server| {
        let tenant = Tenant::new(&server, "expired");
        let ours = ca(authority());
        for mode in ["preferred", "required"] {
            let mode = format!("tls = \"{mode}\"");
            assert_eq!(encrypted(&server, &tenant, &proxy(&server, &tenant, &[&mode])), Ok(true));
        }
        for mode in ["verify-ca", "verify-identity"] {
            let mode = format!("tls = \"{mode}\"");
            refused_because(&server, &tenant, &proxy(&server, &tenant, &[&mode, &ours]), "expired");
        }
    });
}

#[test]
fn whoever_stands_between_is_not_logged_in_to() {
    each_server(|server| {
        let tenant = Tenant::new(server, "between");
        let ours = ca(authority());
        let before = |trick: Trick, lines: &[&str]| {
            let address = between(server.address(), trick);
            let lines = [&["max_connections = 10", "connect_timeout = \"2s\""], lines].concat();
            Setup::new(server.address())
                .first_node(address, &lines)
                .user(&tenant.name, &tenant.password)
                .endpoint("lease_timeout = \"3s\"")
                .start()
        };
        let stripped = before(Trick::Strip, &["tls = \"preferred\""]);
        assert_eq!(encrypted(server, &tenant, &stripped), Ok(false), "nothing else is wanted");
        let garbled = before(Trick::GarbleSome, &["tls = \"preferred\""]);
        let mut open: Vec<Wire> = (0..6).map(|_| tenant.connect(garbled.address())).collect();
        open.iter_mut().for_each(|wire| drop(wire.ok("BEGIN")));
        for mode in ["required", "verify-ca", "verify-identity"] {
            let mode = format!("tls = \"{mode}\"");
            refused_because(server, &tenant, &before(Trick::Strip, &[&mode, &ours]), "does not offer TLS");
            refused_because(server, &tenant, &before(Trick::Slip, &[&mode, &ours]), "more than its greeting");
            refused_because(server, &tenant, &before(Trick::Garble, &[&mode, &ours]), "no TLS with it");
            // A connection that is cut may be a server that restarts: it is tried again, in TLS.
            let proxy = before(Trick::Cut, &[&mode, &ours]);
            let mut wire = Wire::connect(proxy.address(), &Login::new(&tenant.name, &tenant.password)).unwrap();
            let error = wire.err("SELECT 1");
            assert!([1040, 1429].contains(&error.code), "{error}");
        }
    });
}

#[test]
fn an_account_that_wants_a_certificate_is_shown_the_nodes() {
    each_server(|server| {
        let tenant = Tenant::new(server, "shown");
        tenant.administer(&[format!("ALTER USER {}@'%' REQUIRE X509", tenant.name)]);
        let identity = authority().issue(&Wish::of(&["greenroom"]));
        let files = [
            format!("tls_cert = \"{}\"", identity.cert.display()),
            format!("tls_key = \"{}\"", identity.key.display()),
        ];
        let with = proxy(server, &tenant, &["tls = \"required\"", &files[0], &files[1]]);
        assert_eq!(encrypted(server, &tenant, &with), Ok(true));
        let without = proxy(server, &tenant, &["tls = \"required\""]);
        let mut wire = Wire::connect(without.address(), &Login::new(&tenant.name, &tenant.password)).unwrap();
        assert_eq!(wire.err("SELECT 1").code, 1045);
        let left = with.metrics().get("greenroom_tls_certificate_expiry_seconds{node=\"db1\"}").unwrap();
        assert!((29.0..=30.0).contains(&(left / 86_400.0)), "{left}");
    });
}

#[test]
fn a_password_that_the_server_has_not_at_hand_is_sent_in_tls() {
    each_server(|server| {
        if server.flavor() != Flavor::MySql {
            return;
        }
        let tenant = Tenant::new(server, "full");
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        for mode in ["preferred", "required"] {
            // Forgets every password that it had at hand.
            root.ok("FLUSH PRIVILEGES");
            let proxy = proxy(server, &tenant, &[&format!("tls = \"{mode}\"")]);
            assert_eq!(encrypted(server, &tenant, &proxy), Ok(true));
        }
    });
}

#[test]
fn without_authorities_of_its_own_a_node_is_judged_by_those_of_the_machine() {
    each_server(|server| {
        let tenant = Tenant::new(server, "machine");
        let trusting = |authority: &Authority| {
            let file = authority.file.display().to_string();
            setup(server, &tenant, &["tls = \"verify-identity\""]).environment("SSL_CERT_FILE", &file).start()
        };
        assert_eq!(encrypted(server, &tenant, &trusting(authority())), Ok(true));
        refused_because(server, &tenant, &trusting(stranger()), "UnknownIssuer");
    });
}

#[test]
fn a_unix_socket_is_encrypted_only_where_that_is_insisted_on() {
    each_server(|server| {
        let tenant = Tenant::new(server, "unix");
        let address = format!("unix:{}", server.socket().display());
        for (mode, is) in [("preferred", false), ("required", true), ("verify-ca", true)] {
            let setup = setup(server, &tenant, &[&format!("tls = \"{mode}\""), &ca(authority())]);
            // The last layer has the last word.
            let proxy = setup.environment("GREENROOM__NODES__0__ADDRESS", &address).start();
            assert_eq!(encrypted(server, &tenant, &proxy), Ok(is), "{mode}");
        }
    });
}

#[test]
fn a_reload_changes_what_new_connections_are_like() {
    each_server(|server| {
        let tenant = Tenant::new(server, "reloaded");
        let proxy = setup(server, &tenant, &["tls = \"disabled\""]).endpoint("pool = \"none\"").start();
        let mut old = tenant.connect(proxy.address());
        assert_eq!(old.scalar(&cipher(server)).as_deref(), Some(""));
        proxy.rewrite(|text| text.replace("tls = \"disabled\"", "tls = \"required\""));
        proxy.hup();
        until("it is reloaded", || proxy.log().contains("configuration reloaded"));
        assert_eq!(encrypted(server, &tenant, &proxy), Ok(true));
        assert_eq!(old.scalar(&cipher(server)).as_deref(), Some(""), "who is there stays as he is");
    });
}
