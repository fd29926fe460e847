//! PREPARE and EXECUTE IMMEDIATE: statements inside string literals.

use super::scan::{Scan, Source};
use super::statement::{Literal, Phase};
use super::{Classifier, Kind, Verdict};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::token::Token;

impl Scan {
    /// `PREPARE name FROM …`
    pub(super) fn prepare(&mut self, kw: Kw) {
        if self.statement.literal == Literal::None && kw == Kw::From {
            self.expect_literal();
        }
    }

    /// `EXECUTE name …` or `EXECUTE IMMEDIATE …`
    pub(super) fn execute(&mut self, kw: Kw) {
        if kw == Kw::Immediate {
            return self.expect_literal();
        }
        self.statement.phase = Phase::Body;
    }

    /// A token where the literal belongs. MariaDB joins adjacent literals, and so does the text that is fed.
    pub(super) fn literal(&mut self, token: Token<'_>, kw: Kw) {
        if kw == Kw::Using {
            self.statement.literal = Literal::Complete;
            self.statement.phase = Phase::Body;
        } else if token != Token::Text {
            self.statement.literal = Literal::Unknown;
            self.statement.phase = Phase::Body;
        } else if self.source != Source::Literal {
            // An empty text has no piece when it comes byte by byte.
            self.literal_piece(b"");
        }
    }

    pub(super) fn literal_piece(&mut self, piece: &[u8]) {
        if self.source == Source::Literal {
            // The servers refuse this one inside another.
            self.statement.literal = Literal::Unknown;
            return;
        }
        let mode = self.mode;
        self.literal.get_or_insert_with(|| Box::new(Classifier::inner(mode, Source::Literal))).feed(piece);
    }

    /// Adds what the text would do. PREPARE pins by it in advance: nothing of it shows in the later EXECUTE.
    pub(super) fn conclude_literal(&mut self) {
        let known = self.literal.take().map(|inner| inner.finish());
        match (self.statement.literal, known) {
            (Literal::None, _) => {}
            (Literal::Expected | Literal::Complete, Some(verdict)) => self.adopt(verdict),
            _ => {
                self.statement.pin(PinReason::UntrackedState);
                self.statement.fact(Facts::TOUCHES_TRACKERS | Facts::MAY_ASK);
            }
        }
    }

    fn expect_literal(&mut self) {
        self.statement.literal = Literal::Expected;
        self.statement.phase = Phase::Literal;
    }

    fn adopt(&mut self, inner: Verdict) {
        let statement = &mut self.statement;
        statement.pins = statement.pins.union(inner.pins);
        if inner.kind == Kind::Call {
            // OUT parameters are written to the variables after USING.
            statement.pin(PinReason::UserVariable);
        } else if inner.facts.contains(Facts::MAY_RUN_ROUTINE) {
            // Nobody looks up what it leaves.
            statement.pin(PinReason::UntrackedState);
        }
        if statement.kind == Kind::Execute {
            statement.unpins = statement.unpins.union(inner.unpins);
            statement.fact(inner.facts);
            statement.facts.remove(Facts::READ_ONLY | Facts::SETS_ONLY_VARIABLES);
        } else {
            for fact in [Facts::TOUCHES_TRACKERS, Facts::READS_CONNECTION_ID] {
                if inner.facts.contains(fact) {
                    statement.fact(fact);
                }
            }
            if inner.facts.intersects(Facts::READS_ROW_COUNT | Facts::READS_FOUND_ROWS) {
                statement.fact(Facts::MAY_ASK);
            }
        }
    }
}
