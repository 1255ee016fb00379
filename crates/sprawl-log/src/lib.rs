//! The durable log: journal, segments, state store, hot queue, recovery, retention, compaction.
//!
//! A batch goes to memory and, in the same call, to the journal's queue; the journal writes and
//! syncs groups of batches of all partitions; the write-behind side moves batches to segments in
//! large runs; a checkpoint makes those durable and lets journal files be used again. Whoever waits
//! gets a [`Durable`], which only the flush path can make.
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a test may panic"
    )
)]

mod aligned;
mod codec;
mod compaction;
mod error;
mod journal;
pub mod metrics;
mod partition;
mod segment;
mod settings;
pub mod state;
mod store;
#[cfg(test)]
mod testing;
pub mod tools;

pub use compaction::{
    CleanerSettings, CompactionBounds, CompactionConfig, CompactionGuard, CompactionStats,
    LastOfProducer,
};
pub use error::{AppendError, DiskError, FlushError, LogError, OpenError, ReadError};
pub use journal::scan::{LostBatch, LostFrames, TornTail};
pub use partition::recover::CutSegment;
pub use partition::{
    AbortedTxn, AtLeastOne, Durable, FileRange, Headers, KeyHash, LogRead, Part, PartitionLog,
    Pending, ReadRequest, Timer, TimerChanges, TimerMeta, TimerStore, TimestampOffset, Waiting,
};
pub use settings::{Cleanup, FlushMode, LogSettings, PartitionConfig};
pub use state::record::{DamageRange, EpochStart};
pub use state::{MemoryStore, RocksStore, StateStore};
pub use store::{
    CheckpointHook, DamagedPartition, LogStore, NoObserver, PRODUCER_SNAPSHOT, Pressure,
    RecoveryObserver, RecoveryReport, RecoveryStage, STATE_DIR, StoreStatus,
};
