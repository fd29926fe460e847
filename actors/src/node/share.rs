//! How many connections may be open: as configured, as the server allows, and in a fleet this instance's share of them; and
//! the way down to fewer.

use std::sync::atomic::Ordering;

use super::Node;

impl Node {
    /// The most that all who share the node may have: as configured, but no more than the server has for us. One is always
    /// tried.
    pub(crate) fn ceiling(&self) -> usize {
        let theirs = self.server_limit.load(Ordering::Relaxed).saturating_sub(self.reserve.load(Ordering::Relaxed));
        self.limit.load(Ordering::Relaxed).min(theirs.max(1))
    }

    /// The most sockets that may be open: of a fleet's, this instance's share.
    pub(crate) fn limit(&self) -> usize {
        self.ceiling().min(self.share.load(Ordering::SeqCst))
    }

    /// This instance's share; `None` outside of a fleet.
    pub(crate) fn share(&self) -> Option<usize> {
        Some(self.share.load(Ordering::Relaxed)).filter(|share| *share != usize::MAX)
    }

    /// From now on no more than this are opened. Those that are open already go as they become idle.
    pub(crate) fn set_share(&self, share: usize) {
        self.share.store(share, Ordering::SeqCst);
        self.look_for_crowd();
    }

    /// Sockets that lead to it now, as whoever gives a share away must see them.
    pub(crate) fn occupied(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Whether anybody has a connection to it, or waits for one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.occupied() > 0 || self.seats.iter().any(|seat| seat.waiting.load(Ordering::Relaxed) > 0)
    }

    /// Whether more are open than may be, as of the last tick.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Looks whether more are open than may be.
    pub(crate) fn look_for_crowd(&self) {
        self.crowded.store(self.occupied() > self.limit(), Ordering::Relaxed);
    }

    /// Takes it upon the caller to close one of those that are too many, if there is one that nobody closes yet.
    pub(crate) fn claim_surplus(&self) -> bool {
        let (open, limit) = (self.occupied(), self.limit());
        let claim = |leaving: usize| (open > limit.saturating_add(leaving)).then_some(leaving + 1);
        self.leaving.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }

    /// One of those is closed.
    pub(crate) fn surplus_closed(&self) {
        self.leaving.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::node::Node;
    use crate::settings::{Address, NodeSettings, Role};
    use crate::tls::NodeTls;

    fn settings(max_connections: usize) -> Arc<NodeSettings> {
        Arc::new(NodeSettings {
            name: "db1".to_owned(),
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 3306 },
            role: Role::Primary,
            weight: 1,
            max_lag: None,
            max_connections,
            reserve: 0,
            min_idle: 0,
            max_lifetime: None,
            connect_timeout: Duration::from_secs(5),
            proxy_protocol: None,
            tls: NodeTls::disabled(),
            clear_text: false,
            rsa_key: None,
        })
    }

    #[test]
    fn a_smaller_share_lets_go_of_as_many_as_are_too_many() {
        let node = Arc::new(Node::new(0, settings(5), 1, Arc::default()));
        assert_eq!((node.limit(), node.share()), (5, None));
        let mut permits: Vec<_> = (0..5).map_while(|_| node.admit()).collect();
        assert!(permits.len() == 5 && node.admit().is_none() && !node.is_crowded());
        node.set_share(3);
        assert!(node.is_crowded() && node.admit().is_none());
        assert_eq!([node.claim_surplus(), node.claim_surplus(), node.claim_surplus()], [true, true, false]);
        drop(permits.pop());
        node.surplus_closed();
        assert!(!node.claim_surplus(), "the other one is on its way");
        drop(permits.pop());
        node.surplus_closed();
        node.look_for_crowd();
        assert!(!node.is_crowded() && !node.claim_surplus() && node.admit().is_none());
        drop(permits.pop());
        assert!(node.admit().is_some());
        node.set_share(9);
        assert_eq!(node.limit(), 5, "the whole is as configured");
        permits.clear();
        assert!(!node.is_wanted());
        node.post(0, 1, 0);
        assert!(node.is_wanted(), "somebody waits");
    }

    #[test]
    fn who_comes_too_late_hears_why_it_was_down_and_not_that_it_is_drained() {
        let node = Node::new(0, settings(5), 1, Arc::default());
        node.mark(Some("refused"));
        assert_eq!(&*node.obstacle(), "refused");
        node.mark(None);
        assert_eq!(&*node.obstacle(), "refused", "it has come up since it was asked");
        node.sluice.drain(true);
        assert_eq!(&*node.obstacle(), "an administrator has drained it");
        node.mark(Some("gone"));
        assert_eq!(&*node.obstacle(), "gone", "ENABLE would not help");
    }
}
