//! The recorded wires beside this file, and how to run one through the machine.
//!
//! `KIND.all`: all trackers on. `default`: the server's own settings. `untracked`: without `SESSION_TRACK`.
//! `legacy`: without `DEPRECATE_EOF`. `old`: with neither. The same commands in each, on a fresh session.

use greenroom_protocol::{
    command::Expect,
    flavor::Flavor,
    packet::{HEADER, header},
    reply::{Boundary, Forward, Legs, Reply, Summary},
    track::ClientTrackers,
};
use mysql_common::constants::{CapabilityFlags, StatusFlags};

/// One recorded command: bytes of client and server in turn, the client's first.
pub(crate) struct Wire {
    pub(crate) name: String,
    pub(crate) expect: Expect,
    pub(crate) client: Vec<Vec<u8>>,
    pub(crate) server: Vec<Vec<u8>>,
}

/// What one run of the machine gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// For the client.
    pub(crate) down: Vec<u8>,
    /// For the server: the client's file.
    pub(crate) up: Vec<u8>,
    pub(crate) summary: Summary,
}

/// Who the reply is for.
pub(crate) struct Client<'a> {
    pub(crate) legs: Legs,
    pub(crate) wants: ClientTrackers,
    /// Its file for LOAD DATA LOCAL, in packets as it numbers them.
    pub(crate) file: Option<&'a [u8]>,
    /// The server's flags before the command.
    pub(crate) status: StatusFlags,
}

pub(crate) const FLAVORS: [(&str, Flavor); 2] = [("mysql", Flavor::MySql), ("mariadb", Flavor::MariaDb)];

/// The capabilities of a recording, as far as the machine looks at them.
pub(crate) fn capabilities(settings: &str) -> CapabilityFlags {
    let (track, eof) = (CapabilityFlags::CLIENT_SESSION_TRACK, CapabilityFlags::CLIENT_DEPRECATE_EOF);
    // Every recording client sends files.
    let files = CapabilityFlags::CLIENT_LOCAL_FILES;
    let others = match settings {
        "all" | "default" => track | eof,
        "untracked" => eof,
        "legacy" => track,
        "old" => CapabilityFlags::empty(),
        _ => panic!("no recording {settings}"),
    };
    files | others
}

pub(crate) fn load(server: &str, settings: &str) -> Vec<Wire> {
    let path = format!("{}/tests/wires/{server}.{settings}", env!("CARGO_MANIFEST_DIR"));
    let mut wires: Vec<Wire> = Vec::new();
    let mut last = ' ';
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let (sign, text) = line.split_at(line.len().min(2));
        match sign {
            "= " => wires.push(wire(text)),
            "> " | "< " => {
                let own = sign.starts_with('>');
                let wire = wires.last_mut().unwrap();
                let side = if own { &mut wire.client } else { &mut wire.server };
                if last != sign.chars().next().unwrap() {
                    side.push(Vec::new());
                }
                side.last_mut().unwrap().extend(bytes(text));
            }
            _ => {}
        }
        last = sign.chars().next().unwrap_or(' ');
    }
    assert!(wires.len() > 60);
    wires
}

fn wire(title: &str) -> Wire {
    let (name, expect) = title.split_once(' ').unwrap();
    let expect = match expect {
        "ok" => Expect::Ok,
        "results" => Expect::Results,
        "binary" => Expect::BinaryResults,
        "prepared" => Expect::Prepared,
        "rows" => Expect::Rows,
        "fields" => Expect::Fields,
        "text" => Expect::Text,
        _ => panic!("no shape {expect}"),
    };
    Wire { name: name.into(), expect, client: Vec::new(), server: Vec::new() }
}

fn bytes(hex: &str) -> impl Iterator<Item = u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

/// Cuts a wire into its packets: sequence id and payload.
pub(crate) fn packets(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while let Some(head) = header(wire) {
        packets.push((head.seq, wire[HEADER..HEADER + head.len].to_vec()));
        wire = &wire[HEADER + head.len..];
    }
    assert!(wire.is_empty());
    packets
}

/// Runs the machine over a recorded reply. `cut` says after how many bytes of the server's each read ends.
pub(crate) fn run(wire: &Wire, client: &Client<'_>, cut: &dyn Fn(usize) -> bool) -> Run {
    let Client { legs, wants, file, status } = client;
    let mut reply = Reply::new(wire.expect, *legs, 1, *status);
    let mut run = Run { down: Vec::new(), up: Vec::new(), summary: Summary::default() };
    let mut offset = 0;
    for (turn, server) in wire.server.iter().enumerate() {
        let end = feed(&mut reply, server, wants, &mut run, &|at| cut(offset + at));
        offset += server.len();
        if turn + 1 == wire.server.len() {
            assert_eq!(end, Boundary::Done, "{}", wire.name);
            assert!(reply.is_done());
            continue;
        }
        assert_eq!(end, Boundary::InfileRequested, "{}", wire.name);
        let (mut sender, mut file) = (reply.upload(), file.unwrap().to_vec());
        let sent = sender.advance(&mut file).unwrap();
        assert!(sent.done && sent.used == file.len());
        run.up.extend(file);
        reply.infile_sent(sender.next_seq());
    }
    run
}

/// Offers a server's bytes read by read, keeping what was not used, as a relay does.
pub(crate) fn feed(
    reply: &mut Reply,
    server: &[u8],
    wants: &ClientTrackers,
    run: &mut Run,
    cut: &dyn Fn(usize) -> bool,
) -> Boundary {
    let (mut buf, mut boundary) = (Vec::new(), Boundary::More);
    for (at, &byte) in server.iter().enumerate() {
        buf.push(byte);
        if at + 1 < server.len() && !cut(at + 1) {
            continue;
        }
        assert_eq!(boundary, Boundary::More, "the reply ended before its last byte");
        let mut out = Vec::new();
        let progress = reply.advance(&mut buf, wants, &mut run.summary, &mut out).unwrap();
        match progress.forward {
            Forward::InPlace(len) => {
                assert!(out.is_empty() && len <= progress.used);
                run.down.extend(&buf[..len]);
            }
            Forward::Copied => run.down.extend(&out),
        }
        buf.drain(..progress.used);
        boundary = progress.boundary;
    }
    assert!(buf.is_empty(), "the reply went on behind its end");
    boundary
}
