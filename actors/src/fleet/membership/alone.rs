//! An instance without etcd: it keeps what it has. One that never heard what it may have takes a careful part.

use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;

use super::super::http::Fault;
use super::{Membership, small};
use crate::metrics::{FLEET_ETCD_UP, FLEET_SHARE};

/// For how long etcd must have been away before a part is taken without asking.
const GRACE: Duration = Duration::from_secs(2);

/// What is known of etcd's being away.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Since when; `None` where it answered when it was last asked, or was not asked yet.
    since: Option<Instant>,
    /// It is there, and has refused something since then: others have their parts, and it knows of them.
    refused: bool,
    /// Why it could not be used, the last time.
    reason: String,
}

impl Silence {
    /// It is away, for this reason. Says whether that is news.
    fn falls(&mut self, fault: &Fault, now: Instant) -> bool {
        let reason = fault.to_string();
        let news = self.since.is_none() || self.reason != reason;
        self.since.get_or_insert(now);
        self.refused |= fault.is_refusal();
        self.reason = reason;
        news
    }

    /// It answers. Says whether that is news.
    fn ends(&mut self) -> bool {
        std::mem::take(self).since.is_some()
    }

    /// Whether who was never told of a part may take one.
    fn is_long(&self, now: Instant) -> bool {
        !self.refused && self.since.is_some_and(|since| now.saturating_duration_since(since) >= GRACE)
    }
}

impl Membership {
    pub(super) fn found(&mut self) {
        gauge!(FLEET_ETCD_UP).set(1.0);
        if self.silence.ends() {
            slog::info!(self.stage.log, "the fleet's etcd answers again"; "etcd" => self.etcd.asked());
        }
    }

    pub(super) fn lost(&mut self, fault: &Fault) {
        gauge!(FLEET_ETCD_UP).set(0.0);
        if self.silence.falls(fault, Instant::now()) {
            slog::warn!(self.stage.log, "the fleet's etcd cannot be used: this instance keeps the share that it has";
                "etcd" => self.etcd.asked(), "reason" => %fault);
        }
    }

    /// Without etcd, and never told what part of a node it has: takes that of one of as many instances as are expected.
    pub(super) fn help_itself(&mut self) {
        if !self.silence.is_long(Instant::now()) {
            return;
        }
        self.gather_nodes();
        for (name, node) in &self.nodes {
            let held = self.kept.held.entry(name.clone()).or_insert(0);
            if *held > 0 || self.kept.decided.contains(name) {
                continue;
            }
            *held = (node.ceiling() / self.fleet.settings.expected_members.max(1)).max(1);
            node.set_share(*held);
            gauge!(FLEET_SHARE, "node" => name.clone()).set(small(*held));
            slog::warn!(self.stage.log, "without the fleet's etcd this instance takes a share by expected_members";
                "node" => name, "share" => *held, "of" => node.ceiling());
        }
        self.fleet.keep(&self.kept);
        let has_all = self.kept.held.values().all(|held| *held > 0);
        self.fleet.decided.fetch_or(has_all, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::super::http::Fault;
    use super::{GRACE, Silence};

    #[test]
    fn a_hiccup_is_no_silence_and_a_refusal_is_none_either() {
        let (begun, mut silence) = (Instant::now(), Silence::default());
        let later = begun + 10 * GRACE;
        assert!(!silence.is_long(later), "it was never away");
        assert!(silence.falls(&Fault::Late, later) && !silence.falls(&Fault::Late, later));
        assert!(!silence.is_long(later + GRACE - Duration::from_millis(1)) && silence.is_long(later + GRACE));
        assert!(silence.ends() && !silence.ends() && !silence.is_long(later + GRACE));
        // It is there, and says no; whatever one of its members that is not there says afterwards.
        assert!(silence.falls(&Fault::Refused("255 instances".to_owned()), begun));
        assert!(silence.falls(&Fault::Late, begun) && !silence.is_long(later));
        assert!(silence.ends() && silence.falls(&Fault::Late, begun) && silence.is_long(later));
    }
}
