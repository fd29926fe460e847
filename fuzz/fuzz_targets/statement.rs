//! See `protocol/tests/machines/statement.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::statement::check(data));
