//! What functions about the previous statement give, and whether the server at hand would give the same. Pure.

use greenroom_protocol::command::Command;
use greenroom_protocol::constants::StatusFlags;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::reply::Summary;
use greenroom_protocol::sql::{Facts, FoundRows, Kind, Verdict};

/// Answered with an EOF, which is -1 rows to servers (measured).
const WITHOUT_ROWS: [Command; 3] = [Command::StmtFetch, Command::FieldList, Command::SetOption];

/// Errors of a statement that was not begun, so that `FOUND_ROWS()` is what it was: no right to it or no such thing (1044,
/// 1045, 1049, 1051, 1054, 1109, 1142, 1143, 1146, 1227, 1305), an odd text (1052, 1060, 1064, 1066, 1149).
const NOT_BEGUN: [u16; 16] =
    [1044, 1045, 1049, 1051, 1052, 1054, 1060, 1064, 1066, 1109, 1142, 1143, 1146, 1149, 1227, 1305];

/// More than one statement in a text.
const MANY: Facts = Facts::MULTI.union(Facts::COMPOUND);

/// The most rows that a server is made to count: it takes a moment for each.
const MOST_COUNTED: u64 = 999_999;

/// The most rows that it is made to count where nobody has asked yet.
const UNASKED: u64 = 1_000;

/// How a server comes to give what the session's previous statement left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CountOut {
    /// By a SELECT that finds so many rows, after which `ROW_COUNT()` is -1.
    pub(super) found_rows: Option<u64>,
    /// Then by a ping, after which it is 0, and the other as before (measured on both).
    pub(super) ping: bool,
}

/// What a statement may have done to `FOUND_ROWS()` on a connection where it was not the session's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Doubt {
    /// It has counted.
    #[default]
    None,
    /// It has counted no rows, or not counted.
    Zero,
    /// It has counted, or not.
    Any,
}

/// Values of the session's previous statements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Previous {
    /// `ROW_COUNT()`.
    row_count: i64,
    /// `FOUND_ROWS()`, where a reply told it.
    found_rows: Option<u64>,
    /// Where none did: it is to be asked for before the connection goes to somebody else.
    owed: bool,
    /// Whether what is answered to that may be what was there before, which is another session's.
    doubt: Doubt,
    /// `FOUND_ROWS()` before the statement of which that is in doubt.
    before: Option<u64>,
    /// MySQL has counted what `FOUND_ROWS()` gives only after the next change of rows (measured).
    lags: bool,
    /// The connection at hand has, without a doubt, and nobody else on it since.
    lags_here: bool,
    /// What the connection at hand gave when it came, where that is known.
    there: Option<u64>,
    /// The connection at hand has run what the first is about, and nothing since that changes it.
    row_count_here: bool,
    /// The same of the second.
    found_rows_here: bool,
    /// A statement of the session has failed or left warnings.
    warned: bool,
    /// A list is on its way that counts, maybe with rows that the server knows nothing of.
    lists: bool,
}

impl Default for Previous {
    fn default() -> Self {
        Self {
            row_count: 0,
            found_rows: Some(0),
            owed: false,
            doubt: Doubt::None,
            before: None,
            lags: false,
            lags_here: false,
            there: None,
            row_count_here: false,
            found_rows_here: false,
            warned: false,
            lists: false,
        }
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

    /// How the server at hand comes to know both values; `None` where it cannot: no statement without traces leaves a
    /// `ROW_COUNT()` of rows that were changed.
    pub(super) fn count_out(&self, held: bool) -> Option<CountOut> {
        let ping = self.row_count == 0;
        match self.row_count {
            _ if held && self.found_rows_here && self.row_count_here => Some(CountOut::default()),
            0 if held && self.found_rows_here => Some(CountOut { found_rows: None, ping }),
            -1 | 0 => self.countable().map(|rows| CountOut { found_rows: Some(rows), ping }),
            _ => None,
        }
    }

    /// The same of `FOUND_ROWS()` alone.
    pub(super) fn count_out_found(&self, held: bool) -> Option<CountOut> {
        if held && self.found_rows_here {
            return Some(CountOut::default());
        }
        self.countable().map(|rows| CountOut { found_rows: Some(rows), ping: false })
    }

    fn countable(&self) -> Option<u64> {
        self.found_rows.filter(|rows| *rows <= MOST_COUNTED)
    }

    /// How it comes to know `FOUND_ROWS()` before a statement that may leave that as it was: not at any cost.
    pub(super) fn count_out_unasked(&self) -> Option<CountOut> {
        let known = self.found_rows.filter(|rows| *rows <= UNASKED && self.there != Some(*rows) && !self.lags);
        self.count_out_found(true).filter(|counts| known.is_some() && *counts != CountOut::default())
    }

    /// Whether a statement since the session began may have left warnings.
    pub(super) fn has_warned(&self) -> bool {
        self.warned
    }

    /// `ROW_COUNT()`, whoever knows it.
    pub(super) fn row_count(&self) -> i64 {
        self.row_count
    }

    /// Whether the connection at hand, alone, knows `FOUND_ROWS()`, and should be asked.
    pub(super) fn owes(&self) -> bool {
        self.owed && (self.found_rows_here || self.doubt != Doubt::None)
    }

    /// Whether the connection at hand may give another session's count, so that its answer must not reach the client unseen.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// What it said to that: where that may be another session's count, it is taken only if it cannot be.
    pub(super) fn told(&mut self, found_rows: u64) {
        let there = self.there.filter(|there| *there != found_rows);
        self.found_rows = match self.doubt {
            Doubt::None => Some(found_rows),
            Doubt::Zero if found_rows != 0 => self.before,
            _ if self.before == Some(found_rows) => self.before,
            _ => there.map(|_| found_rows),
        };
        (self.owed, self.doubt, self.there) = (false, Doubt::None, None);
    }

    /// The connection is another, which gives that, where it is known, or Greenroom itself has asked something on it.
    pub(super) fn lose_sight(&mut self, there: Option<u64>) {
        (self.row_count_here, self.found_rows_here, self.there) = (false, false, there);
        self.lags_here = false;
    }

    /// Greenroom asks something on the connection; what that gave before is needed until it has [told](Self::told).
    pub(super) fn ask(&mut self) {
        let there = self.there.filter(|_| self.owes());
        self.lose_sight(there);
    }

    /// What the connection at hand gives as `FOUND_ROWS()`, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        if self.found_rows_here { self.found_rows } else { self.there.filter(|_| self.doubt == Doubt::None) }
    }

    /// The server was told.
    pub(super) fn counted_out(&mut self) {
        (self.row_count_here, self.found_rows_here, self.lags_here) = (false, true, false);
    }

    /// Greenroom answered in the server's place: with an OK, which counts no rows, or with an error, which is -1.
    pub(super) fn answered(&mut self, row_count: i64) {
        (self.row_count, self.row_count_here) = (row_count, false);
    }

    /// After a `COM_RESET_CONNECTION` or a `COM_CHANGE_USER`, which keep `FOUND_ROWS()`, the one that MySQL gives late, too
    /// (measured on both).
    pub(super) fn reset(&mut self) {
        *self = Self { found_rows: self.found_rows, lags: self.lags, ..Self::default() };
    }

    /// The reply that is on its way is a list of processes that counts for `FOUND_ROWS()`.
    pub(super) fn lists(&mut self) {
        self.lists = true;
    }

    /// Takes note of a command that the server has answered. `alone`: whether the session's connection is its own, so that
    /// nobody else has counted on it since. `limited`: whether the session has limited its SELECTs.
    pub(super) fn note(
        &mut self,
        command: Command,
        summary: &Summary,
        effects: Verdict,
        flavor: Flavor,
        alone: bool,
        limited: impl FnOnce() -> bool,
    ) {
        let failed = summary.error.is_some();
        let lists = std::mem::take(&mut self.lists);
        if command == Command::StmtPrepare && !failed {
            return;
        }
        self.warned |= failed || summary.warnings > 0;
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
            if effects.facts.contains(Facts::IS_DML) && std::mem::take(&mut self.lags) {
                (self.found_rows, self.owed, self.doubt) = (None, self.lags_here, Doubt::None);
                self.found_rows_here = self.lags_here;
            }
            return;
        }
        let several = effects.facts.intersects(MANY) || matches!(effects.kind, Kind::Call | Kind::Execute);
        if !several && summary.error.is_some_and(|error| NOT_BEGUN.contains(&error.code)) {
            return;
        }
        let pieces = command == Command::StmtFetch || summary.status.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS);
        let matches = effects.facts.contains(Facts::COUNTS_MATCHED);
        let told = match effects.kind {
            _ if matches => summary.matched_rows.filter(|rows| *rows > 0),
            // On MySQL, the only one where it counts by itself (measured).
            Kind::Do => Some(1),
            _ => summary.had_result_set.then_some(summary.rows),
        };
        // Neither limits what an UPDATE matches.
        let whole = matches || !pieces && !limited();
        let clear = !effects.facts.contains(Facts::COUNTS_UNTOLD) && !failed && !several && whole;
        let doubt = match told.filter(|_| clear) {
            Some(_) => Doubt::None,
            None if alone || self.found_rows_here => Doubt::None,
            None if failed || may_leave(effects) => Doubt::Any,
            None if matches && self.doubt == Doubt::Any => Doubt::Any,
            None if matches => Doubt::Zero,
            None => Doubt::None,
        };
        let lagged = std::mem::take(&mut self.lags);
        if doubt != Doubt::None && self.doubt == Doubt::None {
            self.before = self.found_rows.filter(|_| !lagged);
        }
        self.found_rows = told.filter(|_| clear);
        self.owed = self.found_rows.is_none();
        let hides = failed || matches!(effects.kind, Kind::Set | Kind::Ddl) || effects.facts.intersects(MANY);
        self.lags = hides && flavor == Flavor::MySql;
        self.lags_here = self.lags && doubt == Doubt::None;
        (self.doubt, self.found_rows_here) = (doubt, doubt == Doubt::None);
    }
}

/// Whether a statement may leave `FOUND_ROWS()` as it was even if it succeeds.
pub(super) fn may_leave(effects: Verdict) -> bool {
    effects.facts.intersects(MANY.union(Facts::MAY_COUNT))
}
