//! What the bytes mean: packets, commands, replies, logins, SQL and session state.
//!
//! Everything here is sans-IO: a machine takes bytes in and gives decisions out. There is no socket,
//! no clock and no actor in this crate, so each machine can be tested with recorded wires,
//! fuzzed and measured alone.

pub mod accounts;
pub mod advice;
pub mod answer;
pub mod capability;
pub mod command;
pub mod error;
pub mod flavor;
pub mod general_log;
pub mod login;
pub mod packet;
pub mod processes;
pub mod proxy_header;
pub mod reply;
pub mod secret;
pub mod sql;
pub mod state;
pub mod statement;
pub mod table;
pub mod trace;
pub mod track;

/// The protocol's constants, as mysql_common has them.
pub mod constants {
    pub use mysql_common::constants::{CapabilityFlags, MariadbCapabilities, StatusFlags};
}
