//! Whether a statement's reply tells what `FOUND_ROWS()` gives after it. All of it is measured, on MySQL 9.7.4 and MariaDB
//! 10.11.14: neither server's manual has it.

use super::Kind;
use super::statement::Statement;
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::mode::Mode;
use crate::sql::token::Token;

/// Lists that servers make as results of a SELECT, and so count. SHOW of anything else counts nothing.
const COUNTED: [&[u8]; 21] = [
    b"tables",
    b"databases",
    b"schemas",
    b"variables",
    b"status",
    b"columns",
    b"fields",
    b"index",
    b"indexes",
    b"keys",
    b"engines",
    b"plugins",
    b"count",
    b"character",
    b"charset",
    b"collation",
    b"triggers",
    b"events",
    b"procedure",
    b"function",
    b"table",
];

/// What of a statement matters to the count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    /// SELECT came, or TABLE in place of it.
    pub(super) queries: bool,
    /// The statement's own, not one in parentheses, which may be folded away or never run.
    outer: bool,
    limits: bool,
    /// UNION and its like, or ROLLUP.
    combines: bool,
    untold: bool,
    /// An UPDATE or DELETE of more than one table.
    joins: bool,
    place: Place,
    shown: Shown,
}

/// Where behind LIMIT or OFFSET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Limit,
    /// A zero came behind LIMIT.
    Zero,
    Offset,
    /// Among the tables of an UPDATE.
    Tables,
    /// Behind DELETE, before its FROM.
    Delete,
}

/// What SHOW shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// The word for it has not come, or says too little.
    Open,
    Counted,
    Uncounted,
}

impl Counts {
    pub(super) const NEW: Self = Self {
        queries: false,
        outer: false,
        limits: false,
        combines: false,
        untold: false,
        joins: false,
        place: Place::Elsewhere,
        shown: Shown::Open,
    };

    /// SELECT came, or TABLE in place of it, so deep in parentheses.
    pub(super) fn query(&mut self, depth: u32) {
        (self.queries, self.outer) = (true, self.outer || depth == 0);
    }

    /// Whether the next token counts, whatever it is.
    pub(super) const fn waits(self) -> bool {
        !matches!(self.place, Place::Elsewhere)
    }

    /// The reply has no rows, or fewer than there are.
    pub(super) fn untold(&mut self) {
        self.untold = true;
    }

    /// INTO came: what is selected does not come as a result set.
    pub(super) fn selects_into(&mut self) {
        self.untold |= self.queries;
    }

    /// A statement is explained, and for that run where it is analyzed.
    pub(super) fn explains(&mut self, analyze: bool) {
        (self.shown, self.untold) = (Shown::Uncounted, analyze);
    }

    /// UPDATE or DELETE came: its tables follow.
    pub(super) fn changes(&mut self, kw: Kw) {
        self.place = if kw == Kw::Update { Place::Tables } else { Place::Delete };
    }

    /// The token behind what waits for one.
    pub(super) fn next(&mut self, token: Token<'_>, kw: Kw) {
        match self.place {
            Place::Tables | Place::Delete => self.among_tables(token, kw),
            _ => self.after_limit(token),
        }
    }

    /// One table by itself is changed otherwise than several; a comma in parentheses, which stands in a list of
    /// partitions, counts as if it were between tables.
    fn among_tables(&mut self, token: Token<'_>, kw: Kw) {
        let named = matches!(token, Token::Word(_) | Token::Quoted(_));
        match (self.place, kw) {
            (Place::Delete, Kw::From) => self.place = Place::Tables,
            (Place::Delete, Kw::LowPriority | Kw::Ignore) => {}
            (Place::Delete, _) if matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(b"quick")) => {}
            (Place::Delete, _) => self.joins |= named,
            (_, Kw::Set | Kw::Where | Kw::Order) => self.place = Place::Elsewhere,
            (_, Kw::Join | Kw::StraightJoin | Kw::Using) => self.joins = true,
            _ => self.joins |= token == Token::Punct(b','),
        }
    }

    /// A word that begins a clause of a query.
    pub(super) fn clause(&mut self, kw: Kw) {
        match kw {
            Kw::Limit => (self.limits, self.place) = (true, Place::Limit),
            Kw::Offset => self.place = Place::Offset,
            // FETCH … WITH TIES, PROCEDURE ANALYSE().
            Kw::Fetch | Kw::Procedure => self.untold = true,
            _ => self.combines = true,
        }
    }

    /// Rows that an offset leaves out count, and of those behind the last nobody hears.
    fn after_limit(&mut self, token: Token<'_>) {
        let number = matches!(token, Token::Number(_) | Token::UserVar | Token::Punct(b'?'));
        let zero = token == Token::Number(Some(0));
        self.place = match (self.place, token) {
            (Place::Limit, Token::Punct(b',')) => {
                self.untold = true;
                Place::Elsewhere
            }
            (Place::Limit, _) if zero => Place::Zero,
            (Place::Limit, _) if number => Place::Limit,
            (Place::Offset, _) if number && !zero => {
                self.untold = true;
                Place::Elsewhere
            }
            _ => Place::Elsewhere,
        };
    }

    /// A word of SHOW; `true` where it does not yet say what is shown.
    pub(super) fn shows(&mut self, token: Token<'_>) -> bool {
        const BEFORE: [&[u8]; 8] = [b"full", b"session", b"global", b"local", b"open", b"storage", b"extended", b"all"];
        let Token::Word(word) = token else { return false };
        let is = |known: &&[u8]| word.eq_ignore_ascii_case(known);
        self.shown = match self.shown {
            Shown::Open if BEFORE.iter().any(is) => Shown::Open,
            Shown::Open if COUNTED.iter().any(is) => Shown::Counted,
            Shown::Open => Shown::Uncounted,
            shown => shown,
        };
        self.shown == Shown::Open
    }
}

impl Statement {
    /// What is known of the count after it, if it succeeds.
    pub(super) fn row_counts(&self, mode: Mode) -> Facts {
        let Counts { queries, outer, limits, combines, untold, joins, shown, .. } = self.counts;
        let unsaid = Facts::COUNTS_ROWS | Facts::COUNTS_UNTOLD;
        match self.kind {
            // MariaDB counts what a limit leaves out of a UNION and the like, and a ROLLUP's sums.
            Kind::Select if untold || mode.is_mariadb() && limits && combines => unsaid,
            // `sql_select_limit` may be set for it alone, which is such a limit.
            Kind::Select if self.facts.contains(Facts::TEMPORARY_VALUES) => unsaid,
            // VALUES by itself MariaDB does not count.
            Kind::Select if mode.is_mariadb() && !queries => Facts::NONE,
            Kind::Select => Facts::COUNTS_ROWS,
            Kind::Show | Kind::ShowWarnings if shown == Shown::Counted => Facts::COUNTS_ROWS,
            Kind::Show | Kind::ShowWarnings => Facts::NONE,
            // DESCRIBE of a table shows its columns.
            Kind::Explain if untold => unsaid | Facts::MAY_COUNT,
            Kind::Explain if shown == Shown::Open => Facts::COUNTS_ROWS,
            Kind::Explain => Facts::NONE,
            Kind::Insert | Kind::Replace | Kind::Load | Kind::Set | Kind::Ddl | Kind::Other if !queries => Facts::NONE,
            // One table's rows: MariaDB leaves the count, and so does MySQL, but for those that an UPDATE matches.
            Kind::Delete if !queries && !joins => Facts::NONE,
            Kind::Update if !queries && !joins && mode.is_mariadb() => Facts::NONE,
            Kind::Update if !queries && !joins => Facts::COUNTS_ROWS | Facts::COUNTS_MATCHED,
            // MySQL counts one row, whatever is done.
            Kind::Do if !mode.is_mariadb() => Facts::COUNTS_ROWS,
            Kind::Do if !queries => Facts::NONE,
            Kind::Insert | Kind::Replace if outer => unsaid,
            Kind::Empty | Kind::Begin | Kind::Commit | Kind::Rollback | Kind::Savepoint | Kind::Use => Facts::NONE,
            Kind::Prepare | Kind::Deallocate | Kind::GetDiagnostics | Kind::Kill { .. } | Kind::Lock => Facts::NONE,
            Kind::Unlock | Kind::Handler | Kind::Xa | Kind::Flush | Kind::Signal => Facts::NONE,
            Kind::ShowProcesslist { .. } => Facts::NONE,
            _ => unsaid | Facts::MAY_COUNT,
        }
    }
}
