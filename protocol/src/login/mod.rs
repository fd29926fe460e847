//! The login exchange, on both sides: packets, plugins and the two machines.
//!
//! [`server::ClientLogin`] is our side towards clients, [`client::NodeLogin`] our side towards nodes. Both are
//! handed payloads without packet headers, so sequence numbers are the caller's: every payload that a
//! step gives is one packet with the next number. Neither draws random bytes but for RSA's own padding and a client's part of
//! `parsec`: scrambles are passed in.

pub mod attributes;
pub mod change_user;
pub mod charset;
pub mod client;
pub mod decoy;
mod fields;
pub mod greeting;
pub mod plugin;
pub mod request;
pub mod rsa;
pub mod scramble;
pub mod server;
pub mod sha_crypt;
pub mod signature;
pub mod switch;
#[cfg(test)]
mod tests;
pub mod voucher;
#[cfg(test)]
mod wires;

use crate::error::SqlError;

/// The longest payload that any packet of a login may have, in bytes: room for 64 KiB of attributes, as servers allow.
pub const PAYLOAD_LIMIT: usize = 128 * 1024;

/// Why a packet of a login cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The packet ends before or inside this field.
    #[error("the packet ends inside {0}")]
    Truncated(&'static str),
    /// The field, or the packet, is longer than a login needs.
    #[error("{field} takes more than {limit} bytes")]
    TooLong {
        /// What is too long.
        field: &'static str,
        /// How many bytes it may take.
        limit: usize,
    },
    /// A client from before MySQL 4.1, without `CLIENT_PROTOCOL_41`.
    #[error("the client speaks the protocol from before MySQL 4.1; use a newer client")]
    OldProtocol,
    /// The client wants TLS before it says more. Where that was not offered, the client has broken the protocol.
    #[error("the client asks for TLS, which this endpoint does not offer; connect without TLS")]
    TlsWanted,
    /// A server greeting of another protocol version than 10, or without what servers have had since MySQL 4.1.
    #[error("the server's greeting is not one of protocol version 10 with {0}")]
    NotAServer(&'static str),
    /// A byte that this step of a login never starts with.
    #[error("0x{0:02x} does not start any packet of a login")]
    Unexpected(u8),
}

impl LoginError {
    /// What to answer a client whose packet this is; both servers say 1043 to all of them (measured).
    /// Sent without a SQLSTATE to an [`OldProtocol`](Self::OldProtocol) client.
    #[must_use]
    pub fn sql_error(&self) -> SqlError {
        SqlError::bad_handshake()
    }
}
