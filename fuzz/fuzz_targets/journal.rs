//! See `sprawl_fuzz::disk::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::disk::journal(data));
