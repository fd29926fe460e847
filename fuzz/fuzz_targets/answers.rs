//! See `protocol/tests/machines/answers.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::answers::check(data));
