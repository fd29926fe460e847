//! Every machine against bytes that nobody should send: the corpora of `fuzz/`, which hold recorded wires and what was
//! found with them, and those damaged at random. What must hold is in `machines/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

mod machines;

use std::{fs, panic::catch_unwind, path::Path};

use machines::{ALL, CAPTURED, Check};
use proptest::{prelude::*, sample::Index};

/// One damage to a case's bytes.
#[derive(Debug, Clone)]
enum Damage {
    Put(Index, u8),
    Add(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let telling = prop_oneof![Just(0), Just(0xFB), Just(0xFC), Just(0xFD), Just(0xFE), Just(0xFF), any::<u8>()];
        prop_oneof![
            3 => (any::<Index>(), telling).prop_map(|(at, byte)| Self::Put(at, byte)),
            2 => (any::<Index>(), prop_oneof![Just(1), Just(0xFF)]).prop_map(|(at, by)| Self::Add(at, by)),
            1 => any::<Index>().prop_map(Self::Cut),
            1 => (any::<Index>(), 1..16_usize).prop_map(|(at, count)| Self::Drop(at, count)),
            1 => (any::<Index>(), 1..64_usize).prop_map(|(at, count)| Self::Repeat(at, count)),
            1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, it)| Self::Insert(at, it)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let (Self::Put(at, _)
        | Self::Add(at, _)
        | Self::Cut(at)
        | Self::Drop(at, _)
        | Self::Repeat(at, _)
        | Self::Insert(at, _)) = self;
        let place = at.index(bytes.len() + 1);
        let end = |count: &usize| (place + count).min(bytes.len());
        match self {
            Self::Put(_, byte) => bytes.get_mut(place).into_iter().for_each(|old| *old = *byte),
            Self::Add(_, by) => bytes.get_mut(place).into_iter().for_each(|old| *old = old.wrapping_add(*by)),
            Self::Cut(_) => bytes.truncate(place),
            Self::Drop(_, count) => drop(bytes.drain(place..end(count))),
            Self::Repeat(_, count) => {
                let again = bytes[place..end(count)].to_vec();
                bytes.splice(place..place, again);
            }
            Self::Insert(_, new) => drop(bytes.splice(place..place, new.iter().copied())),
        }
    }
}

/// A machine's recorded cases by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    cases.sort();
    assert!(cases.len() >= 3, "{name} has too few cases");
    cases
}

fn run(check: Check, bytes: &[u8]) -> bool {
    catch_unwind(|| check(bytes)).is_ok()
}

#[test]
fn what_is_recorded_is_well() {
    for (name, check) in ALL {
        for (case, bytes) in corpus(name) {
            assert!(run(check, &bytes), "{name}/{case}");
            for cut in 0..bytes.len().min(256) {
                assert!(run(check, &bytes[..cut]), "{name}/{case} cut off at {cut}");
            }
        }
    }
}

#[test]
fn what_was_captured_is_understood() {
    for (name, understands) in CAPTURED {
        let cases = corpus(name);
        let mut captured = 0;
        for (speaker, least) in [("mysql-", 4), ("mariadb-", 4), ("haproxy-", 8), ("greenroom-", 4)] {
            let from: Vec<_> = cases.iter().filter(|(case, _)| case.starts_with(speaker)).collect();
            for (case, bytes) in &from {
                assert!(understands(bytes), "{name}/{case}");
                assert!(!understands(&bytes[..2]), "{name}/{case} is understood by its head alone");
            }
            assert!(from.is_empty() || from.len() >= least, "{name} has {} of {speaker}", from.len());
            captured += from.len();
        }
        assert!(captured > 10, "{name} has {captured} captured cases");
    }
}

#[test]
fn what_is_damaged_is_well() {
    for (name, check) in ALL {
        let cases = corpus(name);
        let damage = prop::collection::vec(Damage::any(), 1..6);
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let result = runner.run(&(any::<Index>(), damage), |(case, damages)| {
            let (case, mut bytes) = case.get(&cases).clone();
            damages.iter().for_each(|damage| damage.apply(&mut bytes));
            prop_assert!(run(check, &bytes), "{name}/{case}: {}", bytes.escape_ascii());
            Ok(())
        });
        if let Err(error) = result {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn a_check_that_finds_something_is_noticed() {
    assert!(!run(|bytes| assert!(bytes.is_empty()), b"x"));
    assert!(run(|bytes| assert!(!bytes.is_empty()), b"x"));
}
