//! Every key with what it came to, to tell what a reload changes and when that takes effect.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use greenroom_protocol::secret::Secret;

use super::raw::Raw;

/// When a changed key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// With the reload, for everybody.
    Now,
    /// For server connections that are opened from then on.
    NewConnections,
    /// For clients that connect or log in from then on.
    NewSessions,
    /// When the process starts anew.
    Restart,
}

/// One key.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: &'static str,
    /// Nothing where the key is left out.
    pub(super) value: Option<Shown>,
    pub(super) effect: Effect,
}

/// A value for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is.
    Text(String),
    /// A file by its path, and what its contents come to.
    File(String, Option<u64>),
    /// Never.
    Hidden(Secret),
}

/// A type whose values can be shown.
pub(super) trait Show {
    fn show(&self) -> Shown;
}

/// Every table of a configuration by its path, with its keys.
#[derive(Debug, Clone, Default)]
pub struct Inventory(BTreeMap<String, Vec<Item>>);

/// What is other than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    what: String,
    /// When it takes effect.
    pub effect: Effect,
}

impl Inventory {
    pub(super) fn of(raw: &Raw) -> Self {
        let mut tables = BTreeMap::new();
        let single = [
            ("server", raw.server.items()),
            ("monitor", raw.monitor.items()),
            ("fleet", raw.fleet.items()),
            ("http", raw.http.items()),
            ("admin", raw.admin.items()),
            ("queries", raw.queries.items()),
            ("tracing", raw.tracing.items()),
            ("log", raw.log.items()),
        ];
        tables.extend(single.map(|(name, items)| (name.to_owned(), items)));
        let mut list = |section: &str, items: Vec<Item>| {
            // The name, not the place: what is put before an entry does not change it.
            let name = items.iter().find(|item| item.key == "name").and_then(|item| item.value.as_ref());
            let name = name.map(ToString::to_string).unwrap_or_default();
            tables.insert(format!("{section}[{name}]"), items);
        };
        raw.nodes.iter().for_each(|entry| list("nodes", entry.items()));
        raw.endpoints.iter().for_each(|entry| list("endpoints", entry.items()));
        raw.limits.iter().for_each(|entry| list("limits", entry.items()));
        raw.users.iter().for_each(|entry| list("users", entry.items()));
        Self(tables)
    }

    /// What another configuration changes of this one.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let gone = self.0.keys().filter(|path| !new.0.contains_key(*path));
        let mut changes: Vec<_> = gone.map(|path| entry(path, "removed")).collect();
        for (path, items) in &new.0 {
            match self.0.get(path) {
                None => changes.push(entry(path, "added")),
                Some(old) => changes.extend(old.iter().zip(items).filter_map(|(old, new)| difference(path, old, new))),
            }
        }
        changes
    }

    /// This configuration in the place of `old`, which stays in force where only a restart changes anything.
    #[must_use]
    pub fn succeeding(mut self, old: &Self) -> Self {
        for (path, items) in &mut self.0 {
            let before = old.0.get(path).map(Vec::as_slice).unwrap_or_default();
            for (item, before) in items.iter_mut().zip(before).filter(|(item, _)| item.effect == Effect::Restart) {
                item.value.clone_from(&before.value);
            }
        }
        self
    }
}

fn entry(path: &str, what: &str) -> Change {
    Change { what: format!("{path} {what}"), effect: Effect::NewSessions }
}

fn difference(path: &str, old: &Item, new: &Item) -> Option<Change> {
    if old.value == new.value {
        return None;
    }
    let what = match (&old.value, &new.value) {
        (Some(Shown::File(before, _)), Some(Shown::File(after, _))) if before == after => {
            format!("the contents of {after} have changed")
        }
        (before, after) => format!("{} -> {}", shown(before.as_ref()), shown(after.as_ref())),
    };
    Some(Change { what: format!("{path}.{}: {what}", new.key), effect: new.effect })
}

fn shown(value: Option<&Shown>) -> String {
    value.map_or_else(|| "(left out)".to_owned(), ToString::to_string)
}

impl Item {
    /// A key with its value. Keys that name files are told by their names.
    pub(super) fn new(key: &'static str, value: Option<Shown>, effect: Effect) -> Self {
        const FILES: [&str; 3] = ["tls_cert", "tls_key", "tls_ca"];
        let names_file = key.ends_with("_file") || FILES.contains(&key);
        let value = match value {
            // What cannot be read has been complained of.
            Some(Shown::Text(path)) if names_file => {
                let digest = std::fs::read(&path).ok().map(|contents| digest(&contents));
                Some(Shown::File(path, digest))
            }
            value => value,
        };
        Self { key, value, effect }
    }
}

fn digest(contents: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::File(text, _) => f.write_str(text),
            Self::Hidden(_) => f.write_str("(hidden)"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.effect)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "now",
            Self::NewConnections => "for new connections",
            Self::NewSessions => "for new sessions",
            Self::Restart => "after a restart",
        })
    }
}
