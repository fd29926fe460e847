//! Random bytes for logins, and for ids of traces.

use greenroom_protocol::login::scramble;

/// So many, none of which ends a text.
pub(crate) fn random_text<const N: usize>() -> [u8; N] {
    scramble::from_random(random())
}

/// So many.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness no login is safe; a system that has none to give does not come this far.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}
