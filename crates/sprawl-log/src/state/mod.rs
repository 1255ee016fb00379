//! Where small state is kept: partition metas, indexes, epochs, snapshots, the checkpoint.
//!
//! Writes become durable at [`StateStore::flush`], all or nothing in write order: a crash leaves a
//! prefix of the batches. The contents can be rebuilt from journal and segments.

mod memory;
pub(crate) mod record;
mod rocks;

use std::fmt::Debug;

pub use memory::MemoryStore;
pub use rocks::{RocksStore, StateCondition};

/// Groups of keys that are scanned on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ColumnFamily {
    /// The store itself: the checkpoint.
    Store = 1,
    /// Partition metas: log start, flushed end, epochs, damage.
    Partition = 2,
    /// Segment metas.
    Segment = 3,
    /// Sparse index chunks.
    Index = 4,
    /// Snapshots of the layers above.
    Snapshot = 5,
    /// Aborted transactions.
    Aborted = 6,
    /// Delayed records that wait.
    Timer = 7,
}

/// Why the state store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The stored bytes fail their checks: the store is to be rebuilt.
    #[error("damaged: {0}")]
    Corrupt(String),
    /// The disk is full; retry later.
    #[error("no space: {0}")]
    NoSpace(String),
    /// Anything else.
    #[error("failed: {0}")]
    Failed(String),
}

/// Changes that become visible and durable together.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl WriteBatch {
    /// Sets a value.
    pub fn put(&mut self, family: ColumnFamily, key: &[u8], value: Vec<u8>) {
        self.changes.push((full_key(family, key), Some(value)));
    }

    /// Removes a value.
    pub fn delete(&mut self, family: ColumnFamily, key: &[u8]) {
        self.changes.push((full_key(family, key), None));
    }

    /// Returns whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Keys and values in order.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// An ordered key-value store with atomic batches.
pub trait StateStore: Debug + Send + Sync + 'static {
    /// Returns a value.
    fn get(&self, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// Returns all pairs whose key starts with `prefix`, in key order.
    fn scan(&self, family: ColumnFamily, prefix: &[u8]) -> Result<Pairs, StateError>;
    /// Returns the first `count` pairs whose key starts with `prefix` and is at or behind `from`.
    fn scan_from(
        &self,
        family: ColumnFamily,
        prefix: &[u8],
        from: &[u8],
        count: usize,
    ) -> Result<Pairs, StateError>;
    /// Applies a batch at once.
    fn write(&self, batch: WriteBatch) -> Result<(), StateError>;
    /// Makes everything written so far durable.
    fn flush(&self) -> Result<(), StateError>;
    /// Puts the contents aside and starts empty, because they are damaged.
    fn reset(&self) -> Result<(), StateError>;
}

fn full_key(family: ColumnFamily, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len().saturating_add(1));
    full.push(family as u8);
    full.extend_from_slice(key);
    full
}
