//! `[monitor]`: how servers are asked what they are.

use std::time::Duration;

use greenroom_actors::settings::{MonitorAccount, MonitorSettings};

use super::Checker;
use super::password::PasswordKeys;
use crate::config::raw::RawMonitor;

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
        let user = if raw.user.given { self.user_name(&raw.user) } else { None };
        let Some(password) = self.password_beside(&raw.user, keys)? else { return Some(None) };
        Some(Some(MonitorAccount { user: user?, password }))
    }
}
