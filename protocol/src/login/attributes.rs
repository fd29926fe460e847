//! Connection attributes: the client's name, version, process and the like.

use mysql_common::io::{BufMutExt, ParseBuf};

use super::{LoginError, fields::Fields};

/// The most bytes that attributes may take, as on MySQL; both servers refuse 70 000 (measured).
pub const ATTRIBUTES_LIMIT: usize = 64 * 1024;

/// Names and values as they lie in the packet, each with its length before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// Reads the counted block. What is inside is not checked: both servers let a client in
    /// whose attributes are broken (measured).
    pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Self, LoginError> {
        let block = fields.lenenc_bytes("the connection attributes")?;
        if block.len() > ATTRIBUTES_LIMIT {
            return Err(LoginError::TooLong { field: "the connection attributes", limit: ATTRIBUTES_LIMIT });
        }
        Ok(Self(block.to_vec()))
    }

    /// Adds one, unless there is no room left; says whether it did.
    pub fn push(&mut self, name: &str, value: &str) -> bool {
        // Nine bytes are the longest length.
        let fits = self.0.len() + name.len() + value.len() + 18 <= ATTRIBUTES_LIMIT;
        if fits {
            self.0.put_lenenc_str(name.as_bytes());
            self.0.put_lenenc_str(value.as_bytes());
        }
        fits
    }

    /// Names and values in order, up to the first broken one.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut left = ParseBuf(&self.0);
        std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            Some((left.checked_eat_lenenc_str()?, left.checked_eat_lenenc_str()?))
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(&self, payload: &mut Vec<u8>) {
        payload.put_lenenc_str(&self.0);
    }
}
