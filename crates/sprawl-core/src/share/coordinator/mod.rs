//! What does the share coordinator keep of every share-partition, and how does it last?
//!
//! One [`ShareStateShard`] is one partition of `__share_group_state`: its records are a snapshot of
//! a share-partition's state, or a change to it; every so many changes there is a snapshot again,
//! so that older records can be deleted. The leader of a partition reads the state when it begins
//! to serve a group and has each change written before it confirms it.
//!
//! Invariants: those of [`crate::coordinator`]; a leader of an older epoch changes nothing
//! (fencing); an initialisation with a newer state epoch makes every write of the older one fail.
//!
//! Source: KIP-932, share coordinator; Kafka 4.3's record formats. Beyond them, delivery state 3
//! (dead, not in the dead-letter topic yet) is stored: see `docs/formats/share-group-state.md`.

mod records;
mod request;
mod shard;
mod state;
#[cfg(test)]
mod tests;

pub use request::{
    ShareStateErrand, ShareStateError, ShareStateInput, ShareStateKey, ShareStateResponse,
    ShareStateTimer, ShareStateWrite,
};
pub use shard::{ShareStateSettings, ShareStateShard};
pub use state::{ShareState, ShareStateSummary};
