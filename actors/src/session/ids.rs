//! The ids that clients know their sessions by: which there are, and what one tells. Pure.
//!
//! ```text
//! 01nn nnnn nnnn nnnn nnnn nnnn nnnn nnnn   n: counts the process's sessions; modulo the workers, whose it is
//! 01ii iiii iinn nnnn nnnn nnnn nnnn nnnn   in a fleet; i: which instance's it is, 0 before that has its number
//! ```

/// The first virtual id. Servers count their connections from 1; here no server's count comes in a lifetime,
/// so that a KILL of a virtual id can never hit a server connection that happens to have the same number.
pub(crate) const FIRST_ID: u32 = 0x4000_0000;

/// Processes in a row of upgrades that each begin to count their sessions elsewhere.
const GENERATIONS: u32 = 16;

/// Ids of one instance of a fleet.
const INSTANCE_IDS: u32 = 1 << 22;

/// How a process gives out ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) workers: usize,
    /// How many processes handed over to each other before this one.
    pub(crate) generation: u32,
    /// In a fleet: this instance's number.
    pub(crate) instance: Option<u8>,
    /// In a fleet: where it begins to count. At random, for its number may have been another's whose sessions live on.
    pub(crate) begin: u32,
}

impl Plan {
    fn workers(self) -> u32 {
        u32::try_from(self.workers).unwrap_or(1).max(1)
    }

    /// How many ids each worker has.
    pub(super) fn span(self) -> u32 {
        let all = if self.instance.is_some() { INSTANCE_IDS } else { FIRST_ID };
        all / self.workers()
    }

    /// The id that a worker gives after so many others. Each of so many workers gives every so-many-th. A process that took
    /// over from another begins elsewhere: an id of a session there must not be one of another session here.
    pub(super) fn id(self, worker: usize, given: u32) -> u32 {
        let span = self.span();
        let begin = span / GENERATIONS * (self.generation % GENERATIONS);
        let base = self.instance.map_or(0, |instance| u32::from(instance) * INSTANCE_IDS);
        let begin = begin + if base == 0 { 0 } else { self.begin % span };
        FIRST_ID + base + (begin + given) % span * self.workers() + u32::try_from(worker).unwrap_or(0)
    }

    /// The worker whose session has this id, if it is a virtual one, of whichever number this instance had.
    pub(super) fn worker_of(self, id: u32) -> Option<usize> {
        let place = id.checked_sub(FIRST_ID)?;
        let place = if self.instance.is_some() { place % INSTANCE_IDS } else { place };
        usize::try_from(place).ok()?.checked_rem(self.workers)
    }

    /// The number of another instance, if the id is one of another's.
    pub(super) fn another(self, id: u32) -> Option<u8> {
        let own = self.instance?;
        let instance = u8::try_from(id.checked_sub(FIRST_ID)? / INSTANCE_IDS).ok()?;
        (instance != 0 && instance != own).then_some(instance)
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_ID, INSTANCE_IDS, Plan};

    const ALONE: Plan = Plan { workers: 4, generation: 0, instance: None, begin: 0 };

    #[test]
    fn a_later_generation_counts_from_elsewhere() {
        let ids = [0, 1, 15, 16].map(|generation| Plan { generation, ..ALONE }.id(1, 0));
        assert_eq!(ids, [FIRST_ID + 1, FIRST_ID + FIRST_ID / 16 + 1, FIRST_ID + FIRST_ID / 16 * 15 + 1, FIRST_ID + 1]);
    }

    #[test]
    fn an_id_tells_its_worker_and_in_a_fleet_its_instance() {
        assert_eq!(ALONE.worker_of(FIRST_ID - 1), None);
        for instance in [None, Some(0), Some(1), Some(7), Some(255)] {
            let plan = Plan { instance, generation: 3, begin: u32::MAX, ..ALONE };
            for (worker, given) in [(0, 0), (3, 1), (2, plan.span() - 1), (1, plan.span())] {
                let id = plan.id(worker, given);
                assert!((FIRST_ID..2 * FIRST_ID).contains(&id), "{id:x}");
                assert_eq!(plan.worker_of(id), Some(worker));
                assert_eq!(plan.another(id), None, "it is this one's");
                let other = Plan { instance: Some(9), ..plan };
                let told = instance.filter(|instance| *instance != 0);
                assert!(instance.is_none() || other.another(id) == told, "{instance:?}");
                assert_eq!(ALONE.another(id), None, "there is no fleet");
            }
        }
        assert_eq!(
            Plan { instance: Some(255), ..ALONE }.id(3, u32::MAX / 8),
            2 * FIRST_ID - INSTANCE_IDS + 3 + (u32::MAX / 8) % (INSTANCE_IDS / 4) * 4
        );
    }
}
