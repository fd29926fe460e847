//! A statement that is longer than the inlet, read as it passes.

use greenroom_protocol::packet::{self, HEADER};
use greenroom_protocol::sql::reading::unsettle;
use greenroom_protocol::sql::{Classifier, Doubt, Mode, Verdict};

use super::insight::Watches;

/// Reads a statement's text in pieces.
#[derive(Debug)]
pub(super) struct Reader {
    classifier: Classifier,
    doubt: Doubt,
    pub(super) watches: Watches,
}

impl Reader {
    /// Before the first byte.
    pub(super) fn new(mode: Mode, doubt: Doubt) -> Self {
        Self { classifier: Classifier::new(mode), doubt, watches: Watches::default() }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, text: &[u8]) {
        self.classifier.feed(text);
        self.watches.feed(text);
    }

    /// Ends the text.
    pub(super) fn finish(self) -> Verdict {
        let mut verdict = self.classifier.finish();
        if !self.doubt.with_own(&verdict).is_none() {
            // The text is gone: it can not be read in the other ways.
            unsettle(&mut verdict);
        }
        self.watches.finish(&mut verdict);
        verdict
    }
}

/// Finds the payload among the packet headers of a command that takes several.
#[derive(Debug, Default)]
pub(super) struct Body {
    left: usize,
}

impl Body {
    /// Gives what of these bytes is payload.
    pub(super) fn each(&mut self, mut part: &[u8], mut take: impl FnMut(&[u8])) {
        while !part.is_empty() {
            if self.left == 0 {
                let Some(header) = packet::header(part) else { return };
                self.left = header.len;
                part = part.get(HEADER..).unwrap_or_default();
                continue;
            }
            let (text, rest) = part.split_at(self.left.min(part.len()));
            take(text);
            self.left -= text.len();
            part = rest;
        }
    }
}
