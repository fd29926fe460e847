//! The administrators' console: a listener of its own that speaks the MySQL protocol, so that any of its clients will do.
//!
//! It has a thread of its own. What it shows it asks of the workers, who answer between two statements, like of anybody else;
//! it holds no lock that a query could wait for.

mod advice;
mod command;
mod edit;
mod filter;
mod gather;
mod listener;
mod login;
mod office;
mod pause;
mod queries;
mod session;
mod status;
mod tables;
mod talk;
mod time;
mod words;

pub(crate) use self::gather::ask;
pub(crate) use self::listener::{ConsoleListener, Rewrite, bind};
pub use self::office::{Key, Office, Reloaded, Sample};
pub(crate) use self::status::gather;
pub use self::status::{EndpointStatus, NodeStatus, PinStatus, ShadowStatus, Status, WaitStatus, pin_remedy};

/// The console's only database.
const DATABASE: &str = "greenroom";

/// What it says of itself.
const COMMENT: &str = "Greenroom's console; HELP lists its commands";

/// The version that it greets with. Clients take the number before for the dialect to speak.
fn version() -> String {
    format!("8.0.40-greenroom-{}", env!("CARGO_PKG_VERSION"))
}
