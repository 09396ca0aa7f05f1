//! libFuzzer's program for `hostile::exchanges`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::exchanges::check(bytes));
