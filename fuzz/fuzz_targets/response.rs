//! See `sprawl_fuzz::bodies::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::bodies::response(data));
