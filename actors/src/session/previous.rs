//! What functions about the previous statement give, and whether the server at hand would give the same. Pure.

use greenroom_protocol::command::Command;
use greenroom_protocol::reply::Summary;
use greenroom_protocol::sql::{Facts, Kind, Verdict};

/// Answered with an EOF, which is -1 rows to servers (measured).
const WITHOUT_ROWS: [Command; 3] = [Command::StmtFetch, Command::FieldList, Command::SetOption];

/// Values of the session's previous statements.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Previous {
    /// `ROW_COUNT()`.
    row_count: i64,
    /// `FOUND_ROWS()`.
    found_rows: u64,
    /// The connection at hand has run what the first is about, and nothing since that changes it.
    row_count_here: bool,
    /// The same of the second.
    found_rows_here: bool,
    /// A list is on its way that counts, maybe with rows that the server knows nothing of.
    lists: bool,
}

impl Previous {
    /// `ROW_COUNT()` and `FOUND_ROWS()`; `None` is what the server knows best. `held`: the session has a connection.
    pub(super) fn known(&self, held: bool) -> (Option<i64>, Option<u64>) {
        let row_count = (!held || !self.row_count_here).then_some(self.row_count);
        (row_count, (!held || !self.found_rows_here).then_some(self.found_rows))
    }

    /// The connection is another, or Greenroom itself has asked something on it.
    pub(super) fn lose_sight(&mut self) {
        (self.row_count_here, self.found_rows_here) = (false, false);
    }

    /// Greenroom answered in the server's place: with an OK, which counts no rows, or with an error, which is -1.
    pub(super) fn answered(&mut self, row_count: i64) {
        (self.row_count, self.row_count_here) = (row_count, false);
    }

    /// After a `COM_RESET_CONNECTION`, which keeps `FOUND_ROWS()` (measured on both).
    pub(super) fn reset(&mut self) {
        *self = Self { found_rows: self.found_rows, ..Self::default() };
    }

    /// The reply that is on its way is a list of processes that counts for `FOUND_ROWS()`.
    pub(super) fn lists(&mut self) {
        self.lists = true;
    }

    /// Takes note of a command that the server has answered.
    pub(super) fn note(&mut self, command: Command, summary: &Summary, effects: Verdict) {
        let failed = summary.error.is_some();
        let lists = std::mem::take(&mut self.lists);
        if command == Command::StmtPrepare && !failed {
            return;
        }
        self.row_count = match failed || summary.had_result_set || WITHOUT_ROWS.contains(&command) {
            true => -1,
            false => i64::try_from(summary.affected_rows).unwrap_or(i64::MAX),
        };
        self.row_count_here = true;
        let several = effects.facts.intersects(Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE);
        if !summary.had_result_set {
            return;
        }
        if !failed && matches!(effects.kind, Kind::Select | Kind::Show) {
            (self.found_rows, self.found_rows_here) = (summary.rows, true);
        }
        self.found_rows_here |= several;
        if !failed && lists {
            (self.found_rows, self.found_rows_here) = (summary.rows, false);
        }
    }
}
