//! The replies to Greenroom's own commands: few, short, and wanted as values.
//!
//! For commands that Greenroom sends on its own account (restoring state, reading it back, resetting) over a
//! connection with `CLIENT_DEPRECATE_EOF`. Replies to clients' commands never come this way: see [`crate::reply`].

use mysql_common::constants::StatusFlags;
use mysql_common::io::ParseBuf;

use crate::error::SqlError;
use crate::packet::{self, PacketError};
use crate::reply::{Prepared, parse_prepared};
use crate::track::{Changes, Malformed};

/// The longest packet of such a reply: an OK with every tracker entry, or a row of variables.
const PACKET_LIMIT: usize = 1 << 20;

/// The most rows of such a reply, where nothing else is said.
const ROW_LIMIT: usize = 1024;

/// How many bytes a row may take on average, so that no server fills the memory with them.
const ROW_BYTES: usize = 16 * 1024;

/// The most columns that servers give a result set.
const COLUMN_LIMIT: u64 = 4096;

/// A text row; `None` is NULL.
pub type Row = Vec<Option<Box<[u8]>>>;

/// The reply to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Ok,
    /// A result set.
    Rows(Vec<Row>),
    /// A statement is prepared.
    Prepared(Prepared),
    /// Refused.
    Failed(SqlError),
}

/// A reply that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A packet is too long.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Tracker data is malformed.
    #[error(transparent)]
    Tracker(#[from] Malformed),
    /// A packet has another sequence id than the next.
    #[error("a packet of the server's reply is out of order")]
    OutOfOrder,
    /// A packet ends too soon, or is none that can stand there.
    #[error("the server's reply is malformed")]
    Malformed,
    /// More rows than such a reply may have.
    #[error("the server's reply has more rows than were asked for")]
    TooManyRows,
    /// More bytes of rows than such replies may have.
    #[error("the server's reply has longer rows than were asked for")]
    TooMuch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// Column definitions still to come, and the number of columns.
    Columns(u64, u64),
    Rows(u64),
    /// Definitions of a prepared statement still to come.
    Definitions(u64, Prepared),
}

/// Reads the replies to a known number of commands, in whatever pieces they come.
#[derive(Debug)]
pub struct Answers {
    wanted: usize,
    done: Vec<Answer>,
    rows: Vec<Row>,
    /// How many bytes all further rows may take.
    room: usize,
    at: At,
    seq: u8,
    row_limit: usize,
    /// Which of the commands prepares a statement.
    prepare: Option<usize>,
    changes: Changes,
    /// What was wrong; nothing behind it is an answer.
    fault: Option<AnswerError>,
}

impl Answers {
    /// For so many commands.
    #[must_use]
    pub fn new(wanted: usize) -> Self {
        Self {
            wanted,
            done: Vec::with_capacity(wanted),
            rows: Vec::new(),
            room: ROW_LIMIT * ROW_BYTES,
            at: At::Start,
            seq: 1,
            row_limit: ROW_LIMIT,
            prepare: None,
            changes: Changes::default(),
            fault: None,
        }
    }

    /// Allows so many rows a reply.
    pub fn allow(&mut self, rows: usize) {
        self.row_limit = rows;
        self.room = rows * ROW_BYTES;
    }

    /// Says that the command at this place prepares a statement.
    pub fn prepares(&mut self, index: usize) {
        self.prepare = Some(index);
    }

    /// Reads whole packets from the head of `buf` and says how many bytes it used.
    ///
    /// # Errors
    /// [`AnswerError`], and from then on always; the connection is of no use to anybody.
    pub fn feed(&mut self, buf: &[u8]) -> Result<usize, AnswerError> {
        let fed = self.fault.map_or_else(|| self.take(buf), Err);
        self.fault = fed.err();
        fed
    }

    fn take(&mut self, buf: &[u8]) -> Result<usize, AnswerError> {
        let mut used = 0;
        while !self.is_complete() {
            let rest = buf.get(used..).unwrap_or_default();
            let Some(taken) = packet::take(rest, PACKET_LIMIT)? else { break };
            if taken.seq != self.seq {
                return Err(AnswerError::OutOfOrder);
            }
            self.seq = self.seq.wrapping_add(1);
            self.packet(rest.get(taken.payload).unwrap_or_default())?;
            used += taken.used;
        }
        Ok(used)
    }

    /// Whether every reply is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.done.len() == self.wanted
    }

    /// The replies in order, and what the server reported with them.
    #[must_use]
    pub fn finish(self) -> (Vec<Answer>, Changes) {
        (self.done, self.changes)
    }

    fn packet(&mut self, payload: &[u8]) -> Result<(), AnswerError> {
        match (self.at, payload) {
            (_, [0xff, ..]) => {
                let error = SqlError::parse(payload).map_err(|_| AnswerError::Malformed)?;
                self.close(Answer::Failed(error));
            }
            (At::Start, _) if self.prepare == Some(self.done.len()) => self.prepared(payload)?,
            (At::Definitions(1, prepared), _) => self.close(Answer::Prepared(prepared)),
            (At::Definitions(left, prepared), _) => self.at = At::Definitions(left - 1, prepared),
            (At::Start, [0, rest @ ..]) => self.ok(rest, Answer::Ok)?,
            (At::Start, _) => {
                let mut rest = ParseBuf(payload);
                let columns = rest.checked_eat_lenenc_int().ok_or(AnswerError::Malformed)?;
                // A byte behind it says that no definitions follow, where the client wants none.
                if !(1..=COLUMN_LIMIT).contains(&columns) {
                    return Err(AnswerError::Malformed);
                }
                self.at = if rest.0 == [0] { At::Rows(columns) } else { At::Columns(columns, columns) };
            }
            (At::Columns(1, columns), _) => self.at = At::Rows(columns),
            (At::Columns(left, columns), _) => self.at = At::Columns(left - 1, columns),
            (At::Rows(_), [0xfe, rest @ ..]) => {
                let rows = std::mem::take(&mut self.rows);
                self.ok(rest, Answer::Rows(rows))?;
            }
            (At::Rows(columns), _) => self.row(columns, payload)?,
        }
        Ok(())
    }

    fn prepared(&mut self, payload: &[u8]) -> Result<(), AnswerError> {
        let (prepared, defined) =
            parse_prepared(payload).filter(|_| payload.starts_with(&[0])).ok_or(AnswerError::Malformed)?;
        match u64::from(prepared.params) + u64::from(prepared.columns) {
            left if left > 0 && defined => self.at = At::Definitions(left, prepared),
            _ => self.close(Answer::Prepared(prepared)),
        }
        Ok(())
    }

    fn row(&mut self, columns: u64, payload: &[u8]) -> Result<(), AnswerError> {
        if self.rows.len() == self.row_limit {
            return Err(AnswerError::TooManyRows);
        }
        let held = payload.len() + size_of::<Row>() + columns as usize * size_of::<Option<Box<[u8]>>>();
        self.room = self.room.checked_sub(held).ok_or(AnswerError::TooMuch)?;
        let (mut buf, mut row) = (ParseBuf(payload), Row::new());
        for _ in 0..columns {
            if buf.0.first() == Some(&0xfb) {
                buf.skip(1);
                row.push(None);
            } else {
                row.push(Some(buf.checked_eat_lenenc_str().ok_or(AnswerError::Malformed)?.into()));
            }
        }
        self.rows.push(row);
        Ok(())
    }

    fn ok(&mut self, rest: &[u8], answer: Answer) -> Result<(), AnswerError> {
        let mut buf = ParseBuf(rest);
        let header = buf.checked_eat_lenenc_int().and(buf.checked_eat_lenenc_int());
        let status = header.and(buf.checked_eat_u16_le()).ok_or(AnswerError::Malformed)?;
        buf.checked_eat_u16_le().ok_or(AnswerError::Malformed)?;
        let status = StatusFlags::from_bits_truncate(status);
        if status.contains(StatusFlags::SERVER_SESSION_STATE_CHANGED) {
            let data = buf.checked_eat_lenenc_str().and(buf.checked_eat_lenenc_str()).ok_or(AnswerError::Malformed)?;
            self.changes.read(data)?;
        }
        if status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) {
            return Err(AnswerError::Malformed);
        }
        self.close(answer);
        Ok(())
    }

    fn close(&mut self, answer: Answer) {
        self.done.push(answer);
        self.rows.clear();
        (self.at, self.seq) = (At::Start, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, AnswerError, Answers, ROW_LIMIT};
    use crate::packet;

    /// `SET` (OK with a schema entry), then `SELECT 'ab', NULL`, then an error.
    const WIRE: &[u8] = b"\x10\0\0\x01\0\0\0\x02\x40\0\0\0\x07\x01\x05\x04test\
        \x01\0\0\x01\x02\x01\0\0\x02a\x01\0\0\x03b\x04\0\0\x04\x02ab\xfb\x07\0\0\x05\xfe\0\0\x02\0\0\0\
        \x0d\0\0\x01\xff\x19\x04#42000oops";

    #[test]
    fn three_replies_in_one_piece_or_byte_by_byte() {
        for step in [1, 3, WIRE.len()] {
            let (mut answers, mut pending) = (Answers::new(3), Vec::new());
            for piece in WIRE.chunks(step) {
                pending.extend_from_slice(piece);
                let used = answers.feed(&pending).unwrap();
                pending.drain(..used);
            }
            assert!(answers.is_complete() && pending.is_empty(), "in steps of {step}");
            let (done, changes) = answers.finish();
            assert_eq!(changes.schema.as_deref(), Some(&b"test"[..]));
            assert_eq!(done[0], Answer::Ok);
            assert_eq!(done[1], Answer::Rows(vec![vec![Some(Box::from(&b"ab"[..])), None]]));
            assert!(matches!(&done[2], Answer::Failed(error) if error.code == 1049));
        }
    }

    #[test]
    fn a_statement_is_prepared_between_others() {
        let wire = b"\x07\0\0\x01\0\0\0\x02\0\0\0\
            \x0c\0\0\x01\0\x05\0\0\0\x01\0\x02\0\0\0\0\x01\0\0\x02p\x01\0\0\x03p\x01\0\0\x04c\
            \x07\0\0\x01\0\0\0\x02\0\0\0";
        let mut answers = Answers::new(3);
        answers.prepares(1);
        assert_eq!(answers.feed(wire), Ok(wire.len()));
        let done = answers.finish().0;
        assert!(
            matches!(&done[1], Answer::Prepared(prepared) if (prepared.id, prepared.params, prepared.columns) == (5, 2, 1))
        );
        assert_eq!((&done[0], &done[2]), (&Answer::Ok, &Answer::Ok));
        let mut answers = Answers::new(1);
        answers.prepares(0);
        assert_eq!(answers.feed(b"\x04\0\0\x01\0\0\0\0"), Err(AnswerError::Malformed));
    }

    #[test]
    fn rows_may_come_without_definitions() {
        let mut answers = Answers::new(1);
        answers.feed(b"\x02\0\0\x01\x01\0\x02\0\0\x02\x01a\x07\0\0\x03\xfe\0\0\x02\0\0\0").unwrap();
        assert_eq!(answers.finish().0, [Answer::Rows(vec![vec![Some(Box::from(&b"a"[..]))]])]);
    }

    #[test]
    fn what_is_out_of_order_or_cut_short_is_an_error() {
        assert_eq!(Answers::new(1).feed(b"\x01\0\0\x02\0"), Err(AnswerError::OutOfOrder));
        assert_eq!(Answers::new(1).feed(b"\x01\0\0\x01\0"), Err(AnswerError::Malformed));
        assert!(matches!(Answers::new(1).feed(b"\xff\xff\xff\x01"), Err(AnswerError::Packet(_))));
        assert_eq!(Answers::new(1).feed(b"\x01\0\0\x01\x01\x01\0\0\x02a\x01\0\0\x03\x05"), Err(AnswerError::Malformed));
    }

    #[test]
    fn what_a_server_could_fill_the_memory_with_is_refused() {
        let head = |columns: &[u8]| {
            let mut wire = Vec::new();
            packet::frame(&mut wire, 1, columns);
            wire
        };
        for columns in [&b"\xfc\0\0"[..], b"\xfc\x01\x10", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(Answers::new(1).feed(&head(columns)), Err(AnswerError::Malformed), "{columns:?}");
        }
        for (value, error) in [
            (&b"\xfb"[..], AnswerError::TooManyRows),
            (&[&b"\xfd\0\0\x08"[..], &[b'x'; 1 << 19]].concat(), AnswerError::TooMuch),
        ] {
            let (mut answers, mut seq) = (Answers::new(1), 3);
            assert_eq!(answers.feed(b"\x01\0\0\x01\x01\x01\0\0\x02a"), Ok(10));
            let refused = (0..=ROW_LIMIT).find_map(|_| {
                let mut row = Vec::new();
                seq = packet::frame(&mut row, seq, value);
                answers.feed(&row).err()
            });
            assert_eq!(refused, Some(error));
            assert_eq!(answers.feed(b""), Err(error), "it stays");
        }
    }
}
