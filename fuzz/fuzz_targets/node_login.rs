//! See `protocol/tests/machines/node_login.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::node_login::check(data));
