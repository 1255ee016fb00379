//! What was appended to one partition, as its clients know it.

use sprawl_model::batch::{BatchError, Batches, Records, payload, verify_crc};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_64;

/// One partition's appends in offset order. They are dense, but where a crash took everything above
/// the log start.
#[derive(Clone, Debug)]
pub struct History {
    /// The partition's name, for messages.
    pub name: String,
    batches: Vec<Attempt>,
    /// Where the next batch begins.
    end: i64,
    /// The end of what was acknowledged.
    acked_end: i64,
}

/// One batch that was handed to the log, acknowledged or not.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its first offset.
    pub base_offset: i64,
    /// The offset after its last.
    pub end: i64,
    /// A hash of all its bytes.
    pub fingerprint: u64,
    /// The timestamp of each record, ms.
    pub timestamps: Vec<i64>,
}

/// One batch that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its first offset.
    pub base_offset: i64,
    /// The offset after its last.
    pub end: i64,
    /// A hash of all its bytes.
    pub fingerprint: u64,
    /// Its producer and first sequence, -1 where it has none.
    pub producer: (i64, i32),
    /// How many records it holds.
    pub record_count: i32,
}

impl History {
    /// Starts empty.
    pub fn new(name: String) -> Self {
        Self {
            name,
            batches: Vec::new(),
            end: 0,
            acked_end: 0,
        }
    }

    /// Returns the offset after everything that was appended.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Returns the end of what was acknowledged.
    pub fn acked_end(&self) -> i64 {
        self.acked_end
    }

    /// Returns every batch in order.
    pub fn batches(&self) -> &[Attempt] {
        &self.batches
    }

    /// Records a batch that begins at [`Self::end`].
    pub fn append(&mut self, batch: &[u8]) -> Result<Attempt, BatchError> {
        let found = one(batch)?;
        let header = sprawl_model::batch::BatchHeader::parse(batch)?;
        let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
        let timestamps: Result<Vec<i64>, BatchError> = Records::new(&header, &records)
            .map(|record| Ok(record?.timestamp))
            .collect();
        assert_eq!(found.base_offset, self.end(), "the world appends in order");
        let attempt = Attempt {
            base_offset: found.base_offset,
            end: found.end,
            fingerprint: found.fingerprint,
            timestamps: timestamps?,
        };
        self.end = attempt.end;
        self.batches.push(attempt.clone());
        Ok(attempt)
    }

    /// Records that everything below `end` was acknowledged.
    pub fn acknowledge(&mut self, end: i64) {
        self.acked_end = self.acked_end.max(end);
    }

    /// Returns the batch that begins at `base_offset`.
    pub fn at(&self, base_offset: i64) -> Option<&Attempt> {
        let index = self
            .batches
            .binary_search_by_key(&base_offset, |batch| batch.base_offset);
        index.ok().and_then(|index| self.batches.get(index))
    }

    /// Says whether a batch ends at `offset`, or none begins before it.
    pub fn is_boundary(&self, offset: i64) -> bool {
        offset == 0 || self.batches.iter().any(|batch| batch.end == offset)
    }

    /// Forgets what a crash took: everything from `end` on, which was not promised. Goes on there.
    pub fn cut(&mut self, end: i64) {
        self.batches.retain(|batch| batch.end <= end);
        self.end = end;
        self.acked_end = self.acked_end.min(end);
    }

    /// Returns the offset and timestamp of the first record from `log_start` on that is not older
    /// than `timestamp`.
    pub fn first_not_older(&self, timestamp: i64, log_start: i64, end: i64) -> Option<(i64, i64)> {
        let records = self
            .batches
            .iter()
            .flat_map(|batch| (batch.base_offset..).zip(batch.timestamps.iter().copied()));
        records
            .filter(|(offset, _)| (log_start..end).contains(offset))
            .find(|(_, found)| *found >= timestamp)
    }
}

/// Reads the batches of a piece of log, their checksums checked.
pub fn read_batches(bytes: &[u8]) -> Result<Vec<Found>, BatchError> {
    Batches::new(bytes).map(|batch| one(batch?.1)).collect()
}

/// Reads batches up to the first that is not sound; says whether there was one.
pub fn read_sound_batches(bytes: &[u8]) -> (Vec<Found>, bool) {
    let mut found = Vec::new();
    for batch in Batches::new(bytes) {
        match batch.and_then(|(_, bytes)| one(bytes)) {
            Ok(batch) => found.push(batch),
            Err(_) => return (found, true),
        }
    }
    (found, false)
}

fn one(batch: &[u8]) -> Result<Found, BatchError> {
    verify_crc(batch)?;
    let header = sprawl_model::batch::BatchHeader::parse(batch)?;
    Ok(Found {
        base_offset: header.base_offset.0,
        end: header.next_offset().0,
        fingerprint: xxh3_64(batch),
        producer: (header.producer_id.0, header.base_sequence.0),
        record_count: header.record_count,
    })
}
