//! The configuration's limits of users and databases, each with its gate.

use std::sync::{Arc, PoisonError, RwLock};

use crate::gate::{Bounds, Gate, Guest};
use crate::settings::LimitSettings;

/// One limit: what it is for, and how it stands.
#[derive(Debug)]
pub(crate) struct Rule {
    name: String,
    user: Option<String>,
    database: Option<String>,
    pub(crate) gate: Arc<Gate>,
}

/// All limits in force.
#[derive(Debug, Default)]
pub(crate) struct Limits(RwLock<Vec<Arc<Rule>>>);

/// What a session is counted by, from its login on.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Those that concern its user, by their names.
    pub(crate) rules: Vec<Arc<Rule>>,
    _guests: Vec<Guest>,
}

impl Rule {
    /// Whether a session that uses this database is concerned.
    pub(crate) fn concerns(&self, database: Option<&[u8]>) -> bool {
        self.database.as_ref().is_none_or(|wanted| database == Some(wanted.as_bytes()))
    }
}

impl Limits {
    /// These are in force from now on. One that has kept its name, user and database goes on counting whom it counts.
    pub(crate) fn resettle(&self, settings: &[LimitSettings]) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *rules = settings.iter().map(|new| succeed(&rules, new)).collect();
        // Sessions keep the order that they were born with, and of two orders each could wait for the other.
        rules.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Counts a session in.
    ///
    /// # Errors
    /// The gate that has no place for it.
    pub(crate) fn count(&self, user: &[u8], database: Option<&[u8]>) -> Result<Option<Box<Counted>>, Arc<Gate>> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_his = |rule: &&Arc<Rule>| rule.user.as_ref().is_none_or(|name| name.as_bytes() == user);
        let rules: Vec<_> = rules.iter().filter(is_his).map(Arc::clone).collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let concerned = rules.iter().filter(|rule| rule.concerns(database));
        let guests = concerned.map(|rule| rule.gate.enter().ok_or_else(|| Arc::clone(&rule.gate)));
        let guests = guests.collect::<Result<_, _>>()?;
        Ok(Some(Box::new(Counted { rules, _guests: guests })))
    }
}

fn succeed(old: &[Arc<Rule>], new: &LimitSettings) -> Arc<Rule> {
    let bounds = Bounds { clients: new.max_clients, connections: new.max_connections, waiters: None };
    let same = |rule: &&Arc<Rule>| rule.name == new.name && rule.user == new.user && rule.database == new.database;
    if let Some(rule) = old.iter().find(same) {
        rule.gate.resettle(bounds);
        return Arc::clone(rule);
    }
    let gate = Arc::new(Gate::new(format!("limit '{}'", new.name), bounds));
    let LimitSettings { name, user, database, .. } = new.clone();
    Arc::new(Rule { name, user, database, gate })
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::settings::LimitSettings;

    fn limit(name: &str, user: Option<&str>, database: Option<&str>, max_clients: usize) -> LimitSettings {
        let text = |text: Option<&str>| text.map(str::to_owned);
        LimitSettings {
            name: name.to_owned(),
            user: text(user),
            database: text(database),
            max_clients: Some(max_clients),
            max_connections: None,
        }
    }

    #[test]
    fn a_session_counts_wherever_it_is_concerned() {
        let limits = Limits::default();
        limits.resettle(&[limit("user", Some("app"), None, 2), limit("both", Some("app"), Some("shop"), 1)]);
        assert!(limits.count(b"other", Some(b"shop")).unwrap().is_none());
        let first = limits.count(b"app", Some(b"shop")).unwrap();
        assert_eq!(limits.count(b"app", Some(b"shop")).unwrap_err().name(), "limit 'both'");
        let second = limits.count(b"app", None).unwrap();
        assert_eq!(limits.count(b"app", None).unwrap_err().name(), "limit 'user'");
        drop(first);
        assert!(limits.count(b"app", Some(b"shop")).is_ok());
        drop(second);
    }

    #[test]
    fn a_reload_changes_no_order() {
        let limits = Limits::default();
        let (one, other) = (limit("a", Some("app"), None, 9), limit("b", Some("app"), None, 9));
        limits.resettle(&[other.clone(), one.clone()]);
        let born_before = limits.count(b"app", None).unwrap().unwrap();
        limits.resettle(&[one, other]);
        let born_after = limits.count(b"app", None).unwrap().unwrap();
        let names = |counted: &super::Counted| counted.rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&born_before), ["a", "b"]);
        assert_eq!(names(&born_before), names(&born_after));
    }

    #[test]
    fn a_reload_keeps_the_counts() {
        let limits = Limits::default();
        limits.resettle(&[limit("user", Some("app"), None, 2)]);
        let _one = limits.count(b"app", None).unwrap();
        limits.resettle(&[limit("user", Some("app"), None, 1)]);
        assert!(limits.count(b"app", None).is_err());
        limits.resettle(&[]);
        assert!(limits.count(b"app", None).unwrap().is_none());
    }
}
