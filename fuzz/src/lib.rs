//! What every target checks lies with the protocol's own tests, which run it too.

#[path = "../../protocol/tests/machines/mod.rs"]
pub mod machines;
