//! See `protocol/tests/machines/dump.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::dump::check(data));
