//! How a server can break the protocol.

use thiserror::Error;

use crate::track;

/// What a server must not send. Its connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// A packet is missing or was sent twice.
    #[error("got packet number {got} from the server where {expected} was due")]
    Sequence {
        /// The id that was due.
        expected: u8,
        /// The id that came.
        got: u8,
    },
    /// A packet that must be seen whole is over [`WHOLE_MAX`](super::WHOLE_MAX).
    #[error("the server sent {len} bytes for a {what}")]
    TooLong {
        /// What it should be.
        what: &'static str,
        /// Its payload length in bytes.
        len: usize,
    },
    /// A packet without payload where there must be one.
    #[error("the server sent an empty packet")]
    Empty,
    /// A packet of a kind that has no place there.
    #[error("the server sent a packet starting with {first:#04x} {place}")]
    Unexpected {
        /// Its first byte.
        first: u8,
        /// Where.
        place: &'static str,
    },
    /// A packet shorter than its fields.
    #[error("the server sent a malformed {0}")]
    Malformed(&'static str),
    /// Tracker data that cannot be read.
    #[error(transparent)]
    Track(#[from] track::Malformed),
}
