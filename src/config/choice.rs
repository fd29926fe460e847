//! Keys whose value is one of a few words.

use config::Value;
use greenroom_actors::settings::{Access, Pinning, PoolMode, Role};
use greenroom_actors::tls::{EndpointTlsMode, NodeTlsMode};
use greenroom_protocol::proxy_header::Version;

use super::inventory::{Show, Shown};
use super::value::{Read, Wrong, text};
use super::vault::Vault;
use crate::telemetry::log::{Format, LEVELS};

/// Where an endpoint's credentials come from, before the users are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Learned while there are no users, else static.
    Auto,
    /// Only the configuration's users.
    Static,
    /// Anybody whom the server accepts.
    Learned,
    /// Anybody whom the server's account table has.
    Query,
}

/// Which writes the reads of an endpoint that splits must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CausalReads {
    /// Those of the session itself.
    Session,
    /// None.
    Off,
}

/// The mode whose doings are looked at although another is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shadow {
    /// None.
    Off,
    /// Transaction.
    Transaction,
}

/// Whether a node is told for whom a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProxyProtocol(pub(super) Option<Version>);

/// Implements [`Read`] and [`Show`] for a type by its words.
macro_rules! choices {
    ($($kind:ty, $what:literal: $($word:literal => $value:expr),+;)*) => {$(
        impl Read for $kind {
            fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
                choose(value, $what, &[$(($word, $value)),+])
            }
        }

        impl Show for $kind {
            fn show(&self) -> Shown {
                let word = [$(($word, $value)),+].iter().find(|(_, value)| value == self).map(|(word, _)| *word);
                Shown::Text(word.unwrap_or_default().to_owned())
            }
        }
    )*};
}

choices! {
    Role, "a role": "primary" => Self::Primary, "replica" => Self::Replica, "auto" => Self::Auto;
    Access, "a kind of access": "read_write" => Self::ReadWrite, "read_only" => Self::ReadOnly,
        "split" => Self::Split;
    CausalReads, "a kind of causal reads": "session" => Self::Session, "off" => Self::Off;
    PoolMode, "a pool mode": "none" => Self::None, "session" => Self::Session, "transaction" => Self::Transaction;
    Pinning, "a way to pin": "tracked" => Self::Tracked, "strict" => Self::Strict;
    Shadow, "a mode to try": "off" => Self::Off, "transaction" => Self::Transaction;
    Credentials, "a source of credentials":
        "auto" => Self::Auto, "static" => Self::Static, "learned" => Self::Learned, "query" => Self::Query;
    EndpointTlsMode, "a TLS mode of endpoints": "disabled" => Self::Disabled, "preferred" => Self::Preferred,
        "required" => Self::Required, "verify-client" => Self::VerifyClient;
    NodeTlsMode, "a TLS mode of nodes": "disabled" => Self::Disabled, "preferred" => Self::Preferred,
        "required" => Self::Required, "verify-ca" => Self::VerifyCa, "verify-identity" => Self::VerifyIdentity;
    Format, "a log format": "human" => Self::Human, "json" => Self::Json;
}

impl Read for slog::Level {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        choose(value, "a log level", &LEVELS)
    }
}

impl Show for slog::Level {
    fn show(&self) -> Shown {
        Shown::Text(self.as_str().to_lowercase())
    }
}

impl Show for ProxyProtocol {
    fn show(&self) -> Shown {
        Shown::Text(match self.0 {
            None => "off".to_owned(),
            Some(Version::V1) => "v1".to_owned(),
            Some(Version::V2) => "v2".to_owned(),
        })
    }
}

impl Read for ProxyProtocol {
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong> {
        match bool::read(value, vault) {
            Ok(on) => Ok(Self(on.then_some(Version::V2))),
            Err(_) => choose(
                value,
                "a version of the PROXY protocol",
                &[("off", Self(None)), ("v1", Self(Some(Version::V1))), ("v2", Self(Some(Version::V2)))],
            ),
        }
    }
}

fn choose<T: Copy>(value: &Value, what: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    let chosen = words.iter().find(|(word, _)| text(value) == Some(word));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| Wrong::is_not(value, what, one_of(words)))
}

fn one_of<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
