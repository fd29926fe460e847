//! The reply machine over recorded wires of MySQL 9.7.4 and MariaDB 10.11.19: what it lets through is what
//! the server itself sends to such a client, in whatever pieces the bytes come.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's support may fail loudly")]

#[path = "wires/mod.rs"]
mod wires;

#[path = "wires/generated.rs"]
mod generated;

use greenroom_protocol::{flavor::Flavor, reply::Legs, track::ClientTrackers};
use mysql_common::constants::{CapabilityFlags, StatusFlags};
use wires::{Client, FLAVORS, Wire, capabilities, load, packets, run};

const SETTINGS: [&str; 5] = ["all", "default", "untracked", "legacy", "old"];

/// A client with those settings, about to send the command that was recorded with them in `wire`.
fn client<'a>(settings: &str, flavor: Flavor, wire: &'a Wire) -> Client<'a> {
    let all = settings == "all";
    Client {
        legs: Legs { server: capabilities("all"), client: capabilities(settings), flavor },
        wants: if all { ClientTrackers::everything() } else { ClientTrackers::defaults(flavor) },
        file: wire.client.get(1).map(Vec::as_slice),
        status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
    }
}

#[test]
fn a_client_that_wants_all_gets_all_untouched() {
    for (server, flavor) in FLAVORS {
        for wire in load(server, "all") {
            let run = run(&wire, &client("all", flavor, &wire), &|_| false);
            assert_eq!(run.down, wire.server.concat(), "{server} {}", wire.name);
        }
    }
}

#[test]
fn each_client_gets_what_the_server_would_have_sent_it() {
    for (server, flavor) in FLAVORS {
        let all = load(server, "all");
        for settings in SETTINGS {
            let mut status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
            for (wire, recorded) in all.iter().zip(load(server, settings)) {
                let client = Client { status, ..client(settings, flavor, &recorded) };
                let run = run(wire, &client, &|_| false);
                let what = format!("{server} {settings} {}", wire.name);
                assert_eq!(comparable(&run.down, wire), comparable(&recorded.server.concat(), wire), "{what}");
                assert_eq!(run.up, wire.client.get(1).cloned().unwrap_or_default(), "{what}");
                if !run.summary.status.is_empty() {
                    status = run.summary.status;
                }
            }
        }
    }
}

#[test]
fn cuts_anywhere_change_nothing() {
    for (server, flavor) in FLAVORS {
        let all = load(server, "all");
        for settings in SETTINGS {
            for (wire, recorded) in all.iter().zip(load(server, settings)) {
                let client = client(settings, flavor, &recorded);
                let whole = run(wire, &client, &|_| false);
                for place in 1..wire.server.concat().len() {
                    let cut = run(wire, &client, &|at| at == place);
                    assert_eq!(cut, whole, "{server} {settings} {} cut at {place}", wire.name);
                }
                let bytewise = run(wire, &client, &|_| true);
                assert_eq!(bytewise, whole, "{server} {settings} {} byte by byte", wire.name);
            }
        }
    }
}

#[test]
fn a_server_without_tracking_is_understood() {
    for (server, flavor) in FLAVORS {
        for wire in load(server, "untracked") {
            let mut client = client("all", flavor, &wire);
            client.legs.server = CapabilityFlags::CLIENT_DEPRECATE_EOF;
            let run = run(&wire, &client, &|_| false);
            assert_eq!(run.down, wire.server.concat(), "{server} {}", wire.name);
            assert!(run.summary.changes.is_empty());
        }
    }
}

/// The packets of a reply without what two recordings of one command differ in, and without the few things
/// that the machine is known not to copy.
fn comparable(reply: &[u8], wire: &Wire) -> Vec<(u8, Vec<u8>)> {
    let mut packets = packets(reply);
    let mut after_definition = false;
    for (_, payload) in &mut packets {
        match payload.as_mut_slice() {
            // Times and counters.
            _ if wire.name == "statistics" => payload.clear(),
            // MariaDB's statement ids differ by connection, and are in the text of an error.
            _ if wire.name == "fetch_closed" => payload.truncate(9),
            [0, id @ ..] if wire.name.starts_with("prepare") && id.len() >= 11 => id[..4].fill(0),
            // Only at the end of the rows does it show that a transaction began with them, ...
            [0xFE, _, _, status, _] if after_definition && wire.name == "implicit_read" => *status &= !1,
            // ... which indexes were used, and whether another result follows.
            [0xFE, _, _, status, _] if after_definition => *status &= !0x38,
            _ => {}
        }
        sort_state(payload);
        after_definition = payload.starts_with(b"\x03def");
    }
    packets
}

/// Servers keep tracked variables in a hash table, and MariaDB's order differs by connection.
fn sort_state(payload: &mut Vec<u8>) {
    let state_changed =
        matches!(payload.as_slice(), [0 | 0xFE, a, b, _, flags, ..] if *a < 0xFB && *b < 0xFB && flags & 0x40 != 0);
    if !state_changed || payload.len() < 8 {
        return;
    }
    let at = 7 + 1 + usize::from(payload[7]);
    if payload.len() <= at {
        return;
    }
    let mut rest = payload.split_off(at + 1);
    // COMMIT AND CHAIN on MySQL with default trackers: "changed", with nothing behind it.
    if rest.is_empty() {
        payload.truncate(7);
        payload[4] &= !0x40;
        return;
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let behind = rest.split_off(2 + usize::from(rest[1]));
        entries.push(std::mem::replace(&mut rest, behind));
    }
    entries.sort();
    payload.extend(entries.concat());
}
