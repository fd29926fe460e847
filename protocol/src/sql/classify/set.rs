//! SET: assignment after assignment, and its other forms.

use super::scan::Scan;
use super::statement::{Last, Phase};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::reported::is_reported;
use crate::sql::token::Token;

/// Where in a SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetPhase {
    /// Before the equals sign; `system`: `@@` came.
    Target { scope: Scope, system: bool },
    /// After it.
    Value,
    /// In `SET STATEMENT …`, before FOR.
    Statement,
    /// In a form without assignments.
    Other,
}

/// MariaDB's variables without a global value: nothing tells whether one has been set without a report.
const ONLY_SESSION: [&[u8]; 8] = [
    b"timestamp",
    b"sql_log_bin",
    b"skip_replication",
    b"skip_parallel_replication",
    b"pseudo_slave_mode",
    b"pseudo_thread_id",
    b"default_master_connection",
    b"wsrep_gtid_seq_no",
];

/// What a variable's value is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing said.
    Unsaid,
    Session,
    /// The server, not the session.
    Global,
}

impl SetPhase {
    pub(super) const START: Self = Self::Target { scope: Scope::Unsaid, system: false };
}

impl Scan {
    pub(super) fn set(&mut self, phase: SetPhase, token: Token<'_>, kw: Kw) {
        let statement = &mut self.statement;
        match (phase, token) {
            (SetPhase::Target { scope, system }, _) => self.set_target(scope, system, token, kw),
            (SetPhase::Value, Token::Punct(b',')) if statement.depth == 0 => {
                statement.phase = Phase::Set(SetPhase::START);
            }
            (SetPhase::Statement, Token::Word(_)) if kw == Kw::For && statement.depth == 0 => {
                statement.phase = Phase::Start;
            }
            (SetPhase::Statement, _) if statement.facts.contains(Facts::TOUCHES_TRACKERS) => {
                statement.pin(PinReason::TrackerSettings);
            }
            _ => {}
        }
    }

    fn set_target(&mut self, scope: Scope, system: bool, token: Token<'_>, kw: Kw) {
        let statement = &mut self.statement;
        let next = match token {
            Token::UserVar => {
                statement.pin(PinReason::UserVariable);
                statement.facts.remove(Facts::SETS_ONLY_VARIABLES);
                return;
            }
            Token::SysVar => SetPhase::Target { scope, system: true },
            Token::Word(_) => match kw {
                Kw::Global | Kw::Persist | Kw::PersistOnly => SetPhase::Target { scope: Scope::Global, system },
                Kw::Session | Kw::Local => SetPhase::Target { scope: Scope::Session, system },
                _ if system => return,
                _ => return self.set_form(scope, kw),
            },
            Token::Punct(b'=') | Token::Assign => {
                if matches!(statement.last, Last::Word | Last::Quoted) {
                    self.assign(scope, system);
                }
                SetPhase::Value
            }
            _ => return,
        };
        self.statement.phase = Phase::Set(next);
    }

    /// The forms of SET that begin with a word of their own.
    fn set_form(&mut self, scope: Scope, kw: Kw) {
        let statement = &mut self.statement;
        let (next, reason) = match kw {
            Kw::Names | Kw::Charset | Kw::Character => (SetPhase::Value, None),
            Kw::Transaction if scope == Scope::Unsaid => (SetPhase::Other, Some(PinReason::OneShotIsolation)),
            Kw::Transaction => (SetPhase::Other, None),
            // MariaDB's `SET SESSION AUTHORIZATION`, since 12.0, makes somebody else of the session.
            Kw::Role | Kw::Authorization => (SetPhase::Other, Some(PinReason::Role)),
            Kw::Password => (SetPhase::Other, Some(PinReason::Password)),
            Kw::Resource => (SetPhase::Other, Some(PinReason::ResourceGroup)),
            Kw::Default => (SetPhase::Other, None),
            Kw::Statement if self.mode.is_mariadb() => (SetPhase::Statement, None),
            _ => return,
        };
        reason.into_iter().for_each(|reason| statement.pin(reason));
        match kw {
            Kw::Role | Kw::Authorization => statement.fact(Facts::SETS_ROLE),
            Kw::Statement => statement.fact(Facts::TEMPORARY_VALUES | Facts::SETS_SQL_MODE),
            Kw::Names | Kw::Charset | Kw::Character => statement.fact(Facts::SETS_CHARSET),
            _ => {}
        }
        if !matches!(kw, Kw::Names | Kw::Charset | Kw::Character | Kw::Transaction) {
            statement.facts.remove(Facts::SETS_ONLY_VARIABLES);
        }
        statement.phase = Phase::Set(next);
    }

    fn sets_unreported(&mut self) {
        if self.mode.is_mariadb() {
            self.statement.fact(Facts::SETS_UNREPORTED);
        }
    }

    /// The last name is a variable that gets a value.
    fn assign(&mut self, scope: Scope, system: bool) {
        if scope == Scope::Global {
            return;
        }
        let mut lower = [0; 40];
        let name = self.statement.name.bytes();
        let Some(lower) = lower.get_mut(..name.len()) else {
            // No server has a name this long that is also reported.
            return self.sets_unreported();
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let bare = system && scope == Scope::Unsaid;
        if self.mode.is_mariadb() && (bare || !is_reported(lower)) {
            self.sets_unreported();
            if bare && ONLY_SESSION.contains(&&*lower) {
                self.statement.pin(PinReason::UntrackedState);
            }
        }
        let statement = &mut self.statement;
        match &*lower {
            // Only `@@name` without a scope is for the next transaction alone (measured).
            b"transaction_isolation" | b"tx_isolation" | b"transaction_read_only" | b"tx_read_only"
                if system && scope == Scope::Unsaid =>
            {
                statement.pin(PinReason::OneShotIsolation);
            }
            b"profiling" => statement.pin(PinReason::Profiling),
            b"insert_id" => {
                statement.pin(PinReason::InsertId);
                statement.fact(Facts::SETS_INSERT_ID);
            }
            b"last_insert_id" | b"identity" => statement.fact(Facts::SETS_LAST_INSERT_ID),
            b"rand_seed1" | b"rand_seed2" => statement.pin(PinReason::RandSeed),
            b"gtid_next" | b"gtid_seq_no" => statement.pin(PinReason::GtidNext),
            b"sql_mode" => statement.fact(Facts::SETS_SQL_MODE),
            b"character_set_client" => statement.fact(Facts::SETS_CHARSET),
            b"autocommit" => statement.fact(Facts::BEGINS_OR_ENDS_TRANSACTION),
            name if name.starts_with(b"optimizer_trace") => statement.pin(PinReason::OptimizerTrace),
            name if name.starts_with(b"session_track_") => statement.pin(PinReason::TrackerSettings),
            _ => {}
        }
    }
}
