//! `[admin]`: checked, though nothing listens there yet.

use super::Checker;
use super::password::PasswordKeys;
use crate::config::raw::RawAdmin;

/// Every way to give the administrator's password.
const PASSWORD_KEYS: &str = "exactly one of password, password_file, password_env, password_hash";

impl Checker<'_> {
    /// Notes what would be wrong with the console.
    pub(super) fn admin(&mut self, raw: &RawAdmin) {
        if raw.listen.value.is_none_or(|listen| listen.0.is_none()) {
            return;
        }
        self.warn(&raw.listen.place, "this build has no administrators' console yet: nothing listens there");
        self.user_name(&raw.user);
        let keys = PasswordKeys {
            inline: &raw.password,
            file: &raw.password_file,
            variable: &raw.password_env,
            hash: Some(&raw.password_hash),
        };
        if self.exactly_one(keys, &raw.listen.place, PASSWORD_KEYS).is_none() {
            return;
        }
        match raw.password_env.value.as_deref().filter(|name| self.sources.variable(name).is_none()) {
            // With no console there is no login that the missing password could spoil.
            Some(name) => self.warn(&raw.password_env.place, format!("environment variable {name} is not set")),
            None => {
                self.secret(keys);
            }
        }
    }
}
