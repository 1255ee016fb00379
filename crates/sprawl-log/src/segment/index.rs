//! The sparse index of a segment: where some batches begin, by offset and by time at once.
//!
//! An entry holds the largest timestamp of all batches before it, so that both look-ups are binary
//! searches over one array. The active segment's entries are in memory and are saved at
//! checkpoints, new ones only; a sealed segment's are loaded when read. An index is never
//! trusted alone: a look-up is followed by a walk over batch headers.

use sprawl_model::Offset;

use super::SegmentMeta;
use crate::codec::{Decoder, Encoder, FormatError};

const CHUNK_VERSION: u8 = 1;

/// Where a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The batch's base offset.
    pub(crate) base_offset: Offset,
    /// Where it begins, in bytes.
    pub(crate) position: u64,
    /// The largest timestamp before it, or -1.
    pub(crate) max_timestamp_before: i64,
}

/// Entries in order, and how many of them are saved.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    entries: Vec<IndexEntry>,
    is_loaded: bool,
    saved_count: usize,
}

impl SegmentIndex {
    /// Starts empty; `is_complete` where there is nothing to load.
    pub(crate) fn new(is_complete: bool) -> Self {
        Self {
            entries: Vec::new(),
            is_loaded: is_complete,
            saved_count: 0,
        }
    }

    /// Records that a batch begins at the end of `meta`, unless the last entry is near.
    pub(crate) fn note(&mut self, meta: &SegmentMeta, base_offset: Offset, interval_bytes: u32) {
        let last = self.entries.last().map_or(0, |entry| entry.position);
        if meta.size.saturating_sub(last) >= u64::from(interval_bytes) {
            let max_timestamp_before = meta.max_timestamp;
            let position = meta.size;
            self.entries.push(IndexEntry {
                base_offset,
                position,
                max_timestamp_before,
            });
        }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Puts loaded (or rebuilt) entries in front of those recorded meanwhile.
    pub(crate) fn load(&mut self, mut saved: Vec<IndexEntry>, saved_count: usize) {
        let first = self
            .entries
            .first()
            .map_or(u64::MAX, |entry| entry.position);
        saved.retain(|entry| entry.position < first);
        self.saved_count = saved_count.min(saved.len());
        saved.append(&mut self.entries);
        self.entries = saved;
        self.is_loaded = true;
    }

    /// Drops saved entries of a sealed segment from memory.
    pub(crate) fn unload(&mut self) {
        if self.is_loaded && self.saved_count == self.entries.len() {
            self.entries = Vec::new();
            self.saved_count = 0;
            self.is_loaded = false;
        }
    }

    /// Returns the last entry at or below an offset, as a position.
    pub(crate) fn floor(&self, offset: Offset) -> u64 {
        let count = self
            .entries
            .partition_point(|entry| entry.base_offset <= offset);
        self.before(count)
    }

    /// Returns the last entry at or below both limits, as a position.
    pub(crate) fn floor_within(&self, position: u64, end: Offset) -> u64 {
        let count = self
            .entries
            .partition_point(|entry| entry.position <= position && entry.base_offset <= end);
        self.before(count)
    }

    /// Returns the position behind which the first batch with a timestamp of at least this is
    /// found.
    pub(crate) fn floor_time(&self, timestamp: i64) -> u64 {
        let count = self
            .entries
            .partition_point(|entry| entry.max_timestamp_before < timestamp);
        self.before(count)
    }

    fn before(&self, count: usize) -> u64 {
        let last = count
            .checked_sub(1)
            .and_then(|index| self.entries.get(index));
        last.map_or(0, |entry| entry.position)
    }

    /// Returns the entries below `size` that were not saved yet, as one chunk with its number.
    pub(crate) fn unsaved_chunk(&self) -> Option<(usize, Vec<u8>)> {
        let unsaved = self
            .entries
            .get(self.saved_count..)
            .filter(|rest| !rest.is_empty())?;
        Some((self.saved_count, encode_chunk(unsaved)))
    }

    /// Records that everything so far is saved.
    pub(crate) fn mark_saved(&mut self) {
        self.saved_count = self.entries.len();
    }

    pub(crate) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }
}

/// Encodes entries for the state store.
pub(crate) fn encode_chunk(entries: &[IndexEntry]) -> Vec<u8> {
    let mut encoder = Encoder::new(CHUNK_VERSION);
    for entry in entries {
        encoder
            .i64(entry.base_offset.0)
            .u64(entry.position)
            .i64(entry.max_timestamp_before);
    }
    encoder.seal()
}

/// Decodes what [`encode_chunk`] wrote.
pub(crate) fn decode_chunk(bytes: &[u8]) -> Result<Vec<IndexEntry>, FormatError> {
    let mut fields = Decoder::open(bytes, CHUNK_VERSION)?;
    let mut entries = Vec::new();
    while !fields.is_empty() {
        entries.push(IndexEntry {
            base_offset: Offset(fields.i64()?),
            position: fields.u64()?,
            max_timestamp_before: fields.i64()?,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> SegmentIndex {
        let mut index = SegmentIndex::new(true);
        let mut meta = SegmentMeta::empty(Offset(0));
        for n in 0..10_i64 {
            index.note(&meta, Offset(n * 5), 100);
            meta.size += 60;
            meta.max_timestamp = n * 10;
        }
        index
    }

    #[test]
    fn look_ups_return_the_last_entry_at_or_below() {
        let index = index();
        let positions: Vec<u64> = index.entries().iter().map(|entry| entry.position).collect();
        assert_eq!(positions, [120, 240, 360, 480]);
        assert_eq!(index.floor(Offset(0)), 0);
        assert_eq!(index.floor(Offset(10)), 120);
        assert_eq!(index.floor(Offset(1000)), 480);
        assert_eq!(index.floor_within(300, Offset(1000)), 240);
        assert_eq!(index.floor_within(1000, Offset(29)), 240);
        assert_eq!(index.floor_time(10), 0);
        assert_eq!(index.floor_time(11), 120);
    }

    #[test]
    fn chunks_hold_only_new_entries_and_load_again() {
        let mut index = index();
        let (from, chunk) = index.unsaved_chunk().unwrap();
        assert_eq!(from, 0);
        let all = index.entries().to_vec();
        assert_eq!(decode_chunk(&chunk), Ok(all.clone()));
        index.mark_saved();
        assert_eq!(index.unsaved_chunk(), None);
        index.unload();
        assert!(!index.is_loaded());
        index.load(all.clone(), 4);
        assert_eq!(index.entries(), all);
        assert_eq!(index.unsaved_chunk(), None);
    }
}
