//! TLS towards administrators' clients: every mode.

use std::{fs, process::Command, sync::OnceLock};

use crate::support::{
    authority::{Authority, Wish},
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy, Setup},
    servers::mariadb,
    wire::{Login, Tls, Wire, WireError},
};

/// Who vouches for the console and its administrators.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("console"))
}

/// A proxy whose console has these lines, and a certificate for `localhost`.
fn proxy(lines: &str) -> Proxy {
    let identity = authority().issue(&Wish::of(&["localhost"]));
    let files = format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", identity.cert.display(), identity.key.display());
    Setup::new(mariadb().address()).extra(&format!("{files}{lines}")).start()
}

fn login() -> Login {
    Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()
}

/// The node that it shows, where that client is let in; else the error's number.
fn looks(proxy: &Proxy, tls: Option<&Tls>) -> Result<String, u16> {
    let wire = match tls {
        Some(tls) => Wire::connect_tls(proxy.admin(), &login(), tls),
        None => Wire::connect(proxy.admin(), &login()),
    };
    match wire {
        Ok(mut wire) => Ok(wire.scalar("SELECT name FROM nodes").unwrap()),
        Err(WireError::Refused(error)) => Err(error.code),
        Err(other) => panic!("a refusal was due, not {other:?}"),
    }
}

#[test]
fn whoever_comes_without_it_is_refused_where_it_is_required() {
    let trusting = Tls::trusting(&authority().file);
    let proxy = proxy("tls = \"required\"");
    assert_eq!(looks(&proxy, Some(&trusting)), Ok("db1".into()));
    assert_eq!(looks(&proxy, None), Err(3159));
    // A wrong password is not told from a right one before there is a cipher.
    let wrong = Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, "wrong").no_database());
    assert!(matches!(wrong, Err(WireError::Refused(error)) if error.code == 3159));
}

#[test]
fn administrators_show_certificates_where_that_is_wanted() {
    let ca = &authority().file;
    let proxy = proxy(&format!("tls = \"verify-client\"\ntls_ca = \"{}\"", ca.display()));
    let identity = authority().issue(&Wish::of(&["admin"]));
    assert_eq!(looks(&proxy, Some(&Tls::showing(ca, &identity))), Ok("db1".into()));
    assert_eq!(looks(&proxy, Some(&Tls::trusting(ca))), Err(1045));
    assert_eq!(looks(&proxy, None), Err(1045));
}

#[test]
fn nothing_is_encrypted_where_it_is_disabled() {
    let proxy = proxy("tls = \"disabled\"");
    assert_eq!(looks(&proxy, None), Ok("db1".into()));
    let tls = Tls::trusting(&authority().file);
    assert!(Wire::connect_tls(proxy.admin(), &login(), &tls).is_err());
}

#[test]
fn a_console_that_others_can_reach_without_it_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let warnings = |toml: &str| {
        let file = directory.path().join("a.toml");
        fs::write(&file, format!("[admin]\npassword = \"x\"\n{toml}\n")).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_greenroom"));
        let output = check.arg("check").arg("--config").arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let warning = "admin.listen: other machines can reach the console, and tls does not require encryption";
    assert!(warnings("listen = \"0.0.0.0:6032\"").contains(warning));
    assert!(!warnings("listen = \"0.0.0.0:6032\"\ntls = \"required\"").contains(warning));
    assert!(!warnings("listen = \"127.0.0.1:6032\"").contains(warning));
}
