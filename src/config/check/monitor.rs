//! `[monitor]`: how servers are asked what they are.

use std::time::Duration;

use greenroom_actors::settings::{MonitorAccount, MonitorSettings};

use super::Checker;
use super::password::PasswordKeys;
use crate::config::raw::RawMonitor;

/// Every way to give the monitor's password.
const PASSWORD_KEYS: &str = "exactly one of password, password_file, password_env";

/// A server asked more often than this would have more to do with that than it is worth.
const SHORTEST: Duration = Duration::from_millis(50);

impl Checker<'_> {
    pub(super) fn monitor(&mut self, raw: &RawMonitor) -> Option<MonitorSettings> {
        let account = self.monitor_account(raw);
        let interval = raw.interval.value.filter(|interval| *interval >= SHORTEST);
        if let (Some(short), None) = (raw.interval.value, interval) {
            self.wrong(&raw.interval.place, format!("{short:?} is too short"), "50ms or more");
        }
        let results = self.above(&raw.results, 0);
        Some(MonitorSettings { account: account?, interval: interval?, results: results? })
    }

    fn monitor_account(&mut self, raw: &RawMonitor) -> Option<Option<MonitorAccount>> {
        let keys =
            PasswordKeys { inline: &raw.password, file: &raw.password_file, variable: &raw.password_env, hash: None };
        if !raw.user.given {
            for place in keys.given() {
                self.wrong(place, "there is no user whose password it is", "user beside it");
            }
            return keys.given().is_empty().then_some(None);
        }
        let user = self.user_name(&raw.user);
        self.exactly_one(keys, &raw.user.place, PASSWORD_KEYS)?;
        let password = self.password(keys)?;
        Some(Some(MonitorAccount { user: user?, password }))
    }
}
