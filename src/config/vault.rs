//! Where passwords wait while the layers are put together.
//!
//! The `config` crate clones, prints and never wipes its values. So no password enters it: a value there holds
//! the password's number, and the password itself lies here.

use greenroom_protocol::secret::Secret;

use config::{Value, ValueKind};

/// Keys whose text is kept in the vault, wherever they stand.
const SECRET_KEYS: [&str; 3] = ["password", "password_hash", "backend_password"];

/// Secrets by number.
#[derive(Debug, Default)]
pub(super) struct Vault(Vec<Secret>);

impl Vault {
    /// Whether a key's value must never be shown.
    pub(super) fn guards(key: &str) -> bool {
        SECRET_KEYS.contains(&key)
    }

    /// Keeps a secret and gives the number that stands for it: the only unsigned integers among the values, since
    /// TOML's are signed.
    pub(super) fn keep(&mut self, secret: &str) -> ValueKind {
        self.0.push(Secret::new(secret));
        ValueKind::U64(self.0.len() as u64 - 1)
    }

    /// The secret that a value stands for.
    pub(super) fn find(&self, value: &Value) -> Option<&Secret> {
        match value.kind {
            ValueKind::U64(number) => self.0.get(usize::try_from(number).ok()?),
            _ => None,
        }
    }
}
