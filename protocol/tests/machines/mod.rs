//! What must hold of each machine for any bytes at all, as functions of those bytes: `tests/any_bytes.rs` calls them
//! with recorded wires that it damages, `fuzz/` with what a fuzzer finds. Each panics where its machine is wrong.

#![allow(dead_code, reason = "every user of this has its own part")]
#![allow(missing_docs, unreachable_pub, reason = "the modules' heads say what each checks")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a check fails by panicking")]

pub mod answers;
pub mod client_login;
pub mod dump;
pub mod inbound;
pub mod input;
pub mod node_login;
pub mod packet;
pub mod processes;
pub mod proxy_header;
pub mod reply;
pub mod sql;
pub mod statement;
pub mod substitute;
pub mod tracker;
pub mod upload;

/// A machine's check.
pub type Check = fn(&[u8]);

/// Every check by the name of its fuzz target.
pub const ALL: [(&str, Check); 13] = [
    ("answers", answers::check),
    ("client_login", client_login::check),
    ("dump", dump::check),
    ("inbound", inbound::check),
    ("node_login", node_login::check),
    ("packet", packet::check),
    ("processes", processes::check),
    ("proxy_header", proxy_header::check),
    ("reply", reply::check),
    ("sql", sql::check),
    ("statement", statement::check),
    ("tracker", tracker::check),
    ("upload", upload::check),
];

/// Whether bytes are whole and of the kind that a machine is for.
pub type Understands = fn(&[u8]) -> bool;

/// Those machines whose corpora hold what `make capture` records, with what must be so of all of it.
pub const CAPTURED: [(&str, Understands); 4] = [
    ("dump", dump::understands),
    ("processes", processes::understands),
    ("proxy_header", proxy_header::understands),
    ("statement", statement::understands),
];
