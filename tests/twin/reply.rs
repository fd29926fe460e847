//! Answers as text, one line a packet, with nothing left out that is not masked by name.

use std::fmt::Write;

use mysql_common::constants::CapabilityFlags;

use super::mask::Mask;
use crate::support::wire::{ErrPacket, OkPacket, Reader, Wire, WireError};

/// More answers follow.
const MORE: u16 = 0x08;
/// The session's state has changed.
const CHANGED: u16 = 0x4000;
/// A cursor was opened: its rows are fetched.
const CURSOR: u16 = 0x40;

/// Where answers come from and are written down.
pub(crate) struct Answers<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) mask: Mask,
    /// Rows of the binary protocol.
    pub(crate) binary: bool,
    pub(crate) lines: &'a mut Vec<String>,
    /// Several results have come, or will.
    pub(crate) several: bool,
}

impl Answers<'_> {
    /// Reads answers until none follows. `bare`: rows or definitions without a head.
    pub(crate) fn read(&mut self, bare: bool) -> Result<(), WireError> {
        loop {
            let status = if bare { self.rows(0)? } else { self.answer()? };
            if status & MORE == 0 {
                return Ok(());
            }
        }
    }

    /// Reads the answer to a prepare: the statement's id and how many parameters it has.
    pub(crate) fn prepared(&mut self) -> Result<Option<(u32, usize)>, WireError> {
        let payload = self.wire.packet()?.payload;
        if payload.first() == Some(&0xFF) {
            self.error(&payload)?;
            return Ok(None);
        }
        let mut read = Reader(&payload);
        read.int(1)?;
        let id = read.int(4)? as u32;
        let (columns, parameters) = (read.int(2)? as usize, read.int(2)? as usize);
        read.int(1)?;
        let line = format!("prepared: {columns} columns, {parameters} parameters, {} warnings", read.int(2)?);
        self.lines.push(line);
        for count in [parameters, columns].into_iter().filter(|count| *count > 0) {
            self.definitions(count)?;
        }
        Ok(Some((id, parameters)))
    }

    fn has(&self, flag: CapabilityFlags) -> bool {
        self.wire.capabilities.contains(flag)
    }

    fn old(&self) -> bool {
        !self.has(CapabilityFlags::CLIENT_DEPRECATE_EOF)
    }

    /// One answer; gives the status flags that it ends with.
    fn answer(&mut self) -> Result<u16, WireError> {
        let payload = self.wire.packet()?.payload;
        match payload.first() {
            Some(0x00) => self.ok(&payload),
            Some(0xFE) if payload.len() == 5 => self.eof(&payload, false),
            Some(0xFE) => self.ok(&payload),
            Some(0xFF) => self.error(&payload),
            _ => {
                let count = Reader(&payload).lenenc()? as usize;
                self.lines.push(format!("{count} columns"));
                let status = self.definitions(count)?;
                if self.old() && status & CURSOR != 0 {
                    return Ok(status);
                }
                self.rows(count)
            }
        }
    }

    /// Column definitions, and the EOF behind them for those who want one; gives its status.
    fn definitions(&mut self, count: usize) -> Result<u16, WireError> {
        for _ in 0..count {
            let payload = self.wire.packet()?.payload;
            self.definition(&payload)?;
        }
        if !self.old() {
            return Ok(0);
        }
        let payload = self.wire.packet()?.payload;
        self.eof(&payload, true)
    }

    fn definition(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let mut read = Reader(payload);
        let mut line = String::from("column");
        for _ in 0..6 {
            let _ = write!(line, " {:?}", read.text()?);
        }
        // Rule `forgotten types`: where a NULL is bound, MySQL describes what is nothing but a parameter by what was bound
        // before, on that connection (docs/pinning.md).
        if self.mask.binds_null && line.contains("\"?\"") {
            self.lines.push(line);
            return Ok(());
        }
        let fixed = read.lenenc()?;
        let (collation, length) = (read.int(2)? as u16, read.int(4)?);
        let (kind, flags, decimals) = (read.int(1)?, read.int(2)?, read.int(1)?);
        let collation = self.mask.collation(collation);
        let rest = read.0.escape_ascii();
        let _ = write!(line, " {fixed} {collation} length {length} type {kind} flags {flags:#x} {decimals} {rest}");
        self.lines.push(line);
        Ok(())
    }

    /// Rows (of this many columns; 0: definitions, or binary rows) up to what ends them; gives its status.
    fn rows(&mut self, columns: usize) -> Result<u16, WireError> {
        loop {
            let payload = self.wire.packet()?.payload;
            match payload.first() {
                Some(0xFF) => return self.error(&payload),
                Some(0xFE) if self.old() && payload.len() == 5 => return self.eof(&payload, false),
                Some(0xFE) if !self.old() => return self.ok(&payload),
                _ if columns == 0 && !self.binary => self.definition(&payload)?,
                _ if self.binary => {
                    let line = format!("row {}", self.mask.binary(&payload).escape_ascii());
                    self.lines.push(line);
                }
                _ => self.row(&payload, columns)?,
            }
        }
    }

    fn row(&mut self, payload: &[u8], columns: usize) -> Result<(), WireError> {
        let mut read = Reader(payload);
        let mut cells = Vec::with_capacity(columns);
        for _ in 0..columns {
            if read.0.first() == Some(&0xFB) {
                read.take(1)?;
                cells.push("NULL".to_owned());
            } else {
                cells.push(format!("'{}'", read.bytes()?.escape_ascii()));
            }
        }
        let rest = read.0.escape_ascii();
        if let Some(cells) = self.mask.cells(cells) {
            self.lines.push(format!("row {}{rest}", cells.join(" | ")));
        }
        Ok(())
    }

    fn ok(&mut self, payload: &[u8]) -> Result<u16, WireError> {
        let mut ok = OkPacket::parse(payload, self.wire.capabilities)?;
        self.several |= ok.more_follow();
        let status = ok.status;
        if self.late_trackers() {
            ok.tracked.clear();
            ok.status &= !CHANGED;
        }
        self.lines.push(self.mask.ok(&ok));
        Ok(status)
    }

    fn eof(&mut self, payload: &[u8], behind_columns: bool) -> Result<u16, WireError> {
        let eof = OkPacket::parse_eof(payload)?;
        self.several |= eof.more_follow();
        self.lines.push(self.mask.eof(&eof, behind_columns));
        Ok(eof.status)
    }

    /// Rule `late trackers`: what the server tells the proxy with a result's end, it tells an old client, whose EOF has
    /// no room for it, with a later OK, perhaps that of another statement (docs/pinning.md).
    fn late_trackers(&self) -> bool {
        (self.several || self.mask.changes_nothing) && self.old() && self.has(CapabilityFlags::CLIENT_SESSION_TRACK)
    }

    fn error(&mut self, payload: &[u8]) -> Result<u16, WireError> {
        let error = ErrPacket::parse(payload)?;
        self.lines.push(self.mask.error(&error));
        Ok(0)
    }
}
