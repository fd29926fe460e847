//! What one command came to, as far as the packets told.

use mysql_common::constants::StatusFlags;

use crate::track::Changes;

/// The longest bare string that is noted; real ones have some hundred bytes.
pub const TEXT_MAX: usize = 4096;

/// Gathered while a reply passes. Reused from command to command: [`clear`](Self::clear) keeps its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Flags of the last OK (or EOF); empty when there was none.
    pub status: StatusFlags,
    /// Rows changed, of the last OK.
    pub affected_rows: u64,
    /// Of the last OK.
    pub last_insert_id: u64,
    /// The last `last_insert_id` that was not zero, of any OK: what `LAST_INSERT_ID()` gives from now on.
    pub generated_insert_id: Option<u64>,
    /// The first number in the text of the last OK: the rows that an UPDATE matched.
    pub matched_rows: Option<u64>,
    /// Warnings of the last result.
    pub warnings: u16,
    /// Some result had warnings.
    pub warned: bool,
    /// Rows of the last result set.
    pub rows: u64,
    /// Rows of the result sets before it.
    pub rows_before: u64,
    /// Rows changed, of all OKs together.
    pub changed_rows: u64,
    /// A row took more than one packet.
    pub large_row: bool,
    /// Results begun: OKs and result sets.
    pub results: u32,
    /// The last result was a result set.
    pub had_result_set: bool,
    /// The reply ended with an error.
    pub error: Option<ServerError>,
    /// A statement was prepared.
    pub prepare: Option<Prepared>,
    /// The whole of a reply that is a bare string, up to [`TEXT_MAX`] bytes of it.
    pub text: Option<Box<[u8]>>,
    /// What the server told about the session.
    pub changes: Changes,
}

/// An ERR packet, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerError {
    /// Error number.
    pub code: u16,
    /// SQLSTATE; `HY000` where the packet has none.
    pub state: [u8; 5],
}

/// What a server says of a statement that it prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// The server's id for it.
    pub id: u32,
    /// Columns of its result set; 0 when it has none or, as with CALL, none that is known yet.
    pub columns: u16,
    /// Parameters to bind.
    pub params: u16,
    /// Warnings of the preparation.
    pub warnings: u16,
}

impl Summary {
    /// Ready for the next command.
    pub fn clear(&mut self) {
        // Not by a new value: the changes are large, and mostly empty already.
        if !self.changes.is_empty() {
            self.changes.clear();
        }
        self.status = StatusFlags::empty();
        self.affected_rows = 0;
        self.last_insert_id = 0;
        self.generated_insert_id = None;
        self.warnings = 0;
        self.warned = false;
        self.rows = 0;
        self.rows_before = 0;
        self.changed_rows = 0;
        self.matched_rows = None;
        self.large_row = false;
        self.results = 0;
        self.had_result_set = false;
        self.error = None;
        self.prepare = None;
        self.text = None;
    }

    /// Rows came without a result's head: a fetch.
    pub(super) fn fetched(&mut self) {
        self.results = 1;
        self.had_result_set = true;
    }

    /// A result begins.
    #[inline]
    pub(super) fn start_result(&mut self, with_rows: bool) {
        self.results = self.results.saturating_add(1);
        self.had_result_set = with_rows;
        self.rows_before += std::mem::take(&mut self.rows);
    }
}
