//! The first word of a statement.

use super::Kind;
use super::body::RoutineBody;
use super::scan::Scan;
use super::set::SetPhase;
use super::statement::Phase;
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::token::Token;

impl Scan {
    pub(super) fn start(&mut self, token: Token<'_>, kw: Kw) {
        match token {
            // A parenthesised SELECT.
            Token::Punct(b'(') => {}
            Token::Word(_) if kw != Kw::None => self.verb(kw),
            Token::Word(_) | Token::Quoted(_) => self.is(Kind::Other, Phase::Label),
            _ => self.is(Kind::Other, Phase::Body),
        }
    }

    pub(super) fn verb(&mut self, kw: Kw) {
        let (kind, phase) = match kw {
            Kw::Select | Kw::Values | Kw::Table => (Kind::Select, Phase::Body),
            Kw::With => (Kind::Select, Phase::With(self.statement.depth)),
            Kw::Set => (Kind::Set, Phase::Set(SetPhase::START)),
            Kw::Use => (Kind::Use, Phase::Body),
            Kw::Begin if !self.compound => (Kind::Begin, Phase::Begin),
            Kw::Start => (Kind::Other, Phase::StartOf),
            Kw::Commit => (Kind::Commit, Phase::Ending),
            Kw::Rollback => (Kind::Rollback, Phase::Ending),
            Kw::Savepoint | Kw::Release => (Kind::Savepoint, Phase::Body),
            Kw::Call => (Kind::Call, Phase::Body),
            Kw::Do => (Kind::Do, Phase::Body),
            Kw::Show => (Kind::Show, Phase::Show),
            Kw::Get => (Kind::GetDiagnostics, Phase::Body),
            Kw::Kill => (Kind::Kill { query: false, id: None }, Phase::Kill { query: false }),
            Kw::Lock => (Kind::Lock, Phase::Lock),
            Kw::Unlock => (Kind::Unlock, Phase::Unlock),
            Kw::Backup => (Kind::Lock, Phase::Backup),
            Kw::Flush => (Kind::Flush, Phase::Flush { tables: false, names: false }),
            Kw::Prepare => (Kind::Prepare, Phase::Prepare),
            Kw::Execute => (Kind::Execute, Phase::Execute),
            Kw::Deallocate => (Kind::Deallocate, Phase::Body),
            Kw::Handler => (Kind::Handler, Phase::Handler),
            Kw::Xa => (Kind::Xa, Phase::Xa),
            Kw::Explain | Kw::Describe | Kw::Desc => (Kind::Explain, Phase::Explain { analyze: false }),
            Kw::Analyze => (Kind::Explain, Phase::Analyze),
            Kw::Signal | Kw::Resignal => (Kind::Signal, Phase::Body),
            _ => return self.other_verb(kw),
        };
        self.is(kind, phase);
        self.verb_effects(kw);
    }

    fn other_verb(&mut self, kw: Kw) {
        let (kind, phase) = match kw {
            Kw::Insert => (Kind::Insert, Phase::Body),
            Kw::Replace => (Kind::Replace, Phase::Body),
            Kw::Update => (Kind::Update, Phase::Body),
            Kw::Delete => (Kind::Delete, Phase::Body),
            Kw::Load => (Kind::Load, Phase::Body),
            Kw::Create | Kw::Alter => (Kind::Ddl, Phase::Create),
            Kw::Drop => (Kind::Ddl, Phase::Drop),
            Kw::Truncate | Kw::Rename | Kw::Grant | Kw::Revoke | Kw::Optimize | Kw::Repair => (Kind::Ddl, Phase::Body),
            Kw::Install | Kw::Uninstall | Kw::Import => (Kind::Ddl, Phase::Body),
            _ if self.has_blocks() => return self.block_verb(kw),
            _ => (Kind::Other, Phase::Label),
        };
        self.is(kind, phase);
        self.verb_effects(kw);
    }

    /// Words that begin a block or stand between its statements.
    fn block_verb(&mut self, kw: Kw) {
        let opens = matches!(kw, Kw::If | Kw::Case | Kw::Loop | Kw::While | Kw::Repeat | Kw::For | Kw::Declare);
        if opens && !self.compound {
            self.enter_compound();
        }
        let (kind, phase) = match kw {
            Kw::Loop | Kw::Repeat | Kw::Begin | Kw::Else if self.compound => (Kind::Compound, Phase::Start),
            Kw::Declare => (Kind::Compound, Phase::Declare { handler: false }),
            Kw::If | Kw::Case | Kw::While | Kw::For => (Kind::Compound, Phase::Body),
            Kw::End | Kw::Until | Kw::Elseif | Kw::Leave | Kw::Iterate | Kw::Return => (Kind::Compound, Phase::Body),
            Kw::Open | Kw::Fetch | Kw::Close => (Kind::Compound, Phase::Body),
            _ => (Kind::Other, Phase::Label),
        };
        self.is(kind, phase);
        if kw == Kw::Binlog {
            self.verb_effects(kw);
        }
    }

    fn verb_effects(&mut self, kw: Kw) {
        let statement = &mut self.statement;
        match kw {
            Kw::Set => statement.fact(Facts::SETS_ONLY_VARIABLES),
            Kw::Begin => statement.fact(Facts::IS_TRANSACTION_START | Facts::BEGINS_OR_ENDS_TRANSACTION),
            Kw::Commit | Kw::Rollback | Kw::Xa | Kw::Lock | Kw::Unlock | Kw::Flush => {
                statement.fact(Facts::BEGINS_OR_ENDS_TRANSACTION);
            }
            Kw::Call => {
                statement.pin(PinReason::Call);
                statement.fact(Facts::MAY_RUN_ROUTINE | Facts::SETS_LAST_INSERT_ID);
            }
            Kw::Savepoint => statement.fact(Facts::MAKES_SAVEPOINT),
            Kw::Execute => {
                // The text was prepared earlier, and may be a SET.
                statement.fact(Facts::MAY_RUN_ROUTINE | Facts::SETS_LAST_INSERT_ID);
                statement.fact(Facts::SETS_SQL_MODE | Facts::SETS_CHARSET);
            }
            Kw::Get => statement.fact(Facts::READS_DIAGNOSTICS),
            Kw::Prepare => statement.pin(PinReason::SqlPrepare),
            Kw::Deallocate => statement.unpin(PinReason::SqlPrepare),
            Kw::Update | Kw::Delete => {
                statement.fact(Facts::IS_DML);
                statement.counts.changes(kw);
            }
            Kw::Insert | Kw::Replace | Kw::Load => statement.fact(Facts::IS_DML),
            Kw::Binlog => statement.pin(PinReason::Replication),
            _ if statement.kind == Kind::Ddl => statement.fact(Facts::BEGINS_OR_ENDS_TRANSACTION),
            _ => {}
        }
    }

    pub(super) fn is(&mut self, kind: Kind, phase: Phase) {
        self.statement.kind = kind;
        self.statement.phase = phase;
    }

    /// The body of a stored program follows.
    pub(super) fn defines_routine(&mut self, kind: Kw) {
        // An event's schedule holds expressions.
        self.statement.selects = kind == Kw::Event;
        self.statement.phase = Phase::Routine(RoutineBody::of(kind));
    }
}
