//! See `protocol/tests/machines/inbound.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::inbound::check(data));
