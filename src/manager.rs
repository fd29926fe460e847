//! What a service manager is told (`sd_notify(3)`): that the service is ready, reloads, stops, lives, or goes on in another process.
//! Where there is none, nobody is told.

use greenroom_actors::Running;
use sd_notify::NotifyState;
use slog::{Logger, warn};
use tokio::time::{sleep, timeout};

/// Whoever has started this process and wants to hear from it.
#[derive(Debug)]
pub struct Manager {
    logger: Logger,
}

impl Manager {
    /// The service manager that the environment names (`NOTIFY_SOCKET`), if it names one.
    #[must_use]
    pub fn new(logger: Logger) -> Self {
        Self { logger }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        std::env::var_os("NOTIFY_SOCKET").is_some()
    }

    /// Clients are served.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready, NotifyState::Status("serving clients")]);
    }

    /// The configuration is being read again; [`Self::ready`] or [`Self::refused`] says that this is over.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => warn!(self.logger, "the service manager is not told of the reload"; "reason" => %error),
        }
    }

    /// The configuration has been read again and is not taken over: clients are served as before.
    pub fn refused(&self) {
        let status = "serving clients by the configuration of before; the last reload was refused, see the log";
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// No more clients; those who are here have to leave.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("letting transactions end")]);
    }

    /// The service is that process from now on.
    pub fn succeeded_by(&self, pid: i32) {
        self.tell(&[NotifyState::MainPid(pid.unsigned_abs())]);
    }

    /// Shows that the service lives, as often as the service manager wants to see it (`WATCHDOG_USEC`): not by this thread
    /// alone, but by an answer of every worker.
    pub async fn keep_watchdog(&self, running: &Running) {
        let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
        let half = limit / 2;
        loop {
            if timeout(half, running.pulse()).await.is_ok() {
                self.tell(&[NotifyState::Watchdog]);
            }
            sleep(half).await;
        }
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            warn!(self.logger, "the service manager could not be told"; "reason" => %error);
        }
    }
}
