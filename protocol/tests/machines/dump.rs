//! Binary logs: any reads pass the same bytes on and find the same end.

use greenroom_protocol::reply::Dump;

use super::input::{Input, reads};

/// Bytes passed on, whether the dump is over, whether an event has come.
fn pass(pieces: &[&[u8]]) -> (Vec<u8>, bool, bool) {
    let (mut dump, mut kept, mut passed) = (Dump::default(), Vec::new(), Vec::new());
    let mut done = false;
    for piece in pieces {
        if done {
            break;
        }
        kept.extend_from_slice(piece);
        let dumped = dump.advance(&kept);
        assert!(dumped.used <= kept.len());
        passed.extend(kept.drain(..dumped.used));
        done = dumped.done;
        assert!(done || kept.len() <= 4, "more than the start of a packet waits");
    }
    (passed, done, dump.has_begun())
}

/// How long reads are, and what comes in them.
fn taken(data: &[u8]) -> (u8, Vec<u8>) {
    let mut input = Input(data);
    let longest = input.byte();
    let framed = input.byte() & 1 != 0;
    (longest, input.wire(framed, 1))
}

/// Whether it is a dump to its last byte: events, or an end alone.
pub fn understands(data: &[u8]) -> bool {
    let wire = taken(data).1;
    let (passed, done, begun) = pass(&[&wire]);
    (done || begun) && passed.len() == wire.len()
}

pub fn check(data: &[u8]) {
    let (longest, wire) = taken(data);
    let [whole, others @ ..] = reads(&wire, longest).map(|pieces| pass(&pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    assert!(wire.starts_with(&whole.0), "it passes as it lies");
}
