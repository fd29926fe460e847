//! Prepared statements over the binary protocol.

use mysql_common::constants::Command;

use super::{
    ErrPacket, Reply, Wire, WireError, malformed, packet,
    rows::{Column, Encoding},
};

/// What the server said of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) id: u32,
    pub(crate) params: Vec<Column>,
    pub(crate) columns: Vec<Column>,
    pub(crate) warnings: u16,
}

/// A value for a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Param<'a> {
    Null,
    Int(i64),
    Text(&'a str),
}

impl Wire {
    /// Prepares a statement; a refusal is [`WireError::Refused`].
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<Prepared, WireError> {
        self.send(Command::COM_STMT_PREPARE, sql.as_bytes())?;
        let payload = self.packet()?.payload;
        let mut read = packet::Reader(&payload);
        match read.int(1)? {
            0x00 => {}
            0xFF => return Err(WireError::Refused(ErrPacket::parse(&payload)?)),
            _ => return malformed(format!("a prepare's answer {payload:02x?}")),
        }
        let id = read.int(4)? as u32;
        let (columns, params) = (read.int(2)? as usize, read.int(2)? as usize);
        read.take(1)?;
        let warnings = read.int(2)? as u16;
        Ok(Prepared { id, params: self.columns(params)?, columns: self.columns(columns)?, warnings })
    }

    /// Executes a statement and reads every answer.
    pub(crate) fn execute(&mut self, statement: &Prepared, params: &[Param<'_>]) -> Result<Vec<Reply>, WireError> {
        self.send(Command::COM_STMT_EXECUTE, &execute_body(statement.id, 0, params))?;
        self.executed()
    }

    /// Reads every answer to an execute that was sent.
    pub(crate) fn executed(&mut self) -> Result<Vec<Reply>, WireError> {
        self.all_replies(Encoding::Binary)
    }

    /// Closes a statement; there is no answer.
    pub(crate) fn close(&mut self, statement: &Prepared) -> Result<(), WireError> {
        self.send(Command::COM_STMT_CLOSE, &statement.id.to_le_bytes())
    }
}

/// An execute's body; `cursor` is the cursor type, 0 for none.
pub(crate) fn execute_body(id: u32, cursor: u8, params: &[Param<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(id.to_le_bytes());
    out.push(cursor);
    out.extend(1_u32.to_le_bytes());
    if params.is_empty() {
        return out;
    }
    let mut nulls = vec![0; params.len().div_ceil(8)];
    for (at, _) in params.iter().enumerate().filter(|(_, param)| **param == Param::Null) {
        nulls[at / 8] |= 1 << (at % 8);
    }
    out.extend(nulls);
    out.push(1);
    for param in params {
        out.extend([param.kind(), 0]);
    }
    for param in params {
        match param {
            Param::Null => {}
            Param::Int(value) => out.extend(value.to_le_bytes()),
            Param::Text(text) => packet::put_lenenc(&mut out, text.as_bytes()),
        }
    }
    out
}

impl Param<'_> {
    /// The protocol's type byte: NULL, LONGLONG or VAR_STRING.
    fn kind(self) -> u8 {
        match self {
            Self::Null => 6,
            Self::Int(_) => 8,
            Self::Text(_) => 253,
        }
    }
}
