//! Replies made up at random: in any pieces as whole, and no bytes at all make the machine panic.

use std::collections::BTreeSet;

use greenroom_protocol::{
    command::{Expect, Inbound},
    flavor::Flavor,
    packet::frame,
    reply::{Boundary, Legs, Reply, Summary, Upload},
    track::{Changes, ClientTrackers, Names},
};
use mysql_common::constants::{CapabilityFlags, StatusFlags};
use proptest::{collection::vec, prelude::*};

use super::wires::{Run, capabilities, feed, packets};

/// One OK packet with some session state.
fn ok(first: u8) -> impl Strategy<Value = (Vec<u8>, bool)> {
    let entry = prop_oneof![
        Just(b"\x00\x0e\nautocommit\x02ON".to_vec()),
        Just(b"\x00\x10\x0cstatement_id\x0217".to_vec()),
        Just(b"\x02\x011".to_vec()),
        Just(b"\x05\t\x08T_______".to_vec()),
        Just(b"\x04\x13\x12START TRANSACTION;".to_vec()),
        (0u8..200).prop_map(|n| [&[0, n + 3, 1, b'v', n][..], &vec![b'x'; n.into()]].concat()),
    ];
    (0u8..250, 0u8..250, any::<bool>(), vec(entry, 0..6), vec(any::<u8>(), 0..20)).prop_map(
        move |(affected, id, cursor, entries, info)| {
            let state = entries.concat();
            let mut ok = vec![first, affected, id, 2, if state.is_empty() { 0 } else { 0x40 }, 0, 0];
            if cursor {
                ok[3] |= 0x40;
            }
            if !state.is_empty() || !info.is_empty() {
                ok.push(info.len() as u8);
                ok.extend(info);
            }
            if !state.is_empty() {
                match state.len() {
                    len @ ..=250 => ok.push(len as u8),
                    len => ok.extend([0xFC, len as u8, (len >> 8) as u8]),
                }
                ok.extend(state);
            }
            (ok, cursor)
        },
    )
}

/// One result: an OK alone, or columns, rows and an OK or an ERR. The payloads, and whether it fails.
fn result() -> impl Strategy<Value = (Vec<Vec<u8>>, bool)> {
    let row = vec(0u8..0xFB, 0..40).prop_map(|tail| [&[0][..], &tail].concat());
    let set = (1u8..5, vec(row, 0..8), ok(0xFE), any::<bool>()).prop_map(|(columns, rows, (ok, _), fails)| {
        let mut payloads = vec![vec![columns]];
        payloads.extend((0..columns).map(|n| [&b"\x03def"[..], &vec![n; n.into()]].concat()));
        payloads.extend(rows);
        payloads.push(if fails { b"\xff\x28\x04#42000no".to_vec() } else { ok });
        (payloads, fails)
    });
    prop_oneof![ok(0).prop_map(|(ok, _)| (vec![ok], false)), set]
}

/// A whole reply: some results, all but the last with the flag that more follow.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    (vec(result(), 1..5), any::<u8>()).prop_map(|(mut results, _)| {
        let end = results.iter().position(|(_, fails)| *fails).map_or(results.len(), |at| at + 1);
        results.truncate(end);
        let mut wire = Vec::new();
        let mut seq = 1;
        for (at, (payloads, _)) in results.iter_mut().enumerate() {
            if at + 1 < end
                && let Some(last) = payloads.last_mut()
            {
                last[3] |= 8;
            }
            seq = payloads.iter().fold(seq, |seq, payload| frame(&mut wire, seq, payload));
        }
        wire
    })
}

fn machine(expect: Expect, client: &str) -> Reply {
    let legs = Legs { server: capabilities("all"), client: capabilities(client), flavor: Flavor::MariaDb };
    Reply::new(expect, legs, 1, StatusFlags::SERVER_STATUS_AUTOCOMMIT)
}

fn run(expect: Expect, client: &str, wire: &[u8], cuts: &BTreeSet<usize>) -> Run {
    let mut run = Run { down: Vec::new(), up: Vec::new(), summary: Summary::default() };
    let wants = ClientTrackers { state_change: true, ..ClientTrackers::defaults(Flavor::MySql) };
    let end = feed(&mut machine(expect, client), wire, &wants, &mut run, &|at| cuts.contains(&at));
    assert_eq!(end, Boundary::Done);
    run
}

fn expects() -> impl Strategy<Value = Expect> {
    prop_oneof![
        Just(Expect::Ok),
        Just(Expect::Results),
        Just(Expect::BinaryResults),
        Just(Expect::Prepared),
        Just(Expect::Rows),
        Just(Expect::Fields),
        Just(Expect::Text),
    ]
}

proptest! {
    #[test]
    fn random_replies_in_random_pieces_are_as_whole(
        wire in reply(),
        binary in any::<bool>(),
        client in prop_oneof![Just("all"), Just("untracked"), Just("legacy"), Just("old")],
        cuts in vec(0.0..1.0f64, 0..12),
    ) {
        let expect = if binary { Expect::BinaryResults } else { Expect::Results };
        let cuts = cuts.iter().map(|cut| (cut * wire.len() as f64) as usize).collect();
        let whole = run(expect, client, &wire, &BTreeSet::new());
        prop_assert_eq!(&run(expect, client, &wire, &cuts), &whole);
        let ids: Vec<u8> = packets(&whole.down).iter().map(|packet| packet.0).collect();
        prop_assert_eq!(ids, (1..).take(packets(&whole.down).len()).collect::<Vec<u8>>());
        prop_assert!(whole.summary.changes.variables.iter().all(|(name, _)| **name != *b"statement_id"));
    }

    #[test]
    fn any_bytes_never_panic(
        mut wire in vec(prop_oneof![3 => 0u8..4, 1 => any::<u8>(), 1 => Just(0xFE)], 0..200),
        expect in expects(),
        client in prop_oneof![Just("all"), Just("untracked"), Just("legacy"), Just("old")],
    ) {
        let wants = ClientTrackers::everything();
        let _ = machine(expect, client).advance(&mut wire, &wants, &mut Summary::default(), &mut Vec::new());
        let _ = Inbound::new(1 << 24).scan(&wire);
        let _: Result<_, _> = upload().advance(&mut wire);
        let _ = Names::parse(&wire);
        let _ = Changes::default().read(&wire);
    }

    /// Packets whose headers are right, so that their insides are reached.
    #[test]
    fn any_payloads_never_panic(
        payloads in vec((prop_oneof![Just(0u8), Just(1), Just(0xFB), Just(0xFE), Just(0xFF), any::<u8>()], vec(any::<u8>(), 0..30)), 0..10),
        expect in expects(),
        client in prop_oneof![Just("all"), Just("untracked"), Just("legacy"), Just("old")],
    ) {
        let mut wire = Vec::new();
        payloads.iter().fold(1, |seq, (first, tail)| frame(&mut wire, seq, &[&[*first][..], tail].concat()));
        let wants = ClientTrackers::defaults(Flavor::MySql);
        let _ = machine(expect, client).advance(&mut wire, &wants, &mut Summary::default(), &mut Vec::new());
    }

    /// An OK with mangled session state is read or refused, never more.
    #[test]
    fn any_session_state_never_panics(
        tail in vec(prop_oneof![2 => 0u8..8, 1 => any::<u8>()], 0..60),
        first in prop_oneof![Just(0u8), Just(0xFE)],
        client in prop_oneof![Just("all"), Just("legacy"), Just("old")],
    ) {
        let mut wire = Vec::new();
        frame(&mut wire, 1, &[&[first, 0, 0, 2, 0x40, 0, 0][..], &tail].concat());
        let wants = ClientTrackers::defaults(Flavor::MySql);
        let _ = machine(Expect::Ok, client).advance(&mut wire, &wants, &mut Summary::default(), &mut Vec::new());
    }
}

fn upload() -> Upload {
    let legs = Legs { server: capabilities("all"), client: CapabilityFlags::empty(), flavor: Flavor::MySql };
    Reply::new(Expect::Results, legs, 1, StatusFlags::empty()).upload()
}
