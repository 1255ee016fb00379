//! See `sprawl_fuzz::disk::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::disk::segment(data));
