//! See `sprawl_fuzz::bodies::batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::bodies::batch(data));
