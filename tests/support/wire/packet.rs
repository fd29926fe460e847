//! Payloads, and the two that end things: OK (also as EOF) and ERR.

use std::fmt;

use mysql_common::constants::{CapabilityFlags, StatusFlags};

use super::{WireError, malformed};

/// One payload as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The id of its first wire packet.
    pub(crate) sequence: u8,
    pub(crate) payload: Vec<u8>,
}

/// An OK packet, or an EOF packet with what of this it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OkPacket {
    pub(crate) affected_rows: u64,
    pub(crate) last_insert_id: u64,
    pub(crate) status: u16,
    pub(crate) warnings: u16,
    pub(crate) info: String,
    pub(crate) tracked: Vec<Tracked>,
}

/// One entry of the session state information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tracked {
    Variable { name: String, value: String },
    Schema(String),
    StateChanged(bool),
    Gtids(Vec<u8>),
    Characteristics(String),
    Transaction(String),
    Other { kind: u8, data: Vec<u8> },
}

/// An ERR packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrPacket {
    pub(crate) code: u16,
    /// Empty before the login, where the protocol has none.
    pub(crate) state: String,
    pub(crate) message: String,
}

impl OkPacket {
    /// `payload` begins with 0x00 or, where it ends a result set, 0xFE.
    pub(crate) fn parse(payload: &[u8], capabilities: CapabilityFlags) -> Result<Self, WireError> {
        let mut read = Reader(payload);
        read.int(1)?;
        let (affected_rows, last_insert_id) = (read.lenenc()?, read.lenenc()?);
        let mut ok = Self { affected_rows, last_insert_id, ..Self::default() };
        ok.status = read.int(2)? as u16;
        ok.warnings = read.int(2)? as u16;
        if capabilities.contains(CapabilityFlags::CLIENT_SESSION_TRACK) {
            if !read.0.is_empty() {
                ok.info = read.text()?;
            }
            if ok.has(StatusFlags::SERVER_SESSION_STATE_CHANGED) {
                ok.tracked = tracked(read.bytes()?)?;
            }
            if !read.0.is_empty() {
                return malformed(format!("{} bytes after the OK packet's end", read.0.len()));
            }
        } else {
            ok.info = String::from_utf8_lossy(read.0).into_owned();
        }
        Ok(ok)
    }

    /// An EOF packet of before `CLIENT_DEPRECATE_EOF`.
    pub(crate) fn parse_eof(payload: &[u8]) -> Result<Self, WireError> {
        let mut read = Reader(payload);
        read.int(1)?;
        Ok(Self { warnings: read.int(2)? as u16, status: read.int(2)? as u16, ..Self::default() })
    }

    /// Whether a status flag is set.
    pub(crate) fn has(&self, flag: StatusFlags) -> bool {
        self.status & flag.bits() != 0
    }

    /// Whether the session is in a transaction.
    pub(crate) fn in_transaction(&self) -> bool {
        self.has(StatusFlags::SERVER_STATUS_IN_TRANS)
    }

    /// Whether another answer follows.
    pub(crate) fn more_follow(&self) -> bool {
        self.has(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
    }

    /// The value that was reported for a system variable.
    pub(crate) fn variable(&self, wanted: &str) -> Option<&str> {
        self.tracked.iter().find_map(|entry| match entry {
            Tracked::Variable { name, value } if name == wanted => Some(value.as_str()),
            _ => None,
        })
    }
}

impl ErrPacket {
    /// `payload` begins with 0xFF.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let mut read = Reader(payload);
        read.int(1)?;
        let code = read.int(2)? as u16;
        let state = match read.0.strip_prefix(b"#") {
            Some(rest) => {
                read.0 = rest;
                String::from_utf8_lossy(read.take(5)?).into_owned()
            }
            None => String::new(),
        };
        Ok(Self { code, state, message: String::from_utf8_lossy(read.0).into_owned() })
    }
}

impl fmt::Display for ErrPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.state, self.message)
    }
}

fn tracked(bytes: &[u8]) -> Result<Vec<Tracked>, WireError> {
    let mut read = Reader(bytes);
    let mut entries = Vec::new();
    while !read.0.is_empty() {
        let kind = read.int(1)? as u8;
        let mut data = Reader(read.bytes()?);
        match kind {
            // MariaDB may put several variables into one entry.
            0 => {
                while !data.0.is_empty() {
                    entries.push(Tracked::Variable { name: data.text()?, value: data.text()? });
                }
            }
            1 => entries.push(Tracked::Schema(data.text()?)),
            // A bare character, unlike the others.
            2 => entries.push(Tracked::StateChanged(data.0 == b"1")),
            3 => entries.push(Tracked::Gtids(data.0.to_vec())),
            4 => entries.push(Tracked::Characteristics(data.text()?)),
            5 => entries.push(Tracked::Transaction(data.text()?)),
            _ => entries.push(Tracked::Other { kind, data: data.0.to_vec() }),
        }
    }
    Ok(entries)
}

/// What is left of a payload.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return malformed(format!("{length} bytes were due, {} are left", self.0.len()));
        };
        self.0 = rest;
        Ok(taken)
    }

    /// A little-endian integer of 1 to 8 bytes.
    pub(crate) fn int(&mut self, width: usize) -> Result<u64, WireError> {
        Ok(self.take(width)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A length-encoded integer.
    pub(crate) fn lenenc(&mut self) -> Result<u64, WireError> {
        match self.int(1)? {
            0xFC => self.int(2),
            0xFD => self.int(3),
            0xFE => self.int(8),
            0xFB | 0xFF => malformed("not a length-encoded integer"),
            small => Ok(small),
        }
    }

    /// Length-encoded bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.lenenc()? as usize;
        self.take(length)
    }

    /// Length-encoded bytes, as text.
    pub(crate) fn text(&mut self) -> Result<String, WireError> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    /// Bytes up to a zero, which is taken too; all that is left when there is none.
    pub(crate) fn until_zero(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = &self.0[end.map_or(self.0.len(), |end| end + 1)..];
        taken
    }
}

/// Appends length-encoded bytes; nothing here reaches 16 MiB.
pub(super) fn put_lenenc(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 0xFB {
        out.push(bytes.len() as u8);
    } else {
        out.push(0xFD);
        out.extend(&(bytes.len() as u32).to_le_bytes()[..3]);
    }
    out.extend(bytes);
}
