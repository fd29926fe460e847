//! What is stored in a server, as its accounts see it: kept for a while, dropped when something of it changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use greenroom_protocol::sql::Hidden;
use rustc_hash::FxHashMap;

use crate::node::Node;

/// How long a survey is believed: what was changed past the proxy is noticed after that.
const BELIEVED: Duration = Duration::from_secs(30);

/// A survey that takes long is taken the more rarely: it may be this part of a connection's time.
const SHARE: u32 = 50;

/// A claim that came to nothing counts no longer than this.
const CLAIMED: Duration = Duration::from_secs(15);

/// Accounts that nobody has asked for since are forgotten.
const KEPT: Duration = Duration::from_secs(600);

/// What one account sees.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) hidden: Hidden,
    due: Instant,
}

#[derive(Debug, Default)]
struct Known {
    accounts: FxHashMap<u32, Account>,
    /// Statements under way that change what is stored.
    changing: usize,
}

#[derive(Debug)]
struct Account {
    survey: Option<Arc<Survey>>,
    claimed: Instant,
}

/// The surveys of one node.
#[derive(Debug, Default)]
pub(crate) struct Surveys {
    known: RwLock<Known>,
    generation: AtomicU64,
}

/// The right to take a survey.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    account: u32,
    generation: u64,
    begun: Instant,
}

/// A statement under way that changes what is stored: until it is over, nothing is known.
#[derive(Debug)]
pub(crate) struct Change(Arc<Node>);

impl Survey {
    /// Whether another should be taken.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }
}

impl Surveys {
    /// Changes whenever what [`Self::get`] gives may have changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What an account sees, if that is known.
    pub(crate) fn get(&self, account: u32) -> Option<Arc<Survey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let survey = known.accounts.get(&account).and_then(|account| account.survey.clone());
        survey.filter(|_| known.changing == 0)
    }

    /// Asks whether a survey should be taken, by the asker.
    pub(crate) fn claim(&self, account: u32) -> Option<Claim> {
        let begun = Instant::now();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.changing > 0 {
            return None;
        }
        match known.accounts.get_mut(&account) {
            Some(Account { survey: Some(survey), .. }) if !survey.is_due(begun) => return None,
            Some(Account { survey: None, claimed }) if *claimed + CLAIMED > begun => return None,
            Some(Account { claimed, survey: Some(survey) }) if *claimed + CLAIMED > begun && *claimed >= survey.due => {
                return None;
            }
            Some(known) => known.claimed = begun,
            None => {
                known.accounts.insert(account, Account { survey: None, claimed: begun });
            }
        }
        Some(Claim { account, generation: self.generation(), begun })
    }

    /// Keeps what a survey found, unless something has changed since it was begun. Says whether it is news that the
    /// account sees only a part.
    pub(crate) fn settle(&self, claim: Claim, hidden: Hidden) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let outdated = known.changing > 0 || self.generation() != claim.generation;
        let Some(account) = known.accounts.get_mut(&claim.account).filter(|_| !outdated) else {
            known.accounts.remove(&claim.account);
            return false;
        };
        let was_partial = account.survey.as_ref().is_some_and(|survey| survey.hidden.is_partial());
        let news = hidden.is_partial() && !was_partial;
        let due = now + BELIEVED.max((now - claim.begun) * SHARE);
        account.survey = Some(Arc::new(Survey { hidden, due }));
        known.accounts.retain(|_, account| account.survey.as_ref().is_none_or(|survey| survey.due + KEPT > now));
        self.generation.fetch_add(1, Ordering::Release);
        news
    }
}

impl Change {
    /// Something is about to change what is stored in a node.
    pub(crate) fn begin(node: &Arc<Node>) -> Self {
        let surveys = node.surveys();
        let mut known = surveys.known.write().unwrap_or_else(PoisonError::into_inner);
        known.changing += 1;
        known.accounts.clear();
        surveys.generation.fetch_add(1, Ordering::Release);
        Self(Arc::clone(node))
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let surveys = self.0.surveys();
        let mut known = surveys.known.write().unwrap_or_else(PoisonError::into_inner);
        known.changing -= 1;
        known.accounts.clear();
        surveys.generation.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::sql::{Catalog, Hidden};

    use super::Surveys;

    #[test]
    fn one_asker_takes_a_survey_and_all_know_it() {
        let surveys = Surveys::default();
        let claim = surveys.claim(1).unwrap();
        assert!(surveys.claim(1).is_none() && surveys.claim(2).is_some());
        let before = surveys.generation();
        assert!(!surveys.settle(claim, Catalog::default().judge()));
        assert!(surveys.get(1).is_some() && surveys.get(2).is_none());
        assert!(surveys.generation() != before && surveys.claim(1).is_none());
    }

    #[test]
    fn that_an_account_sees_only_a_part_is_news_once() {
        let partial = || {
            let mut catalog = Catalog::default();
            catalog.hide_triggers();
            catalog.judge()
        };
        let surveys = Surveys::default();
        let claim = surveys.claim(1).unwrap();
        assert!(surveys.settle(claim, partial()));
        assert!(!surveys.settle(super::Claim { generation: surveys.generation(), ..claim }, partial()));
    }

    #[test]
    fn what_was_seen_before_a_change_is_not_believed() {
        let surveys = Surveys::default();
        let claim = surveys.claim(1).unwrap();
        surveys.generation.fetch_add(1, std::sync::atomic::Ordering::Release);
        surveys.settle(claim, Hidden::unknown());
        assert!(surveys.get(1).is_none() && surveys.claim(1).is_some());
    }
}
