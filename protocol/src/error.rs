//! SQL errors as packets: number, SQLSTATE and a text that says what to do.

use std::borrow::Cow;

use mysql_common::constants::CapabilityFlags;

mod catalog;
#[cfg(test)]
mod tests;

/// First byte of an ERR packet.
pub const ERR_HEADER: u8 = 0xff;

/// SQLSTATE "general error": what a server sends where no other state fits.
pub const GENERAL: [u8; 5] = *b"HY000";

/// The longest text of an error, in bytes: the servers' `MYSQL_ERRMSG_SIZE` (512) with its NUL.
const MESSAGE_LIMIT: usize = 511;

/// An error as a client sees it and a server sends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({}): {message}", self.state_text())]
pub struct SqlError {
    /// The server's error number, as in `ERROR 1045`.
    pub code: u16,
    /// SQLSTATE. A state of class `08` makes drivers and their pools give the connection up,
    /// so errors that a session survives have another.
    pub state: [u8; 5],
    /// What happened and what to do, UTF-8.
    pub message: String,
}

/// Why bytes are not an ERR packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ERR packet: it needs 0xff and a two-byte error number")]
pub struct NotAnError;

impl SqlError {
    /// An error in our own words.
    #[must_use]
    pub fn new(code: u16, state: [u8; 5], message: impl Into<String>) -> Self {
        Self { code, state, message: message.into() }
    }

    /// The payload of the ERR packet. The SQLSTATE is there only for a client with
    /// `CLIENT_PROTOCOL_41`; an error sent instead of a greeting has none (measured on both servers).
    #[must_use]
    pub fn encode(&self, client: CapabilityFlags) -> Vec<u8> {
        let mut payload = vec![ERR_HEADER];
        payload.extend(self.code.to_le_bytes());
        if client.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
            payload.push(b'#');
            payload.extend(self.state);
        }
        payload.extend(cut(&self.message, MESSAGE_LIMIT).as_bytes());
        payload
    }

    /// Reads an ERR packet's payload; a state marker is recognised by itself.
    ///
    /// # Errors
    /// [`NotAnError`] when the first three bytes are not those of an ERR packet.
    pub fn parse(payload: &[u8]) -> Result<Self, NotAnError> {
        let [ERR_HEADER, low, high, rest @ ..] = payload else { return Err(NotAnError) };
        let (state, message) = match rest {
            [b'#', a, b, c, d, e, message @ ..] => ([*a, *b, *c, *d, *e], message),
            message => (GENERAL, message),
        };
        // A peer's text may be in any character set; what is not UTF-8 is shown as such.
        let text: Cow<'_, str> = String::from_utf8_lossy(message.get(..MESSAGE_LIMIT).unwrap_or(message));
        Ok(Self::new(u16::from_le_bytes([*low, *high]), state, text))
    }

    /// The SQLSTATE as text.
    #[must_use]
    pub fn state_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.state)
    }
}

/// The longest start of `text` that fits into `limit` bytes and ends with a whole character.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}
