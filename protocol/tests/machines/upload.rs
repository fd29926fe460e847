//! A client's file: any reads send the same on and find the same end, with the server's ids, and a fault stays.

use greenroom_protocol::{
    command::{Expect, InboundError},
    constants::{CapabilityFlags, StatusFlags},
    flavor::Flavor,
    packet::header,
    reply::{Legs, Reply, Summary, Upload},
    track::ClientTrackers,
};

use super::input::{Input, reads};

/// Bytes for the server, whether the file is through, the id of the server's answer.
type Sent = Result<(Vec<u8>, bool, u8), InboundError>;

/// An upload to whose client one packet was told that the server did not send.
fn upload() -> Upload {
    let legs = Legs {
        server: CapabilityFlags::CLIENT_DEPRECATE_EOF,
        client: CapabilityFlags::CLIENT_LOCAL_FILES,
        flavor: Flavor::MySql,
    };
    let mut reply = Reply::new(Expect::Results, legs, 1, StatusFlags::empty());
    let mut wire = b"\x01\0\0\x01\x01\x04\0\0\x02\x03def\x07\0\0\x03\xfe\0\0\x0a\0\0\0\x02\0\0\x04\xfbf".to_vec();
    reply.advance(&mut wire, &ClientTrackers::everything(), &mut Summary::default(), &mut Vec::new()).unwrap();
    reply.upload()
}

fn send(pieces: &[&[u8]]) -> Sent {
    let (mut upload, mut kept, mut sent) = (upload(), Vec::new(), Vec::new());
    let mut done = false;
    for piece in pieces {
        if done {
            break;
        }
        kept.extend_from_slice(piece);
        match upload.advance(&mut kept) {
            Ok(uploaded) => {
                sent.extend(kept.drain(..uploaded.used));
                done = uploaded.done;
                assert!(done || kept.len() < 4, "a whole header waits");
            }
            Err(error) => {
                assert_eq!(upload.advance(&mut b"\0\0\0\x06".to_vec()), Err(error), "a fault stays");
                return Err(error);
            }
        }
    }
    Ok((sent, done, upload.next_seq()))
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let longest = input.byte();
    let framed = input.byte() & 1 != 0;
    let wire = input.wire(framed, 6);
    let [whole, others @ ..] = reads(&wire, longest).map(|pieces| send(&pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    let Ok((sent, true, next)) = whole else { return };
    assert!(sent.len() <= wire.len());
    let (mut at, mut seq) = (0, 5_u8);
    while let Some(head) = header(&sent[at..]) {
        assert_eq!(head.seq, seq, "numbered as the server counts");
        (at, seq) = (at + 4 + head.len, seq.wrapping_add(1));
    }
    assert_eq!((at, seq), (sent.len(), next));
}
