//! Our side towards nodes: logging in as a client does.

use std::fmt;

use super::{
    LoginError,
    attributes::Attributes,
    plugin::Plugin,
    rsa::RsaError,
    scramble::{Scramble, native, sha2},
    switch::Welcome,
};
use crate::{
    capability::Capabilities,
    error::SqlError,
    secret::{Secret, SecretHash},
};

mod exchange;
#[cfg(test)]
mod tests;

pub use exchange::NodeLogin;

/// What we log in to a node with.
#[derive(Debug, Clone)]
pub enum BackendSecret {
    /// The password: every plugin and path.
    Password(Secret),
    /// SHA1(password): `mysql_native_password` alone.
    NativeStage1(SecretHash<20>),
    /// SHA256(password): the fast path of `caching_sha2_password` alone.
    Sha2Stage1(SecretHash<32>),
}

/// As whom, and how, we log in to a node.
#[derive(Debug, Clone)]
pub struct Identity {
    /// User name.
    pub user: Vec<u8>,
    /// What proves it.
    pub secret: BackendSecret,
    /// Database to start in.
    pub database: Option<Vec<u8>>,
    /// Collation id. A login has one byte for it, so above 255 the session starts with the server's own collation (0):
    /// see [`NodeLogin::again`].
    pub charset: u16,
    /// See [`crate::capability::backend`].
    pub capabilities: Capabilities,
    /// Connection attributes.
    pub attributes: Attributes,
    /// Whether the server may have the password in clear text over a secure channel (`mysql_clear_password`).
    pub clear_text: bool,
}

/// What to do next.
pub enum NodeStep {
    /// Send this one packet, which may be the password, then read the next.
    Send(Secret),
    /// Send nothing, read the next.
    Wait,
    /// Logged in. See [`NodeLogin::learned_key`].
    Done(Welcome),
    /// Not logged in: close the connection.
    Failed(NodeLoginError),
}

/// Why a login to a node failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeLoginError {
    /// The server said so.
    #[error("the server refused the login: {0}")]
    Refused(#[source] SqlError),
    /// The server refused a password encrypted with the key that the caller had kept: after a restart
    /// the server may have another. Forget the key and try once more.
    #[error("the server refused the login, perhaps because its RSA key has changed: {0}")]
    RefusedWithKeptKey(#[source] SqlError),
    /// The server wants a plugin that we do not speak.
    #[error(
        "the server asks for the authentication plugin '{plugin}', which is not supported; give the account caching_sha2_password or mysql_native_password"
    )]
    Unsupported {
        /// Its name.
        plugin: String,
    },
    /// The server wants the password in clear text, which it shall not have, or not over this channel.
    #[error(
        "the server asks for the password in clear text (mysql_clear_password), which it gets only over TLS or a Unix socket, from a node with allow_cleartext_over_tls = true"
    )]
    ClearText,
    /// The server wants the password, of which only a hash is known.
    #[error("the server asks for the password itself ({}), but only a hash of another kind or for its fast path is known; configure or learn the password", plugin.name())]
    PasswordNeeded {
        /// The plugin that needs it.
        plugin: Plugin,
    },
    /// The key, or the password with it, does not do.
    #[error(transparent)]
    Rsa(#[from] RsaError),
    /// The system has no random bytes to give.
    #[error("the system has no random bytes for an answer to the server")]
    Randomness,
    /// A packet of the server's cannot be read.
    #[error("the server's packet cannot be read: {0}")]
    Malformed(#[from] LoginError),
    /// A packet that has no place in this step, or one switch too many.
    #[error("the server sent {0} where a login has no place for it")]
    OutOfOrder(&'static str),
}

impl BackendSecret {
    /// What to name in the request where the greeting names `greeted`.
    fn first_plugin(&self, greeted: Option<Plugin>) -> Plugin {
        match self {
            Self::Password(_) => greeted.filter(|plugin| plugin.answers_greeting()).unwrap_or(Plugin::CachingSha2),
            Self::NativeStage1(_) => Plugin::Native,
            Self::Sha2Stage1(_) => Plugin::CachingSha2,
        }
    }

    /// The answer to a scramble; `None` where the plugin needs what is not known.
    fn answer(&self, plugin: Plugin, scramble: &Scramble) -> Option<Secret> {
        match (self, plugin) {
            // To both plugins, no answer at all is the empty password's.
            (Self::Password(password), _) if password.is_empty() => Some(Secret::new([])),
            (Self::Password(password), Plugin::Native) => {
                Some(Secret::new(native::answer(scramble, &native::stage1(password))))
            }
            (Self::Password(password), Plugin::CachingSha2) => {
                Some(Secret::new(sha2::answer(scramble, &sha2::stage1(password))))
            }
            (Self::NativeStage1(stage1), Plugin::Native) => Some(Secret::new(native::answer(scramble, stage1))),
            (Self::Sha2Stage1(stage1), Plugin::CachingSha2) => Some(Secret::new(sha2::answer(scramble, stage1))),
            _ => None,
        }
    }

    fn password(&self, plugin: Plugin) -> Result<&Secret, NodeLoginError> {
        match self {
            Self::Password(password) => Ok(password),
            Self::NativeStage1(_) | Self::Sha2Stage1(_) => Err(NodeLoginError::PasswordNeeded { plugin }),
        }
    }
}

impl fmt::Debug for NodeStep {
    /// Without the bytes, a password among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(payload) => write!(f, "Send({} bytes)", payload.expose().len()),
            Self::Wait => f.write_str("Wait"),
            Self::Done(welcome) => write!(f, "Done({:?})", welcome.status),
            Self::Failed(error) => write!(f, "Failed({error})"),
        }
    }
}
