//! See `protocol/tests/machines/upload.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::upload::check(data));
