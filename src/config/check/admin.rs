//! `[admin]`: the administrators' console.

use std::net::SocketAddr;

use greenroom_actors::settings::AdminSettings;
use greenroom_actors::tls::EndpointTlsMode;

use super::Checker;
use super::password::PasswordKeys;
use crate::config::problem::Place;
use crate::config::raw::RawAdmin;

/// Every way to give the administrator's password.
const PASSWORD_KEYS: &str = "exactly one of password, password_file, password_env, password_hash";

/// Where the console is to listen: not by the default alone, without a password for it; `None` where that is no address.
pub(super) fn listens(raw: &RawAdmin) -> Option<Option<SocketAddr>> {
    Some(raw.listen.value?.0.filter(|_| has_password(raw) || !raw.listen.place.is_default()))
}

fn has_password(raw: &RawAdmin) -> bool {
    raw.password.given || raw.password_file.given || raw.password_env.given || raw.password_hash.given
}

impl Checker<'_> {
    /// The console; `Some(None)` where there is to be none, `None` where something is wrong.
    pub(super) fn admin(&mut self, raw: &RawAdmin) -> Option<Option<AdminSettings>> {
        let Some(listen) = listens(raw)? else {
            let written = |place: &Place, given: bool| given && !place.is_default();
            let given = [(&raw.user.place, raw.user.given), (&raw.tls.place, raw.tls.given)];
            let files = [&raw.tls_cert, &raw.tls_key, &raw.tls_ca].map(|file| (&file.place, file.given));
            if !has_password(raw) {
                for (place, _) in given.into_iter().chain(files).filter(|(place, given)| written(place, *given)) {
                    self.warn(place, "it is not used, since the console has no password, so that there is none");
                }
            }
            return Some(None);
        };
        let user = self.user_name(&raw.user);
        let tls = self.admin_tls(raw);
        let keys = PasswordKeys {
            inline: &raw.password,
            file: &raw.password_file,
            variable: &raw.password_env,
            hash: Some(&raw.password_hash),
        };
        if !has_password(raw) {
            self.wrong(&raw.listen.place, "the console has no password", PASSWORD_KEYS);
            return None;
        }
        self.exactly_one(keys, &raw.listen.place, PASSWORD_KEYS)?;
        if let Some(name) = raw.password_env.value.as_deref().filter(|name| self.sources.variable(name).is_none()) {
            let what =
                format!("environment variable {name} is not set: there is no console, since nobody could log in");
            self.warn(&raw.password_env.place, what);
            return Some(None);
        }
        let secret = self.secret(keys);
        let open = matches!(raw.tls.value, Some(EndpointTlsMode::Disabled | EndpointTlsMode::Preferred));
        if !listen.ip().is_loopback() && open {
            self.warn(&raw.listen.place, "other machines can reach the console, and tls does not require encryption");
        }
        Some(Some(AdminSettings { listen, user: user?, secret: secret?, tls: tls? }))
    }
}
