//! What a server is taken for, by what it says of itself; and how far it is behind. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::settings::Role;

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Whether it takes writes.
    pub(crate) writable: bool,
    /// Why it should serve nobody, though it answers: it is cut off from its cluster, say.
    pub(crate) unfit: Option<String>,
    /// That is because it has left its replication group, or never joined it.
    pub(crate) outside: bool,
    /// The cluster that it belongs to.
    pub(crate) cluster: Option<Cluster>,
    /// It belongs to a cluster whose state the account may not see.
    pub(crate) blind: bool,
    /// How its replication goes; `None`: it was not asked.
    pub(crate) replication: Option<Replication>,
}

/// How a server's replication goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// It has no source.
    Source,
    /// It applies what its source writes, and is this far behind.
    Behind(Duration),
    /// It has a source, and does not tell how far it is behind: something of its replication stands still.
    Stopped,
    /// The account may not see it.
    Hidden,
}

/// How far a server is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lag {
    /// Nobody knows.
    Unknown,
    /// It has no source to be behind of.
    None,
    /// At least so far.
    Behind(Duration),
    /// It has never been seen to follow its source.
    Endless,
}

/// Judges one server.
#[derive(Debug)]
pub(crate) struct Judge {
    /// Results in a row that differ from what it is taken for.
    faults: usize,
    answers: usize,
    writable: usize,
    busy: usize,
    /// How far it was behind when it last told, and when that was.
    told: Option<(Duration, Instant)>,
}

impl Judge {
    pub(crate) const fn new() -> Self {
        Self { faults: 0, answers: 0, writable: 0, busy: 0, told: None }
    }

    /// Whether it is up, after a result that says `fine`, when it was taken for `up` before.
    pub(crate) fn health(&mut self, up: bool, fine: bool, results: usize) -> bool {
        if up == fine {
            (self.faults, self.answers) = (0, 0);
            return up;
        }
        let count = if fine { &mut self.answers } else { &mut self.faults };
        *count += 1;
        if *count < results {
            return up;
        }
        (self.faults, self.answers) = (0, 0);
        fine
    }

    /// What role it has, after it said whether it takes writes. Who takes none is a replica at once: a write sent there
    /// fails. `Auto`: not known yet.
    pub(crate) fn role(&mut self, before: Role, writable: bool, results: usize) -> Role {
        if !writable {
            self.writable = 0;
            return Role::Replica;
        }
        self.writable = (self.writable + 1).min(results);
        if before == Role::Replica && self.writable < results {
            return Role::Replica;
        }
        self.writable = results;
        Role::Primary
    }

    /// Whether it is busy with a copy of itself. Who says so once may be done at once.
    pub(crate) fn busy(&mut self, busy: bool, results: usize) -> bool {
        self.busy = if busy { (self.busy + 1).min(results) } else { 0 };
        busy && self.busy == results
    }

    /// Whether the last result differed from the judgement: the next should come soon.
    pub(crate) fn is_in_doubt(&self, results: usize) -> bool {
        let counts = [self.faults, self.answers, self.writable, self.busy];
        counts.iter().any(|count| (1..results).contains(count))
    }

    /// How far it is behind. While its replication stands still, it falls behind by the time that passes.
    pub(crate) fn lag(&mut self, replication: Replication, now: Instant) -> Lag {
        match replication {
            Replication::Hidden => Lag::Unknown,
            Replication::Source => {
                self.told = None;
                Lag::None
            }
            Replication::Behind(lag) => {
                self.told = Some((lag, now));
                Lag::Behind(lag)
            }
            Replication::Stopped => match self.told {
                Some((lag, at)) => Lag::Behind(lag + now.saturating_duration_since(at)),
                None => Lag::Endless,
            },
        }
    }
}

impl Lag {
    /// Whether it is known to be more than this.
    pub(crate) fn is_over(self, limit: Option<Duration>) -> bool {
        match (self, limit) {
            (Self::Behind(lag), Some(limit)) => lag > limit,
            (Self::Endless, Some(_)) => true,
            _ => false,
        }
    }

    /// As it is shown.
    pub(crate) fn seconds(self) -> f64 {
        match self {
            Self::Unknown => f64::NAN,
            Self::None => 0.0,
            Self::Behind(lag) => lag.as_secs_f64(),
            Self::Endless => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Judge, Lag, Replication};
    use crate::settings::Role;

    #[test]
    fn a_node_goes_down_and_up_after_so_many_results_in_a_row() {
        let mut judge = Judge::new();
        assert!(judge.health(true, false, 2) && judge.is_in_doubt(2));
        assert!(judge.health(true, true, 2) && !judge.is_in_doubt(2));
        assert!(judge.health(true, false, 2));
        assert!(!judge.health(true, false, 2));
        assert!(!judge.health(false, true, 2) && judge.is_in_doubt(2));
        assert!(judge.health(false, true, 2));
        assert!(!judge.health(true, false, 1));
    }

    #[test]
    fn who_takes_no_writes_is_a_replica_at_once_and_a_primary_after_so_many_results() {
        let mut judge = Judge::new();
        assert_eq!(judge.role(Role::Auto, true, 2), Role::Primary);
        assert_eq!(judge.role(Role::Primary, false, 2), Role::Replica);
        assert!(!judge.is_in_doubt(2));
        assert_eq!(judge.role(Role::Replica, true, 2), Role::Replica);
        assert!(judge.is_in_doubt(2));
        assert_eq!(judge.role(Role::Replica, false, 2), Role::Replica);
        assert_eq!(judge.role(Role::Replica, true, 2), Role::Replica);
        assert_eq!(judge.role(Role::Replica, true, 2), Role::Primary);
        assert!(!judge.is_in_doubt(2));
    }

    #[test]
    fn who_copies_itself_is_busy_after_so_many_results_and_no_longer_at_once() {
        let mut judge = Judge::new();
        assert!(!judge.busy(true, 2) && judge.is_in_doubt(2));
        assert!(judge.busy(true, 2) && judge.busy(true, 2) && !judge.is_in_doubt(2));
        assert!(!judge.busy(false, 2) && !judge.busy(true, 2));
        assert!(judge.busy(true, 1));
    }

    #[test]
    fn who_stands_still_falls_behind() {
        let (mut judge, now) = (Judge::new(), Instant::now());
        let limit = Some(Duration::from_secs(5));
        assert_eq!(judge.lag(Replication::Stopped, now), Lag::Endless);
        assert!(Lag::Endless.is_over(limit) && !Lag::Endless.is_over(None));
        assert!(!judge.lag(Replication::Behind(Duration::from_secs(1)), now).is_over(limit));
        let later = judge.lag(Replication::Stopped, now + Duration::from_secs(5));
        assert_eq!(later, Lag::Behind(Duration::from_secs(6)));
        assert!(later.is_over(limit));
        assert!(!judge.lag(Replication::Source, now).is_over(limit));
        assert!(!judge.lag(Replication::Hidden, now).is_over(limit));
    }
}
