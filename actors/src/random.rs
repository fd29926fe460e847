//! Random bytes for logins.

use greenroom_protocol::login::scramble;

/// So many, none of which ends a text.
pub(crate) fn random_text<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness no login is safe; a system that has none to give does not come this far.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    scramble::from_random(bytes)
}
