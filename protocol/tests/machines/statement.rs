//! Prepared statements: the types of an execution lie within it, and one that was given those of another is what a client
//! would have sent that gave them itself; a connection's cache holds each id once.

use std::{collections::BTreeSet, sync::Arc};

use greenroom_protocol::{
    state::{Charset, SessionState},
    statement::{Cache, Source, bindings::Bindings},
};

use super::input::Input;

/// An execution, and what must be known to read it.
struct Execution<'a> {
    bulk: bool,
    attributed: bool,
    params: u16,
    types: &'a [u8],
    argument: &'a [u8],
}

impl<'a> Execution<'a> {
    /// `None`: the bytes speak of a cache instead, and the rest is what to do with it.
    fn from(input: &mut Input<'a>) -> Option<Self> {
        let [caches, bulk, attributed] = input.bits();
        if caches {
            return None;
        }
        let (params, types) = (u16::from(input.byte()), input.chunk());
        Some(Self { bulk, attributed, params, types, argument: input.0 })
    }

    fn find(&self, argument: &[u8]) -> Option<Option<Bindings>> {
        match self.bulk {
            true => Bindings::of_bulk(argument, self.params),
            false => Bindings::of_execute(argument, self.params, self.attributed),
        }
    }
}

/// Whether it is an execution whose types are found, or those of another in their place.
pub fn understands(data: &[u8]) -> bool {
    let Some(execution) = Execution::from(&mut Input(data)) else { return false };
    let Some(Some(bindings)) = execution.find(execution.argument) else { return false };
    !execution.types.is_empty() && bindings.types(execution.argument).is_none_or(|named| named == execution.types)
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let Some(execution) = Execution::from(&mut input) else { return cache(input) };
    let Execution { bulk, attributed, params, types, argument } = execution;
    let Some(Some(bindings)) = execution.find(argument) else { return };
    let _ = bindings.first_number(argument, types);
    if let Some(named) = bindings.types(argument) {
        assert!(bulk || attributed || named.len() == 2 * usize::from(params));
        let _ = bindings.first_number(argument, named);
        return;
    }
    let mut out = b"head".to_vec();
    bindings.insert(argument, types, &mut out);
    assert_eq!(out.len(), 4 + argument.len() + types.len());
    let full = out.strip_prefix(b"head").expect("what was there stays");
    // Those of another execution of the same statement are as many as its parameters.
    if types.len() == 2 * usize::from(params) && !types.is_empty() && !attributed {
        let again = execution.find(full).flatten().expect("types that are there are found");
        assert_eq!(again.types(full), Some(types));
        assert!(bulk || again.first_number(full, types) == bindings.first_number(argument, types));
    }
}

/// Follows what sessions do on one connection; the server's ids are counted as it counts them.
fn cache(mut input: Input<'_>) {
    let (mut cache, mut next, mut open) = (Cache::default(), 0_u32, BTreeSet::new());
    let state = SessionState::new(None, Charset::Handshake(45));
    let sources: Vec<_> = (0..4_u8).map(|text| Arc::new(Source::new(Box::new([text]), &state))).collect();
    while !input.0.is_empty() {
        let (own, source) = (u32::from(input.byte() % 5), &sources[usize::from(input.byte() % 4)]);
        match input.byte() % 9 {
            0 => {
                next += 1;
                open.insert(next);
                cache.share(Arc::clone(source), next);
            }
            1 => {
                next += 1;
                open.insert(next);
                cache.own(own, Some(Arc::clone(source)).filter(|_| next % 2 == 0), next);
            }
            2 => cache.keep(own, Some(source)),
            3 => cache.release(own),
            4 => {
                if let Some(id) = cache.discard(own) {
                    assert!(open.remove(&id), "{id} is closed twice");
                }
            }
            5 => drop(cache.evict()),
            6 => drop(cache.evict_id(u32::from(input.byte()))),
            7 => {
                let found = cache.find(own, Some(source)).map(|entry| entry.id);
                assert!(found.is_none_or(|id| open.contains(&id)), "what is found is open");
            }
            _ => {
                close(&mut cache, &mut open);
                assert_eq!(cache.len(), open.len(), "what is not closed is held");
            }
        }
    }
    close(&mut cache, &mut open);
    assert_eq!(cache.len(), open.len(), "what is not closed is held");
    assert!(cache.keeps() || open.iter().all(|id| !cache.keeps_id(*id)));
    cache.clear();
    assert!(cache.is_empty() && !cache.has_closing());
}

fn close(cache: &mut Cache, open: &mut BTreeSet<u32>) {
    let bytes = cache.before(b"");
    for packet in bytes.chunks(9) {
        let id = packet.last_chunk().map(|id| u32::from_le_bytes(*id)).expect("a command of nine bytes");
        assert!(open.remove(&id), "{id} is closed twice");
    }
}
