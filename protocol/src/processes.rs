//! A server's list of processes, on its way to a client that knows its sessions by other ids.
//!
//! `SHOW PROCESSLIST` and `COM_PROCESS_INFO` give the same result set. The definitions and the end go on as the server
//! sent them; the rows are written anew, since ids and hosts change and more rows come in. Whichever way a row is
//! written, as text or in binary where the statement was prepared, here its values are texts.

mod binary;

use std::ops::Range;

use binary::Column;

use mysql_common::io::ParseBuf;

use crate::answer::Row;
use crate::packet::{self, HEADER, MAX_PAYLOAD};

/// The longest list that is held, in bytes. A longer one goes to the client as it is.
pub const LIST_MAX: usize = 4 << 20;

/// Columns that every server has: id, user, host, database, command, time, state, statement.
const COMMON: u64 = 8;

/// The most columns that such a list may have; servers add three at most.
const COLUMN_LIMIT: u64 = 32;

/// What is known of a reply that is coming in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// It is there whole.
    Whole,
    /// It is no list, or too long to be held.
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    Columns(u64),
    Rows,
    Over(Progress),
}

/// Finds the parts of a reply: bytes that come in pieces, and stay with the caller.
#[derive(Debug, Default)]
pub struct ProcessList {
    at: usize,
    part: Part,
    columns: u64,
    /// How the columns of binary rows are written; `None` where rows are texts.
    written: Option<Vec<Column>>,
    rows: Vec<Range<usize>>,
    /// Where the rows begin.
    body: usize,
    counts: bool,
    /// The id of the next packet; that of the first is the caller's business.
    seq: Option<u8>,
}

impl ProcessList {
    /// A reply to the execution of a prepared statement.
    #[must_use]
    pub fn prepared() -> Self {
        Self { written: Some(Vec::new()), ..Self::default() }
    }

    /// Looks at all that has come, from the reply's first byte on.
    pub fn advance(&mut self, bytes: &[u8]) -> Progress {
        loop {
            if let Part::Over(progress) = self.part {
                return progress;
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some(head) = packet::header(rest) else { return Progress::More };
            let in_order = self.seq.is_none_or(|seq| seq == head.seq);
            if !in_order || head.len == MAX_PAYLOAD || self.at + head.len > LIST_MAX {
                return self.over(Progress::Other);
            }
            let Some(payload) = rest.get(HEADER..HEADER + head.len) else { return Progress::More };
            self.seq = Some(head.seq.wrapping_add(1));
            self.take(payload);
        }
    }

    /// Whether rows of more than one user are among these: who may not see all is shown those of one user alone.
    #[must_use]
    pub fn has_several_users(&self, bytes: &[u8]) -> bool {
        let mut users = self.rows(bytes).filter_map(|row| row.into_iter().nth(1));
        let first = users.next();
        users.any(|user| Some(&user) != first.as_ref())
    }

    /// Whether results come in a character set whose ASCII is ASCII (`ucs2` has another): else nothing can be put in.
    #[must_use]
    pub fn is_ascii(&self, bytes: &[u8]) -> bool {
        let mut commands = self.rows(bytes).filter_map(|row| row.into_iter().nth(4).flatten());
        commands.all(|command| command.iter().all(|byte| (b' '..=b'~').contains(byte)))
    }

    /// Whether it is read from a table, and so counts for `FOUND_ROWS()` (MySQL with
    /// `performance_schema_show_processlist`; measured): the server's usual list does not.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.counts
    }

    /// The rows as values; those that make no sense are left out.
    pub fn rows(&self, bytes: &[u8]) -> impl Iterator<Item = Row> {
        self.rows.iter().filter_map(|at| self.cells(bytes.get(at.clone())?))
    }

    /// The reply with each row as `change` leaves it, to the byte where that is as it was, and with `further` rows, made as wide as the others.
    #[must_use]
    pub fn rewrite(&self, bytes: &[u8], mut change: impl FnMut(&mut Row), further: Vec<Row>) -> Vec<u8> {
        // Whoever asks is in every list: without a row it is not here, but behind a cursor.
        if self.rows.is_empty() {
            return bytes.to_vec();
        }
        let (mut out, mut payload) = (bytes.get(..self.body).unwrap_or_default().to_vec(), Vec::new());
        let mut seq = packet::header(bytes).map_or(1, |head| head.seq).wrapping_add(1);
        seq = seq.wrapping_add((self.columns % 256) as u8);
        for at in &self.rows {
            let raw = bytes.get(at.clone()).unwrap_or_default();
            let changed = self.cells(raw).is_some_and(|read| {
                let mut row = read.clone();
                change(&mut row);
                row != read && self.write(&mut payload, &row)
            });
            seq = packet::frame(&mut out, seq, if changed { &payload } else { raw });
        }
        let end = bytes.get(self.end()..self.at).unwrap_or_default();
        for mut row in further.into_iter().filter(|_| end.first() != Some(&0xff)) {
            row.resize(self.columns as usize, Some(Box::from(&b"0"[..])));
            if self.write(&mut payload, &row) {
                seq = packet::frame(&mut out, seq, &payload);
            }
        }
        packet::frame(&mut out, seq, end);
        // What lies behind the reply belongs to nobody, and whoever relays it must see that.
        out.extend_from_slice(bytes.get(self.at..).unwrap_or_default());
        out
    }

    /// Where the payload of the last packet begins.
    fn end(&self) -> usize {
        self.rows.last().map_or(self.body, |row| row.end) + HEADER
    }

    fn over(&mut self, progress: Progress) -> Progress {
        self.part = Part::Over(progress);
        progress
    }

    /// The values of a row; `None` where it is none.
    fn cells(&self, payload: &[u8]) -> Option<Row> {
        self.written.as_ref().map_or_else(|| cells(payload, self.columns), |columns| binary::cells(payload, columns))
    }

    /// Writes a row in place of what `payload` held; false where that cannot be done.
    fn write(&self, payload: &mut Vec<u8>, row: &Row) -> bool {
        payload.clear();
        match &self.written {
            Some(columns) => binary::write(payload, row, columns).is_some(),
            None => {
                text(payload, row);
                true
            }
        }
    }

    fn take(&mut self, payload: &[u8]) {
        let payload_at = self.at + HEADER;
        self.at = payload_at + payload.len();
        if matches!(self.part, Part::Columns(_)) {
            // Catalog and schema come first.
            let mut definition = ParseBuf(payload);
            let schema = definition.checked_eat_lenenc_str().and(definition.checked_eat_lenenc_str());
            self.counts |= schema.is_some_and(|name| !name.is_empty());
        }
        if let (Part::Columns(_), Some(columns)) = (self.part, self.written.as_mut()) {
            match Column::parse(payload) {
                Some(column) => columns.push(column),
                None => self.part = Part::Over(Progress::Other),
            }
        }
        self.part = match (self.part, payload.first()) {
            (Part::Over(progress), _) => Part::Over(progress),
            (_, Some(0xff)) | (Part::Rows, Some(0xfe)) => Part::Over(Progress::Whole),
            (Part::Head, _) => self.head(payload),
            (Part::Columns(1), _) => {
                self.body = self.at;
                Part::Rows
            }
            (Part::Columns(left), _) => Part::Columns(left - 1),
            (part, _) => {
                self.rows.push(payload_at..self.at);
                part
            }
        };
    }

    fn head(&mut self, payload: &[u8]) -> Part {
        let mut rest = ParseBuf(payload);
        let columns = rest.checked_eat_lenenc_int().unwrap_or_default();
        // A byte behind it that is not 1 says that no definitions follow.
        match rest.0 {
            [] | [1] if (COMMON..=COLUMN_LIMIT).contains(&columns) => {
                self.columns = columns;
                Part::Columns(columns)
            }
            _ => Part::Over(Progress::Other),
        }
    }
}

/// The values of a text row; `None` where it is none.
fn cells(payload: &[u8], columns: u64) -> Option<Row> {
    let (mut buf, mut row) = (ParseBuf(payload), Row::new());
    for _ in 0..columns {
        if buf.0.first() == Some(&0xfb) {
            buf.skip(1);
            row.push(None);
        } else {
            row.push(Some(buf.checked_eat_lenenc_str()?.into()));
        }
    }
    buf.0.is_empty().then_some(row)
}

fn text(payload: &mut Vec<u8>, row: &Row) {
    for cell in row {
        match cell {
            Some(value) => value_of(payload, value),
            None => payload.push(0xfb),
        }
    }
}

fn value_of(payload: &mut Vec<u8>, value: &[u8]) {
    let length = (value.len() as u64).to_le_bytes();
    let (mark, width) = match value.len() {
        0..=250 => (None, 1),
        251..=0xffff => (Some(0xfc), 2),
        0x1_0000..=0xff_ffff => (Some(0xfd), 3),
        _ => (Some(0xfe), 8),
    };
    payload.extend(mark);
    payload.extend_from_slice(length.get(..width).unwrap_or_default());
    payload.extend_from_slice(value);
}

#[cfg(test)]
mod tests;
