//! A state store that dies with its process and keeps what luck lets it keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sprawl_io::Random;
use sprawl_io::sim::{SeededRandom, SimDisk};
use sprawl_log::state::{ColumnFamily, Pairs, StateError, WriteBatch};
use sprawl_log::{MemoryStore, StateStore};

/// Every group of keys.
const FAMILIES: [ColumnFamily; 5] = [
    ColumnFamily::Store,
    ColumnFamily::Partition,
    ColumnFamily::Segment,
    ColumnFamily::Index,
    ColumnFamily::Snapshot,
];

/// The state of one data directory across the lives of its process.
#[derive(Debug)]
pub struct DurableState {
    memory: Arc<MemoryStore>,
    disk: Arc<SimDisk>,
    life: Arc<AtomicU64>,
}

impl DurableState {
    /// Starts empty. `disk` is the one whose crash ends the process.
    pub fn new(disk: Arc<SimDisk>) -> Self {
        Self {
            memory: Arc::default(),
            disk,
            life: Arc::default(),
        }
    }

    /// Returns the store for the next life of the process; those before fail from now on.
    pub fn open(&self) -> Arc<dyn StateStore> {
        let life = self.life.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(LiveState {
            memory: Arc::clone(&self.memory),
            disk: Arc::clone(&self.disk),
            life_now: Arc::clone(&self.life),
            life,
        })
    }

    /// Copies everything for another process on `disk`.
    pub fn copy(&self, disk: Arc<SimDisk>) -> Self {
        let copy = Self::new(disk);
        let mut batch = WriteBatch::default();
        for family in FAMILIES {
            let pairs = self.memory.scan(family, b"").expect("memory does not fail");
            for (key, value) in pairs {
                batch.put(family, &key, value);
            }
        }
        copy.memory.write(batch).expect("memory does not fail");
        copy.memory.flush().expect("memory does not fail");
        copy
    }

    /// Ends the process: what was not flushed is lost, or was flushed by the engine on its own
    /// account.
    pub fn crash(&self, random: &SeededRandom) {
        self.life.fetch_add(1, Ordering::Relaxed);
        if random.next_u64() % 2 == 0 {
            self.memory.lose_unflushed();
        } else {
            self.memory.flush().expect("memory does not fail");
        }
    }
}

/// The store as one process sees it.
#[derive(Debug)]
struct LiveState {
    memory: Arc<MemoryStore>,
    disk: Arc<SimDisk>,
    life_now: Arc<AtomicU64>,
    life: u64,
}

impl LiveState {
    fn alive(&self) -> Result<&MemoryStore, StateError> {
        let is_current = self.life_now.load(Ordering::Relaxed) == self.life;
        if is_current && !self.disk.is_down() {
            Ok(&self.memory)
        } else {
            Err(StateError::Failed(
                "simulated crash: this process is gone".to_owned(),
            ))
        }
    }
}

impl StateStore for LiveState {
    fn get(&self, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.alive()?.get(family, key)
    }

    fn scan(&self, family: ColumnFamily, prefix: &[u8]) -> Result<Pairs, StateError> {
        self.alive()?.scan(family, prefix)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StateError> {
        self.alive()?.write(batch)
    }

    fn flush(&self) -> Result<(), StateError> {
        self.alive()?.flush()
    }

    fn reset(&self) -> Result<(), StateError> {
        self.alive()?.reset()
    }
}
