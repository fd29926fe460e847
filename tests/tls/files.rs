//! Certificates and keys as files: what `check` says of them, and what a reload makes of them.

use std::{fs, process::Command};

use super::{authority, each_server, setup};
use crate::support::{
    authority::Wish,
    observe::until,
    proxy::Proxy,
    servers::Tenant,
    wire::{Tls, Wire},
};

/// What `greenroom check` says of a file with these lines, and whether it lets it pass.
fn check(node: &[String], endpoint: &[String]) -> (String, bool) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    let text = format!(
        "[[nodes]]\nname = \"db\"\n{}{}\n[[endpoints]]\nname = \"app\"\nlisten = \"127.0.0.1:6033\"\n{}\n",
        if node.iter().any(|line| line.starts_with("address")) { "" } else { "address = \"db.example.org:3306\"\n" },
        node.join("\n"),
        endpoint.join("\n")
    );
    fs::write(&file, text).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_greenroom")).arg("check").arg("--config").arg(&file).output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
}

fn key(name: &str, path: &std::path::Path) -> String {
    format!("{name} = \"{}\"", path.display())
}

#[test]
fn check_names_the_file_that_is_wrong() {
    let [one, two] = [(); 2].map(|()| authority().issue(&Wish::of(&["localhost"])));
    let directory = tempfile::tempdir().unwrap();
    let [missing, empty, junk] = ["missing.pem", "empty.pem", "junk.pem"].map(|name| directory.path().join(name));
    fs::write(&empty, "").unwrap();
    fs::write(&junk, "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n").unwrap();
    let locked = directory.path().join("locked.pem");
    fs::write(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n").unwrap();
    let (cert, its_key) = (key("tls_cert", &one.cert), key("tls_key", &one.key));
    let wrong: Vec<(Vec<String>, &str, &str)> = vec![
        (vec![cert.clone()], "tls_cert", "without its key; expected tls_key"),
        (vec![its_key.clone()], "tls_key", "without its certificate; expected tls_cert"),
        (vec![key("tls_cert", &missing), its_key.clone()], "tls_cert", "missing.pem cannot be read"),
        (vec![key("tls_cert", &empty), its_key.clone()], "tls_cert", "empty.pem holds no certificate in PEM form"),
        (vec![key("tls_cert", &junk), its_key.clone()], "tls_cert", "junk.pem is not PEM"),
        (vec![cert.clone(), key("tls_key", &missing)], "tls_key", "missing.pem cannot be read"),
        (vec![cert.clone(), key("tls_key", &one.cert)], "tls_key", "holds no private key in PEM form"),
        (vec![cert.clone(), key("tls_key", &locked)], "tls_key", "is locked by a passphrase"),
        (vec![cert.clone(), key("tls_key", &two.key)], "tls_key", "is not the key of the certificate"),
        (vec![key("tls_ca", &missing)], "tls_ca", "missing.pem cannot be read"),
        (vec![key("tls_ca", &one.key)], "tls_ca", "holds no certificate in PEM form"),
    ];
    for (lines, at, what) in &wrong {
        for (said, table) in [(check(lines, &[]), "nodes[0]"), (check(&[], lines), "endpoints[0]")] {
            assert!(!said.1, "{lines:?} passes");
            let line = said.0.lines().find(|line| line.contains(&format!("{table}.{at}: ")));
            assert!(line.is_some_and(|line| line.contains(what)), "{lines:?}: {}", said.0);
        }
    }
    let (said, passes) = check(&[], &["tls = 'verify-client'".into()]);
    assert!(!passes && said.contains("endpoints[0].tls: \"verify-client\" without tls_ca"), "{said}");
    let (said, passes) = check(&["address = 'unix:/tmp/sock'".into(), "tls = 'verify-identity'".into()], &[]);
    assert!(
        !passes && said.contains("a Unix socket has no name that a certificate could be for; expected tls_server_name"),
        "{said}"
    );
    let (said, passes) = check(&["tls_server_name = 'not a name'".into()], &[]);
    assert!(!passes && said.contains("nodes[0].tls_server_name: \"not a name\" is not a name"), "{said}");
}

#[test]
fn check_warns_of_what_is_legal_and_hardly_meant() {
    let expired = authority().issue(&Wish::of(&["localhost"]).expired());
    let files = [key("tls_cert", &expired.cert), key("tls_key", &expired.key)];
    let (said, passes) = check(&[], &files);
    assert!(passes && said.contains("endpoints[0].tls_cert") && said.contains("the certificate has expired"), "{said}");
    let (said, passes) = check(&[], &[&files[..], &["tls = 'disabled'".into()]].concat());
    assert!(passes && said.contains("endpoints[0].tls_key: it is not used, since tls is \"disabled\""), "{said}");
    let (said, passes) = check(&[], &["tls = 'required'".into()]);
    assert!(passes && said.contains("without tls_cert the certificate is self-made"), "{said}");
    let (said, passes) = check(&[key("tls_ca", &authority().file)], &[]);
    assert!(
        passes && said.contains("nodes[0].tls_ca: it is not used") && said.contains("no server is verified"),
        "{said}"
    );
}

fn shown(proxy: &Proxy, tenant: &Tenant, tls: &Tls) -> Vec<u8> {
    Wire::connect_tls(proxy.address(), &tenant.login(), tls).unwrap().shown().unwrap()
}

fn reload(proxy: &Proxy, says: &str) {
    let before = proxy.log().matches(says).count();
    proxy.hup();
    until(says, || proxy.log().matches(says).count() > before);
}

#[test]
fn a_reload_shows_the_new_certificate_to_new_clients_and_keeps_the_old_where_the_new_is_bad() {
    each_server(|server| {
        let tenant = Tenant::new(server, "reload");
        let identity = authority().issue(&Wish::of(&["localhost"]));
        let proxy = setup(server, &tenant, &[])
            .extra(&format!(
                "[[endpoints]]\nname = \"second\"\nlisten = \"127.0.0.1:{}\"\n{}\n{}\n",
                greenroom::demo::server::free_port().unwrap(),
                key("tls_cert", &identity.cert),
                key("tls_key", &identity.key)
            ))
            .start();
        // The certificate under test takes the place of the usual one.
        proxy.rewrite(|text| {
            let lines = text.lines().map(|line| match line {
                line if line.starts_with("tls_cert") => key("tls_cert", &identity.cert),
                line if line.starts_with("tls_key") => key("tls_key", &identity.key),
                line => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
        });
        reload(&proxy, "configuration reloaded");
        let tls = Tls::trusting(&authority().file);
        let mut old = Wire::connect_tls(proxy.address(), &tenant.login(), &tls).unwrap();
        old.ok("BEGIN");
        let first = shown(&proxy, &tenant, &tls);
        authority().write(&Wish::of(&["localhost"]), &identity);
        assert_eq!(shown(&proxy, &tenant, &tls), first, "nothing has been reloaded yet");
        reload(&proxy, "configuration reloaded");
        // A session that is resumed shows no certificate anew: this one begins with none.
        let second = shown(&proxy, &tenant, &Tls::trusting(&authority().file));
        assert_ne!(second, first);
        fs::write(&identity.key, "no key").unwrap();
        reload(&proxy, "the configuration was not reloaded");
        assert!(proxy.log().contains("holds no private key in PEM form"));
        assert_eq!(shown(&proxy, &tenant, &Tls::trusting(&authority().file)), second);
        assert_eq!(old.scalar("SELECT 'still here'").as_deref(), Some("still here"));
        old.ok("COMMIT");
        let left = proxy.metrics().get("greenroom_tls_certificate_expiry_seconds{endpoint=\"app\"}").unwrap();
        assert!((29.0..=30.0).contains(&(left / 86_400.0)), "{left}");
    });
}

#[test]
fn a_certificate_made_here_outlives_a_reload_and_is_trusted_by_nobody() {
    each_server(|server| {
        let tenant = Tenant::new(server, "made");
        let proxy = crate::support::proxy::Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let verified = Wire::connect_tls(proxy.address(), &tenant.login(), &Tls::trusting(&authority().file));
        assert!(verified.is_err());
        let first = shown(&proxy, &tenant, &Tls::credulous());
        reload(&proxy, "configuration reloaded");
        assert_eq!(shown(&proxy, &tenant, &Tls::credulous()), first);
        assert_eq!(proxy.metrics().sum("greenroom_tls_certificate_expiry_seconds", &[]), 0.0);
    });
}
