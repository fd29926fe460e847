//! From what an operator wrote to [`Settings`]: layers, shapes, checks.
//!
//! Later layers win: the built-in `config/default.toml`, each `--config` file in order, the environment, the command
//! line. Every mistake is reported at once, with its source, key, what is wrong and what is expected.

mod address;
mod check;
mod choice;
mod file;
mod inventory;
mod layer;
mod merge;
mod named;
mod problem;
mod raw;
mod reader;
#[cfg(test)]
mod reference;
mod schema;
mod sources;
mod summary;
mod value;
mod vault;

use greenroom_actors::settings::Settings;

pub use inventory::{Change, Effect, Inventory};
pub use problem::{ConfigErrors, Place, Problem, Warning};
pub use reader::Effective;
pub use sources::Sources;
pub use summary::Summary;

use crate::telemetry::log::LogSettings;
use check::Checker;
use merge::Merged;

/// A configuration that is valid.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the actors are born from.
    pub settings: Settings,
    /// What the log is made from.
    pub log: LogSettings,
    /// Every key that has a value, where it is from, and what it is unless that is a secret.
    pub effective: Vec<Effective>,
    /// What an operator should know; not wrong.
    pub warnings: Vec<Warning>,
    /// Every key, to compare with those of a reload.
    pub inventory: Inventory,
}

/// Reads all layers and checks what they come to. Starting and reloading both load by this.
///
/// # Errors
/// Every mistake in every layer, sorted by place.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let Merged { raw, vault: _vault, effective, mut problems, mut warnings } = merge::merge(sources)?;
    let mut checker = Checker::new(sources);
    let checked = checker.check(&raw);
    problems.extend(checker.problems);
    warnings.extend(checker.warnings);
    match checked {
        Some((settings, log)) if problems.is_empty() => {
            Ok(Loaded { settings, log, effective, warnings, inventory: Inventory::of(&raw) })
        }
        _ => Err(ConfigErrors::new(problems)),
    }
}
