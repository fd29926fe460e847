//! Replies: what kind one is, and the result set.

use mysql_common::constants::CapabilityFlags;

use super::{ErrPacket, OkPacket, Reply, Wire, WireError, malformed, packet::Reader};

/// A whole result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    /// Every value as text; `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// What ended it.
    pub(crate) end: OkPacket,
}

/// What a test may want to know of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) flags: u16,
    pub(crate) collation: u16,
}

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Text,
    Binary,
}

impl Wire {
    /// Reads one answer.
    pub(super) fn reply(&mut self, encoding: Encoding) -> Result<Reply, WireError> {
        let payload = self.packet()?.payload;
        match payload.split_first() {
            Some((0x00, _)) => Ok(Reply::Ok(OkPacket::parse(&payload, self.capabilities)?)),
            Some((0xFF, _)) => Ok(Reply::Err(ErrPacket::parse(&payload)?)),
            Some((0xFB, name)) => Ok(Reply::Infile(String::from_utf8_lossy(name).into_owned())),
            Some((0xFE, _)) if payload.len() < 9 => Ok(Reply::Ok(OkPacket::parse_eof(&payload)?)),
            Some(_) => self.result_set(Reader(&payload).lenenc()? as usize, encoding),
            None => malformed("an empty reply"),
        }
    }

    fn result_set(&mut self, count: usize, encoding: Encoding) -> Result<Reply, WireError> {
        let columns = self.columns(count)?;
        let mut rows = Vec::new();
        loop {
            let payload = self.packet()?.payload;
            match payload.first() {
                Some(0xFE) if self.ends_rows(&payload) => {
                    return Ok(Reply::Rows(Rows { columns, rows, end: self.end(&payload)? }));
                }
                // An error in the middle of the rows is the whole answer.
                Some(0xFF) => return Ok(Reply::Err(ErrPacket::parse(&payload)?)),
                _ if encoding == Encoding::Binary => rows.push(binary_row(&payload, &columns)?),
                _ => rows.push(text_row(&payload, columns.len())?),
            }
        }
    }

    /// Reads `count` definitions and, for clients that want one, the EOF after them.
    pub(super) fn columns(&mut self, count: usize) -> Result<Vec<Column>, WireError> {
        let columns = (0..count).map(|_| Column::parse(&self.packet()?.payload)).collect::<Result<_, _>>()?;
        if count > 0 && !self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
            let payload = self.packet()?.payload;
            if payload.first() != Some(&0xFE) || payload.len() != 5 {
                return malformed(format!("an EOF was due, not {payload:02x?}"));
            }
        }
        Ok(columns)
    }

    fn ends_rows(&self, payload: &[u8]) -> bool {
        let limit = if self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) { 0xFF_FFFF } else { 9 };
        payload.len() < limit
    }

    fn end(&self, payload: &[u8]) -> Result<OkPacket, WireError> {
        if self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
            OkPacket::parse(payload, self.capabilities)
        } else {
            OkPacket::parse_eof(payload)
        }
    }

    /// Answers a request for a file with its content, in one packet and the empty one that ends it.
    pub(crate) fn send_file(&mut self, content: &[u8]) -> Result<(), WireError> {
        if !content.is_empty() {
            self.answer(content)?;
        }
        self.answer(&[])
    }
}

impl Column {
    fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let mut read = Reader(payload);
        let (_catalog, _schema, table) = (read.text()?, read.text()?, read.text()?);
        let (_original_table, name, _original_name) = (read.text()?, read.text()?, read.text()?);
        read.lenenc()?;
        let (collation, _length) = (read.int(2)? as u16, read.int(4)?);
        let (kind, flags) = (read.int(1)? as u8, read.int(2)? as u16);
        Ok(Self { table, name, kind, flags, collation })
    }

    fn is_unsigned(&self) -> bool {
        self.flags & 0x20 != 0
    }
}

fn text_row(payload: &[u8], count: usize) -> Result<Vec<Option<String>>, WireError> {
    let mut read = Reader(payload);
    let mut row = Vec::with_capacity(count);
    for _ in 0..count {
        if read.0.first() == Some(&0xFB) {
            read.take(1)?;
            row.push(None);
        } else {
            row.push(Some(read.text()?));
        }
    }
    if !read.0.is_empty() {
        return malformed(format!("{} bytes after the row's end", read.0.len()));
    }
    Ok(row)
}

fn binary_row(payload: &[u8], columns: &[Column]) -> Result<Vec<Option<String>>, WireError> {
    let mut read = Reader(payload);
    read.take(1)?;
    let nulls = read.take((columns.len() + 9) / 8)?;
    let is_null = |index: usize| nulls[(index + 2) / 8] & 1 << ((index + 2) % 8) != 0;
    let values = columns.iter().enumerate();
    values.map(|(at, column)| if is_null(at) { Ok(None) } else { binary(&mut read, column).map(Some) }).collect()
}

/// One value that is not NULL, written as the text protocol would (dates as raw bytes in hexadecimal).
fn binary(read: &mut Reader<'_>, column: &Column) -> Result<String, WireError> {
    let width = match column.kind {
        1 => 1,
        2 | 13 => 2,
        3 | 9 => 4,
        8 => 8,
        4 => return Ok(f32::from_bits(read.int(4)? as u32).to_string()),
        5 => return Ok(f64::from_bits(read.int(8)?).to_string()),
        7 | 10 | 11 | 12 => return Ok(read.bytes()?.iter().map(|byte| format!("{byte:02x}")).collect()),
        _ => return read.text(),
    };
    let raw = read.int(width)?;
    if column.is_unsigned() {
        return Ok(raw.to_string());
    }
    let unused = 64 - 8 * width as u32;
    Ok(((raw << unused) as i64 >> unused).to_string())
}
