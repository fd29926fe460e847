//! Commands as they come in: any reads find the same end or the same fault, and a fault stays.

use greenroom_protocol::command::{Inbound, InboundError};

use super::input::{Input, reads};

/// Bytes used, whether the command is complete, its first byte, its length, the reply's id.
type Seen = Result<(usize, bool, Option<u8>, usize, u8), InboundError>;

fn scan(limit: usize, pieces: &[&[u8]]) -> Seen {
    let (mut inbound, mut kept, mut used) = (Inbound::new(limit), Vec::new(), 0);
    let mut complete = false;
    for piece in pieces {
        if complete {
            break;
        }
        kept.extend_from_slice(piece);
        let scanned = match inbound.scan(&kept) {
            Ok(scanned) => scanned,
            Err(error) => {
                let again = inbound.scan(b"\x01\0\0\0\x0e");
                assert_eq!(again, Err(error), "a fault stays");
                return Err(error);
            }
        };
        assert!(scanned.used <= kept.len());
        kept.drain(..scanned.used);
        assert!(scanned.complete || kept.len() < 4, "a whole header waits");
        used += scanned.used;
        complete = scanned.complete;
    }
    assert!(inbound.total() <= limit);
    Ok((used, complete, inbound.first(), inbound.total(), inbound.next_seq()))
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let limit = usize::from(input.byte()) << (input.byte() % 25);
    let longest = input.byte();
    let [whole, others @ ..] = reads(input.0, longest).map(|pieces| scan(limit, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
}
