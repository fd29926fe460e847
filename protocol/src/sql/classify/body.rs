//! Bodies of stored programs in CREATE and ALTER: they do not run now, but they hold semicolons.

use super::scan::Scan;
use super::statement::{Last, Phase};
use crate::sql::keyword::Kw;
use crate::sql::token::Token;

/// How deep in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RoutineBody {
    /// BEGIN and CASE without their END.
    depth: u32,
    /// END came last; the next word tells what it ended.
    ending: bool,
}

impl Scan {
    pub(super) fn routine(&mut self, body: RoutineBody, token: Token<'_>, kw: Kw) {
        self.names_tracker(token);
        let mut body = body;
        let ended = std::mem::take(&mut body.ending);
        // `END IF` and its like close what was never counted; `END CASE` closes a CASE.
        if ended && !matches!(kw, Kw::If | Kw::Loop | Kw::While | Kw::Repeat | Kw::For) {
            body.depth = body.depth.saturating_sub(1);
        }
        match kw {
            Kw::Case if !ended => body.depth += 1,
            Kw::Begin if self.begins_block() => body.depth += 1,
            Kw::End => body.ending = true,
            _ => {}
        }
        self.statement.phase = Phase::Routine(body);
    }

    /// Ends a statement of a body. True while the body goes on.
    pub(super) fn end_routine_statement(&mut self) -> bool {
        let Phase::Routine(mut body) = self.statement.phase else { return false };
        if std::mem::take(&mut body.ending) {
            body.depth = body.depth.saturating_sub(1);
        }
        self.statement.phase = Phase::Routine(body);
        body.depth > 0
    }

    /// BEGIN is no reserved word: after these it is a name. A block missed only ends the body too early.
    fn begins_block(&self) -> bool {
        let after_expression = matches!(
            self.statement.last_kw,
            Kw::Select
                | Kw::Where
                | Kw::And
                | Kw::Or
                | Kw::Not
                | Kw::By
                | Kw::As
                | Kw::On
                | Kw::From
                | Kw::Into
                | Kw::Join
        ) || matches!(
            self.statement.last_kw,
            Kw::Distinct | Kw::Case | Kw::When | Kw::In | Kw::Like | Kw::Table | Kw::Call | Kw::Set | Kw::Update
        );
        let after_operator = matches!(self.statement.last, Last::Punct(byte) if byte != b')' && byte != b':');
        !after_expression && !after_operator
    }
}
