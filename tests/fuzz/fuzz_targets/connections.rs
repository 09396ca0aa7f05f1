//! libFuzzer's program for `hostile::connections`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::connections::check(bytes));
