//! Fields of a payload, each read with a check and named in the error.

use mysql_common::io::{BufMutExt, ParseBuf};

use super::{LoginError, PAYLOAD_LIMIT};

/// What is left of a payload.
pub(super) struct Fields<'a>(ParseBuf<'a>);

impl<'a> Fields<'a> {
    /// Refuses a payload that no login needs, so that what is copied out of it is bounded.
    pub(super) fn new(payload: &'a [u8]) -> Result<Self, LoginError> {
        if payload.len() > PAYLOAD_LIMIT {
            return Err(LoginError::TooLong { field: "a login packet", limit: PAYLOAD_LIMIT });
        }
        Ok(Self(ParseBuf(payload)))
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, LoginError> {
        self.0.checked_eat_u8().ok_or(LoginError::Truncated(field))
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, LoginError> {
        self.0.checked_eat_u16_le().ok_or(LoginError::Truncated(field))
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, LoginError> {
        self.0.checked_eat_u32_le().ok_or(LoginError::Truncated(field))
    }

    pub(super) fn lenenc(&mut self, field: &'static str) -> Result<u64, LoginError> {
        self.0.checked_eat_lenenc_int().ok_or(LoginError::Truncated(field))
    }

    /// Exactly `count` bytes.
    pub(super) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], LoginError> {
        self.0.checked_eat(count).ok_or(LoginError::Truncated(field))
    }

    /// As many bytes as a length-encoded integer says.
    pub(super) fn lenenc_bytes(&mut self, field: &'static str) -> Result<&'a [u8], LoginError> {
        self.0.checked_eat_lenenc_str().ok_or(LoginError::Truncated(field))
    }

    /// As many bytes as a one-byte length says.
    pub(super) fn short_bytes(&mut self, field: &'static str) -> Result<&'a [u8], LoginError> {
        self.0.checked_eat_u8_str().ok_or(LoginError::Truncated(field))
    }

    /// Bytes up to a NUL that must be there.
    pub(super) fn nul_ended(&mut self, field: &'static str) -> Result<&'a [u8], LoginError> {
        if !self.0.0.contains(&0) {
            return Err(LoginError::Truncated(field));
        }
        Ok(self.0.eat_null_str())
    }

    /// Bytes up to a NUL or, if there is none, to the end.
    pub(super) fn nul_or_end(&mut self) -> &'a [u8] {
        self.0.eat_null_str()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.0.eat_all()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes the bytes and a NUL. A NUL inside would end the field early and start a forged next one, so it ends the bytes.
pub(super) fn put_nul_ended(payload: &mut Vec<u8>, bytes: &[u8]) {
    payload.extend(bytes.iter().take_while(|b| **b != 0));
    payload.push(0);
}

/// Writes the bytes after a length-encoded integer, or after one byte where that is all the peer knows.
pub(super) fn put_counted(payload: &mut Vec<u8>, bytes: &[u8], lenenc: bool) {
    if lenenc { payload.put_lenenc_str(bytes) } else { payload.put_u8_str(bytes) }
}
