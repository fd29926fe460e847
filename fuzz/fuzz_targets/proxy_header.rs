//! See `protocol/tests/machines/proxy_header.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::proxy_header::check(data));
