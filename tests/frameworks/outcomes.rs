//! How the tests of one run ended.

use std::{collections::BTreeMap, fs, path::Path};

/// By test: how it ended, and what went wrong.
#[derive(Debug)]
pub(super) struct Outcomes(BTreeMap<String, (String, String)>);

impl Outcomes {
    /// What `outcomes.py` wrote.
    pub(super) fn read(file: &Path) -> Self {
        let mut tests: BTreeMap<String, (String, String)> = BTreeMap::new();
        for line in fs::read_to_string(file).expect("the run recorded its tests").lines() {
            let [outcome, test, why] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("not a record: {line}") };
            let (outcomes, reasons) = tests.entry(test.to_owned()).or_default();
            for (all, one) in [(outcomes, outcome), (reasons, why)] {
                *all += if all.is_empty() || one.is_empty() { "" } else { " and " };
                *all += one;
            }
        }
        Self(tests)
    }

    /// How many tests ended in which way.
    pub(super) fn counted(&self) -> String {
        let mut counts = BTreeMap::<&str, usize>::new();
        for (outcome, _) in self.0.values() {
            *counts.entry(outcome).or_default() += 1;
        }
        let parts: Vec<_> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        format!("{} tests: {}", self.0.len(), parts.join(", "))
    }

    /// How many tests passed.
    pub(super) fn passed(&self) -> usize {
        self.0.values().filter(|(outcome, _)| outcome == "passed").count()
    }

    /// A line for each test that ended otherwise there.
    pub(super) fn differences(&self, through: &Self) -> Vec<String> {
        let none = ("did not run".to_owned(), String::new());
        let mut names: Vec<_> = self.0.keys().chain(through.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let pairs = names.into_iter().map(|name| (name, [self, through].map(|run| run.0.get(name).unwrap_or(&none))));
        let differing = pairs.filter(|(_, [direct, through])| direct.0 != through.0);
        differing
            .map(|(name, [direct, through])| {
                format!("{name}\n  directly {}: {}\n  through {}: {}", direct.0, direct.1, through.0, through.1)
            })
            .collect()
    }
}
