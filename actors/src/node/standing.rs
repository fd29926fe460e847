//! What a server is taken for: the part of a [`Node`] that its monitor writes and every lease reads.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Node;
use crate::account::Account;
use crate::cluster::Membership;
use crate::monitor::Observed;
use crate::settings::Role;

/// Numbers the events of becoming a primary.
static PROMOTIONS: AtomicU64 = AtomicU64::new(1);

const ROLES: [Role; 3] = [Role::Primary, Role::Replica, Role::Auto];

impl Node {
    /// What it is taken for: as configured, or where that is `Auto` as the server says; `Auto` while nobody knows.
    pub(crate) fn role(&self) -> Role {
        ROLES.get(usize::from(self.role.load(Ordering::Relaxed))).copied().unwrap_or(Role::Auto)
    }

    /// Whether the server decides what it is.
    pub(crate) fn is_auto(&self) -> bool {
        self.settings().role == Role::Auto
    }

    /// Which of several primaries has been one for longest: the least. A server that comes back writable must not take
    /// the writes from the one that followed it.
    pub(crate) fn promoted(&self) -> u64 {
        self.promoted.load(Ordering::Relaxed)
    }

    /// Takes it for this from now on. Gives whether that is news.
    pub(crate) fn take_for(&self, role: Role) -> bool {
        let before = self.role();
        if before == role || !self.is_auto() {
            return false;
        }
        if role == Role::Primary && before == Role::Replica {
            self.renew();
        }
        self.role.store(role as u8, Ordering::Relaxed);
        true
    }

    /// Whatever it is, it has been that only since now.
    pub(crate) fn renew(&self) {
        self.promoted.store(PROMOTIONS.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether it is further behind than it may be.
    pub(crate) fn is_lagging(&self) -> bool {
        self.lagging.load(Ordering::Relaxed)
    }

    /// Notes whether it is. Gives whether that is news.
    pub(crate) fn note_lagging(&self, lagging: bool) -> bool {
        self.lagging.swap(lagging, Ordering::Relaxed) != lagging
    }

    /// Whether every write of a session has a GTID, of which the session is told.
    pub(crate) fn tells_gtids(&self) -> bool {
        self.gtids.load(Ordering::Relaxed)
    }

    /// Whether nobody can be asked to wait for a write by its GTID, though it has one.
    pub(crate) fn is_unawaited(&self) -> bool {
        self.unawaited.load(Ordering::Relaxed)
    }

    /// Notes whether it has, as a login found it.
    pub(crate) fn note_gtids(&self, tells: bool) {
        self.gtids.store(tells, Ordering::Relaxed);
    }

    /// What is known of its cluster; `None`: it has not been asked.
    pub(crate) fn membership(&self) -> Option<Membership> {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what it said of its cluster.
    pub(crate) fn note_membership(&self, membership: Membership) {
        if membership.cluster.is_none() {
            self.note_peer(false);
        }
        self.unawaited.store(membership.cluster.as_ref().is_some_and(|cluster| !cluster.gtids), Ordering::Relaxed);
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = Some(membership);
    }

    /// Whether it takes writes, and another member of its cluster is the primary.
    pub(crate) fn is_peer(&self) -> bool {
        self.peer.load(Ordering::Relaxed)
    }

    /// Notes whether it is.
    pub(crate) fn note_peer(&self, peer: bool) {
        self.peer.store(peer, Ordering::Relaxed);
    }

    /// It takes no writes, whatever it said before.
    fn unable(&self) {
        self.note_peer(false);
        if let Some(membership) = &mut *self.membership.write().unwrap_or_else(PoisonError::into_inner) {
            membership.able = false;
        }
    }

    /// Leases outstanding by its weight, one more included: the node with the least gets the next.
    pub(crate) fn burden(&self) -> usize {
        const FINENESS: usize = 1 << 20;
        (self.leased() + 1).saturating_mul(FINENESS) / self.weight.load(Ordering::Relaxed).max(1)
    }

    /// A login has shown whether it takes writes, or a write was refused. Who takes none is a replica at once; for the
    /// rest its monitor asks.
    pub(crate) fn note_writable(&self, writable: bool) {
        let before = self.role();
        if !writable {
            self.unable();
        }
        let news = match (writable, before) {
            (false, Role::Primary | Role::Auto) => self.take_for(Role::Replica),
            (true, Role::Auto) => self.take_for(Role::Primary),
            (true, Role::Replica) => self.is_auto() && !self.is_peer(),
            _ => false,
        };
        if news && let Some(monitor) = self.monitor() {
            monitor.do_send(Observed { before });
        }
    }

    /// Something that the server said makes its role doubtful.
    pub(crate) fn suspect(&self) {
        if self.is_auto()
            && let Some(monitor) = self.monitor()
        {
            monitor.do_send(Observed { before: self.role() });
        }
    }

    /// Who has logged in to it last.
    pub(crate) fn account(&self) -> Option<Arc<Account>> {
        self.account.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes who has logged in.
    pub(crate) fn note_account(&self, account: &Arc<Account>) {
        let mut kept = self.account.write().unwrap_or_else(PoisonError::into_inner);
        let is_first = kept.is_none();
        if kept.as_ref().is_none_or(|kept| kept.id != account.id) {
            *kept = Some(Arc::clone(account));
        }
        drop(kept);
        // From now on there is somebody to ask as.
        if is_first && let Some(monitor) = self.monitor() {
            monitor.do_send(Observed { before: self.role() });
        }
    }

    /// The server does not let this account in any more.
    pub(crate) fn forget_account(&self, account: &Account) {
        let mut kept = self.account.write().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|kept| kept.id == account.id);
    }
}
