//! `[[users]]`: who may log in, and as whom on the server.

use greenroom_actors::settings::{UserSecret, UserSettings};
use greenroom_actors::tls::EndpointTlsMode;
use greenroom_protocol::secret::Secret;

use super::Checker;
use super::password::PasswordKeys;
use crate::config::problem::Place;
use crate::config::raw::{Raw, RawEndpoint, RawUser};
use crate::config::reader::Field;

/// Longest user name in bytes: MariaDB's limit; MySQL's (32 characters) is within it.
const MAX_USER: usize = 128;

/// Every way to give a user's password.
const PASSWORD_KEYS: &str = "exactly one of password, password_file, password_env, password_hash";

impl Checker<'_> {
    /// All users; `None` where any is wrong.
    pub(super) fn users(&mut self, raw: &[RawUser]) -> Option<Vec<UserSettings>> {
        self.unique(raw.iter().map(|user| &user.name));
        let users: Vec<_> = raw.iter().map(|user| self.user(user)).collect();
        users.into_iter().collect()
    }

    fn user(&mut self, raw: &RawUser) -> Option<UserSettings> {
        let name = self.user_name(&raw.name);
        let secret = self.user_secret(raw);
        let backend_user = self.backend_user(&raw.backend_user);
        let backend_password = self.backend_password(raw);
        let tls_subject = self.tls_subject(&raw.tls_subject);
        if let (Some(secret), Some(None)) = (&secret, &backend_password) {
            self.warn_of_hash(&raw.password_hash.place, secret);
        }
        Some(UserSettings {
            name: name?,
            secret: secret?,
            backend_user: backend_user?,
            backend_password: backend_password?,
            tls_subject: tls_subject?,
        })
    }

    /// Says where a hash does not log in: the one thing that a server may ask for and Greenroom not have.
    fn warn_of_hash(&mut self, place: &Place, secret: &UserSecret) {
        match secret {
            UserSecret::Password(_) => {}
            UserSecret::NativeDoubleSha1(_) => self.warn(
                place,
                "it logs in only to accounts of mysql_native_password, which MySQL 9 has no more; for others give the \
                 password or a backend_password",
            ),
            UserSecret::Sha2Double(_) => self.warn(
                place,
                "it logs in only to accounts of caching_sha2_password that the server has in its cache; for others give \
                 the password or a backend_password",
            ),
        }
    }

    /// A name that a server could know.
    pub(super) fn user_name(&mut self, field: &Field<String>) -> Option<String> {
        let expected = "a user name of 1 to 128 bytes";
        let name = self.required(field, expected)?;
        if name.is_empty() || name.len() > MAX_USER {
            self.wrong(&field.place, format!("a name of {} bytes is not possible", name.len()), expected);
            return None;
        }
        Some(name)
    }

    /// Counts the keys that give one password; notes too many, or none.
    pub(super) fn exactly_one(&mut self, keys: PasswordKeys<'_>, user: &Place, expected: &str) -> Option<()> {
        match keys.given().as_slice() {
            [] => self.wrong(user, "the user has no password", expected),
            [_] => return Some(()),
            [first, rest @ ..] => {
                for place in rest {
                    self.wrong(place, format!("the password is already given by {}", first.key), expected);
                }
            }
        }
        None
    }

    fn user_secret(&mut self, raw: &RawUser) -> Option<UserSecret> {
        let keys = PasswordKeys {
            inline: &raw.password,
            file: &raw.password_file,
            variable: &raw.password_env,
            hash: Some(&raw.password_hash),
        };
        self.exactly_one(keys, &raw.name.place, PASSWORD_KEYS)?;
        self.secret(keys)
    }

    fn backend_user(&mut self, field: &Field<String>) -> Option<Option<String>> {
        if field.given { self.user_name(field).map(Some) } else { Some(None) }
    }

    fn tls_subject(&mut self, field: &Field<String>) -> Option<Option<String>> {
        if !field.given {
            return Some(None);
        }
        let text = field.value.clone()?;
        if text.starts_with('/') && text.contains('=') {
            return Some(Some(text));
        }
        let what = format!("{text:?} is not the subject of a certificate");
        self.wrong(&field.place, what, "parts with their short names, as in \"/O=Example/CN=app\"");
        None
    }

    /// Says of users whom nobody can be, for want of certificates.
    pub(super) fn warn_of_subjects(&mut self, raw: &Raw) {
        let verifies =
            |endpoint: &RawEndpoint| endpoint.tls_ca.given && endpoint.tls.value != Some(EndpointTlsMode::Disabled);
        if raw.endpoints.iter().any(verifies) {
            return;
        }
        for user in raw.users.iter().filter(|user| user.tls_subject.given) {
            let why = "no endpoint verifies certificates of clients (tls_ca): nobody can log in as this user";
            self.warn(&user.tls_subject.place, why);
        }
    }

    fn backend_password(&mut self, raw: &RawUser) -> Option<Option<Secret>> {
        let keys = PasswordKeys {
            inline: &raw.backend_password,
            file: &raw.backend_password_file,
            variable: &raw.backend_password_env,
            hash: None,
        };
        if keys.given().is_empty() {
            return Some(None);
        }
        let expected = "at most one of backend_password, backend_password_file, backend_password_env";
        self.exactly_one(keys, &raw.name.place, expected)?;
        self.password(keys).map(Some)
    }
}
