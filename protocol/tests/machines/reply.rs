//! Replies: any reads give the client the same or end in the same fault; what it gets is bounded by what came and
//! numbered in order; rows pass untouched; a fault stays.

use greenroom_protocol::{
    command::Expect,
    constants::{CapabilityFlags, StatusFlags},
    flavor::Flavor,
    packet::header,
    reply::{Boundary, Forward, Legs, Reply, Summary, Violation},
    track::{ClientTrackers, Names},
};

use super::input::{Input, reads};

const EXPECTS: [Expect; 7] =
    [Expect::Results, Expect::Ok, Expect::BinaryResults, Expect::Prepared, Expect::Rows, Expect::Fields, Expect::Text];

/// What one way of reading came to.
#[derive(Debug, PartialEq)]
struct Relayed {
    down: Vec<u8>,
    used: usize,
    boundary: Boundary,
    next: u8,
    summary: Summary,
}

struct Setting {
    expect: Expect,
    legs: Legs,
    wants: ClientTrackers,
}

fn relay(setting: &Setting, pieces: &[&[u8]]) -> Result<Relayed, Violation> {
    let Setting { expect, legs, wants } = setting;
    let mut reply = Reply::new(*expect, *legs, 1, StatusFlags::SERVER_STATUS_AUTOCOMMIT);
    let (mut kept, mut out) = (Vec::new(), Vec::new());
    let summary = Summary::default();
    let mut relayed = Relayed { down: Vec::new(), used: 0, boundary: Boundary::More, next: 1, summary };
    for piece in pieces {
        if relayed.boundary != Boundary::More {
            break;
        }
        kept.extend_from_slice(piece);
        let progress = match reply.advance(&mut kept, wants, &mut relayed.summary, &mut out) {
            Ok(progress) => progress,
            Err(violation) => {
                let mut fine = b"\x07\0\0\x01\0\0\0\x02\0\0\0".to_vec();
                let again = reply.advance(&mut fine, wants, &mut relayed.summary, &mut out);
                assert_eq!(again, Err(violation), "a fault stays");
                return Err(violation);
            }
        };
        match progress.forward {
            Forward::InPlace(len) => {
                assert!(out.is_empty() && len <= progress.used);
                relayed.down.extend(&kept[..len]);
            }
            Forward::Copied => relayed.down.append(&mut out),
        }
        kept.drain(..progress.used);
        relayed.used += progress.used;
        relayed.boundary = progress.boundary;
    }
    assert_eq!(reply.is_done(), relayed.boundary == Boundary::Done);
    relayed.next = reply.client_seq();
    Ok(relayed)
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let expect = input.pick(&EXPECTS);
    let [track, eof, tracked, maria, all, framed, local] = input.bits();
    let longest = input.byte();
    let mut client = CapabilityFlags::empty();
    client.set(CapabilityFlags::CLIENT_SESSION_TRACK, track);
    client.set(CapabilityFlags::CLIENT_DEPRECATE_EOF, eof);
    client.set(CapabilityFlags::CLIENT_LOCAL_FILES, local);
    let mut server = CapabilityFlags::CLIENT_DEPRECATE_EOF;
    server.set(CapabilityFlags::CLIENT_SESSION_TRACK, tracked);
    let flavor = if maria { Flavor::MariaDb } else { Flavor::MySql };
    let wants = match all {
        true => ClientTrackers::everything(),
        false => ClientTrackers { variables: Names::parse(b"sql_mode, x"), ..ClientTrackers::defaults(flavor) },
    };
    let setting = Setting { expect, legs: Legs { server, client, flavor }, wants };
    let wire = input.wire(framed, 1);
    let [whole, others @ ..] = reads(&wire, longest).map(|pieces| relay(&setting, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    let Ok(relayed) = whole else { return };
    assert!(relayed.down.len() <= 3 * wire.len(), "more comes out than went in");
    if relayed.boundary == Boundary::More {
        return;
    }
    if track && eof && tracked && all && !relayed.summary.changes.unknown {
        assert_eq!(relayed.down, wire[..relayed.used], "who wants all gets all");
    }
    let (mut at, mut seq) = (0, 1_u8);
    while let Some(head) = header(&relayed.down[at..]) {
        assert_eq!(head.seq, seq, "numbered in order");
        (at, seq) = (at + 4 + head.len, seq.wrapping_add(1));
    }
    assert_eq!((at, seq), (relayed.down.len(), relayed.next));
}
