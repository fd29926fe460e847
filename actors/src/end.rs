//! Why a backend connection or a client session ended: one documented variant a reason, logged, counted and tested by name.

use std::fmt;

/// Why a backend connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendEnd {
    /// It lay idle longer than its endpoint's `idle_timeout`.
    Idle,
    /// It was older than its node's `max_lifetime`.
    Lifetime,
    /// Somebody with another key needed its place.
    Evicted,
    /// There were more than may be: `max_connections` was lowered, or the share of a fleet.
    Surplus,
    /// It went to another worker.
    Transferred,
    /// Its session was in no state to give it back: it was in a transaction, amid a reply, or had vanished.
    Abandoned,
    /// Its session gave it back as unfit for anybody else.
    Spoilt,
    /// It could not be reset.
    Uncleanable,
    /// The server closed it while it was idle.
    ServerClosed,
    /// The server sent something that nobody had asked for.
    Unexpected,
    /// It could not be opened.
    ConnectFailed,
    /// The server refused the login.
    Refused,
    /// Its actor panicked.
    Panicked,
    /// The process is stopping.
    Drained,
}

impl BackendEnd {
    /// Its stable name, for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Evicted => "evicted",
            Self::Surplus => "surplus",
            Self::Transferred => "transferred",
            Self::Abandoned => "abandoned",
            Self::Spoilt => "spoilt",
            Self::Uncleanable => "uncleanable",
            Self::ServerClosed => "server_closed",
            Self::Unexpected => "unexpected",
            Self::ConnectFailed => "connect_failed",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
            Self::Drained => "drained",
        }
    }

    /// Whether the connection ended by a fault: the supervisor hears of it and sees to a new one.
    #[must_use]
    pub fn is_fault(self) -> bool {
        matches!(self, Self::ServerClosed | Self::Unexpected | Self::ConnectFailed | Self::Panicked)
    }
}

impl fmt::Display for BackendEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a client session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// The client said good-bye.
    Quit,
    /// The client closed its connection without saying so.
    ClientClosed,
    /// The client's socket failed.
    ClientFailed,
    /// The client broke the protocol.
    Violation,
    /// The login was refused.
    Refused,
    /// The login took longer than `login_timeout`.
    LoginTimeout,
    /// The client was idle longer than it may.
    ClientIdle,
    /// Somebody killed it.
    Killed,
    /// The backend connection that it could not live without was lost.
    BackendLost,
    /// The process is stopping.
    Drained,
}

impl SessionEnd {
    /// Its stable name, for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::ClientClosed => "client_closed",
            Self::ClientFailed => "client_failed",
            Self::Violation => "violation",
            Self::Refused => "refused",
            Self::LoginTimeout => "login_timeout",
            Self::ClientIdle => "client_idle",
            Self::Killed => "killed",
            Self::BackendLost => "backend_lost",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
