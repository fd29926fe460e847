//! Relaying what a server answers.

use std::hint::black_box;

use greenroom_protocol::command::Expect;
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::packet;
use greenroom_protocol::reply::{Boundary, Legs, Reply, Summary};
use greenroom_protocol::sql::Flavor;
use greenroom_protocol::track::ClientTrackers;

use crate::Part;

/// A buffer of the relay's.
const BUFFER: usize = 16 * 1024;

/// Definitions of an INT and a VARCHAR column, as servers send them.
const COLUMNS: [&[u8]; 2] = [
    b"\x03def\x03app\x07sbtest1\x07sbtest1\x02id\x02id\x0c\x3f\0\x0b\0\0\0\x03\x03\x42\0\0\0",
    b"\x03def\x03app\x07sbtest1\x07sbtest1\x01c\x01c\x0c\xff\0\xe0\x01\0\0\xfe\x01\0\0\0\0",
];
/// What ends a result: an OK, on MySQL with the entry that comes with every statement.
const END_OF_MARIADB: &[u8] = b"\xfe\0\0\x02\0\0\0";
const END_OF_MYSQL: &[u8] = b"\xfe\0\0\x02\x40\0\0\0\x13\0\x11\x0cstatement_id\x03641";
/// An UPDATE's OK in a transaction, with its info and what MySQL reports.
const UPDATED: &[u8] = b"\0\x01\0\x03\x40\0\0\x28Rows matched: 1  Changed: 1  Warnings: 0\
    \x1e\0\x11\x0cstatement_id\x03667\x05\x09\x08T____W__";

/// A client of a session, between the server's bytes and its own.
pub(crate) struct Relay {
    legs: Legs,
    wants: ClientTrackers,
    summary: Summary,
    out: Vec<u8>,
}

impl Relay {
    pub(crate) fn new(flavor: Flavor, client: CapabilityFlags) -> Self {
        let server = CapabilityFlags::CLIENT_SESSION_TRACK | CapabilityFlags::CLIENT_DEPRECATE_EOF;
        let legs = Legs { server, client: server & client, flavor };
        Self { legs, wants: ClientTrackers::defaults(flavor), summary: Summary::default(), out: Vec::new() }
    }

    /// One whole reply in one buffer; what its last OK said.
    #[inline]
    pub(crate) fn whole(&mut self, expect: Expect, seq: u8, reply: &mut [u8]) -> Option<StatusFlags> {
        let machine = Reply::new(expect, self.legs, seq, StatusFlags::SERVER_STATUS_AUTOCOMMIT);
        (self.go_on(machine, reply)? == Boundary::Done).then_some(self.summary.status)
    }

    fn go_on(&mut self, mut machine: Reply, bytes: &mut [u8]) -> Option<Boundary> {
        self.summary.clear();
        self.out.clear();
        let progress = machine.advance(bytes, &self.wants, &mut self.summary, &mut self.out).ok()?;
        (progress.used == bytes.len()).then_some(progress.boundary)
    }

    /// A machine that has seen the head of a result.
    fn behind(&mut self, head: &mut [u8]) -> Reply {
        let mut machine = Reply::new(Expect::Results, self.legs, 1, StatusFlags::SERVER_STATUS_AUTOCOMMIT);
        // One that is broken says so with the rows.
        let _ = machine.advance(head, &self.wants, &mut self.summary, &mut self.out);
        machine
    }
}

fn wire(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let (mut wire, mut seq) = (Vec::new(), first);
    for payload in payloads {
        seq = packet::frame(&mut wire, seq, payload);
    }
    wire
}

/// The reply to a point select: one row of 120 bytes, as sysbench has them.
pub(crate) fn point_select(flavor: Flavor) -> Vec<u8> {
    let row = [&[119][..], &[b'7'; 119]].concat();
    let end = if flavor == Flavor::MySql { END_OF_MYSQL } else { END_OF_MARIADB };
    wire(1, &[&[1], COLUMNS[1], &row, end])
}

/// The same in the binary protocol.
pub(crate) fn binary_point_select(flavor: Flavor) -> Vec<u8> {
    let row = [&[0, 0, 119][..], &[b'7'; 119]].concat();
    let end = if flavor == Flavor::MySql { END_OF_MYSQL } else { END_OF_MARIADB };
    wire(1, &[&[1], COLUMNS[1], &row, end])
}

/// A result's head with one row, and a buffer full of further rows of about twenty bytes.
fn small_rows() -> (Vec<u8>, Vec<u8>) {
    let head = wire(1, &[&[2], COLUMNS[0], COLUMNS[1], b"\x011\x0bsome letter"]);
    let (mut rows, mut seq) = (Vec::new(), 5);
    for row in 100_000.. {
        let mut next = Vec::new();
        let after = packet::frame(&mut next, seq, format!("\x06{row}\x0bsome letter").as_bytes());
        if rows.len() + next.len() > BUFFER {
            return (head, rows);
        }
        rows.append(&mut next);
        seq = after;
    }
    (head, rows)
}

/// That buffer, again and again for the first time.
fn buffer(name: &'static str, client: CapabilityFlags) -> Part {
    let mut relay = Relay::new(Flavor::MariaDb, client);
    let (mut head, rows) = small_rows();
    let machine = relay.behind(&mut head);
    let mut room = rows.clone();
    Part::new(name, move || {
        // For an old client the packets are numbered anew where they lie.
        room.copy_from_slice(black_box(&rows));
        relay.go_on(machine.clone(), &mut room).filter(|boundary| *boundary == Boundary::More)
    })
}

fn reply(name: &'static str, flavor: Flavor, wire: Vec<u8>) -> Part {
    let mut relay = Relay::new(flavor, CapabilityFlags::all());
    let mut room = wire.clone();
    Part::new(name, move || {
        room.copy_from_slice(black_box(&wire));
        relay.whole(Expect::Results, 1, &mut room)
    })
}

pub(crate) fn parts() -> Vec<Part> {
    vec![
        reply("reply/point-select-mariadb", Flavor::MariaDb, point_select(Flavor::MariaDb)),
        reply("reply/point-select-mysql", Flavor::MySql, point_select(Flavor::MySql)),
        reply("reply/update-mysql", Flavor::MySql, wire(1, &[UPDATED])),
        buffer("reply/rows-16k", CapabilityFlags::all()),
        buffer("reply/rows-16k-old-client", CapabilityFlags::empty()),
    ]
}
