//! `greenroom explain`: whether a statement pins in a transaction pool, why, for how long, and what to write instead.
//!
//! By its text alone: what is stored in the server (triggers, routines, views), and what the session did before, is not seen.

use std::fmt::{self, Write as _};

use clap::ValueEnum;
use greenroom_protocol::sql::read_back::user_variables;
use greenroom_protocol::sql::{Facts, Flavor, Kind, Mode, PinReason, PinSet, assigned, classify};

/// Whose dialect a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// MySQL's
    Mysql,
    /// MariaDB's
    Mariadb,
}

/// What a statement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    statement: String,
    strict: bool,
    pins: PinSet,
    facts: Facts,
}

impl Explanation {
    /// Of a statement in a pool that pins as `tracked`, or as `strict`.
    #[must_use]
    pub fn of(statement: &str, dialect: Dialect, strict: bool) -> Self {
        let (flavor, version) = match dialect {
            Dialect::Mysql => (Flavor::MySql, 90_704),
            Dialect::Mariadb => (Flavor::MariaDb, 101_119),
        };
        let (mode, text) = (Mode::new(flavor, version), statement.as_bytes());
        let verdict = classify(text, mode);
        let mut pins = if strict { verdict.pins } else { verdict.pins.tracked() };
        // A session carries variables whose values its text tells, or that the server can be asked for.
        let whole = !verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE);
        let by_name = !matches!(verdict.kind, Kind::Call | Kind::Prepare | Kind::Execute | Kind::GetDiagnostics);
        let told = || assigned(text, mode).is_some() || user_variables(text, mode).is_some();
        if !strict && whole && by_name && told() {
            pins.remove(PinReason::UserVariable);
        }
        Self { statement: statement.trim().to_owned(), strict, pins, facts: verdict.facts }
    }

    /// Whether it pins, or may.
    #[must_use]
    pub fn pins(&self) -> bool {
        !self.pins.is_empty() || self.may()
    }

    /// Whether it hangs on what is stored in the server.
    fn may(&self) -> bool {
        self.facts.contains(Facts::MAY_RUN_ROUTINE)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.statement)?;
        if !self.pins() {
            return writeln!(f, "  does not pin");
        }
        for reason in self.pins.iter() {
            pin(f, "pins", reason, self.strict)?;
        }
        if self.may() && !self.pins.contains(PinReason::UntrackedState) {
            let what = "may pin, unless the routine can be read and leaves nothing behind";
            pin(f, what, PinReason::UntrackedState, self.strict)?;
        }
        Ok(())
    }
}

fn pin(f: &mut fmt::Formatter<'_>, what: &str, reason: PinReason, strict: bool) -> fmt::Result {
    let mut line = String::new();
    write!(line, "  {what}: {reason}\n    how long: {}\n    instead: {}", reason.until(strict), reason.remedy())?;
    writeln!(f, "{line}")
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Explanation};

    fn explained(statement: &str, strict: bool) -> (bool, String) {
        let explanation = Explanation::of(statement, Dialect::Mysql, strict);
        (explanation.pins(), explanation.to_string())
    }

    #[test]
    fn what_pins_says_why_how_long_and_what_instead() {
        let (pins, text) = explained("CREATE TEMPORARY TABLE t (a INT)", false);
        assert!(pins);
        for part in ["pins: temporary_table", "until all temporary tables are dropped", "instead: use a regular table"]
        {
            assert!(text.contains(part), "{text}");
        }
        let (pins, text) = explained("CALL p()", false);
        assert!(pins && text.contains("may pin"), "{text}");
    }

    #[test]
    fn what_a_session_carries_does_not_pin_but_in_strict_mode() {
        for statement in ["SELECT 1", "SET @a = 1", "SET sql_mode = ''", "USE d"] {
            let (pins, text) = explained(statement, false);
            assert!(!pins && text.contains("does not pin"), "{text}");
        }
        let (pins, text) = explained("SET @a = 1", true);
        assert!(pins && text.contains("until the session ends"), "{text}");
    }
}
