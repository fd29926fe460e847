//! See `protocol/tests/machines/reply.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::reply::check(data));
