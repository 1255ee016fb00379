//! Groups of the consumer protocol: scenarios of one rule each, and random lives of groups.
//!
//! - [`heartbeat`]: joining, changing, leaving, being given up.
//! - [`interval`]: when target assignments are computed.
//! - [`reconcile`]: partitions change hands.
//! - [`static_members`], [`offsets`], [`records`]: what their names say.
//! - [`migration`]: classic members in a consumer group, and both conversions.
//! - [`random`]: no partition ever has two owners, and everything settles.

mod heartbeat;
mod interval;
mod migration;
mod offsets;
mod random;
mod reconcile;
mod records;
mod static_members;
pub(in crate::group) mod world;
