//! Which partitions have a record due next, and which have changed?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sprawl_model::PartitionKey;
use tokio::sync::Notify;

use crate::coordinator::timers::Timers;

/// One entry per partition with waiting records; the records themselves are not here.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: Mutex<Entries>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    /// Partitions with batches that nobody has looked at yet.
    touched: BTreeSet<PartitionKey>,
    /// When each partition's next record is due, in ms since the Unix epoch.
    due: Timers<PartitionKey>,
    /// How many records wait in each.
    waiting: BTreeMap<PartitionKey, u64>,
}

impl Agenda {
    /// Notes that a partition has to be looked at.
    pub(crate) fn touch(&self, key: PartitionKey) {
        self.entries().touched.insert(key);
        self.bell.notify_one();
    }

    /// Notes what a look at a partition found.
    pub(crate) fn note(&self, key: PartitionKey, next_due_ms: Option<i64>, waiting: u64) {
        let mut entries = self.entries();
        match next_due_ms {
            Some(due_ms) => entries.due.set(key, u64::try_from(due_ms).unwrap_or(0)),
            None => entries.due.cancel(key),
        }
        if waiting > 0 {
            entries.waiting.insert(key, waiting);
        } else {
            entries.waiting.remove(&key);
        }
    }

    /// Forgets a partition that is gone.
    pub(crate) fn forget(&self, key: PartitionKey) {
        let mut entries = self.entries();
        entries.touched.remove(&key);
        entries.due.cancel(key);
        entries.waiting.remove(&key);
    }

    /// Takes every partition that changed or has a record due by now.
    pub(crate) fn take(&self, now_ms: i64) -> BTreeSet<PartitionKey> {
        let mut entries = self.entries();
        let mut taken = std::mem::take(&mut entries.touched);
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        while let Some(key) = entries.due.take_due(now_ms) {
            taken.insert(key);
        }
        taken
    }

    /// When the next record of any partition is due, in ms since the Unix epoch.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.entries().due.next_deadline_ms()
    }

    /// How many records wait in all partitions.
    pub(crate) fn waiting(&self) -> u64 {
        self.entries().waiting.values().sum()
    }

    /// Waits until a partition was touched.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
