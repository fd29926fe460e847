//! Passwords, wherever they are kept.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;

use greenroom_actors::settings::UserSecret;
use greenroom_protocol::secret::Secret;
use zeroize::Zeroizing;

use super::Checker;
use crate::config::problem::Place;
use crate::config::reader::Field;

/// Longest password file: far above any password, far below a mistaken path to something large.
const MAX_FILE: u64 = 4096;

/// What a user's password beside it may be.
const PASSWORD_KEYS: &str = "exactly one of password, password_file, password_env";

/// Permission of everybody to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

/// The keys of which one says what a password is.
#[derive(Debug, Clone, Copy)]
pub(super) struct PasswordKeys<'r> {
    /// The password itself.
    pub(super) inline: &'r Field<Secret>,
    /// The file that holds it.
    pub(super) file: &'r Field<String>,
    /// The environment variable that holds it.
    pub(super) variable: &'r Field<String>,
    /// A double hash; not for a backend's own password.
    pub(super) hash: Option<&'r Field<Secret>>,
}

impl<'r> PasswordKeys<'r> {
    /// The places of the keys that are given.
    pub(super) fn given(&self) -> Vec<&'r Place> {
        let texts = [self.file, self.variable].map(|field| (field.given, &field.place));
        let secrets = [Some(self.inline), self.hash].into_iter().flatten().map(|field| (field.given, &field.place));
        secrets.chain(texts).filter(|(given, _)| *given).map(|(_, place)| place).collect()
    }
}

impl Checker<'_> {
    /// The one secret that the keys come to; the caller has counted them.
    pub(super) fn secret(&mut self, keys: PasswordKeys<'_>) -> Option<UserSecret> {
        if let Some(hash) = keys.hash.filter(|hash| hash.given) {
            return self.hash(hash);
        }
        self.password(keys).map(UserSecret::Password)
    }

    /// The one password in clear that the keys come to.
    pub(super) fn password(&mut self, keys: PasswordKeys<'_>) -> Option<Secret> {
        if keys.file.given {
            self.file_password(keys.file)
        } else if keys.variable.given {
            self.variable_password(keys.variable)
        } else {
            keys.inline.value.clone()
        }
    }

    /// The password of a user who may be left out, and then has none: `Some(None)`.
    pub(super) fn password_beside(&mut self, user: &Field<String>, keys: PasswordKeys<'_>) -> Option<Option<Secret>> {
        if !user.given {
            for place in keys.given() {
                self.wrong(place, "there is no user whose password it is", "user beside it");
            }
            return keys.given().is_empty().then_some(None);
        }
        self.exactly_one(keys, &user.place, PASSWORD_KEYS)?;
        self.password(keys).map(Some)
    }

    fn hash(&mut self, field: &Field<Secret>) -> Option<UserSecret> {
        let secret = parse_hash(field.value.as_ref()?.expose());
        if secret.is_none() {
            let expected = "\"*\" and 40 hex digits, or \"sha256:\" and 64 hex digits";
            self.wrong(&field.place, "it is not a double hash of a password", expected);
        }
        secret
    }

    fn variable_password(&mut self, field: &Field<String>) -> Option<Secret> {
        let name = field.value.as_deref()?;
        let found = self.sources.variable(name).map(|value| value.to_str().map(Secret::new));
        match found {
            Some(Some(secret)) => return Some(secret),
            Some(None) => self.wrong(&field.place, format!("environment variable {name} is not UTF-8"), "a password"),
            None => self.wrong(&field.place, format!("environment variable {name} is not set"), "a password in it"),
        }
        None
    }

    fn file_password(&mut self, field: &Field<String>) -> Option<Secret> {
        let path = field.value.as_deref()?;
        match read_password(path) {
            Ok((secret, others_can_read)) => {
                if others_can_read {
                    self.warn(&field.place, format!("every user of this machine can read {path} (chmod o-r)"));
                }
                Some(secret)
            }
            Err(error) => {
                self.wrong(&field.place, format!("{path} cannot be used: {error}"), "a file that holds a password");
                None
            }
        }
    }
}

fn read_password(path: &str) -> io::Result<(Secret, bool)> {
    let file = fs::File::open(path)?;
    let others_can_read = file.metadata()?.permissions().mode() & READABLE_BY_OTHERS != 0;
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is longer than 4096 bytes"));
    }
    let password = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    if password.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok((Secret::new(password), others_can_read))
}

fn parse_hash(text: &[u8]) -> Option<UserSecret> {
    if let Some(digits) = text.strip_prefix(b"*") {
        let mut hash = [0; 20];
        hex::decode_to_slice(digits, &mut hash).ok()?;
        return Some(UserSecret::NativeDoubleSha1(hash));
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(text.strip_prefix(b"sha256:")?, &mut hash).ok()?;
    Some(UserSecret::Sha2Double(hash))
}
