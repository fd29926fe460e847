//! A command whose bytes become more on their way, and so lie in other packets than those they came in.

use super::{HEADER, MAX_PAYLOAD, header, header_bytes};

/// Puts a stream of payload into packets anew. It holds back no more than was put in beside what came: a packet is begun
/// as soon as it is known how long it will be.
#[derive(Debug)]
pub struct Repack {
    /// Payload bytes that will come and have no packet yet.
    announced: usize,
    /// The last packet's header has come.
    last: bool,
    /// Payload bytes that the packet under way still takes.
    room: usize,
    /// A packet that was not full has been begun: the last one.
    closed: bool,
    held: Vec<u8>,
    seq: u8,
    /// Payload bytes of the incoming packet that are still to come.
    left: usize,
}

impl Repack {
    /// For a command whose first packet has this many bytes of payload, and begins anew with `head`, which stands for the
    /// first `replaced` of them. Writes what is certain to `out`.
    #[must_use]
    pub fn new(first: usize, head: &[u8], replaced: usize, out: &mut Vec<u8>) -> Self {
        let announced = (first + head.len()).saturating_sub(replaced);
        let (left, last) = (first.saturating_sub(replaced), first < MAX_PAYLOAD);
        let mut repack = Self { announced, last, room: 0, closed: false, held: Vec::new(), seq: 0, left };
        repack.put(head, out);
        repack
    }

    /// Takes further bytes as they came, headers among them, and writes what is certain to `out`. A part of a header at the
    /// end must be given again with more behind it.
    pub fn feed(&mut self, mut part: &[u8], out: &mut Vec<u8>) {
        loop {
            let (payload, rest) = part.split_at(self.left.min(part.len()));
            self.left -= payload.len();
            self.put(payload, out);
            let (0, false, Some(head)) = (self.left, self.last, header(rest)) else { return };
            self.left = head.len;
            self.announced += head.len;
            self.last = head.len < MAX_PAYLOAD;
            part = rest.get(HEADER..).unwrap_or_default();
        }
    }

    /// The sequence id of the packet behind those that were begun.
    #[must_use]
    pub fn next_seq(&self) -> u8 {
        self.seq
    }

    fn put(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(payload);
        let mut rest = &held[..];
        while self.room > 0 || self.begin(out) {
            let (now, later) = rest.split_at(self.room.min(rest.len()));
            out.extend_from_slice(now);
            self.room -= now.len();
            rest = later;
            if rest.is_empty() && self.room > 0 {
                break;
            }
        }
        self.held = rest.to_vec();
    }

    /// Begins a packet, if it is known how long it will be.
    fn begin(&mut self, out: &mut Vec<u8>) -> bool {
        if self.closed || !self.last && self.announced < MAX_PAYLOAD {
            return false;
        }
        let length = self.announced.min(MAX_PAYLOAD);
        out.extend_from_slice(&header_bytes(length, self.seq));
        self.seq = self.seq.wrapping_add(1);
        (self.announced, self.room) = (self.announced - length, length);
        self.closed = length < MAX_PAYLOAD;
        length > 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    /// The payload of packets that follow each other, and how many there are.
    fn payload(mut bytes: &[u8]) -> (Vec<u8>, u8) {
        let (mut all, mut seq) = (Vec::new(), 0);
        loop {
            let head = header(bytes).unwrap();
            assert_eq!(head.seq, seq);
            seq += 1;
            all.extend_from_slice(&bytes[HEADER..HEADER + head.len]);
            bytes = &bytes[HEADER + head.len..];
            if head.len < MAX_PAYLOAD {
                assert!(bytes.is_empty());
                return (all, seq);
            }
        }
    }

    #[test]
    fn whatever_its_length_and_pieces_the_payload_is_the_old_one_with_its_new_head() {
        let head = b"a new head that is longer";
        for length in [30, MAX_PAYLOAD - 40, MAX_PAYLOAD - 18, MAX_PAYLOAD - 17, MAX_PAYLOAD - 1, MAX_PAYLOAD]
            .into_iter()
            .chain([MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD - 17, 2 * MAX_PAYLOAD - 1, 2 * MAX_PAYLOAD, 2 * MAX_PAYLOAD + 5])
        {
            let old: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut packets = Vec::new();
            frame(&mut packets, 0, &old);
            let want = [&head[..], &old[8..]].concat();
            for piece in [1 << 14, MAX_PAYLOAD + 7] {
                let mut out = Vec::new();
                let mut repack = Repack::new(length.min(MAX_PAYLOAD), head, 8, &mut out);
                let mut rest = &packets[HEADER + 8..];
                let mut given = 0;
                while given < rest.len() {
                    // A header that is cut off is given again with more behind it, as `Inbound` has it.
                    let mut end = (given + piece).min(rest.len());
                    let into = (HEADER + 8 + end) % (MAX_PAYLOAD + HEADER);
                    if (1..HEADER).contains(&into) && end < rest.len() {
                        end -= into;
                    }
                    repack.feed(&rest[given..end], &mut out);
                    assert!(repack.held.len() <= head.len());
                    given = end;
                }
                rest = &[];
                repack.feed(rest, &mut out);
                let (all, packets) = payload(&out);
                assert_eq!(repack.next_seq(), packets);
                assert!(all == want, "{length} in pieces of {piece}");
            }
        }
    }
}
