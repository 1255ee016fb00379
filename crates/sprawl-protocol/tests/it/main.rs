//! Tests through the public interface.
//!
//! - `fuzz_targets`: every fuzz target on every seed and on damaged seeds, without libFuzzer.

#[path = "../../../../fuzz/src/bodies.rs"]
#[allow(unreachable_pub, reason = "public in the fuzz crate")]
mod bodies;
#[path = "../../../../fuzz/src/corpus.rs"]
#[allow(unreachable_pub, reason = "public in the fuzz crate")]
mod corpus;

mod fuzz_targets;
