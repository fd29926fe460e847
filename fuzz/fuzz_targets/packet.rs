//! See `protocol/tests/machines/packet.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::packet::check(data));
