//! See `protocol/tests/machines/tracker.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::tracker::check(data));
