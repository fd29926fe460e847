//! Puts the layers on top of each other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use config::{Config, Map, Value, ValueKind};
use zeroize::Zeroizing;

use super::layer::Layer;
use super::problem::{ConfigErrors, Place, Problem, Warning};
use super::raw::{
    Raw, RawAdmin, RawEndpoint, RawFleet, RawHttp, RawLimit, RawLog, RawMonitor, RawNode, RawQueries, RawServer,
    RawTracing, RawUser,
};
use super::reader::{DEFAULTS_NAME, Effective, Reader, Table};
use super::sources::Sources;
use super::vault::Vault;
use super::{file, named};

/// The first layer, which also documents every key.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Lists whose entries are completed from the built-in entry, and the keys that make an entry itself.
const TEMPLATES: [(&str, &[&str]); 2] = [("nodes", &["name", "address"]), ("endpoints", &["name", "listen", "nodes"])];

/// Permission of everybody to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

/// All layers together, read but not yet checked.
#[derive(Debug)]
pub(super) struct Merged {
    /// What they come to.
    pub(super) raw: Raw,
    /// The secrets of all layers.
    pub(super) vault: Vault,
    /// The same, key by key.
    pub(super) effective: Vec<Effective>,
    /// What is wrong in single keys.
    pub(super) problems: Vec<Problem>,
    /// What an operator should know.
    pub(super) warnings: Vec<Warning>,
}

/// The layers while they gather.
#[derive(Debug, Default)]
struct Gathering {
    layers: Vec<Layer>,
    vault: Vault,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    broken: bool,
}

/// Reads every source and merges them.
///
/// # Errors
/// Where a file cannot be read at all: what it would have said is unknown, so nothing further is judged.
pub(super) fn merge(sources: &Sources) -> Result<Merged, ConfigErrors> {
    let mut gathering = Gathering::default();
    gathering.text(DEFAULTS_NAME, DEFAULTS);
    for path in &sources.files {
        gathering.file(path);
    }
    gathering.single_keys(sources);
    if gathering.broken {
        return Err(ConfigErrors::new(gathering.problems));
    }
    gathering.finish()
}

impl Gathering {
    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) if self.text(&name, &text) && is_readable_by_others(path) => {
                let what = "it holds a password, and every user of this machine can read it (chmod o-r)".into();
                self.warnings.push(Warning { place: Place::new(name, ""), what });
            }
            Ok(_) => {}
            Err(error) => {
                let what = format!("it cannot be read: {error}");
                self.problems.push(Problem { place: Place::new(name, ""), what, expected: String::new() });
                self.broken = true;
            }
        }
    }

    /// Adds a file's layer; says whether a secret is in it.
    fn text(&mut self, name: &str, text: &str) -> bool {
        let parsed = file::parse(name, text, &mut self.vault);
        self.problems.extend(parsed.problems);
        self.broken |= !parsed.complete;
        self.layers.push(parsed.layer);
        parsed.holds_secret
    }

    fn single_keys(&mut self, sources: &Sources) {
        let environment = named::environment(&sources.environment, &mut self.vault, &mut self.problems);
        let sets = named::sets(&sources.sets, &mut self.vault, &mut self.problems);
        for (path, value) in &sets.0 {
            if self.vault.find(value).is_some() {
                let what = "a password on the command line shows in every process list".into();
                self.warnings.push(Warning { place: Place::new("--set", path), what });
            }
        }
        self.layers.extend([environment, sets]);
    }

    fn finish(self) -> Result<Merged, ConfigErrors> {
        let Self { layers, vault, mut problems, warnings, .. } = self;
        let template = layers.first().map(|layer| layer.0.clone()).unwrap_or_default();
        let builder = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
        let config = builder.build().map_err(|error| {
            let place = Place::new("configuration", "");
            ConfigErrors::new(vec![Problem { place, what: error.to_string(), expected: String::new() }])
        })?;
        let mut reader = Reader::new(&vault);
        let raw = read(&mut reader, &config, &template);
        let (wrong, effective) = reader.finish();
        problems.extend(wrong);
        Ok(Merged { raw, vault, effective, problems, warnings })
    }
}

fn read(reader: &mut Reader<'_>, config: &Config, template: &Map<String, Value>) -> Raw {
    Raw {
        server: RawServer::read(reader, &table(config, "server")),
        nodes: list(config, template, "nodes").iter().map(|table| RawNode::read(reader, table)).collect(),
        endpoints: list(config, template, "endpoints").iter().map(|table| RawEndpoint::read(reader, table)).collect(),
        users: list(config, template, "users").iter().map(|table| RawUser::read(reader, table)).collect(),
        limits: list(config, template, "limits").iter().map(|table| RawLimit::read(reader, table)).collect(),
        monitor: RawMonitor::read(reader, &table(config, "monitor")),
        fleet: RawFleet::read(reader, &table(config, "fleet")),
        http: RawHttp::read(reader, &table(config, "http")),
        admin: RawAdmin::read(reader, &table(config, "admin")),
        queries: RawQueries::read(reader, &table(config, "queries")),
        tracing: RawTracing::read(reader, &table(config, "tracing")),
        log: RawLog::read(reader, &table(config, "log")),
    }
}

fn table(config: &Config, name: &str) -> Table {
    let values = config.get_table(name).unwrap_or_default();
    Table::new(Value::new(None, values), name)
}

fn list(config: &Config, template: &Map<String, Value>, name: &str) -> Vec<Table> {
    let entries = config.get_array(name).unwrap_or_default();
    let entries = entries.into_iter().enumerate();
    let table = |(at, entry)| {
        let (entry, usual) = completed(entry, template, name);
        Table::new(entry, &format!("{name}[{at}]")).completed(usual)
    };
    entries.map(table).collect()
}

/// An entry with the built-in entry's values for the keys that it leaves out, and which these are. What is wrong about such a value is to be
/// mended in the entry, so that is where it is said to be.
fn completed(mut entry: Value, template: &Map<String, Value>, name: &str) -> (Value, Vec<String>) {
    let mut usual = Vec::new();
    let Some((_, own)) = TEMPLATES.iter().find(|(list, _)| *list == name) else { return (entry, usual) };
    let Some(ValueKind::Array(entries)) = template.get(name).map(|value| &value.kind) else { return (entry, usual) };
    let Some(ValueKind::Table(defaults)) = entries.first().map(|value| &value.kind) else { return (entry, usual) };
    let origin = entry.origin().map(str::to_owned);
    if let ValueKind::Table(values) = &mut entry.kind {
        for (key, value) in defaults.iter().filter(|(key, _)| !own.contains(&key.as_str())) {
            let default = || Value::new(origin.as_ref(), value.kind.clone());
            if !values.contains_key(key) {
                values.insert(key.clone(), default());
                usual.push(key.clone());
            }
        }
    }
    (entry, usual)
}

fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & READABLE_BY_OTHERS != 0)
}
