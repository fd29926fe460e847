//! What a statement's text does to its session: the lexer, the classifier, pin reasons, rewriting.
//!
//! The server's trackers are the truth and this is the hint: it exists for what no tracker reports
//! and for functions about the previous statement. It works on bytes as they arrive, allocates
//! nothing on the ordinary path, and when unsure it pins and names the reason.
//!
//! ```text
//! bytes ──lexer──> tokens ──classify──> Verdict { kind, pins, unpins, facts }
//! ```

pub mod assigned;
pub mod builtin;
pub mod classify;
pub mod facts;
pub mod foreseen;
pub mod hidden;
pub mod keyword;
pub mod lexer;
pub mod mode;
pub mod named;
pub mod pin;
mod plain;
pub mod read_back;
pub mod reading;
mod reported;
pub mod route;
pub mod shape;
pub mod substitute;
pub mod token;

pub use assigned::{Assigned, Literal, assigned, string_sql};
pub use classify::{Classifier, Kind, Verdict, classify};
pub use facts::Facts;
pub use foreseen::{Foreseen, carries};
pub use hidden::{Catalog, Hidden, Stored, Watch};
pub use mode::{ClientCharset, Flavor, Mode};
pub use pin::{PinReason, PinSet};
pub use reading::{Doubt, Reading, read, substitute_in_doubt, substitute_several_in_doubt};
pub use route::Wish;
pub use substitute::{FoundRows, Known, Several, may_ask, substitute, substitute_several, with_literal};
