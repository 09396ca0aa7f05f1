//! libFuzzer's program for `hostile::values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::values::check(bytes));
