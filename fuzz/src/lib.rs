//! What the fuzz targets do ([`bodies`]) and what they start from ([`corpus`]).
//!
//! Both files are also compiled into the integration tests of `sprawl-protocol`, which run every
//! body on every seed and on damaged seeds with the stable toolchain.

pub mod bodies;
pub mod corpus;
