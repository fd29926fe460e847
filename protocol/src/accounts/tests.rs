//! Rows, and clients judged by them.

use std::net::IpAddr;

use super::{Accounts, Evidence, Fit, Host, Verdict, like};
use crate::answer::Row;
use crate::secret::Secret;

const NATIVE: &str = "mysql_native_password";

fn row(host: &str, user: &str, plugin: &str, hash: &str) -> Row {
    [host, user, plugin, hash, "", "0", "0", "0"].map(|text| Some(text.as_bytes().into())).to_vec()
}

/// A row that can be told from others by its hash.
fn numbered(host: &str, user: &str, number: u8) -> Row {
    row(host, user, NATIVE, &format!("*{}", format!("{number:02X}").repeat(20)))
}

fn number(verdict: Option<Verdict>) -> Option<u8> {
    match verdict?.evidence {
        Evidence::Native(hash) => Some(hash.expose()[0]),
        Evidence::Server => Some(0xFF),
        other => panic!("{other:?}"),
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn the_narrowest_host_counts() {
    let rows = [
        numbered("%", "app", 1),
        numbered("10.%", "app", 2),
        numbered("10.0.0.0/255.255.0.0", "app", 3),
        numbered("10.1.2.3", "app", 4),
        numbered("10.1.%", "app", 5),
        numbered("localhost", "app", 6),
        numbered("192.0.2.0/24", "app", 7),
        numbered("::1", "v6", 8),
    ];
    let accounts = Accounts::read(&rows).unwrap();
    for (client, due) in [
        ("172.16.0.1", 1),
        ("10.9.9.9", 2),
        ("10.0.9.9", 3),
        ("10.1.2.3", 4),
        ("::ffff:10.1.2.3", 4),
        ("10.1.2.4", 5),
        ("192.0.2.200", 7),
        ("2001:db8::1", 1),
        // The server may take it for localhost, or not.
        ("127.0.0.1", 0xFF),
    ] {
        assert_eq!(number(accounts.find(b"app", ip(client))), Some(due), "{client}");
    }
    assert_eq!(number(accounts.find(b"app", None)), Some(6));
    assert_eq!(number(accounts.find(b"v6", ip("::1"))), Some(8));
    assert_eq!(accounts.find(b"v6", ip("::2")), None);
    assert_eq!(accounts.find(b"APP", ip("10.1.2.3")), None, "names of users are told apart by case");
}

#[test]
fn what_hangs_on_names_or_on_nobody_in_particular_is_left_to_the_server() {
    let of = |rows: &[Row]| number(Accounts::read(rows).unwrap().find(b"app", ip("10.1.2.3")));
    assert_eq!(of(&[numbered("%", "app", 1), numbered("%.example", "app", 2)]), Some(0xFF));
    assert_eq!(of(&[numbered("%", "app", 1), numbered("db.example", "other", 2)]), Some(1));
    assert_eq!(of(&[numbered("%", "app", 1), numbered("10.%", "", 2)]), Some(0xFF));
    assert_eq!(of(&[numbered("10.%", "app", 1), numbered("10.%", "", 2)]), Some(1));
    assert_eq!(of(&[numbered("10.1.0.0/16", "app", 1), numbered("10.1.2.0/24", "app", 2)]), Some(0xFF));
    assert_eq!(of(&[]), None);
}

#[test]
fn plugins_have_their_evidence() {
    let evidence = |plugin: &str, hash: &str| {
        Accounts::read(&[row("%", "u", plugin, hash)]).unwrap().find(b"u", None).unwrap().evidence
    };
    assert_eq!(evidence("", ""), Evidence::Empty);
    assert_eq!(evidence(NATIVE, ""), Evidence::Empty);
    assert_eq!(evidence("caching_sha2_password", ""), Evidence::Empty);
    assert_eq!(evidence(NATIVE, "invalid"), Evidence::Server);
    assert_eq!(evidence("ed25519", "Gv2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK4"), Evidence::Server);
    assert_eq!(evidence("unix_socket", ""), Evidence::Server);
    assert_eq!(evidence("caching_sha2_password", "$A$x"), Evidence::Sha2(vec![Secret::new("$A$x")]));
    let mut both = row("%", "u", "caching_sha2_password", "$A$x");
    both[4] = Some(b"$A$y".as_slice().into());
    both[6] = Some(b"1".as_slice().into());
    let verdict = Accounts::read(&[both.clone()]).unwrap().find(b"u", None).unwrap();
    assert_eq!(verdict.evidence, Evidence::Sha2(vec![Secret::new("$A$x"), Secret::new("$A$y")]));
    assert!(verdict.barred && !verdict.ages);
    both[5] = None;
    assert_eq!(Accounts::read(&[both]).unwrap().find(b"u", None).unwrap().evidence, Evidence::Server);
    assert!(Accounts::read(&[vec![None; 7]]).is_none());
}

#[test]
fn patterns_fit_as_in_sql() {
    for (pattern, text, due) in [
        ("10.%", "10.1.2.3", true),
        ("10.%", "110.1.2.3", false),
        ("10.%.3", "10.1.2.3", true),
        ("10.%.4", "10.1.2.3", false),
        ("10._.%", "10.1.2.3", true),
        ("10._.%", "10.11.2.3", false),
        ("%", "", true),
        ("%%a%b", "xaxaxb", true),
        ("%a%b", "xbxa", false),
    ] {
        assert_eq!(like(pattern.as_bytes(), text.as_bytes()), due, "{pattern} {text}");
    }
    assert_eq!(Host::read(b"10.0.0.0/255.0.0.0").fits(None), Fit::No);
    assert_eq!(Host::read(b"0.0.0.0/0").fits(ip("10.0.0.1")), Fit::Yes);
}
