//! One entry of session tracker data.

use mysql_common::{constants::SessionStateType, io::ParseBuf};

use super::Malformed;

/// An entry where it lies in an OK packet.
pub(super) struct Entry<'a> {
    kind: u8,
    /// What its type says about it, without the length before it.
    pub(super) body: &'a [u8],
    /// Bytes of the entry, type and length among them.
    pub(super) len: usize,
    /// The type byte of the entry behind it.
    pub(super) next: Option<u8>,
}

impl<'a> Entry<'a> {
    /// The entry at the head of `data`; `None` at the end.
    #[inline]
    pub(super) fn first(data: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some((&kind, rest)) = data.split_first() else { return Ok(None) };
        let (body, rest) = string(rest).ok_or(Malformed { kind })?;
        Ok(Some(Self { kind, body, len: data.len() - rest.len(), next: rest.first().copied() }))
    }

    /// Its type, when it is one that is known.
    #[inline]
    pub(super) fn kind(&self) -> Option<SessionStateType> {
        SessionStateType::try_from(self.kind).ok()
    }

    /// The whole body as one length-encoded string.
    #[inline]
    pub(super) fn string(&self) -> Result<&'a [u8], Malformed> {
        self.one_string(self.body)
    }

    /// The body of a GTID entry: a byte for the encoding (0: text) and a string.
    pub(super) fn gtids(&self) -> Result<&'a [u8], Malformed> {
        self.one_string(self.body.get(1..).unwrap_or_default())
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed { kind: self.kind }
    }

    fn one_string(&self, body: &'a [u8]) -> Result<&'a [u8], Malformed> {
        match string(body) {
            Some((string, [])) => Ok(string),
            _ => Err(self.malformed()),
        }
    }
}

/// A length-encoded string and what follows it. Nearly all are short, and need no call.
#[inline]
pub(super) fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [len @ 0..=0xFA, rest @ ..] = data {
        return rest.split_at_checked(usize::from(*len));
    }
    let mut rest = ParseBuf(data);
    Some((rest.checked_eat_lenenc_str()?, rest.0))
}
