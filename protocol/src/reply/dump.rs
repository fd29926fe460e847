//! A binary log on its way to a replica: events until the server has no more to say.

use crate::packet::{HEADER, MAX_PAYLOAD, header};

use super::{EOF, ERR};

/// An EOF is shorter than this; an event starts with 0x00, so that no other packet can be taken for one.
const EOF_LIMIT: usize = 9;

/// Follows the packets of a dump without looking into them. Both servers send a plain EOF at its end, whatever was
/// agreed on at login, so all of it passes as it lies.
#[derive(Debug, Clone, Default)]
pub struct Dump {
    /// Bytes of the packet under way that pass unseen.
    skip: usize,
    /// The last packet was full: the next one continues it.
    continued: bool,
    begun: bool,
    /// The packet under way is the last.
    last: bool,
}

/// What of the server's bytes may be sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumped {
    /// Bytes at the head of the buffer that go to the client. What is behind them is the start of a header.
    pub used: usize,
    /// The dump is over, by an error or an EOF.
    pub done: bool,
}

impl Dump {
    /// Looks at bytes that were not yet `used`.
    pub fn advance(&mut self, buf: &[u8]) -> Dumped {
        let mut used = 0;
        loop {
            let eaten = self.skip.min(buf.len() - used);
            self.skip -= eaten;
            used += eaten;
            if self.skip > 0 || self.last {
                return Dumped { used, done: self.last && self.skip == 0 };
            }
            let rest = buf.get(used..).unwrap_or_default();
            let Some(head) = header(rest) else { return Dumped { used, done: false } };
            if !self.continued && head.len > 0 {
                match rest.get(HEADER) {
                    Some(&ERR) => self.last = true,
                    Some(&EOF) if head.len < EOF_LIMIT => self.last = true,
                    Some(_) => self.begun = true,
                    None => return Dumped { used, done: false },
                }
            }
            self.continued = head.len == MAX_PAYLOAD;
            self.skip = HEADER + head.len;
        }
    }

    /// An event has come, so the server has taken the command.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::{Dump, Dumped};
    use crate::packet::{MAX_PAYLOAD, frame};

    fn run(wire: &[u8], size: usize) -> (usize, bool, bool) {
        let (mut dump, mut pending, mut passed) = (Dump::default(), Vec::new(), 0);
        for piece in wire.chunks(size) {
            pending.extend_from_slice(piece);
            let Dumped { used, done } = dump.advance(&pending);
            pending.drain(..used);
            passed += used;
            if done {
                return (passed, true, dump.has_begun());
            }
        }
        (passed, false, dump.has_begun())
    }

    fn wire(payloads: &[&[u8]]) -> Vec<u8> {
        let mut wire = Vec::new();
        payloads.iter().fold(1, |seq, payload| frame(&mut wire, seq, payload));
        wire
    }

    #[test]
    fn events_pass_up_to_an_eof_or_an_error() {
        let event: &[u8] = b"\0an event";
        for last in [&b"\xfe\0\0\x02\0"[..], b"\xff\xd4\x04#HY000gone"] {
            let wire = wire(&[event, event, last]);
            let behind = [&wire[..], b"more"].concat();
            for size in [1, 3, behind.len()] {
                assert_eq!(run(&behind, size), (wire.len(), true, true));
            }
        }
        assert_eq!(run(&wire(&[event, event]), 5), (26, false, true));
    }

    #[test]
    fn a_refusal_begins_nothing() {
        let wire = wire(&[b"\xff\xcb\x04#42000denied"]);
        assert_eq!(run(&wire, 2), (wire.len(), true, false));
    }

    #[test]
    fn an_event_of_many_packets_is_no_end() {
        let mut long = vec![0; MAX_PAYLOAD];
        long.extend([0xFE, 0, 0, 2, 0]);
        let full = vec![0; MAX_PAYLOAD];
        let wire = wire(&[&long, &full, b"\xfe\0\0\x02\0"]);
        for size in [wire.len(), 1 << 20] {
            assert_eq!(run(&wire, size), (wire.len(), true, true));
        }
    }
}
