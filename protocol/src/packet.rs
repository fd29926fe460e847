//! Packets: four bytes of header, at most 16 MiB − 1 of payload.
//!
//! What does not fit goes on in the next packet; a payload of exactly a multiple of the maximum is
//! closed by an empty one (MySQL protocol documentation, "MySQL Packets").

mod repack;

use std::ops::Range;

pub use repack::Repack;
use thiserror::Error;

/// Bytes before each payload: its length in three, least significant first, and the sequence id.
pub const HEADER: usize = 4;

/// The longest payload of one packet, in bytes. A packet of this length is continued by the next one.
pub const MAX_PAYLOAD: usize = 0xFF_FFFF;

/// What a packet's first four bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Payload length in bytes.
    pub len: usize,
    /// Sequence id: 0 for a command's first packet, one more for each further packet either way, modulo 256.
    pub seq: u8,
}

/// One packet at the head of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where in the buffer its payload lies.
    pub payload: Range<usize>,
    /// Bytes of the buffer that belong to it, its header among them.
    pub used: usize,
    /// Its sequence id.
    pub seq: u8,
}

/// Why a packet cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// The peer announced more than is allowed at this point. Its body was not waited for.
    #[error("a packet of {len} bytes where at most {limit} are allowed")]
    TooLong {
        /// What the header says, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
}

/// Reads the header at the head of `buf`; `None` while there are fewer than four bytes.
#[inline]
#[must_use]
pub fn header(buf: &[u8]) -> Option<Header> {
    let word = u32::from_le_bytes(*buf.first_chunk::<HEADER>()?);
    Some(Header { len: (word & 0xFF_FFFF) as usize, seq: (word >> 24) as u8 })
}

/// Appends `payload` to `out` as one packet or as many as it needs, the first with the id `seq`.
/// Gives the id of the packet after them.
pub fn frame(out: &mut Vec<u8>, mut seq: u8, payload: &[u8]) -> u8 {
    let mut rest = payload;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        out.extend_from_slice(&header_bytes(piece.len(), seq));
        out.extend_from_slice(piece);
        seq = seq.wrapping_add(1);
        if piece.len() < MAX_PAYLOAD {
            return seq;
        }
        rest = after;
    }
}

/// Takes one whole packet from the head of `buf`, for exchanges that never need a second one (logins).
/// `None` means that more bytes are needed.
///
/// # Errors
/// A length over `limit` bytes, or one that announces a continuation: as soon as the header is known.
pub fn take(buf: &[u8], limit: usize) -> Result<Option<Taken>, PacketError> {
    let Some(Header { len, seq }) = header(buf) else { return Ok(None) };
    let limit = limit.min(MAX_PAYLOAD - 1);
    if len > limit {
        return Err(PacketError::TooLong { len, limit });
    }
    let used = HEADER + len;
    Ok((buf.len() >= used).then_some(Taken { payload: HEADER..used, used, seq }))
}

/// The header of a packet with `len` bytes of payload. Only the lower three bytes of `len` count.
#[must_use]
pub fn header_bytes(len: usize, seq: u8) -> [u8; HEADER] {
    debug_assert!(len <= MAX_PAYLOAD);
    let [a, b, c, ..] = len.to_le_bytes();
    [a, b, c, seq]
}

#[cfg(test)]
mod tests;
