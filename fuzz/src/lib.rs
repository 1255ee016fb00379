//! What the fuzz targets do ([`bodies`], [`disk`], [`telemetry`]) and what they start from
//! ([`corpus`]).
//!
//! `bodies` and `corpus` are also compiled into the integration tests of `sprawl-protocol`, which
//! run every body on every seed and on damaged seeds with the stable toolchain.

pub mod bodies;
pub mod corpus;
pub mod disk;
pub mod telemetry;
