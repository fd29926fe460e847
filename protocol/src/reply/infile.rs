//! `LOAD DATA LOCAL`: the client's file on its way to the server.

use crate::{
    command::InboundError,
    packet::{HEADER, MAX_PAYLOAD, header},
};

/// Lets the client's packets through up to the empty one that ends the file, with the ids that the server counts.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The id of the next packet, as the server counts.
    seq: u8,
    shift: u8,
    skip: usize,
    /// The last packet was full: an empty one now only ends that packet.
    continued: bool,
    ended: bool,
    /// What was wrong; nothing behind it is the file.
    fault: Option<InboundError>,
}

/// What of the client's bytes may be sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Bytes at the head of the buffer that go to the server as they now lie. Those behind are the start of a
    /// packet, or the next command.
    pub used: usize,
    /// The file is through: [`Reply::infile_sent`](super::Reply::infile_sent).
    pub done: bool,
}

impl Upload {
    pub(super) fn new(seq: u8, shift: u8) -> Self {
        Self { seq, shift, skip: 0, continued: false, ended: false, fault: None }
    }

    /// Looks at bytes from the client that were not yet `used`, and rewrites the sequence ids in them.
    ///
    /// # Errors
    /// A packet out of order, and from then on always.
    pub fn advance(&mut self, buf: &mut [u8]) -> Result<Uploaded, InboundError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut used = 0;
        loop {
            let eaten = self.skip.min(buf.len() - used);
            self.skip -= eaten;
            used += eaten;
            if self.ended || self.skip > 0 {
                return Ok(Uploaded { used, done: self.ended });
            }
            let Some(len) = self.enter(buf.get_mut(used..).unwrap_or_default())? else {
                return Ok(Uploaded { used, done: false });
            };
            self.ended = len == 0 && !self.continued;
            self.continued = len == MAX_PAYLOAD;
            self.skip = len;
            used += HEADER;
        }
    }

    /// The id of the server's packet after the file.
    #[must_use]
    pub fn next_seq(&self) -> u8 {
        self.seq
    }

    /// Checks and rewrites the header at the head of `rest`; gives its length.
    fn enter(&mut self, rest: &mut [u8]) -> Result<Option<usize>, InboundError> {
        let Some(head) = header(rest) else { return Ok(None) };
        let expected = self.seq.wrapping_add(self.shift);
        if head.seq != expected {
            let fault = InboundError::OutOfOrder { expected, got: head.seq };
            self.fault = Some(fault);
            return Err(fault);
        }
        if let Some(seq) = rest.get_mut(3) {
            *seq = self.seq;
        }
        self.seq = self.seq.wrapping_add(1);
        Ok(Some(head.len))
    }
}
