//! See `protocol/tests/machines/sql.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::sql::check(data));
