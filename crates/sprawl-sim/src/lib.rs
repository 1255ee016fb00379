//! The seeded simulator: the shipped code on a disk, a network and a clock that break by plan.
//!
//! A run is decided by its seed. It is run twice, and the first check is that both runs did the
//! same operations; then every invariant of the correctness page that a single node can break is
//! checked. A failure prints the seed that repeats it.
//!
//! Source: `correctness` page, sections 2 (invariants), 3 (faults, mutants) and 5 (simulation).

mod broker_world;
mod client;
mod compaction_world;
mod delay_world;
mod error_code;
pub mod history;
pub mod invariant;
mod log_world;
#[cfg(feature = "mutants")]
pub mod mutants;
mod node;
pub mod plan;
pub mod run;
pub mod state_store;
mod transaction_world;
