//! `greenroom explain`: whether a statement pins in a transaction pool, why, for how long, and what to write instead.
//!
//! By its text alone: what is stored in the server (triggers, routines, views), and what the session did before, is not seen.

use std::fmt::{self, Write as _};

use clap::ValueEnum;
use greenroom_protocol::advice::{MARIADB, MYSQL};
use greenroom_protocol::sql::{Flavor, Foreseen, Mode, PinReason};

/// Whose dialect a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// MySQL's
    Mysql,
    /// MariaDB's
    Mariadb,
}

impl Dialect {
    /// How a fresh session's statements are read.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self {
            Self::Mysql => Mode::new(Flavor::MySql, MYSQL),
            Self::Mariadb => Mode::new(Flavor::MariaDb, MARIADB),
        }
    }
}

/// What a statement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    statement: String,
    strict: bool,
    foreseen: Foreseen,
}

impl Explanation {
    /// Of a statement in a pool that pins as `tracked`, or as `strict`.
    #[must_use]
    pub fn of(statement: &str, dialect: Dialect, strict: bool) -> Self {
        let foreseen = Foreseen::of(statement.as_bytes(), dialect.mode(), strict);
        Self { statement: statement.trim().to_owned(), strict, foreseen }
    }

    /// Whether it pins, or may.
    #[must_use]
    pub fn pins(&self) -> bool {
        !self.foreseen.pins.is_empty() || self.foreseen.may
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.statement)?;
        if !self.pins() {
            return writeln!(f, "  does not pin");
        }
        for reason in self.foreseen.pins.iter() {
            pin(f, "pins", reason, self.strict)?;
        }
        if self.foreseen.may && !self.foreseen.pins.contains(PinReason::UntrackedState) {
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
