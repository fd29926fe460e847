//! What a replica must have before a session may read there: the session's own writes. Pure.

use std::time::Duration;

use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::track::{Changes, Position};

/// A session's own writes.
#[derive(Debug, Default)]
pub(super) struct Written {
    position: Position,
    /// Where they stand is not known, and never will be.
    lost: bool,
    /// Nodes that are known to have them.
    there: Vec<u16>,
}

impl Written {
    /// Takes note of what a server reported with a statement. `true`: that it has written.
    pub(super) fn heed(&mut self, flavor: Flavor, changes: &Changes) -> bool {
        let told = match flavor {
            Flavor::MySql => changes.gtids.as_deref(),
            Flavor::MariaDb => {
                let last = changes.variables.iter().find(|(name, _)| **name == *b"last_gtid");
                last.map(|(_, value)| &**value)
            }
        };
        told.is_some_and(|told| self.note(flavor, told))
    }

    /// Takes note of a write by what the server calls it; of nothing, where it says nothing.
    pub(super) fn note(&mut self, flavor: Flavor, told: &[u8]) -> bool {
        if told.is_empty() {
            return false;
        }
        match self.position.note(flavor, told) {
            Ok(true) => self.there.clear(),
            Ok(false) => {}
            Err(_) => self.lost = true,
        }
        true
    }

    /// Something may have been written, and nobody will ever tell where.
    pub(super) fn lose_track(&mut self) {
        self.lost = true;
    }

    /// Whether it is known what a replica would have to have.
    pub(super) fn is_known(&self) -> bool {
        !self.lost
    }

    /// What to ask a node before reading there, if it is not known to have everything.
    pub(super) fn question(&self, node: u16, flavor: Flavor, timeout: Duration) -> Option<Vec<u8>> {
        let wanting = !self.position.is_empty() && !self.there.contains(&node);
        wanting.then(|| self.position.question(flavor, timeout.as_millis()))
    }

    /// That node has everything.
    pub(super) fn arrived(&mut self, node: u16) {
        if !self.there.contains(&node) {
            self.there.push(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn told(gtid: &str) -> Changes {
        Changes { variables: vec![(b"last_gtid"[..].into(), gtid.as_bytes().into())], ..Changes::default() }
    }

    #[test]
    fn a_node_is_asked_once_for_each_write() {
        let mut written = Written::default();
        assert_eq!(written.question(1, Flavor::MariaDb, TIMEOUT), None);
        assert!(!written.heed(Flavor::MariaDb, &Changes::default()) && !written.heed(Flavor::MariaDb, &told("")));
        assert!(written.heed(Flavor::MariaDb, &told("0-1-5")));
        assert!(written.question(1, Flavor::MariaDb, TIMEOUT).is_some());
        written.arrived(1);
        assert_eq!(written.question(1, Flavor::MariaDb, TIMEOUT), None);
        assert!(written.question(2, Flavor::MariaDb, TIMEOUT).is_some());
        assert!(written.heed(Flavor::MariaDb, &told("0-1-5")));
        assert_eq!(written.question(1, Flavor::MariaDb, TIMEOUT), None, "that was no other write");
        assert!(written.heed(Flavor::MariaDb, &told("0-1-6")));
        assert!(written.question(1, Flavor::MariaDb, TIMEOUT).is_some());
    }

    #[test]
    fn what_makes_no_sense_is_never_waited_for() {
        let mut written = Written::default();
        assert!(written.is_known() && written.heed(Flavor::MariaDb, &told("nonsense")) && !written.is_known());
    }
}
