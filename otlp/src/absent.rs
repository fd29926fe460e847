//! A build that exports nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::settings::TracingSettings;
use greenroom_actors::spans::{SpanSink, StatementSpan};
use slog::Logger;

/// There is none in this build.
#[derive(Debug, Clone)]
pub enum Exporter {}

/// This build has no exporter.
#[derive(Debug)]
pub struct StartError;

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build of Greenroom exports no spans (cargo build --features tracing-otlp)")
    }
}

impl std::error::Error for StartError {}

impl SpanSink for Exporter {
    fn offer(&self, _: StatementSpan) {
        match *self {}
    }
}

impl Exporter {
    /// Comes back at once.
    pub async fn flush(&self, _: Duration) {
        match *self {}
    }
}

/// Nothing is counted here.
pub fn describe() {}

/// Fails.
///
/// # Errors
/// Always.
pub fn start(_: &TracingSettings, _: Logger) -> Result<Arc<Exporter>, StartError> {
    Err(StartError)
}
