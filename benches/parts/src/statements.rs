//! Finding a prepared statement on a connection, and the types that it was bound with.

use std::hint::black_box;
use std::sync::Arc;

use greenroom_protocol::statement::bindings::Bindings;
use greenroom_protocol::statement::{Cache, Source};

use crate::Part;
use crate::states::usual;

/// How many statements the connection has: sysbench's read-write transactions have 90 over ten tables.
const PREPARED: u32 = 90;

/// What `COM_STMT_EXECUTE` says behind its byte: a BIGINT and a string for the statement 7; with and without types.
pub(crate) const TYPED: &[u8] = b"\x07\0\0\0\0\x01\0\0\0\0\x01\x08\0\xfd\0\xb2\x13\0\0\0\0\0\0\x06active";
const UNTYPED: &[u8] = b"\x07\0\0\0\0\x01\0\0\0\0\0\xb2\x13\0\0\0\0\0\0\x06active";
const TYPES: &[u8] = b"\x08\0\xfd\0";

fn source(number: u32) -> Arc<Source> {
    let text = format!("SELECT c FROM sbtest{number} WHERE id=? AND status=?");
    Arc::new(Source::new(text.into_bytes().into(), &usual()))
}

/// A connection's cache, and a session's statement that is among the others there.
pub(crate) fn cache() -> (Cache, Arc<Source>) {
    let mut cache = Cache::default();
    for number in 1..=PREPARED {
        cache.share(source(number), number);
    }
    (cache, source(PREPARED / 2))
}

pub(crate) fn parts() -> Vec<Part> {
    let (mut shared, wanted) = cache();
    let (state, source_at_home) = (usual(), source(1));
    let mut out = Vec::new();
    vec![
        Part::new("statement/find", move || shared.find(black_box(7), Some(&wanted)).map(|entry| entry.id)),
        Part::new("statement/at-home", move || source_at_home.is_at_home_in(black_box(&state)).then_some(())),
        Part::new("statement/bindings", || Bindings::of_execute(black_box(TYPED), 2, false)?),
        Part::new("statement/put-types-in", move || {
            out.clear();
            let bindings = Bindings::of_execute(black_box(UNTYPED), 2, false)??;
            bindings.insert(UNTYPED, TYPES, &mut out);
            (out.len() > UNTYPED.len()).then_some(())
        }),
    ]
}
