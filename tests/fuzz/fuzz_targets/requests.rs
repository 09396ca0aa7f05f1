//! libFuzzer's program for `hostile::requests`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::requests::check(bytes));
