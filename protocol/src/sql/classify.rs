//! What a statement does to its session, from its text alone.

mod body;
mod call;
mod counts;
mod general;
mod head;
mod kind;
mod prepared;
mod scan;
mod set;
mod statement;
mod verb;

#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::lexer::Lexer;
use super::mode::Mode;
use super::pin::PinSet;
pub use kind::Kind;
use scan::{Scan, Source};

/// What one command's text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of the (first) statement.
    pub kind: Kind,
    /// What running it pins if it succeeds, or may pin. The union over several statements.
    pub pins: PinSet,
    /// Hints: pins that it ends, if the server agrees. Never one that it pins itself.
    pub unpins: PinSet,
    /// What else the text says.
    pub facts: Facts,
}

/// Classifies one command's text as it streams.
///
/// ```
/// # use greenroom_protocol::sql::{Classifier, Flavor, Mode, PinReason};
/// let mut classifier = Classifier::new(Mode::new(Flavor::MySql, 90704));
/// classifier.feed(b"SELECT GET_L");
/// classifier.feed(b"OCK('job', 10)");
/// assert!(classifier.finish().pins.contains(PinReason::UserLock));
/// ```
#[derive(Debug, Clone)]
pub struct Classifier {
    lexer: Lexer,
    scan: Scan,
}

impl Classifier {
    /// A classifier before the first byte.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self { lexer: Lexer::new(mode), scan: Scan::new(mode, Source::Command) }
    }

    /// One for a text that is no command of its own.
    const fn inner(mode: Mode, source: Source) -> Self {
        Self { lexer: Lexer::new(mode), scan: Scan::new(mode, source) }
    }

    /// Takes the next bytes of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.lexer.feed(bytes, &mut self.scan);
    }

    /// Ends the text.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        self.lexer.finish(&mut self.scan);
        self.scan.finish()
    }
}

/// Classifies a whole text.
#[must_use]
pub fn classify(text: &[u8], mode: Mode) -> Verdict {
    let mut classifier = Classifier::new(mode);
    classifier.feed(text);
    classifier.finish()
}
