//! What is seen from outside: log lines and metrics.

pub mod log;
mod one_line;
pub mod prometheus;
