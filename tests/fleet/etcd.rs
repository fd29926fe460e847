//! An etcd that asks who one is, and shows who it is.

use std::{thread, time::Duration};

use crate::{
    LIMIT, member, share, some_etcd,
    support::{
        authority::{Authority, Wish},
        etcd::Etcd,
        observe::within,
        servers::{Tenant, mariadb},
    },
    wait_for_etcd, wait_for_shares,
};

/// Makes etcd ask for a password; `greenroom` may read and write what fleets have there.
fn lock(etcd: &Etcd) {
    // base64 of "greenroom/" and of what is behind all that begins with it.
    let fleets =
        r#"{"name":"fleets","perm":{"permType":"READWRITE","key":"Z3JlZW5yb29tLw==","range_end":"Z3JlZW5yb29tMA=="}}"#;
    for (path, question) in [
        ("role/add", r#"{"name":"root"}"#),
        ("role/add", r#"{"name":"fleets"}"#),
        ("role/grant", fleets),
        ("user/add", r#"{"name":"root","password":"root-secret"}"#),
        ("user/grant", r#"{"user":"root","role":"root"}"#),
        ("user/add", r#"{"name":"greenroom","password":"etcd-secret"}"#),
        ("user/grant", r#"{"user":"greenroom","role":"fleets"}"#),
        ("enable", "{}"),
    ] {
        etcd.ask(&format!("/v3/auth/{path}"), question);
    }
}

#[test]
fn a_fleet_logs_in_to_etcd_and_again_when_its_token_is_worth_nothing() {
    let mut etcd = some_etcd!();
    lock(&etcd);
    let tenant = Tenant::new(mariadb(), "fleet");
    let stranger = member(mariadb(), &tenant, 10, &etcd.fleet("web", &[])).start();
    within(LIMIT, "it is refused", || stranger.log().contains("the fleet's etcd cannot be used"));
    // etcd is there, and others have their parts: it takes none.
    thread::sleep(Duration::from_secs(4));
    assert_eq!((share(&stranger), stranger.get("/readyz").0), (0, 503));
    drop(stranger);
    let account = ["user = \"greenroom\"", "password = \"etcd-secret\""];
    let setup = member(mariadb(), &tenant, 10, &etcd.fleet("web", &account));
    let (one, two) = (setup.start(), setup.start());
    wait_for_shares(&[&one, &two], &[5, 5]);
    // Its tokens are kept in memory.
    etcd.kill();
    wait_for_etcd(&[&one, &two], false);
    etcd.restart(false);
    wait_for_etcd(&[&one, &two], true);
    wait_for_shares(&[&one, &two], &[5, 5]);
    assert!(![&one, &two].iter().any(|proxy| proxy.log().contains("etcd-secret")));
}

#[test]
fn a_fleet_meets_in_tls_and_only_where_etcd_shows_who_it_is() {
    let authority = Authority::new("etcd");
    let shown = authority.issue(&Wish::of(&["127.0.0.1"]));
    let arguments = ["--cert-file", shown.cert.to_str().unwrap(), "--key-file", shown.key.to_str().unwrap()];
    let Some(etcd) = Etcd::start_with("https", &arguments.map(str::to_owned)) else { return };
    let tenant = Tenant::new(mariadb(), "fleet");
    let ca = format!("tls_ca = \"{}\"", authority.file.display());
    let setup = member(mariadb(), &tenant, 10, &etcd.fleet("web", &[&ca]));
    let (one, two) = (setup.start(), setup.start());
    wait_for_shares(&[&one, &two], &[5, 5]);
    let another = format!("tls_ca = \"{}\"", Authority::new("etcd-another").file.display());
    let deceived = member(mariadb(), &tenant, 10, &etcd.fleet("web", &[&another])).start();
    within(LIMIT, "it refuses", || deceived.log().contains("the fleet's etcd cannot be used"));
    wait_for_shares(&[&one, &two], &[5, 5]);
}
