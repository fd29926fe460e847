//! `[server]`: limits of the process.

use std::thread::available_parallelism;
use std::time::Duration;

use greenroom_actors::settings::ServerSettings;

use super::Checker;
use crate::config::raw::RawServer;
use crate::config::reader::Field;
use crate::config::value::Size;

/// Threads beyond any machine that this was made for: more is a slip of the keyboard.
const MAX_WORKERS: usize = 1024;

/// The smallest packet limit under which logins and ordinary statements still work.
const MIN_PACKET: usize = 64 * 1024;

impl Checker<'_> {
    pub(super) fn server(&mut self, raw: &RawServer) -> Option<ServerSettings> {
        let workers = self.workers(&raw.workers);
        let max_clients = self.above(&raw.max_clients, 0);
        let max_logins = self.above(&raw.max_logins, 0);
        let max_packet = self.max_packet(&raw.max_packet);
        let login_timeout = self.some_time(&raw.login_timeout);
        Some(ServerSettings {
            workers: workers?,
            max_clients: max_clients?,
            max_logins: max_logins?,
            max_packet: max_packet?,
            login_timeout: login_timeout?,
            login_failure_delay: raw.login_failure_delay.value?,
            drain_timeout: raw.drain_timeout.value?,
            upgrade_timeout: raw.upgrade_timeout.value?.0,
        })
    }

    /// A duration that would make no sense at zero.
    pub(super) fn some_time(&mut self, field: &Field<Duration>) -> Option<Duration> {
        let time = field.value?;
        if time.is_zero() {
            self.wrong(&field.place, "it is no time at all", "more than 0s");
            return None;
        }
        Some(time)
    }

    fn workers(&mut self, field: &Field<usize>) -> Option<usize> {
        match field.value? {
            0 => Some(available_parallelism().map_or(1, usize::from)),
            workers if workers <= MAX_WORKERS => Some(workers),
            workers => {
                self.wrong(&field.place, format!("{workers} is too many"), format!("0 to {MAX_WORKERS}"));
                None
            }
        }
    }

    fn max_packet(&mut self, field: &Field<Size>) -> Option<usize> {
        let Size(bytes) = field.value?;
        if bytes < MIN_PACKET {
            self.wrong(&field.place, format!("{bytes} bytes are too few"), "64KiB or more");
            return None;
        }
        Some(bytes)
    }
}
