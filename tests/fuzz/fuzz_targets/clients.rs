//! libFuzzer's program for `hostile::clients`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::clients::check(bytes));
