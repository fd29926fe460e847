//! See `protocol/tests/machines/processes.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| greenroom_fuzz::machines::processes::check(data));
