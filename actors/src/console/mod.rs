//! The administrators' console: a listener of its own that speaks the MySQL protocol, so that any of its clients will do.
//!
//! It has a thread of its own. What it shows it asks of the workers, who answer between two statements, like of anybody else;
//! it holds no lock that a query could wait for.

mod advice;
mod command;
mod dictionary;
mod edit;
mod engine;
mod gather;
mod listener;
mod login;
mod look;
mod office;
mod pause;
mod queries;
mod session;
mod sql;
mod status;
mod tables;
mod talk;
mod time;
mod words;

pub(crate) use self::gather::ask;
pub(crate) use self::listener::{ConsoleListener, Rewrite};
pub use self::office::{Key, Office, Reloaded, Sample};
pub(crate) use self::status::gather;
pub use self::status::{EndpointStatus, NodeStatus, PinStatus, ShadowStatus, Status, WaitStatus, pin_remedy};

/// The console's only database.
const DATABASE: &str = "greenroom";

/// What it says of itself.
const COMMENT: &str = "Greenroom's console: HELP SHOW lists what it shows, HELP PAUSE tells about one command";

/// The version that it greets with. Clients take the number before for the dialect to speak.
fn version() -> String {
    format!("8.0.40-greenroom-{}", env!("CARGO_PKG_VERSION"))
}
