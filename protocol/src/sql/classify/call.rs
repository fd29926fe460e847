//! A name before a parenthesis: a function with an effect, the server's own, a routine, or no call at all.

use super::Kind;
use super::scan::Scan;
use super::statement::{Last, Phase};
use crate::sql::builtin::is_builtin;
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::route::{asks_for_locks, asks_server};

impl Scan {
    /// An opening parenthesis follows the last name. Quoted names call functions, too (measured:
    /// `` `get_lock`('a', 1) `` locks).
    pub(super) fn call(&mut self) {
        let statement = &self.statement;
        let quoted = statement.last == Last::Quoted;
        if (!quoted && statement.last_kw.never_calls()) || self.names_a_thing() {
            return;
        }
        let name = statement.name.bytes();
        let kw = if quoted { Kw::of(name) } else { statement.last_kw };
        if !statement.name.qualified && self.call_with_effect(kw) {
            return;
        }
        let name = self.statement.name.bytes();
        let whole = self.statement.name.whole && !self.statement.beside_high;
        if quoted || self.statement.name.qualified || !whole || !is_builtin(name, &self.mode) {
            self.statement.fact(Facts::MAY_RUN_ROUTINE);
        } else if asks_for_locks(name) {
            self.statement.writes = true;
        } else if asks_server(name) {
            self.statement.fact(Facts::READS_SERVER);
        }
    }

    /// Whether the name stands where a table, alias, index or column list is named, not a function.
    fn names_a_thing(&self) -> bool {
        let statement = &self.statement;
        // SELECT HIGH_PRIORITY is followed by an expression, INSERT HIGH_PRIORITY by a table.
        let priority = statement.name.before_kw == Kw::HighPriority && !statement.selects;
        let names = matches!(
            statement.name.before_kw,
            Kw::Into | Kw::Table | Kw::Insert | Kw::Replace | Kw::Ignore | Kw::LowPriority
        ) || priority
            || matches!(
                statement.name.before_kw,
                Kw::Delayed | Kw::As | Kw::With | Kw::Recursive | Kw::Exists | Kw::References | Kw::Key
            )
            || matches!(statement.name.before_kw, Kw::Index | Kw::Constraint | Kw::View);
        let in_with = matches!(statement.phase, Phase::With(depth) if depth == statement.depth);
        let defines = statement.kind == Kind::Ddl && !statement.selects;
        names || in_with || defines || statement.name.before == Last::Punct(b')')
    }

    /// Functions that change the session or ask about the previous statement.
    fn call_with_effect(&mut self, kw: Kw) -> bool {
        let mariadb = self.mode.is_mariadb();
        let statement = &mut self.statement;
        match kw {
            Kw::GetLock => self.locks(),
            Kw::ServiceReadLocks | Kw::ServiceWriteLocks | Kw::TokensShared | Kw::TokensExclusive => {
                statement.fact(Facts::MAY_RUN_ROUTINE);
                self.locks();
            }
            Kw::ReleaseLock => statement.writes = true,
            Kw::ReleaseAllLocks => {
                statement.unpin(PinReason::UserLock);
                statement.writes = true;
            }
            Kw::LastInsertId => statement.awaits_argument = true,
            Kw::RowCount => statement.fact(Facts::READS_ROW_COUNT),
            Kw::FoundRows => {
                statement.fact(Facts::READS_FOUND_ROWS);
                statement.unpin(PinReason::FoundRows);
            }
            Kw::ConnectionId => statement.fact(Facts::READS_CONNECTION_ID),
            Kw::NextVal if mariadb => self.uses_sequence(),
            Kw::SetVal if mariadb => statement.writes = true,
            _ => return false,
        }
        true
    }

    fn locks(&mut self) {
        self.statement.pin(PinReason::UserLock);
        self.statement.writes = true;
    }
}
