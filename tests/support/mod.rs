//! What the tests share: real servers, a wire client of their own, and the built proxy.
//!
//! Nothing here uses Greenroom's own protocol code: a mistake there must not hide itself.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod crew;
pub(crate) mod dice;
pub(crate) mod disturb;
pub(crate) mod driver;
pub(crate) mod etcd;
pub(crate) mod installed;
pub(crate) mod namespaces;
pub(crate) mod observe;
pub(crate) mod pair;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod script;
pub(crate) mod servers;
pub(crate) mod twin;
pub(crate) mod wire;
