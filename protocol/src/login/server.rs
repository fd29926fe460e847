//! Our side towards clients: checking, or learning, who logs in.

use std::{fmt, sync::Arc};

use super::{
    plugin::Plugin,
    rsa::RsaKey,
    scramble::{Scramble, native, sha2},
    signature::{Nonce, parsec::Salt},
};
use crate::{
    error::SqlError,
    secret::{Secret, SecretHash},
};

mod exchange;
#[cfg(test)]
mod tests;

pub use exchange::ClientLogin;

/// What is known of the user who logs in. Of one who does not exist, something that nobody can prove
/// ([`Decoys`](super::decoy::Decoys)), so that he is refused as the others are.
#[derive(Debug, Clone)]
pub enum Known {
    /// The password.
    Password(Secret),
    /// SHA1(SHA1(password)), an account table's `*HEX`.
    Native(SecretHash<20>),
    /// SHA256(SHA256(password)).
    Sha2(SecretHash<32>),
    /// Nothing: obtain the password, which the server shall prove.
    Learn,
    /// A password learned earlier, which may have changed since: one that differs is obtained as with
    /// [`Learn`](Self::Learn) instead of being refused.
    Remembered(Secret),
}

/// What a login has proven, or brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password, matched with what is known.
    Password(Secret),
    /// A password that the server has yet to prove.
    Learned(Secret),
    /// SHA1(password), matched: logs in to a server by `mysql_native_password`.
    NativeStage1(SecretHash<20>),
    /// SHA256(password), matched: answers a server's fast path.
    Sha2Stage1(SecretHash<32>),
}

/// What to do next.
#[derive(PartialEq, Eq)]
pub enum Step {
    /// Send this one packet, then hand the client's next one to [`ClientLogin::step`].
    Send(Vec<u8>),
    /// Accepted: send `prelude`, one packet, if there is one, then OK, or an error that comes up otherwise.
    Accept {
        /// AuthMoreData 0x03, which the fast path ends with.
        prelude: Option<Vec<u8>>,
        /// Who it is.
        proof: Proof,
    },
    /// Send one packet: 1045, see [`SqlError::access_denied`]. Then close.
    Refuse {
        /// Whether the client sent a password at all.
        using_password: bool,
    },
    /// Send one packet: this error. Then close.
    Fail(SqlError),
}

/// What a login is judged by.
pub struct Terms {
    /// What is known of the user.
    pub known: Known,
    /// Whether nobody can listen: TLS or a Unix socket.
    pub secure: bool,
    /// The plugin named in the greeting.
    pub offered: Plugin,
    /// The scramble that the client has: the greeting's, or at `COM_CHANGE_USER` the last one sent on this connection.
    pub scramble: Scramble,
    /// Another one, for a challenge at `COM_CHANGE_USER`.
    pub fresh: Scramble,
    /// What is signed where the plugin is one that signs.
    pub nonce: Nonce,
    /// What `parsec` makes the user's key with: always the same for the same name.
    pub salt: Salt,
    /// Our key pair; without it nobody can hand over a password on a channel that is not secure.
    pub rsa: Option<Arc<RsaKey>>,
    /// Obtain the password although the fast path would do: a server has asked for it.
    pub password_wanted: bool,
    /// Challenge again without a look at the answer, as both servers do for `COM_CHANGE_USER` (measured).
    pub renew: bool,
}

/// What a client's request says about its authentication.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The plugin that answered; `None` from a client without `CLIENT_PLUGIN_AUTH`.
    pub plugin: Option<&'a [u8]>,
    /// Its answer to the greeting's scramble.
    pub auth: &'a [u8],
}

impl Known {
    /// The plugin to judge by: the client's own where that will do, to save a round trip.
    fn plugin(&self, named: Option<Plugin>, offered: Plugin, secure: bool) -> Plugin {
        let named = named.filter(|plugin| secure || *plugin != Plugin::Clear);
        match (self, named) {
            (Self::Password(_), _) => named.unwrap_or(offered),
            // No signature brings a password that has changed.
            (Self::Remembered(_), Some(Plugin::Ed25519 | Plugin::Parsec)) => Plugin::CachingSha2,
            (Self::Remembered(_), _) => named.unwrap_or(offered),
            // What was named is willing to hand the password over, which proves the hash as well.
            (_, Some(plugin @ (Plugin::Sha256 | Plugin::Clear))) => plugin,
            // Some clients of MySQL 9 have no native plugin.
            (Self::Native(_), Some(Plugin::CachingSha2)) if secure => Plugin::CachingSha2,
            (Self::Native(_), _) => Plugin::Native,
            (Self::Sha2(_) | Self::Learn, _) => Plugin::CachingSha2,
        }
    }

    /// The password, where it is known.
    fn password(&self) -> Option<&Secret> {
        match self {
            Self::Password(password) | Self::Remembered(password) => Some(password),
            Self::Native(_) | Self::Sha2(_) | Self::Learn => None,
        }
    }

    /// What a password handed over proves.
    #[must_use]
    pub fn prove(&self, password: Secret) -> Option<Proof> {
        let right = match self {
            Self::Learn => return Some(Proof::Learned(password)),
            Self::Remembered(known) if *known != password => return Some(Proof::Learned(password)),
            Self::Password(known) | Self::Remembered(known) => *known == password,
            Self::Native(stage2) => native::stage2(&native::stage1(&password)) == *stage2,
            Self::Sha2(stage2) => sha2::stage2(&sha2::stage1(&password)) == *stage2,
        };
        right.then_some(Proof::Password(password))
    }
}

impl fmt::Debug for Step {
    /// Without the bytes, a scramble among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(payload) => write!(f, "Send({} bytes)", payload.len()),
            Self::Accept { proof, .. } => write!(f, "Accept({proof:?})"),
            Self::Refuse { using_password } => write!(f, "Refuse {{ using_password: {using_password} }}"),
            Self::Fail(error) => write!(f, "Fail({error})"),
        }
    }
}
