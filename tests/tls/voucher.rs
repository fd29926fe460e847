//! A certificate that nobody vouches for, proven by the password.

use super::{each_server, stranger};
use crate::support::{
    authority::Wish,
    program::node,
    proxy::{Proxy, Setup},
    servers::Tenant,
};
use greenroom::demo::server::Flavor;
use greenroom_protocol::{login::scramble::native, secret::Secret};

/// What a driver of MariaDB's prints that verifies and knows no authority.
fn print(proxy: &Proxy, user: &str, password: &str) -> String {
    let port = proxy.address().port().to_string();
    let output = node("mariadb", "tls/trusting.cjs").command().args([&port, user, password]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn clients_of_mariadb_that_verify_trust_a_certificate_by_the_password() {
    if !node("mariadb", "tls/trusting.cjs").is_there() {
        return;
    }
    each_server(|server| {
        if server.flavor() == Flavor::MySql {
            return;
        }
        let tenant = Tenant::new(server, "vouched");
        let stage2 = native::stage2(&native::stage1(&Secret::new(tenant.password.as_str())));
        let hashed = format!(
            "[[users]]\nname = \"hashed\"\nbackend_user = \"{}\"\npassword_hash = \"*{}\"\n",
            tenant.name,
            hex::encode(stage2.expose())
        );
        let foreign = stranger().issue(&Wish::of(&["127.0.0.1"]));
        let files = format!("tls_cert = \"{}\"\ntls_key = \"{}\"", foreign.cert.display(), foreign.key.display());
        for (lines, pool) in [("", "none"), ("", "session"), ("", "transaction"), (&*files, "transaction")] {
            let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(&hashed);
            let proxy = setup.endpoint(lines).endpoint(&format!("pool = \"{pool}\"")).start();
            for user in [&*tenant.name, "hashed"] {
                assert_eq!(print(&proxy, user, &tenant.password), "42", "{pool}, {user}");
            }
            // It is the client that refuses here: nobody told it anything that proves the certificate.
            assert!(print(&proxy, &tenant.name, "guess").contains("Self signed"), "{pool}");
        }
    });
}
