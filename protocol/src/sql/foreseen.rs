//! What a statement pins as far as its text alone tells: nothing of the server, nor of what its session did before, is seen.

use super::assigned::assigned;
use super::classify::{Kind, Verdict, classify};
use super::facts::Facts;
use super::mode::Mode;
use super::pin::{PinReason, PinSet};
use super::read_back::user_variables;

/// What a text comes to in a transaction pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreseen {
    /// What it pins for.
    pub pins: PinSet,
    /// It may pin beside: that hangs on routines that are stored in the server.
    pub may: bool,
    /// What else the text says.
    pub verdict: Verdict,
}

impl Foreseen {
    /// Of a statement in a pool that pins as `tracked`, or as `strict`.
    #[must_use]
    pub fn of(text: &[u8], mode: Mode, strict: bool) -> Self {
        let verdict = classify(text, mode);
        let mut pins = if strict { verdict.pins } else { verdict.pins.tracked() };
        // A session carries variables whose values its text tells, or that the server can be asked for.
        if !strict && pins.contains(PinReason::UserVariable) && carries(text, mode, &verdict) {
            pins.remove(PinReason::UserVariable);
        }
        Self { pins, may: verdict.facts.contains(Facts::MAY_RUN_ROUTINE), verdict }
    }
}

/// Whether a session carries the user variables that a text assigns from one connection to the next: their values are told by
/// the text, or the server can be asked for them.
#[must_use]
pub fn carries(text: &[u8], mode: Mode, verdict: &Verdict) -> bool {
    let whole = !verdict.facts.intersects(Facts::MULTI | Facts::COMPOUND | Facts::MAY_RUN_ROUTINE);
    let by_name = !matches!(verdict.kind, Kind::Call | Kind::Prepare | Kind::Execute | Kind::GetDiagnostics);
    whole && by_name && (assigned(text, mode).is_some() || user_variables(text, mode).is_some())
}

#[cfg(test)]
mod tests {
    use super::Foreseen;
    use crate::sql::{Flavor, Mode, PinReason, PinSet};

    fn of(text: &str, strict: bool) -> (PinSet, bool) {
        let foreseen = Foreseen::of(text.as_bytes(), Mode::new(Flavor::MySql, 90_704), strict);
        (foreseen.pins, foreseen.may)
    }

    #[test]
    fn variables_that_a_session_carries_pin_in_strict_mode_only() {
        for text in ["SET @a = 1", "SET @a = @a + 1", "SELECT @a := 1"] {
            assert_eq!(of(text, false), (PinSet::EMPTY, false), "{text}");
            assert_eq!(of(text, true), (PinReason::UserVariable.into(), false), "{text}");
        }
        assert_eq!(of("DO 0; SET @a = 1", false).0, PinReason::UserVariable.into());
    }

    #[test]
    fn a_routine_may_pin() {
        assert_eq!(of("CALL p()", false), (PinSet::EMPTY, true));
        assert!(of("SELECT own(1)", false).1);
        assert_eq!(of("CREATE TEMPORARY TABLE t (a INT)", false), (PinReason::TemporaryTable.into(), false));
    }
}
