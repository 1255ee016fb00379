//! See `sprawl_fuzz::telemetry::otlp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sprawl_fuzz::telemetry::otlp(data));
