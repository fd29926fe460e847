//! A result set of Greenroom's own, as a server would send it: text rows, to a client of any capabilities.
//!
//! For what Greenroom answers where no server stands behind it. Replies of servers never come this way: see
//! [`crate::reply`].

use mysql_common::constants::{CapabilityFlags, ColumnType, StatusFlags};

use crate::answer::Row;
use crate::packet;

/// Collation id of `utf8mb4_general_ci`, which every client knows.
pub const UTF8MB4: u8 = 45;

/// Collation id of what is no text.
const BINARY: u16 = 63;

/// The catalog's name, which is always this.
const CATALOG: &[u8] = b"def";

/// Bytes of the fields of fixed length that follow a column's names.
const FIXED: u8 = 0x0c;

/// The first byte of an EOF packet, and of the OK in its place.
const EOF: u8 = 0xfe;

/// NULL in a text row.
const NULL: u8 = 0xfb;

/// Flag of a column that is a number: `NUM_FLAG`.
const NUMBER: u16 = 0x8000;

/// Flag of a number below which there is nothing: `UNSIGNED_FLAG`.
const UNSIGNED: u16 = 0x20;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A whole number, 0 or more.
    Count,
    /// A whole number.
    Number,
    /// A number with a fraction.
    Real,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As what its columns say that they are from.
    pub name: String,
    /// Its columns; at least one.
    pub columns: Vec<Column>,
    /// Its rows, each as wide as there are columns.
    pub rows: Vec<Row>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(name: &str, columns: &[(&str, Kind)]) -> Self {
        let columns = columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
        Self { name: name.to_owned(), columns: columns.collect(), rows: Vec::new() }
    }

    /// All its packets, the first with this sequence id.
    #[must_use]
    pub fn encode(&self, client: CapabilityFlags, status: StatusFlags, seq: u8) -> Vec<u8> {
        let deprecated = client.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let (mut out, mut payload) = (Vec::new(), Vec::new());
        put_lenenc(&mut payload, self.columns.len() as u64);
        let mut seq = packet::frame(&mut out, seq, &payload);
        for column in &self.columns {
            seq = packet::frame(&mut out, seq, &self.definition(column));
        }
        if !deprecated {
            seq = packet::frame(&mut out, seq, &eof(status));
        }
        for row in &self.rows {
            payload.clear();
            for cell in row {
                match cell {
                    Some(bytes) => put_bytes(&mut payload, bytes),
                    None => payload.push(NULL),
                }
            }
            seq = packet::frame(&mut out, seq, &payload);
        }
        let end = if deprecated { ok(EOF, status, "") } else { eof(status) };
        packet::frame(&mut out, seq, &end);
        out
    }

    /// The answer to `COM_FIELD_LIST`: the columns' definitions, each with its default, which is NULL, and an EOF whatever the
    /// client can do.
    #[must_use]
    pub fn encode_fields(&self, status: StatusFlags, seq: u8) -> Vec<u8> {
        let (mut out, mut seq) = (Vec::new(), seq);
        for column in &self.columns {
            let mut definition = self.definition(column);
            definition.push(NULL);
            seq = packet::frame(&mut out, seq, &definition);
        }
        packet::frame(&mut out, seq, &eof(status));
        out
    }

    fn definition(&self, column: &Column) -> Vec<u8> {
        let mut payload = Vec::new();
        let (table, name) = (self.name.as_bytes(), column.name.as_bytes());
        for text in [CATALOG, b"", table, table, name, name] {
            put_bytes(&mut payload, text);
        }
        let (collation, length, kind, flags, decimals) = match column.kind {
            Kind::Text => (u16::from(UTF8MB4), 65_535_u32, ColumnType::MYSQL_TYPE_VAR_STRING, 0, 0),
            Kind::Count => (BINARY, 20, ColumnType::MYSQL_TYPE_LONGLONG, NUMBER | UNSIGNED, 0),
            Kind::Number => (BINARY, 20, ColumnType::MYSQL_TYPE_LONGLONG, NUMBER, 0),
            Kind::Real => (BINARY, 22, ColumnType::MYSQL_TYPE_DOUBLE, NUMBER, 31_u8),
        };
        payload.push(FIXED);
        payload.extend(collation.to_le_bytes());
        payload.extend(length.to_le_bytes());
        payload.push(kind as u8);
        payload.extend(flags.to_le_bytes());
        payload.extend([decimals, 0, 0]);
        payload
    }
}

/// The payload of an OK: nothing changed, no warnings, and a line for people, which may be empty.
#[must_use]
pub fn done(status: StatusFlags, line: &str) -> Vec<u8> {
    ok(0, status, line)
}

fn ok(header: u8, status: StatusFlags, line: &str) -> Vec<u8> {
    let mut payload = vec![header, 0, 0];
    payload.extend(status.bits().to_le_bytes());
    payload.extend([0, 0]);
    if !line.is_empty() {
        put_bytes(&mut payload, line.as_bytes());
    }
    payload
}

/// The payload of an EOF packet without warnings.
#[must_use]
pub fn eof(status: StatusFlags) -> Vec<u8> {
    let [low, high] = status.bits().to_le_bytes();
    vec![EOF, 0, 0, low, high]
}

fn put_bytes(payload: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc(payload, bytes.len() as u64);
    payload.extend_from_slice(bytes);
}

fn put_lenenc(payload: &mut Vec<u8>, number: u64) {
    let bytes = number.to_le_bytes();
    let (mark, width) = match number {
        0..=0xfa => (None, 1),
        0xfb..=0xffff => (Some(0xfc), 2),
        0x1_0000..=0xff_ffff => (Some(0xfd), 3),
        _ => (Some(0xfe), 8),
    };
    payload.extend(mark);
    payload.extend(bytes.iter().take(width));
}

#[cfg(test)]
mod tests {
    use mysql_common::constants::{CapabilityFlags, StatusFlags};

    use super::{Kind, Table};
    use crate::answer::{Answer, Answers};
    use crate::packet;

    fn table() -> Table {
        let mut table = Table::new("t", &[("name", Kind::Text), ("n", Kind::Count), ("x", Kind::Real)]);
        let long = "ä".repeat(200);
        for name in ["a", &long] {
            table.rows.push(vec![Some(name.as_bytes().into()), None, Some((*b"1.5").into())]);
        }
        table
    }

    #[test]
    fn what_reads_servers_replies_reads_it() {
        let mut answers = Answers::new(1);
        let wire = table().encode(CapabilityFlags::CLIENT_DEPRECATE_EOF, StatusFlags::empty(), 1);
        assert_eq!(answers.feed(&wire), Ok(wire.len()));
        assert_eq!(answers.finish().0, [Answer::Rows(table().rows)]);
    }

    #[test]
    fn an_old_client_gets_both_its_eofs() {
        let wire = table().encode(CapabilityFlags::empty(), StatusFlags::SERVER_STATUS_AUTOCOMMIT, 1);
        let (mut at, mut heads, mut seqs) = (0, Vec::new(), Vec::new());
        while let Ok(Some(taken)) = packet::take(&wire[at..], 1 << 20) {
            let payload = &wire[at..][taken.payload.clone()];
            heads.push((payload[0], payload.len()));
            seqs.push(taken.seq);
            at += taken.used;
        }
        assert_eq!(at, wire.len());
        assert_eq!(seqs, (1..=8).collect::<Vec<u8>>());
        assert_eq!([heads[4], heads[7]], [(0xfe, 5); 2]);
    }
}
