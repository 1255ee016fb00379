//! Pure state machines: partition, group, configuration, metadata image.
//!
//! No async, no clock, no randomness, no I/O: time and fresh ids are arguments, effects are
//! results.

pub mod client_metrics;
pub mod config;
pub mod coordinator;
pub mod group;
pub mod metadata;
pub mod partition;
pub mod quota;
pub mod share;
pub mod transaction;
