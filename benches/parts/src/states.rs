//! Making a connection's state a session's.

use std::hint::black_box;

use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::state::{Charset, Names, SessionState, absorb, restore};

use crate::Part;

fn names(charset: &[u8], collation: &[u8]) -> Charset {
    Charset::Named(Names { client: charset.into(), results: Some(charset.into()), connection: collation.into() })
}

/// What most drivers and frameworks make of a session.
pub(crate) fn usual() -> SessionState {
    let mut state = SessionState::new(Some(b"app"), names(b"utf8mb4", b"utf8mb4_general_ci"));
    state.set_variable(b"autocommit", b"ON");
    state.set_variable(b"sql_mode", b"STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION");
    state.set_variable(b"time_zone", b"+00:00");
    state
}

/// One that differs from it in everything.
fn other() -> SessionState {
    let mut state = SessionState::new(Some(b"reports"), names(b"latin1", b"latin1_swedish_ci"));
    state.set_variable(b"sql_mode", b"ANSI_QUOTES");
    state.set_variable(b"tx_isolation", b"READ-COMMITTED");
    state
}

pub(crate) fn parts() -> Vec<Part> {
    let (one, same) = (usual(), usual());
    let (want, have) = (usual(), other());
    let (mut hers, reported) = (usual(), [(&b"time_zone"[..], &b"+02:00"[..])]);
    vec![
        Part::new("state/equal", move || {
            let (one, same) = (black_box(&one), black_box(&same));
            (one.print() == same.print() && one == same).then_some(())
        }),
        Part::new("state/restore", move || {
            restore(black_box(&want), black_box(&have), &[], CapabilityFlags::empty(), Some(17)).ok()
        }),
        Part::new("state/absorb", move || Some(absorb(&mut hers, black_box(reported), None))),
    ]
}
