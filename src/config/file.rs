//! The layer that a TOML file makes; every value knows its line.

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::Layer;
use super::problem::{Place, Problem};
use super::schema::{Section, Shape, Unknown, section};
use super::vault::Vault;

/// What reading one file came to.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What the file says, as far as its keys are known.
    pub(super) layer: Layer,
    /// Unknown keys, wrong shapes and errors of syntax.
    pub(super) problems: Vec<Problem>,
    /// Whether the text is TOML at all; if not, what it lacks is no mistake of its own.
    pub(super) complete: bool,
    /// Whether a secret stands in it.
    pub(super) holds_secret: bool,
}

/// Reads a file's text; `name` is how messages call the file.
pub(super) fn parse(name: &str, text: &str, vault: &mut Vault) -> Parsed {
    let mut file = File { name, text, vault, problems: Vec::new(), holds_secret: false };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        // Only the message: the error's own display repeats the line, which may hold a password.
        file.note(error.span().map_or(0, |span| span.start), "", error.message().replace('\n', ", "), "");
    }
    let layer = if errors.is_empty() { file.sections(table.into_inner()) } else { Layer::default() };
    Parsed { layer, problems: file.problems, complete: errors.is_empty(), holds_secret: file.holds_secret }
}

type Entry<'t> = (Spanned<std::borrow::Cow<'t, str>>, Spanned<DeValue<'t>>);

/// A file while it is read.
struct File<'f> {
    name: &'f str,
    text: &'f str,
    vault: &'f mut Vault,
    problems: Vec<Problem>,
    holds_secret: bool,
}

impl File<'_> {
    fn sections(&mut self, table: DeTable<'_>) -> Layer {
        let mut layer = Layer::default();
        for (name, value) in table {
            match section(name.get_ref()) {
                Ok(section) => self.section(section, value, &mut layer),
                Err(unknown) => self.unknown(name.span().start, name.get_ref(), unknown),
            }
        }
        layer
    }

    fn section(&mut self, section: &Section, value: Spanned<DeValue<'_>>, layer: &mut Layer) {
        let start = value.span().start;
        match (section.shape, value.into_inner()) {
            (Shape::Table, DeValue::Table(table)) => {
                for (key, value) in self.keys(section, section.name, table) {
                    layer.0.insert(format!("{}.{key}", section.name), value);
                }
            }
            (Shape::List, DeValue::Array(entries)) => {
                let entries = entries.into_iter().enumerate();
                let entries: Vec<_> = entries.filter_map(|(at, entry)| self.entry(section, at, entry)).collect();
                layer.0.insert(section.name.to_owned(), Value::new(Some(&self.line(start)), entries));
            }
            _ => self.misshapen(start, section, section.name),
        }
    }

    fn entry(&mut self, section: &Section, number: usize, entry: Spanned<DeValue<'_>>) -> Option<Value> {
        let start = entry.span().start;
        let path = format!("{}[{number}]", section.name);
        match entry.into_inner() {
            DeValue::Table(table) => Some(Value::new(Some(&self.line(start)), self.keys(section, &path, table))),
            _ => {
                self.misshapen(start, section, &path);
                None
            }
        }
    }

    fn keys(&mut self, section: &Section, path: &str, table: DeTable<'_>) -> Map<String, Value> {
        table.into_iter().filter_map(|entry| self.key(section, path, entry)).collect()
    }

    fn key(&mut self, section: &Section, path: &str, (key, value): Entry<'_>) -> Option<(String, Value)> {
        let (start, key) = (key.span().start, key.into_inner().into_owned());
        let path = format!("{path}.{key}");
        if let Err(unknown) = section.key(&key) {
            self.unknown(start, &path, unknown);
            return None;
        }
        let value = self.value(&key, &path, value)?;
        Some((key, value))
    }

    fn value(&mut self, key: &str, path: &str, value: Spanned<DeValue<'_>>) -> Option<Value> {
        let start = value.span().start;
        let kind = match value.into_inner() {
            DeValue::String(text) if Vault::guards(key) => self.secret(&text),
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            DeValue::Boolean(flag) => ValueKind::Boolean(flag),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => ValueKind::I64(number),
                Err(_) => ValueKind::String(number.to_string()),
            },
            DeValue::Float(number) => ValueKind::String(number.to_string()),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Array(items) => {
                ValueKind::Array(items.into_iter().filter_map(|item| self.value(key, path, item)).collect())
            }
            DeValue::Table(_) => {
                self.note(start, path, "it is a table".into(), "a single value");
                return None;
            }
        };
        Some(Value::new(Some(&self.line(start)), kind))
    }

    fn secret(&mut self, text: &str) -> ValueKind {
        self.holds_secret = true;
        self.vault.keep(text)
    }

    fn misshapen(&mut self, start: usize, section: &Section, path: &str) {
        let expected = match section.shape {
            Shape::Table => format!("one table, written {}", section.header()),
            Shape::List => format!("tables, each written {}", section.header()),
        };
        self.note(start, path, "it is written in another way".into(), &expected);
    }

    fn unknown(&mut self, start: usize, path: &str, Unknown { what, expected }: Unknown) {
        self.note(start, path, what, &expected);
    }

    fn note(&mut self, start: usize, path: &str, what: String, expected: &str) {
        let place = Place::new(self.line(start), path);
        self.problems.push(Problem { place, what, expected: expected.to_owned() });
    }

    /// `file:line` of a position in the text.
    fn line(&self, start: usize) -> String {
        let before = self.text.as_bytes().iter().take(start);
        format!("{}:{}", self.name, before.filter(|byte| **byte == b'\n').count() + 1)
    }
}
