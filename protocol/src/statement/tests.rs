use std::sync::Arc;

use proptest::prelude::*;

use super::bindings::Bindings;
use super::{Cache, Source};
use crate::state::{Charset, SessionState};

fn state(database: Option<&str>) -> SessionState {
    SessionState::new(database.map(str::as_bytes), Charset::Handshake(45))
}

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source::new(text.as_bytes().into(), &state(Some("app"))))
}

fn closed(cache: &mut Cache) -> Vec<u8> {
    let mut bytes = Vec::new();
    cache.close_into(&mut bytes);
    bytes.chunks(9).map(|packet| packet[5]).collect()
}

#[test]
fn a_source_is_at_home_where_its_text_is_read_alike() {
    let mut now = state(Some("app"));
    let source = Source::new((*b"SELECT 1").into(), &now);
    now.set_variable(b"autocommit", b"OFF");
    assert!(source.is_at_home_in(&now));
    for change in [
        |state: &mut SessionState| state.set_database(Some(b"other")),
        |state: &mut SessionState| state.set_database(None),
        |state: &mut SessionState| state.set_charset(Charset::Handshake(8)),
        |state: &mut SessionState| state.set_variable(b"sql_mode", b"ANSI_QUOTES"),
    ] {
        let mut other = now.clone();
        change(&mut other);
        assert!(!source.is_at_home_in(&other));
        let home = source.home(&other);
        assert!(source.is_at_home_in(&home));
        assert_eq!(home, now, "nothing else is changed");
        let elsewhere = Source::new((*b"SELECT 1").into(), &other);
        assert_ne!(elsewhere, source);
    }
}

#[test]
fn what_is_shared_is_found_by_its_source() {
    let mut cache = Cache::default();
    cache.share(source("SELECT 1"), 7);
    assert_eq!(cache.find(1, Some(&source("SELECT 1"))).map(|entry| entry.id), Some(7));
    assert!(cache.find(1, Some(&source("SELECT 2"))).is_none());
    assert!(cache.find(1, None).is_none());
    // Prepared again: the older one goes.
    cache.share(source("SELECT 1"), 8);
    assert_eq!(closed(&mut cache), [7]);
    assert_eq!(cache.len(), 1);
}

#[test]
fn what_somebody_has_open_is_nobody_elses() {
    let (mut cache, text) = (Cache::default(), source("SELECT 1"));
    cache.share(Arc::clone(&text), 7);
    cache.keep(1, Some(&text));
    assert!(cache.keeps() && cache.find(2, Some(&text)).is_none());
    assert_eq!(cache.find(1, Some(&text)).map(|entry| entry.id), Some(7));
    cache.share(Arc::clone(&text), 8);
    assert_eq!(cache.find(2, Some(&text)).map(|entry| entry.id), Some(8));
    cache.release(1);
    assert!(!cache.keeps());
    assert_eq!(closed(&mut cache), [8], "one is enough");
    cache.own(3, None, 9);
    assert!(!cache.evict_id(9));
    cache.release(3);
    assert_eq!(closed(&mut cache), [9], "without its text nobody finds it again");
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut cache = Cache::default();
    for (text, id) in [("SELECT 1", 1), ("SELECT 2", 2), ("SELECT 3", 3)] {
        cache.share(source(text), id);
    }
    cache.find(1, Some(&source("SELECT 1")));
    assert!(cache.evict());
    assert_eq!(closed(&mut cache), [2]);
    assert!(cache.evict_id(1));
    assert!(cache.evict() && !cache.evict());
    assert_eq!(closed(&mut cache), [1, 3]);
    assert!(cache.is_empty());
}

#[test]
fn a_connection_keeps_a_bounded_number() {
    let mut cache = Cache::default();
    for id in 0..2000_u32 {
        cache.share(source(&format!("SELECT {id}")), id);
    }
    let mut bytes = Vec::new();
    cache.close_into(&mut bytes);
    assert_eq!((cache.len(), bytes.len()), (1024, 976 * 9));
}

#[test]
fn types_are_found_and_put_in() {
    // Two parameters, the first NULL, a BIGINT and a VARCHAR.
    let full = b"\x05\0\0\0\0\x01\0\0\0\x01\x01\x08\0\xfd\0\x01x";
    let bindings = Bindings::of_execute(full, 2, false).unwrap().unwrap();
    assert_eq!(bindings.types(full), Some(&b"\x08\0\xfd\0"[..]));
    let short = b"\x05\0\0\0\0\x01\0\0\0\x01\0\x01x";
    let bindings = Bindings::of_execute(short, 2, false).unwrap().unwrap();
    assert_eq!(bindings.types(short), None);
    let mut out = b"head".to_vec();
    bindings.insert(short, b"\x08\0\xfd\0", &mut out);
    assert_eq!(out.strip_prefix(b"head"), Some(&full[..]));
    assert_eq!(Bindings::of_execute(b"\x05\0\0\0\0\x01\0\0\0", 0, false), Some(None));
    assert_eq!(Bindings::of_execute(&full[..13], 2, false), None, "cut off");
    let mut odd = full.to_vec();
    odd[10] = 2;
    let bindings = Bindings::of_execute(&odd, 2, false).unwrap().unwrap();
    assert_eq!(bindings.types(&odd), Some(&b"\x08\0\xfd\0"[..]), "any but 0");
}

#[test]
fn the_first_value_is_read_where_it_is_a_number() {
    for (execute, number) in [
        (&b"\x05\0\0\0\0\x01\0\0\0\0\x01\x08\0\x07\0\0\0\0\0\0\0"[..], Some(7)),
        (b"\x05\0\0\0\0\x01\0\0\0\0\x01\x03\0\x01\x01\0\0", Some(257)),
        (b"\x05\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x0242", Some(42)),
        (b"\x05\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x01x", None),
        (b"\x05\0\0\0\0\x01\0\0\0\x01\x01\x08\0", None),
        (b"\x05\0\0\0\0\x01\0\0\0\0\x01\x08\0\x07\0", None),
    ] {
        let bindings = Bindings::of_execute(execute, 1, false).unwrap().unwrap();
        assert_eq!(bindings.first_number(execute, bindings.types(execute).unwrap()), number);
    }
}

#[test]
fn types_with_names_are_found() {
    let full = b"\x05\0\0\0\x08\x01\0\0\0\x02\0\x01\x08\0\0\xfd\0\x01k12345678\x01x";
    let bindings = Bindings::of_execute(full, 2, true).unwrap().unwrap();
    assert_eq!(bindings.types(full), Some(&b"\x08\0\0\xfd\0\x01k"[..]));
    assert_eq!(Bindings::of_execute(full, 1, true), None, "an attribute comes along");
    assert_eq!(Bindings::of_execute(b"\x05\0\0\0\x08\x01\0\0\0\0", 0, true), Some(None));
    // As Connector/Python sends it.
    let unflagged = b"\x05\0\0\0\0\x01\0\0\0\x01\0\x01\x01\x80\0\x07";
    let bindings = Bindings::of_execute(unflagged, 1, true).unwrap().unwrap();
    assert_eq!(bindings.types(unflagged), Some(&b"\x01\x80\0"[..]));
}

#[test]
fn types_of_bulk_executions_are_found_and_put_in() {
    let full = b"\x05\0\0\0\x80\0\x08\0\0value";
    let bindings = Bindings::of_bulk(full, 1).unwrap().unwrap();
    assert_eq!(bindings.types(full), Some(&b"\x08\0"[..]));
    let short = b"\x05\0\0\0\0\0\0value";
    let bindings = Bindings::of_bulk(short, 1).unwrap().unwrap();
    let mut out = Vec::new();
    bindings.insert(short, b"\x08\0", &mut out);
    assert_eq!(out, full);
}

proptest! {
    #[test]
    fn any_bytes_have_types_within_them_or_none(argument: Vec<u8>, params in 0_u16..20, attributed: bool) {
        for found in [Bindings::of_execute(&argument, params, attributed), Bindings::of_bulk(&argument, params)] {
            if let Some(Some(bindings)) = found {
                let mut out = Vec::new();
                bindings.insert(&argument, b"types", &mut out);
                prop_assert_eq!(out.len(), argument.len() + 5);
            }
        }
    }
}
