//! What do all coordinators have in common?
//!
//! A coordinator keeps its state in an internal topic: `__consumer_offsets`, `__transaction_state`.
//! Each partition of it is one shard, a pure state machine that implements [`Machine`]: it is
//! filled by replaying the partition's records, then takes one input at a time and returns
//! [`Effect`]s, which the broker's coordinator runtime carries out.
//!
//! Invariants that every machine keeps:
//! - A reply that confirms a write is emitted only after [`Event::Appended`] has said that the
//!   write is durable.
//! - Replaying the records of all durable appends in log order gives the same state.
//! - Every request is answered exactly once, at the latest at [`Event::Unload`].
//!
//! Source: the coordinator runtime of Apache Kafka 4 (KIP-848), made free of I/O.

mod effect;
mod machine;
mod record;
pub(crate) mod wire;

pub use effect::{AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Event, Now, Token};
pub use machine::Machine;
pub use record::{Record, RecordError, Replayed};
