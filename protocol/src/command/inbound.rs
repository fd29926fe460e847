//! One command as it comes in from a client: where it ends, whether its packets are in order, how long it is.

use thiserror::Error;

use crate::packet::{HEADER, Header, MAX_PAYLOAD, header};

/// A scanner over the bytes of one command, which may be several packets. It reads headers and the
/// command byte, nothing else, and may be given the bytes in any pieces.
#[derive(Debug, Clone)]
pub struct Inbound {
    seq: u8,
    /// Payload bytes of the packet under way that are still to come.
    skip: usize,
    /// The packet under way, or the last one, was full: another follows.
    continued: bool,
    started: bool,
    total: usize,
    first: Option<u8>,
    limit: usize,
    /// What was wrong; nothing behind it is a command.
    fault: Option<InboundError>,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// Bytes from the head of the buffer that belong to the command. When it is complete, what follows is the
    /// next one; when not, what follows is a part of a header: offer it again with more behind it.
    pub used: usize,
    /// The command's last byte is among them.
    pub complete: bool,
}

/// What is wrong with a client's packets. A server answers each with an ERR and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InboundError {
    /// A packet's sequence id is not the next one (server error 1156).
    #[error("got packet number {got} from the client where {expected} was due")]
    OutOfOrder {
        /// The id that was due.
        expected: u8,
        /// The id that came.
        got: u8,
    },
    /// The whole command would be longer than allowed (server error 1153).
    #[error("the client announced a command of {total} bytes or more, over the limit of {limit}")]
    TooLong {
        /// Payload bytes announced so far.
        total: usize,
        /// Payload bytes allowed.
        limit: usize,
    },
}

impl Inbound {
    /// A scanner for the next command. `limit`: payload bytes that it may have over all its packets.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { seq: 0, skip: 0, continued: false, started: false, total: 0, first: None, limit, fault: None }
    }

    /// Scans bytes that were not yet reported as `used`.
    ///
    /// # Errors
    /// A packet out of order or a command over the limit, as soon as a header says so, and from then on always.
    pub fn scan(&mut self, buf: &[u8]) -> Result<Scanned, InboundError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut used = 0;
        loop {
            let rest = buf.get(used..).unwrap_or_default();
            let eaten = self.skip.min(rest.len());
            self.note_first(rest, eaten);
            self.skip -= eaten;
            used += eaten;
            if self.skip == 0 && self.started && !self.continued {
                return Ok(Scanned { used, complete: true });
            }
            let (0, Some(head)) = (self.skip, header(buf.get(used..).unwrap_or_default())) else {
                return Ok(Scanned { used, complete: false });
            };
            if let Some(fault) = self.enter(head) {
                self.fault = Some(fault);
                return Err(fault);
            }
            used += HEADER;
        }
    }

    /// The command byte, once it came. `None` at the end means an empty command; servers take that for `COM_SLEEP`.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        self.first
    }

    /// Payload bytes over all packets announced so far, the command byte among them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The sequence id of the packet after those announced; at the end, of the reply's first packet.
    #[must_use]
    pub fn next_seq(&self) -> u8 {
        self.seq
    }

    #[inline]
    fn note_first(&mut self, rest: &[u8], eaten: usize) {
        if self.first.is_none() && eaten > 0 {
            self.first = rest.first().copied();
        }
    }

    #[inline]
    fn enter(&mut self, Header { len, seq }: Header) -> Option<InboundError> {
        if seq != self.seq {
            return Some(InboundError::OutOfOrder { expected: self.seq, got: seq });
        }
        self.total = self.total.saturating_add(len);
        if self.total > self.limit {
            return Some(InboundError::TooLong { total: self.total, limit: self.limit });
        }
        self.seq = seq.wrapping_add(1);
        self.skip = len;
        self.continued = len == MAX_PAYLOAD;
        self.started = true;
        None
    }
}

#[cfg(test)]
mod tests;
