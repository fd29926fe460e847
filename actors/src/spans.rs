//! What is told of a statement that belongs to a trace. Who exports it is no business of the cast's.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use greenroom_protocol::flavor::Flavor;

use crate::settings::Address;

/// A statement, from its arrival to the end of its reply. Without its literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementSpan {
    /// The trace that it is part of.
    pub trace_id: [u8; 16],
    /// Its own.
    pub span_id: [u8; 8],
    /// The client's span; `None`: the trace begins here.
    pub parent_id: Option<[u8; 8]>,
    /// When it arrived.
    pub began: SystemTime,
    /// How long it took.
    pub whole: Duration,
    /// How that time was spent, in order; what did not take place is left out.
    pub parts: Vec<PartSpan>,
    /// Its text without literals; empty where nobody can tell.
    pub shape: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// The user, as clients name it.
    pub user: String,
    /// The default database; empty where there is none.
    pub database: String,
    /// The session's id, as its client sees it.
    pub session: u32,
    /// The server's dialect.
    pub flavor: Flavor,
    /// The server that it ran on, if it came that far.
    pub server: Option<Address>,
    /// Rows sent.
    pub rows: u64,
    /// Rows changed.
    pub affected: u64,
    /// The error's number, if it failed.
    pub error: Option<u16>,
    /// The session ended with it.
    pub cut_off: bool,
    /// Names of the pins that began with it.
    pub pins: Vec<&'static str>,
}

/// A part of a statement's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpan {
    /// Which part.
    pub part: Part,
    /// Its own id.
    pub span_id: [u8; 8],
    /// Since the statement's arrival.
    pub at: Duration,
    /// How long it took.
    pub length: Duration,
}

/// What a statement's time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Waiting for a server connection.
    Wait,
    /// Making that fit, until the statement goes to the server.
    Adapt,
    /// From there to the first bytes of the reply.
    Server,
    /// From there to the end of the reply.
    Relay,
}

impl Part {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Adapt => "adapt",
            Self::Server => "server",
            Self::Relay => "relay",
        }
    }
}

/// Takes spans over. Must neither block nor fail: it is called between two statements.
pub trait SpanSink: Send + Sync {
    /// Takes one, or drops it.
    fn offer(&self, span: StatementSpan);
}

/// Where spans go, and which statements without a trace of their own begin one.
#[derive(Clone)]
pub(crate) struct Tracer {
    pub(crate) sink: Arc<dyn SpanSink>,
    /// One in so many; `None`: none.
    pub(crate) one_in: Option<usize>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}
