//! Whom a session is on the server, and what a backend connection logs in with.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use greenroom_protocol::capability::Capabilities;
use greenroom_protocol::login::client::BackendSecret;

use crate::quota::Quotas;
use crate::settings::PoolMode;

/// A server account as sessions and connections share it. Another password makes another account,
/// so that no connection opened with the old one serves a login made with the new.
#[derive(Debug)]
pub(crate) struct Account {
    /// Unique in this process.
    pub(crate) id: u32,
    /// As clients name the user.
    pub(crate) user: Box<[u8]>,
    /// As the server knows it.
    pub(crate) backend_user: Box<[u8]>,
    /// The client's address, where the server is told it: it may make another account of it.
    pub(crate) client: Option<IpAddr>,
    /// What proves it to the server.
    pub(crate) secret: BackendSecret,
    /// When it last did.
    pub(crate) proven: Proven,
    /// How many connections servers let it have.
    pub(crate) quotas: Quotas,
}

impl Account {
    /// As the server knows it, for people to read.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.backend_user)
    }
}

/// When a server last let an account in.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// Milliseconds of this process and one; 0 is never.
    at: AtomicU64,
    /// When somebody last set out to prove it anew.
    claimed: AtomicU64,
}

impl Proven {
    /// A server has just let it in.
    pub(crate) fn note(&self) {
        self.at.store(now(), Ordering::Relaxed);
    }

    /// A server has not let it in: whoever comes next is to try.
    pub(crate) fn void(&self) {
        self.at.store(0, Ordering::Relaxed);
    }

    /// Whether whoever asks has to prove it anew, so that it is never older than `ttl`. Ahead of time that is one at a time:
    /// a crowd that came when it is over would all have to.
    pub(crate) fn is_due(&self, ttl: Option<Duration>) -> bool {
        self.is_due_at(now(), ttl)
    }

    fn is_due_at(&self, now: u64, ttl: Option<Duration>) -> bool {
        let Some(ttl) = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)) else { return false };
        let at = self.at.load(Ordering::Relaxed);
        let age = now.saturating_sub(at);
        if at == 0 || age >= ttl {
            return true;
        }
        let claimed = self.claimed.load(Ordering::Relaxed);
        let free = claimed == 0 || now.saturating_sub(claimed) >= ttl / 10;
        age >= ttl / 5 * 4
            && free
            && self.claimed.compare_exchange(claimed, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn now() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGIN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// What must be equal for a backend connection to serve a session at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    /// The node's index; chosen by the shard.
    pub(crate) node: u16,
    /// Connections of one mode do not serve another: they are prepared differently.
    pub(crate) mode: PoolMode,
    /// The account's id.
    pub(crate) account: u32,
    /// The capabilities that the server fixes at login.
    pub(crate) capabilities: Capabilities,
    /// The client's address, in session mode and where the endpoint wants it.
    pub(crate) client: Option<IpAddr>,
    /// The database, in session mode.
    pub(crate) database: Option<Arc<[u8]>>,
    /// The server tells the GTIDs of its writes.
    pub(crate) gtids: bool,
    /// How long such a connection may lie idle.
    pub(crate) idle_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::Proven;

    #[test]
    fn a_proof_lasts_its_time_and_is_renewed_ahead_of_it_by_one_at_a_time() {
        let ttl = Some(Duration::from_secs(10));
        let proven = Proven::default();
        assert!(proven.is_due_at(1, ttl), "it never was");
        assert!(!proven.is_due_at(1, None));
        proven.at.store(1, Ordering::Relaxed);
        assert!(!proven.is_due_at(8000, ttl));
        assert!(proven.is_due_at(8001, ttl));
        assert!(!proven.is_due_at(8500, ttl), "somebody is at it");
        assert!(proven.is_due_at(9001, ttl), "he did not come back");
        assert!([(); 3].iter().all(|()| proven.is_due_at(10_001, ttl)));
        proven.at.store(10_001, Ordering::Relaxed);
        assert!(!proven.is_due_at(10_002, ttl));
    }
}
