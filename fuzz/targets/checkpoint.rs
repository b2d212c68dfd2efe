//! Arbitrary bytes as checkpoints, from libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| radam_fuzz::load_bytes(bytes));
