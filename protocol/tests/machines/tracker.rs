//! Session state in OK packets: what is noted is bounded by what came, and what a client gets is a part of it.

use greenroom_protocol::track::{Changes, ClientTrackers, Names, sift};

use super::input::Input;

/// Bytes that a note of what was reported takes at least.
fn noted(changes: &Changes) -> usize {
    let variables: usize = changes.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    let others = [&changes.schema, &changes.transaction_characteristics, &changes.gtids];
    variables + others.into_iter().flatten().map(|text| text.len()).sum::<usize>()
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let [all, tracks, twice] = input.bits();
    let names = Names::parse(input.chunk());
    let wants = match all {
        true => ClientTrackers::everything(),
        false => ClientTrackers { variables: names, state_change: true, ..ClientTrackers::everything() },
    };
    let state = input.0;
    let mut read = Changes::default();
    let outcome = read.read(state);
    assert!(noted(&read) <= state.len());
    let (mut sifted, mut changes) = (state.to_vec(), Changes::default());
    let kept = sift(&mut sifted, tracks.then_some(&wants), &mut changes);
    assert_eq!(kept.map(drop), outcome, "both read alike");
    assert_eq!(changes, read);
    if twice {
        let again = changes.read(state);
        assert_eq!(again, outcome);
        assert!(changes.variables.len() == read.variables.len(), "a variable is noted once");
    }
    let Ok(kept) = kept else { return };
    assert!(kept <= state.len() && (tracks || kept == 0));
    let mut told = Changes::default();
    told.read(&sifted[..kept]).expect("a client can read what it gets");
    assert!(!told.unknown && told.variables.len() <= read.variables.len());
    assert!(!(all && tracks && !read.unknown) || sifted[..kept] == *state, "who wants all gets all");
    changes.clear();
    assert!(changes.is_empty());
}
