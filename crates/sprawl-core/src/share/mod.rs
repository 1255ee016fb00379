//! Which records of a partition has a share group taken, finished or given up?
//!
//! [`SharePartition`] is the queue that one share group makes of one partition: who holds which
//! records until when, how often each was delivered, what is acknowledged and what is dead. It is
//! the project's one tracker of acknowledgements, retries and dead letters.
//!
//! Invariants: an offset is in one state at a time; a state that ends a record (acknowledged, dead)
//! counts only once it is written; offsets in = acknowledged + dead + expired + live, asserted
//! after every step (I22); below the start offset nothing is delivered any more.
//!
//! Pure: time and the jitter of retries are arguments; what must be written or moved to a
//! dead-letter topic is returned.
//!
//! Source: KIP-932 (share groups), KIP-1206 (acquire modes), KIP-1222 (renewal), KIP-1226 (delivery
//! complete count), KIP-1191 (dead letters). The delay of a retry is ours.

mod acknowledge;
mod acquire;
pub mod coordinator;
mod counts;
mod expire;
mod load;
mod partition;
mod record;
mod retry;
mod settings;
mod spans;
mod write;

pub use acknowledge::{AckBatch, AckError, AckType};
pub use acquire::{AcquireMode, AcquireRequest, AcquiredRecords, LogBatch, LogBatchKind};
pub use counts::ShareCounts;
pub use load::LoadError;
pub use partition::SharePartition;
pub use record::{DeadLetter, DeathCause, DeliveryState, StateBatch};
pub use retry::RetryDelay;
pub use settings::{DeadLetters, SharePartitionSettings};
pub use write::{StateWrite, WriteId};

#[cfg(test)]
mod tests;
