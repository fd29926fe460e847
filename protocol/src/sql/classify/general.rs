//! What counts wherever it stands in a statement.

use super::Kind;
use super::scan::Scan;
use super::set::SetPhase;
use super::statement::{Into, Last, Phase, without_high_end};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::route::is_own_schema;
use crate::sql::token::Token;

const TRACKER_PREFIX: &[u8] = b"session_track_";

impl Scan {
    pub(super) fn general(&mut self, token: Token<'_>, kw: Kw) {
        if self.statement.awaits_argument {
            self.last_insert_id_argument(token);
        }
        if self.statement.into != Into::Outside {
            self.list_after_into(token);
        }
        if self.statement.counts.waits() {
            self.statement.counts.next(token, kw);
        }
        match token {
            Token::Word(word) | Token::Quoted(word) => self.name(word, token, kw),
            Token::Punct(byte) => self.punct(byte),
            Token::UserVar => self.user_var(),
            Token::SysVar => {
                self.statement.in_sysvar = true;
                self.statement.fact(Facts::READS_SERVER);
            }
            Token::Assign if self.statement.last == Last::UserVar => self.statement.pin(PinReason::UserVariable),
            _ => {}
        }
    }

    fn punct(&mut self, byte: u8) {
        let statement = &mut self.statement;
        match byte {
            b'(' => {
                if matches!(statement.last, Last::Word | Last::Quoted) {
                    self.call();
                }
                self.statement.depth += 1;
            }
            b')' => statement.depth = statement.depth.saturating_sub(1),
            // In a block, any such equals sign may stand in a SET.
            b'=' if self.compound && statement.last == Last::UserVar => statement.pin(PinReason::UserVariable),
            _ => {}
        }
    }

    /// The variables of these kinds are set by the statement, or may be.
    fn user_var(&mut self) {
        self.statement.fact(Facts::USES_USER_VARIABLES);
        if matches!(self.statement.kind, Kind::Call | Kind::GetDiagnostics | Kind::Load) {
            self.statement.pin(PinReason::UserVariable);
        }
    }

    fn list_after_into(&mut self, token: Token<'_>) {
        let statement = &mut self.statement;
        statement.into = match (statement.into, token) {
            (Into::Item, Token::UserVar) => {
                statement.pin(PinReason::UserVariable);
                Into::Comma
            }
            (Into::Item, Token::Word(_) | Token::Quoted(_)) => Into::Comma,
            (Into::Comma, Token::Punct(b',')) => Into::Item,
            _ => Into::Outside,
        };
    }

    fn last_insert_id_argument(&mut self, token: Token<'_>) {
        let statement = &mut self.statement;
        statement.awaits_argument = false;
        let bare = token == Token::Punct(b')');
        statement.fact(if bare { Facts::READS_LAST_INSERT_ID } else { Facts::SETS_LAST_INSERT_ID });
    }
}

// -- names and keywords --

impl Scan {
    #[inline]
    pub(super) fn name(&mut self, word: &[u8], token: Token<'_>, kw: Kw) {
        let statement = &mut self.statement;
        let qualified = statement.last == Last::Punct(b'.');
        if !qualified {
            statement.name.before = statement.last;
            statement.name.before_kw = statement.last_kw;
        }
        statement.name.qualified = qualified;
        statement.name.whole = !statement.beside_high;
        statement.name.keep(word, kw);
        if statement.in_sysvar {
            self.sysvar_name(word);
        }
        if word.len() > TRACKER_PREFIX.len() {
            self.names_tracker(token);
        }
        if is_own_schema(word) {
            self.statement.fact(Facts::READS_SERVER);
        }
        if kw != Kw::None {
            self.keyword_anywhere(kw);
        } else if qualified && self.mode.is_mariadb() && word.eq_ignore_ascii_case(b"nextval") {
            self.uses_sequence();
        }
    }

    fn keyword_anywhere(&mut self, kw: Kw) {
        let statement = &mut self.statement;
        match (statement.last_kw, kw) {
            (_, Kw::Select) => {
                statement.selects = true;
                statement.counts.query(statement.depth);
            }
            (_, Kw::Values) => statement.selects = true,
            (_, Kw::Lock) | (Kw::For, Kw::Update | Kw::Share) => statement.writes = true,
            (_, Kw::Into) => {
                statement.writes = true;
                statement.into = Into::Item;
                statement.counts.selects_into();
            }
            (_, Kw::SqlCalcFoundRows) => {
                statement.pin(PinReason::FoundRows);
                statement.counts.untold();
            }
            (_, Kw::Limit | Kw::Offset | Kw::Fetch | Kw::Union | Kw::Except | Kw::Intersect | Kw::Rollup) => {
                statement.counts.clause(kw);
            }
            (_, Kw::Procedure) => statement.counts.clause(kw),
            (_, Kw::Table) if matches!(statement.kind, Kind::Insert | Kind::Replace) => {
                statement.counts.query(statement.depth);
            }
            (Kw::Is, Kw::Null) => statement.fact(Facts::READS_AUTO_IS_NULL),
            (Kw::Next, Kw::Value) if self.mode.is_mariadb() => self.uses_sequence(),
            (_, Kw::Returning) if matches!(statement.kind, Kind::Insert | Kind::Replace) => {
                statement.fact(Facts::SETS_LAST_INSERT_ID);
            }
            _ => {}
        }
    }

    pub(super) fn uses_sequence(&mut self) {
        self.statement.pin(PinReason::Sequence);
        self.statement.writes = true;
    }

    pub(super) fn names_tracker(&mut self, token: Token<'_>) {
        let (Token::Word(word) | Token::Quoted(word)) = token else { return };
        let prefix = word.get(..TRACKER_PREFIX.len()).unwrap_or_default();
        if prefix.eq_ignore_ascii_case(TRACKER_PREFIX) {
            self.statement.fact(Facts::TOUCHES_TRACKERS);
        }
    }

    /// A name after `@@`, or after a dot behind such a name; the target of a SET is not read.
    fn sysvar_name(&mut self, word: &[u8]) {
        let statement = &mut self.statement;
        if !matches!(statement.last, Last::Other | Last::Punct(b'.')) {
            statement.in_sysvar = false;
            return;
        }
        if matches!(statement.phase, Phase::Set(SetPhase::Target { .. })) {
            return;
        }
        let word = without_high_end(word);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("last_insert_id") || is("identity") {
            statement.fact(Facts::READS_LAST_INSERT_ID);
        } else if is("warning_count") || is("error_count") {
            statement.fact(Facts::READS_DIAGNOSTICS);
        } else if is("pseudo_thread_id") {
            statement.fact(Facts::READS_CONNECTION_ID);
        }
    }
}
