//! What a configuration is read from; kept for the next reload.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// Everything that a configuration is read from, besides the built-in defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// Files, the later ones winning.
    pub files: Vec<PathBuf>,
    /// The environment: `GREENROOM__SECTION__KEY`, and what `password_env` names.
    pub environment: Vec<(OsString, OsString)>,
    /// `section.key=value` from the command line, the later ones winning.
    pub sets: Vec<String>,
}

impl Sources {
    /// Nothing but the built-in defaults: no file, no environment, no command line.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        let named = self.environment.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_os_str())
    }
}

impl fmt::Debug for Sources {
    /// Without the environment and the assignments, where passwords may be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("files", &self.files).finish_non_exhaustive()
    }
}
