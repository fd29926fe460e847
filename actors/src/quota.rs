//! How many connections a server lets one account have (`max_user_connections`), as far as its refusals have shown it: servers
//! do not tell it otherwise. Pure: time is an argument.
//!
//! A quota is touched where a connection is opened or closed, never on the way of a query.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long a refusal is believed: where more connections are wanted after that, one login is tried.
const BELIEVED: Duration = Duration::from_secs(1);

/// An account's quotas, by the indices of nodes.
#[derive(Debug, Default)]
pub(crate) struct Quotas(RwLock<Vec<(u16, Arc<Quota>)>>);

/// What one server lets one account have.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    open: usize,
    limit: Option<Limit>,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    most: usize,
    /// When a login beyond it was last tried.
    tried: Instant,
}

impl Limit {
    fn stops(self, open: usize, now: Instant) -> bool {
        open >= self.most && now.saturating_duration_since(self.tried) < BELIEVED
    }
}

/// One connection, counted until dropped: it lives inside what is known of the connection.
#[derive(Debug)]
pub(crate) struct Place(Arc<Quota>);

impl Quotas {
    /// The one of a node.
    pub(crate) fn of(&self, node: u16) -> Arc<Quota> {
        let find = |all: &Vec<(u16, Arc<Quota>)>| all.iter().find(|(of, _)| *of == node).map(|(_, it)| Arc::clone(it));
        let known = find(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            find(&all).unwrap_or_else(|| {
                let new = Arc::<Quota>::default();
                all.push((node, Arc::clone(&new)));
                new
            })
        })
    }
}

impl Quota {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, whatever is known.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        self.count().open += 1;
        Place(Arc::clone(self))
    }

    /// A place for one more, unless the server has refused that just now.
    pub(crate) fn admit(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let mut count = self.count();
        let open = count.open;
        if let Some(limit) = &mut count.limit {
            if limit.stops(open, now) {
                return None;
            }
            if open >= limit.most {
                limit.tried = now;
            }
        }
        count.open += 1;
        drop(count);
        Some(Place(Arc::clone(self)))
    }

    /// Whether there would be one.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let count = self.count();
        count.limit.is_none_or(|limit| !limit.stops(count.open, now))
    }

    /// How many connections the server lets it have, as far as that is known.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.count().limit.map(|limit| limit.most)
    }

    /// The server has refused one, whose place is free again. Gives whether that is news.
    pub(crate) fn refused(&self, now: Instant) -> bool {
        let mut count = self.count();
        let most = count.open;
        count.limit.replace(Limit { most, tried: now }).is_none()
    }

    /// The server has taken one. Where that is more than it was thought to allow, nothing is known any more.
    pub(crate) fn accepted(&self) {
        let mut count = self.count();
        let open = count.open;
        count.limit.take_if(|limit| open > limit.most);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::{BELIEVED, Quotas};

    #[test]
    fn a_refusal_is_believed_for_a_while_and_what_is_taken_after_it_ends_that() {
        let quotas = Quotas::default();
        let (quota, now) = (quotas.of(7), Instant::now());
        assert!(Arc::ptr_eq(&quota, &quotas.of(7)) && !Arc::ptr_eq(&quota, &quotas.of(8)));
        let mut places: Vec<_> = (0..3).map_while(|_| quota.admit(now)).collect();
        assert!(places.len() == 3 && quota.limit().is_none() && quota.has_room(now));
        // Two of them are refused, one after the other.
        places.pop();
        assert!(quota.refused(now));
        places.pop();
        assert!(!quota.refused(now));
        assert!(quota.limit() == Some(1) && !quota.has_room(now) && quota.admit(now).is_none());
        let later = now + BELIEVED;
        assert!(quota.has_room(later));
        let tried = quota.admit(later);
        assert!(tried.is_some() && quota.admit(later).is_none(), "one is tried at a time");
        quota.accepted();
        assert!(quota.limit().is_none() && quota.admit(later).is_some());
    }

    #[test]
    fn within_the_limit_places_are_given_again_and_say_nothing_of_it() {
        let (quota, now) = (Quotas::default().of(0), Instant::now());
        let mut places = vec![quota.enter(), quota.enter()];
        assert!(quota.refused(now));
        places.pop();
        places.extend(quota.admit(now));
        quota.accepted();
        assert!(places.len() == 2 && quota.limit() == Some(2) && quota.admit(now).is_none());
    }
}
