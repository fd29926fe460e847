//! Which pool mode suits an application, by what it was seen to do: in a server's general log, or by the proxy itself.
//!
//! ```text
//! general log ──general_log::Reader──> entries ──Study──> Findings { Traffic of each user and database, pins }
//! running proxy ───────────────────────────────────────> Traffic                         ──decide──> Advice
//! ```

mod busiest;
mod decide;
mod histogram;
mod meter;
mod session;
mod study;
mod suspects;
mod tally;
#[cfg(test)]
mod tests;

pub use busiest::Busiest;
pub use decide::{Advice, FEW, KEPT, PINNED, Pool, SHORT, SLOW, SLOW_SHARE, STATISTICS, Traffic, Why, decide};
pub use histogram::Histogram;
pub use meter::{Levels, Meter, Need};
pub use study::{Findings, MARIADB, MYSQL, Options, Study};
pub use suspects::{Suspect, Suspects};
pub use tally::Group;
