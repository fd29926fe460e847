//! What functions about the previous statement give, and whether the server at hand would give the same. Pure.

use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::reply::Summary;
use greenroom_protocol::sql::{Facts, FoundRows, Kind, Verdict};

/// Answered with an EOF, which is -1 rows to servers (measured).
const WITHOUT_ROWS: [Command; 3] = [Command::StmtFetch, Command::FieldList, Command::SetOption];

/// Errors of a statement that was not begun, so that `FOUND_ROWS()` is what it was: no right to it or no such thing (1044,
/// 1045, 1049, 1051, 1054, 1109, 1142, 1143, 1146, 1227, 1305), an odd text (1052, 1060, 1064, 1066, 1149).
const NOT_BEGUN: [u16; 16] =
    [1044, 1045, 1049, 1051, 1052, 1054, 1060, 1064, 1066, 1109, 1142, 1143, 1146, 1149, 1227, 1305];

/// Values of the session's previous statements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Previous {
    /// `ROW_COUNT()`.
    row_count: i64,
    /// `FOUND_ROWS()`, where a reply told it.
    found_rows: Option<u64>,
    /// Where none did: it is to be asked for before the connection goes to somebody else.
    owed: bool,
    /// The connection at hand has run what the first is about, and nothing since that changes it.
    row_count_here: bool,
    /// The same of the second.
    found_rows_here: bool,
    /// A list is on its way that counts, maybe with rows that the server knows nothing of.
    lists: bool,
}

impl Default for Previous {
    fn default() -> Self {
        let (row_count_here, found_rows_here) = (false, false);
        Self { row_count: 0, found_rows: Some(0), owed: false, row_count_here, found_rows_here, lists: false }
    }
}

impl Previous {
    /// `ROW_COUNT()`, where the server does not know it best, and `FOUND_ROWS()`. `held`: the session has a connection.
    pub(super) fn known(&self, held: bool) -> (Option<i64>, FoundRows) {
        let row_count = (!held || !self.row_count_here).then_some(self.row_count);
        let found_rows = match self.found_rows {
            _ if held && self.found_rows_here => FoundRows::Server,
            Some(rows) => FoundRows::Rows(rows),
            None => FoundRows::Lost,
        };
        (row_count, found_rows)
    }

    /// Whether the connection at hand, alone, knows `FOUND_ROWS()`, and should be asked.
    pub(super) fn owes(&self) -> bool {
        self.owed && self.found_rows_here
    }

    /// What it said to that.
    pub(super) fn told(&mut self, found_rows: u64) {
        (self.found_rows, self.owed) = (Some(found_rows), false);
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

    /// Takes note of a command that the server has answered. `limited`: whether the session has limited its SELECTs.
    pub(super) fn note(
        &mut self,
        command: Command,
        summary: &Summary,
        effects: Verdict,
        limited: impl FnOnce() -> bool,
    ) {
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
        if lists && !failed {
            if summary.had_result_set {
                (self.found_rows, self.owed, self.found_rows_here) = (Some(summary.rows), false, false);
            }
            return;
        }
        if !effects.facts.contains(Facts::COUNTS_ROWS) {
            return;
        }
        let several = effects.facts.intersects(Facts::MULTI | Facts::COMPOUND)
            || matches!(effects.kind, Kind::Call | Kind::Execute);
        if !several && summary.error.is_some_and(|error| NOT_BEGUN.contains(&error.code)) {
            return;
        }
        let pieces = command == Command::StmtFetch || summary.status.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS);
        let told = !effects.facts.contains(Facts::COUNTS_UNTOLD) && summary.had_result_set;
        self.found_rows = (told && !failed && !several && !pieces && !limited()).then_some(summary.rows);
        // Others are many, and nobody asks what they count.
        let asked_about = matches!(effects.kind, Kind::Select | Kind::Insert | Kind::Replace) && !failed;
        self.owed = self.found_rows.is_none() && (several || pieces || asked_about);
        self.found_rows_here = true;
    }
}
