//! What of a buffer goes to the client: as it lies, moved together, or copied out.

use super::{Boundary, Forward, Progress};

/// A cursor over the bytes from the server. Behind it lie, in this order: `kept` bytes that are ready for the
/// client, bytes that are done with, and the run from `run` to `pos` that goes to the client too but was not moved yet.
pub(super) struct Emit<'a> {
    buf: &'a mut [u8],
    out: &'a mut Vec<u8>,
    pos: usize,
    run: usize,
    kept: usize,
    /// Something was inserted: all goes through `out`.
    copied: bool,
}

impl<'a> Emit<'a> {
    #[inline]
    pub(super) fn new(buf: &'a mut [u8], out: &'a mut Vec<u8>) -> Self {
        Self { buf, out, pos: 0, run: 0, kept: 0, copied: false }
    }

    /// The bytes that were not looked at.
    #[inline]
    pub(super) fn rest(&self) -> &[u8] {
        self.buf.get(self.pos..).unwrap_or_default()
    }

    /// The next `len` bytes, to be rewritten; fewer when there are fewer.
    #[inline]
    pub(super) fn rest_mut(&mut self, len: usize) -> &mut [u8] {
        let end = self.pos.saturating_add(len).min(self.buf.len());
        self.buf.get_mut(self.pos..end).unwrap_or_default()
    }

    /// Gives the packet at the cursor another sequence id.
    #[inline]
    pub(super) fn set_seq(&mut self, seq: u8) {
        if let Some(byte) = self.buf.get_mut(self.pos + 3) {
            *byte = seq;
        }
    }

    /// Lets up to `len` bytes through; gives how many there were.
    #[inline]
    pub(super) fn pass(&mut self, len: usize) -> usize {
        let len = len.min(self.buf.len() - self.pos);
        self.pos += len;
        len
    }

    /// Lets `kept` of the next `len` bytes through and drops the others.
    #[inline]
    pub(super) fn shorten(&mut self, kept: usize, len: usize) {
        debug_assert!(kept <= len);
        let end = self.pos + self.pass(len);
        self.pos = end - (len - kept);
        self.flush();
        self.pos = end;
        self.run = end;
    }

    /// Puts `bytes` before the cursor.
    pub(super) fn insert(&mut self, bytes: &[u8]) {
        self.flush();
        if !self.copied {
            self.out.extend_from_slice(self.buf.get(..self.kept).unwrap_or_default());
            self.copied = true;
        }
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn finish(&mut self, boundary: Boundary) -> Progress {
        self.flush();
        let forward = if self.copied { Forward::Copied } else { Forward::InPlace(self.kept) };
        Progress { used: self.pos, forward, boundary }
    }

    /// Brings the run to where it goes: in the usual reply, where it lies already.
    #[inline]
    fn flush(&mut self) {
        if self.kept == self.run && !self.copied {
            self.kept = self.pos;
        } else if self.run < self.pos {
            self.move_run();
        }
        self.run = self.pos;
    }

    fn move_run(&mut self) {
        if self.copied {
            self.out.extend_from_slice(self.buf.get(self.run..self.pos).unwrap_or_default());
        } else {
            self.buf.copy_within(self.run..self.pos, self.kept);
            self.kept += self.pos - self.run;
        }
    }
}
