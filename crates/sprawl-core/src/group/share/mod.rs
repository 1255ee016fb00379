//! What does a share group do with each heartbeat, timer and finished write?
//!
//! Members only beat. Partitions are shared: a member may get one that others have too, so that
//! nobody gives anything up and a member is led to its target in one step. A partition is given out
//! once its state at the share coordinator was begun; the answer to a
//! heartbeat names those that are still to be begun, and the caller reports when they are.
//!
//! Invariants: what a reply tells a member is in the log; the state is what the records say.
//!
//! Source: KIP-932 as in Apache Kafka 4.3 (`GroupMetadataManager.shareGroupHeartbeat`). Left out:
//! racks, assignments batched over time (KIP-1263).

mod assign;
mod group;
mod heartbeat;
mod records;
mod request;
#[cfg(test)]
mod tests;

pub(in crate::group) use group::ShareGroup;
pub(in crate::group) use heartbeat::{
    on_share_heartbeat, on_share_member_timeout, on_share_states, start_sessions,
};
pub(in crate::group) use records::ShareRecord;
pub use request::{
    DescribedShareGroup, DescribedShareMember, ShareBeat, ShareHeartbeat, ShareStates,
    StatePartitions,
};
