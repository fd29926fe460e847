//! What is known of a command that has no text.

use super::{Facts, Kind, PinSet, Verdict};

impl Default for Verdict {
    /// It pins nothing, ends nothing and says nothing.
    fn default() -> Self {
        Self { kind: Kind::Other, pins: PinSet::EMPTY, unpins: PinSet::EMPTY, facts: Facts::NONE }
    }
}
