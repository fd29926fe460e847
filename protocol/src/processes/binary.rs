//! Rows of the binary protocol, as far as lists of processes have them: numbers and texts.

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::io::ParseBuf;

use super::value_of;
use crate::answer::Row;

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// A whole number of so many bytes, with a sign or without.
    Whole(usize, bool),
    Single,
    Double,
    Text,
}

impl Column {
    /// By the column's definition; `None` where that is none, or of a type that no such list has.
    pub(super) fn parse(definition: &[u8]) -> Option<Self> {
        let mut rest = ParseBuf(definition);
        for _ in 0..6 {
            rest.checked_eat_lenenc_str()?;
        }
        // The length of what follows, the collation, the width.
        rest.checked_eat_lenenc_int()?;
        rest.checked_eat(6)?;
        let kind = ColumnType::try_from(rest.checked_eat_u8()?).ok()?;
        let signed = !ColumnFlags::from_bits_truncate(rest.checked_eat_u16_le()?).contains(ColumnFlags::UNSIGNED_FLAG);
        match kind {
            ColumnType::MYSQL_TYPE_TINY => Some(Self::Whole(1, signed)),
            ColumnType::MYSQL_TYPE_SHORT => Some(Self::Whole(2, signed)),
            ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24 => Some(Self::Whole(4, signed)),
            ColumnType::MYSQL_TYPE_LONGLONG => Some(Self::Whole(8, signed)),
            ColumnType::MYSQL_TYPE_FLOAT => Some(Self::Single),
            ColumnType::MYSQL_TYPE_DOUBLE => Some(Self::Double),
            ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_NEWDECIMAL
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB => Some(Self::Text),
            _ => None,
        }
    }

    fn read(self, rest: &mut ParseBuf<'_>) -> Option<Box<[u8]>> {
        let number = match self {
            Self::Text => return Some(rest.checked_eat_lenenc_str()?.into()),
            Self::Single => f32::from_bits(rest.checked_eat_u32_le()?).to_string(),
            Self::Double => f64::from_bits(rest.checked_eat_u64_le()?).to_string(),
            Self::Whole(width, signed) => {
                let mut bytes = [0; 8];
                bytes.get_mut(..width)?.copy_from_slice(rest.checked_eat(width)?);
                let (value, unused) = (u64::from_le_bytes(bytes), 64 - 8 * width as u32);
                if signed { ((value << unused).cast_signed() >> unused).to_string() } else { value.to_string() }
            }
        };
        Some(number.into_bytes().into())
    }

    fn write(self, out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
        if self == Self::Text {
            value_of(out, value);
            return Some(());
        }
        let number = std::str::from_utf8(value).ok()?;
        match self {
            Self::Whole(width, signed) => {
                let bytes = match signed {
                    true => number.parse::<i64>().ok()?.to_le_bytes(),
                    false => number.parse::<u64>().ok()?.to_le_bytes(),
                };
                out.extend_from_slice(bytes.get(..width)?);
            }
            Self::Single => out.extend_from_slice(&number.parse::<f32>().ok()?.to_le_bytes()),
            Self::Double | Self::Text => out.extend_from_slice(&number.parse::<f64>().ok()?.to_le_bytes()),
        }
        Some(())
    }
}

/// The place of a column among the bits of NULLs, the first two of which mean nothing.
fn bit(at: usize) -> (usize, u8) {
    ((at + 2) / 8, 1 << ((at + 2) % 8))
}

/// The values of a row; `None` where it is none.
pub(super) fn cells(payload: &[u8], columns: &[Column]) -> Option<Row> {
    let mut rest = ParseBuf(payload.strip_prefix(&[0])?);
    let nulls = rest.checked_eat((columns.len() + 9) / 8)?;
    let is_null = |at: usize| nulls.get(bit(at).0).is_some_and(|byte| byte & bit(at).1 != 0);
    let mut row = Row::new();
    for (at, column) in columns.iter().enumerate() {
        row.push(if is_null(at) { None } else { Some(column.read(&mut rest)?) });
    }
    rest.0.is_empty().then_some(row)
}

/// Writes a row; `None` where a value is none of its column's.
pub(super) fn write(out: &mut Vec<u8>, row: &Row, columns: &[Column]) -> Option<()> {
    out.resize(1 + (columns.len() + 9) / 8, 0);
    for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
        match cell {
            Some(value) => column.write(out, value)?,
            None => *out.get_mut(1 + bit(at).0)? |= bit(at).1,
        }
    }
    Some(())
}
