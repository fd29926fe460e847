//! Result sets: a count, that many column definitions, rows, and an OK that starts with 0xFE.

use mysql_common::{constants::StatusFlags, io::ParseBuf};

use super::{
    EOF, Emit, Expect, Notes, Phase, Reply, Step, Summary, Violation, WHOLE_MAX, eof::OUT_PARAMS, ok::Fields, whole,
};
use crate::packet::{HEADER, Header, MAX_PAYLOAD, header};

impl Reply {
    /// The packet that tells how many columns follow. With MariaDB's `CACHE_METADATA` and MySQL's
    /// `OPTIONAL_RESULTSET_METADATA` a byte behind the count says whether their definitions do: 0 when the client has
    /// them from prepare, or wants none (measured on 10.11 and 9.7; MySQL's manual puts the byte before the count).
    pub(super) fn column_count(
        &mut self,
        head: Header,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        let malformed = Violation::Malformed("column count");
        let Some(payload) = whole(head, emit, "column count")? else { return Ok(Step::Wait) };
        let mut rest = ParseBuf(payload);
        let count = rest.checked_eat_lenenc_int().ok_or(malformed)?;
        let definitions = match rest.0 {
            [] | [1] => count,
            [0] => 0,
            _ => return Err(malformed),
        };
        if count == 0 {
            return Err(malformed);
        }
        notes.summary.start_result(true);
        self.phase = if definitions == 0 { Phase::FirstRow } else { Phase::Columns { left: definitions } };
        Ok(self.pass(head, emit))
    }

    #[inline]
    pub(super) fn column(&mut self, left: u64, head: Header, emit: &mut Emit<'_>) -> Step {
        self.phase = if left > 1 { Phase::Columns { left: left - 1 } } else { Phase::FirstRow };
        self.pass(head, emit)
    }

    #[inline]
    pub(super) fn row(
        &mut self,
        head: Header,
        first: u8,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        if ends_rows(head, first) {
            if self.expect == Expect::Rows {
                notes.summary.fetched();
            }
            return self.ok(head, emit, notes);
        }
        notes.summary.rows += 1;
        Ok(self.pass(head, emit))
    }

    /// Lets further rows through that lie in the buffer whole and in order. Any other packet stays, and any that may be
    /// another: [`Self::step`] has the last word.
    // Apart from the way of a single row, which most replies take.
    #[inline(never)]
    pub(super) fn whole_rows(&mut self, emit: &mut Emit<'_>, summary: &mut Summary) {
        if self.phase != Phase::Rows || self.continued || self.skip > 0 {
            return;
        }
        let (shift, rest) = (self.shift, emit.rest_mut(usize::MAX));
        let mut passed = 0;
        while let Some(packet) = rest.get_mut(passed..)
            && let Some(head) = header(packet)
            && let Some(&first) = packet.get(HEADER)
            && matches!(head.len, 1..MAX_PAYLOAD)
            && head.seq == self.seq
            && first < EOF
            && HEADER + head.len <= packet.len()
        {
            if shift != 0
                && let Some(seq) = packet.get_mut(HEADER - 1)
            {
                *seq = seq.wrapping_add(shift);
            }
            self.seq = self.seq.wrapping_add(1);
            summary.rows += 1;
            passed += HEADER + head.len;
        }
        emit.pass(passed);
    }

    /// The first packet after the columns: an old client gets their EOF before it, as soon as it is known which.
    pub(super) fn first_row(
        &mut self,
        head: Header,
        first: u8,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        if self.legacy && !ends_rows(head, first) {
            let Some(more) = self.flags_of_columns(head, emit)? else { return Ok(Step::Wait) };
            self.insert_eof(emit, more);
        }
        if !ends_rows(head, first) {
            self.phase = Phase::Rows;
        }
        self.row(head, first, emit, notes)
    }

    /// What the EOF of the columns must say besides the session's flags. Old clients learn from it that the row
    /// holds OUT parameters, which a server with `DEPRECATE_EOF` says only behind that row: so a binary row that is
    /// not too long waits for what follows it.
    fn flags_of_columns(&self, head: Header, emit: &Emit<'_>) -> Result<Option<StatusFlags>, Violation> {
        let none = StatusFlags::empty();
        if self.expect != Expect::BinaryResults || head.len > WHOLE_MAX {
            return Ok(Some(none));
        }
        let behind = emit.rest().get(HEADER + head.len..).unwrap_or_default();
        let (Some(next), Some(&first)) = (header(behind), behind.get(HEADER)) else { return Ok(None) };
        if !ends_rows(next, first) || next.len > WHOLE_MAX {
            return Ok(Some(none));
        }
        let Some(payload) = behind.get(HEADER..HEADER + next.len) else { return Ok(None) };
        let status = Fields::parse(payload, self.tracked)?.status;
        let out = status.contains(StatusFlags::SERVER_PS_OUT_PARAMS);
        Ok(Some(if out { OUT_PARAMS } else { none }))
    }

    /// A field list's column definition, or its end.
    pub(super) fn field(
        &mut self,
        head: Header,
        first: u8,
        emit: &mut Emit<'_>,
        notes: &mut Notes<'_>,
    ) -> Result<Step, Violation> {
        // A definition starts with the length of "def".
        if first == super::OK || ends_rows(head, first) {
            notes.summary.fetched();
            return self.ok(head, emit, notes);
        }
        Ok(self.pass(head, emit))
    }
}

/// A text row may start with 0xFE too, the length of a first column of 16 MiB or more; it fills its packet.
#[inline]
fn ends_rows(head: Header, first: u8) -> bool {
    first == EOF && head.len < MAX_PAYLOAD
}
