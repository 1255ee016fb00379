//! A state store that dies with its process and keeps what luck lets it keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sprawl_io::Random;
use sprawl_io::sim::{SeededRandom, SimDisk};
use sprawl_log::state::{ColumnFamily, Pairs, StateError, WriteBatch};
use sprawl_log::{MemoryStore, StateStore};

/// What an index key begins with: the partition.
const PARTITION_KEY_BYTES: usize = sprawl_model::PartitionKey::ENCODED_BYTES;
/// Then the base offset of the segment.
const SEGMENT_KEY_BYTES: usize = PARTITION_KEY_BYTES + 8;

/// Every group of keys.
const FAMILIES: [ColumnFamily; 6] = [
    ColumnFamily::Store,
    ColumnFamily::Partition,
    ColumnFamily::Segment,
    ColumnFamily::Index,
    ColumnFamily::Snapshot,
    ColumnFamily::Aborted,
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

    /// Puts a chunk of an older segment's index where a segment's own first chunk was, if any two
    /// make an index that contradicts itself: whoever uses it unchecked reads at the wrong place.
    pub fn misplace_index_chunk(&self) {
        let chunks = self
            .memory
            .scan(ColumnFamily::Index, b"")
            .expect("memory does not fail");
        let misplaced = chunks.windows(2).find_map(|pair| {
            let [(key, _), (next_key, next)] = pair else {
                return None;
            };
            let is_one_segment = key.get(..SEGMENT_KEY_BYTES) == next_key.get(..SEGMENT_KEY_BYTES);
            let (next_first, _) = positions(next)?;
            let wrong = chunks.iter().find(|(other, chunk)| {
                other.get(..PARTITION_KEY_BYTES) == key.get(..PARTITION_KEY_BYTES)
                    && other.get(..SEGMENT_KEY_BYTES) < key.get(..SEGMENT_KEY_BYTES)
                    && positions(chunk).is_some_and(|(_, last)| last > next_first)
            });
            is_one_segment.then_some((key, &wrong?.1))
        });
        if let Some((key, chunk)) = misplaced {
            let mut batch = WriteBatch::default();
            batch.put(ColumnFamily::Index, key, chunk.clone());
            self.memory.write(batch).expect("memory does not fail");
            self.memory.flush().expect("memory does not fail");
        }
    }

    /// Ends the process: what was not flushed is lost, or was flushed by the engine on its own
    /// account.
    pub fn crash(&self, random: &SeededRandom) {
        self.life.fetch_add(1, Ordering::Relaxed);
        if random.next_u64().is_multiple_of(2) {
            self.memory.lose_unflushed();
        } else {
            self.memory.flush().expect("memory does not fail");
        }
    }
}

/// Says where the entries of an index chunk lie in their segment: first and last position, in
/// bytes. A chunk is a version byte, entries of 24 bytes with the position in the middle, and a
/// checksum.
fn positions(chunk: &[u8]) -> Option<(u64, u64)> {
    let entries = chunk
        .get(1..chunk.len().checked_sub(4)?)?
        .as_chunks::<24>()
        .0;
    let position = |entry: &[u8; 24]| {
        entry[8..16]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    Some((position(entries.first()?), position(entries.last()?)))
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

    fn scan_from(
        &self,
        family: ColumnFamily,
        prefix: &[u8],
        from: &[u8],
        count: usize,
    ) -> Result<Pairs, StateError> {
        self.alive()?.scan_from(family, prefix, from, count)
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
