//! Names of nodes and endpoints: they become labels of metrics and words of log lines.

use std::collections::HashMap;

use super::Checker;
use crate::config::problem::Place;
use crate::config::reader::Field;

/// Longest name, in characters.
const MAX_NAME: usize = 64;

impl Checker<'_> {
    /// A name that is fit to be a label.
    pub(super) fn name(&mut self, field: &Field<String>) -> Option<String> {
        let expected = "letters, digits, \"-\", \"_\" and \".\", at most 64";
        let name = self.required(field, expected)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
            self.wrong(&field.place, format!("{name:?} is not a name"), expected);
            return None;
        }
        Some(name)
    }

    /// Notes every name that was given before.
    pub(super) fn unique<'f>(&mut self, fields: impl Iterator<Item = &'f Field<String>>) {
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for field in fields {
            let Some(name) = field.value.as_deref() else { continue };
            match seen.get(name) {
                Some(first) => {
                    let what = format!("{name:?} is already the name of another, at {}", first.source);
                    self.wrong(&field.place, what, "a name of its own");
                }
                None => {
                    seen.insert(name, &field.place);
                }
            }
        }
    }
}
