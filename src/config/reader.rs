//! Reads keys out of merged tables, and remembers what was wrong and where.

use config::{Map, Value, ValueKind};

use super::problem::{Place, Problem};
use super::value::{Read, Wrong, whole};
use super::vault::Vault;

/// How messages call the first layer.
pub(super) const DEFAULTS_NAME: &str = "built-in default.toml";

/// In place of a secret.
const HIDDEN: &str = "(hidden)";

/// Where a value that no layer claims is said to be.
const NOWHERE: &str = "configuration";

/// One table of the merged layers.
#[derive(Debug)]
pub(super) struct Table {
    /// Where it begins, and its path.
    pub(super) place: Place,
    values: Map<String, Value>,
    /// Keys that have the built-in entry's values.
    usual: Vec<String>,
}

/// What a key came to.
#[derive(Debug)]
pub(super) struct Field<T> {
    /// The value, unless the key is missing or wrong.
    pub(super) value: Option<T>,
    /// Whether the key is there, if only with a wrong value.
    pub(super) given: bool,
    /// Where it is, or where it should be.
    pub(super) place: Place,
}

/// What a key came to, for people to read; never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its path.
    pub key: String,
    /// Its value as a file would have it, `(hidden)` for a secret.
    pub value: String,
    /// Which layer says so, and where.
    pub source: String,
}

/// Reads values and notes problems.
#[derive(Debug)]
pub(super) struct Reader<'v> {
    vault: &'v Vault,
    problems: Vec<Problem>,
    effective: Vec<Effective>,
}

impl Table {
    /// The table at a path; a value that is none is as good as an empty one, since layers check shapes.
    pub(super) fn new(value: Value, path: &str) -> Self {
        let place = Place::new(origin(&value), path);
        match value.kind {
            ValueKind::Table(values) => Self { place, values, usual: Vec::new() },
            _ => Self { place, values: Map::new(), usual: Vec::new() },
        }
    }

    /// The same, of which these keys were left out.
    pub(super) fn completed(self, usual: Vec<String>) -> Self {
        Self { usual, ..self }
    }
}

impl<'v> Reader<'v> {
    /// A reader that finds secrets in a vault.
    pub(super) fn new(vault: &'v Vault) -> Self {
        Self { vault, problems: Vec::new(), effective: Vec::new() }
    }

    /// Reads one key of a table.
    pub(super) fn field<T: Read>(&mut self, table: &Table, key: &str) -> Field<T> {
        let path = format!("{}.{key}", table.place.key);
        let Some(value) = table.values.get(key) else {
            return Field { value: None, given: false, place: Place::new(&table.place.source, path) };
        };
        let place = Place::new(value.origin().unwrap_or(&table.place.source), path);
        let usual = table.usual.iter().any(|usual| usual == key);
        self.effective.push(Effective {
            key: place.key.clone(),
            value: if Vault::guards(key) { HIDDEN.to_owned() } else { whole(value) },
            source: if usual { DEFAULTS_NAME.to_owned() } else { place.source.clone() },
        });
        let value = match T::read(value, self.vault) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.note(&place, wrong);
                None
            }
        };
        Field { value, given: true, place }
    }

    /// Ends the reading: what was wrong, and what there is.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Effective>) {
        (self.problems, self.effective)
    }

    fn note(&mut self, place: &Place, Wrong { what, expected }: Wrong) {
        self.problems.push(Problem { place: place.clone(), what, expected });
    }
}

/// A table that the environment built has no origin of its own; any of its keys tells.
fn origin(value: &Value) -> String {
    let of_keys = || match &value.kind {
        ValueKind::Table(values) => values.values().filter_map(Value::origin).min(),
        _ => None,
    };
    value.origin().or_else(of_keys).unwrap_or(NOWHERE).to_owned()
}
