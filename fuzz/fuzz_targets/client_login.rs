//! See `protocol/tests/machines/client_login.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::client_login::check(data));
