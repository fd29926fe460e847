//! The fingerprint of a session state (FNV-1a: no key, the same in every thread and run).

use super::{Charset, SessionState};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

pub(super) fn of(state: &SessionState) -> u64 {
    let mut hash = optional(OFFSET, state.database.as_deref());
    hash = match &state.charset {
        Charset::Handshake(id) => bytes(hash ^ 1, &id.to_le_bytes()),
        Charset::Named(names) => {
            let hash = optional(bytes(hash ^ 2, &names.client), names.results.as_deref());
            bytes(hash, &names.connection)
        }
    };
    let hash = state.variables.iter().fold(hash, |hash, (name, value)| bytes(bytes(hash, name), value));
    state.user_variables.parts().fold(hash, bytes)
}

fn optional(hash: u64, value: Option<&[u8]>) -> u64 {
    value.map_or_else(|| (hash ^ 0xff).wrapping_mul(PRIME), |value| bytes(hash, value))
}

fn bytes(hash: u64, value: &[u8]) -> u64 {
    let hash = value.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    // A byte that no name holds keeps ("ab", "c") and ("a", "bc") apart.
    (hash ^ 0xfe).wrapping_mul(PRIME)
}
