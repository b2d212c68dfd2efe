//! Sequences of calls from libFuzzer, which learns from what they reach.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    radam_fuzz::sequence::Sequence::from_bytes(bytes).run();
});
