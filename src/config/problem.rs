//! What is wrong with a configuration, and where.

use std::cmp::Ordering;
use std::fmt;

use super::reader::DEFAULTS_NAME;

/// Where a value comes from and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `file:line`, `environment NAME` or `--set KEY`.
    pub source: String,
    /// The key's path, as in `endpoints[0].listen`; empty where a whole source is meant.
    pub key: String,
}

impl Place {
    /// A key in a source.
    pub(super) fn new(source: impl Into<String>, key: impl Into<String>) -> Self {
        Self { source: source.into(), key: key.into() }
    }

    /// Whether nobody has written it: it is from the built-in defaults.
    pub(super) fn is_default(&self) -> bool {
        self.source.starts_with(DEFAULTS_NAME)
    }

    /// The source and, where there is one, its line: what an editor sorts by.
    fn order(&self) -> (&str, usize) {
        match self.source.rsplit_once(':') {
            Some((file, line)) => (file, line.parse().unwrap_or(0)),
            None => (&self.source, 0),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}", self.source),
            key => write!(f, "{}: {key}", self.source),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong; never a secret.
    pub what: String,
    /// What should be there; empty where `what` says it all.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected.as_str() {
            "" => write!(f, "{}: {}", self.place, self.what),
            expected => write!(f, "{}: {}; expected {expected}", self.place, self.what),
        }
    }
}

/// Something legal that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What happens, or may.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Every mistake of a configuration, in the order of its sources and lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// Sorts the problems by source and line.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(by_place);
        Self(problems)
    }

    /// The mistakes, one by one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let line_break = if number == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

fn by_place(one: &Problem, other: &Problem) -> Ordering {
    one.place.order().cmp(&other.place.order())
}
