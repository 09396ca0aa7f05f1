//! libFuzzer's program for `hostile::rows`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::rows::check(bytes));
