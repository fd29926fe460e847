//! Statements that belong to a trace, sent to a collector by OpenTelemetry's protocol (OTLP, protobuf over HTTP).
//!
//! Only with the feature `export`: without it there is nothing here that does anything, and nothing of OpenTelemetry's below.

#[cfg(not(feature = "export"))]
#[path = "absent.rs"]
mod exporter;
#[cfg(feature = "export")]
mod exporter;
#[cfg(feature = "export")]
mod span;

pub use exporter::{Exporter, StartError, describe, start};

/// Whether this build exports anything.
pub const IS_BUILT: bool = cfg!(feature = "export");
