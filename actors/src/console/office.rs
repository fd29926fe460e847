//! What the console needs of the process around the cast.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::spans::SpanSink;

/// A key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its path, as in `endpoints[0].pool`.
    pub key: String,
    /// What it came to; never a secret.
    pub value: String,
    /// The file and line, variable or option that says so.
    pub source: String,
}

/// One thing measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels, as `name="value"` with commas.
    pub labels: String,
    /// Its value now.
    pub value: f64,
}

/// What comes of reading the configuration again: the warnings, or each mistake in a line.
pub type Reloaded = Pin<Box<dyn Future<Output = Result<Vec<String>, Vec<String>>> + Send>>;

/// The process around the cast, as administrators may use it.
pub trait Office: Send + Sync {
    /// The version and how it was built, by name.
    fn version(&self) -> Vec<(String, String)>;
    /// The configuration in force.
    fn configuration(&self) -> Vec<Key>;
    /// Everything measured so far.
    fn samples(&self) -> Vec<Sample>;
    /// Reads the configuration again; one with mistakes changes nothing.
    fn reload(&self) -> Reloaded;
    /// Stops the process; `patient`: however long open transactions take.
    fn stop(&self, patient: bool);
    /// Where statements go that belong to a trace.
    fn spans(&self) -> Option<Arc<dyn SpanSink>>;
    /// The least severe log lines that are written.
    fn log_level(&self) -> String;
    /// Changes that.
    ///
    /// # Errors
    /// The levels that there are.
    fn set_log_level(&self, level: &str) -> Result<(), String>;
}

impl fmt::Debug for dyn Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Office")
    }
}
