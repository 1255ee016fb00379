//! See `sprawl_fuzz::bodies::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::bodies::frame(data));
