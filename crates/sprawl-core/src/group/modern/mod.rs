//! What do the groups of the new protocols (KIP-848 and its descendants) have in common?
//!
//! The coordinator, and no member, computes who gets what. A group moves in epochs: the group epoch
//! grows when a subscription or the metadata of a subscribed topic changes, the target assignment
//! is computed for an epoch, and each member is led from its current assignment to the target at
//! its own pace. A group's state is nothing but its records: a step applies each record that it
//! appends, and takes it back if the log refuses it.

mod assignment;
mod metadata;
mod spec;

pub use assignment::Assignment;
pub(in crate::group) use assignment::{decode_assignment, encode_assignment};
pub(in crate::group) use metadata::{metadata_hash, partition_counts};
pub(in crate::group) use spec::{GroupSpec, MemberSpec};
