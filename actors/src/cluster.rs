//! Which member of a cluster is its primary, where more than one takes writes. Pure.

/// The cluster that a server belongs to, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// All its members tell the same: Galera's `wsrep_cluster_state_uuid`, group replication's group name.
    pub(crate) name: String,
    /// At most one member is to take writes; of two who do, the one who has begun to is it.
    pub(crate) single: bool,
    /// A member can be asked to wait for the GTIDs of another's writes.
    pub(crate) gtids: bool,
    /// This member copies itself to another, or was told not to keep up: it serves while nobody else can.
    pub(crate) busy: bool,
}

/// What a node's monitor has heard of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// `None`: it belongs to none.
    pub(crate) cluster: Option<Cluster>,
    /// It takes writes, as its monitor judges it.
    pub(crate) able: bool,
}

/// A node in an election; elections go by the order of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// What it is to the cluster.
    pub(crate) kind: Kind,
    /// It takes writes, answers, and nobody has drained it.
    pub(crate) able: bool,
    pub(crate) busy: bool,
    /// It is taken for a primary.
    pub(crate) primary: bool,
    /// Since when, among all who have been promoted.
    pub(crate) promoted: u64,
}

/// What a node is to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Member,
    /// It answers, and has not been asked what it is: it may be a member.
    Unheard,
    Stranger,
}

/// The place of the member that is the primary from now on. `None`: there is nobody to choose, or all is as it began, and one
/// who stands before them has not been heard yet.
///
/// Who is the primary stays so for as long as it can. `begun`: this member has begun to take writes just now.
pub(crate) fn elect(candidates: &[Candidate], single: bool, begun: Option<usize>) -> Option<usize> {
    let able = |at: &usize| candidates.get(*at).is_some_and(|one| one.kind == Kind::Member && one.able);
    if let Some(begun) = begun.filter(|begun| single && able(begun)) {
        return Some(begun);
    }
    let members = candidates.iter().enumerate().filter(|(at, _)| able(at));
    let least = |(at, one): &(usize, &Candidate)| (one.busy, !one.primary, one.promoted, *at);
    let (first, best) = members.min_by_key(least)?;
    let awaited = candidates.iter().take(first).any(|one| one.kind == Kind::Unheard);
    let begins = best.primary && best.promoted == 0;
    if awaited && begins { None } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Kind, elect};

    const ABLE: Candidate = Candidate { kind: Kind::Member, able: true, busy: false, primary: false, promoted: 0 };
    const PRIMARY: Candidate = Candidate { primary: true, ..ABLE };
    const DOWN: Candidate = Candidate { able: false, ..PRIMARY };
    const UNHEARD: Candidate = Candidate { kind: Kind::Unheard, able: false, ..PRIMARY };
    const STRANGER: Candidate = Candidate { kind: Kind::Stranger, ..PRIMARY };

    fn since(promoted: u64) -> Candidate {
        Candidate { promoted, ..PRIMARY }
    }

    fn busy(one: Candidate) -> Candidate {
        Candidate { busy: true, ..one }
    }

    #[test]
    fn at_the_start_it_is_the_first_in_the_configuration() {
        assert_eq!(elect(&[STRANGER, PRIMARY, PRIMARY, PRIMARY], false, None), Some(1));
        assert_eq!(elect(&[UNHEARD, PRIMARY, PRIMARY], false, None), None);
        assert_eq!(elect(&[PRIMARY, UNHEARD, PRIMARY], false, None), Some(0));
        assert_eq!(elect(&[UNHEARD, ABLE], false, None), Some(1), "without it there would be none");
        assert_eq!(elect(&[DOWN, ABLE, ABLE], false, None), Some(1));
        assert_eq!(elect(&[DOWN, STRANGER], false, None), None);
        assert_eq!(elect(&[], false, None), None);
    }

    #[test]
    fn who_is_the_primary_stays_so() {
        assert_eq!(elect(&[ABLE, since(7), ABLE], false, None), Some(1));
        assert_eq!(elect(&[ABLE, since(7), ABLE], false, Some(0)), Some(1));
        assert_eq!(elect(&[since(9), since(7)], false, None), Some(1));
        assert_eq!(elect(&[UNHEARD, since(7)], false, None), Some(1));
    }

    #[test]
    fn who_copies_itself_to_another_gives_way() {
        assert_eq!(elect(&[busy(PRIMARY), ABLE], false, None), Some(1));
        assert_eq!(elect(&[busy(PRIMARY), DOWN], false, None), Some(0));
        assert_eq!(elect(&[busy(ABLE), busy(since(3))], false, None), Some(1));
    }

    #[test]
    fn where_one_at_most_takes_writes_it_is_the_one_who_has_begun_to() {
        assert_eq!(elect(&[PRIMARY, ABLE], true, Some(1)), Some(1));
        assert_eq!(elect(&[ABLE, since(4)], true, None), Some(1), "the old one's word may be old");
        assert_eq!(elect(&[PRIMARY, DOWN], true, Some(1)), Some(0));
    }
}
