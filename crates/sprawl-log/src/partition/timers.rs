//! Where a partition's delayed records wait: one entry per record by due time, one by offset, one
//! by key, all in the state store.
//!
//! The log is the truth. What is here is the result of applying its batches up to
//! [`TimerMeta::applied_end`], and changes are written together with that offset; so after a crash
//! the rest is applied again, and where a crash took records that were applied, everything is. No
//! entry is in memory.
//!
//! Keys, behind the partition: `d` due offset, `o` offset, `k` hash-of-key offset, `m`, `e`
//! (`docs/formats/state-store.md`).

use std::sync::Arc;

use sprawl_model::{Offset, PartitionKey};

use crate::codec::{Decoder, Encoder, FormatError};
use crate::error::LogError;
use crate::state::{ColumnFamily, StateError, StateStore, WriteBatch};

use super::PartitionLog;

const TIMER_VERSION: u8 = 1;
const META_VERSION: u8 = 1;
const BY_DUE: u8 = b'd';
const BY_OFFSET: u8 = b'o';
const BY_KEY: u8 = b'k';
const META: u8 = b'm';
const SEEN_END: u8 = b'e';

/// How many entries are deleted at a time where all of a partition go.
const FORGET_COUNT: usize = 4096;

/// A record that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it is due, ms since the Unix epoch.
    pub due_ms: i64,
    /// Its offset.
    pub offset: Offset,
    /// The base offset of its batch.
    pub batch: Offset,
}

/// What tells keys apart: 128 bits of their BLAKE3 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash([u8; 16]);

impl KeyHash {
    /// Hashes a record's key.
    pub fn of(key: &[u8]) -> Self {
        let hash = blake3::hash(key);
        let (first, _) = hash
            .as_bytes()
            .split_first_chunk::<16>()
            .expect("a hash has 32 bytes");
        Self(*first)
    }
}

/// What is known of a record that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// When it is due and where it is.
    pub timer: Timer,
    /// Its key, if it has one.
    pub key: Option<KeyHash>,
}

/// What is known of all timers of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerMeta {
    /// Every batch below is in what the entries say.
    pub applied_end: Offset,
    /// The end of the last batch that holds delayed records.
    pub held_end: Offset,
    /// How many records wait.
    pub pending_count: u64,
}

/// Changes that are written together.
#[derive(Debug, Default)]
pub struct TimerChanges {
    batch: WriteBatch,
    count: usize,
}

impl TimerMeta {
    /// Nothing waits, and nothing was applied.
    pub const NONE: Self = Self {
        applied_end: Offset(0),
        held_end: Offset(0),
        pending_count: 0,
    };
}

impl TimerChanges {
    /// Returns how many records they touch.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// The timers of one partition.
#[derive(Clone, Debug)]
pub struct TimerStore {
    key: PartitionKey,
    log: Arc<PartitionLog>,
}

impl PartitionLog {
    /// Returns the partition's timers.
    pub fn timers(self: &Arc<Self>) -> TimerStore {
        TimerStore {
            key: self.key,
            log: Arc::clone(self),
        }
    }
}

impl TimerStore {
    /// Returns what is known of all timers; `None` where there never was one.
    pub fn meta(&self) -> Result<Option<TimerMeta>, LogError> {
        let Some(value) = self.get(&self.key_of(META))? else {
            return Ok(None);
        };
        let mut meta = decode_meta(&value).map_err(damaged)?;
        if let Some(value) = self.get(&self.key_of(SEEN_END))? {
            let mut fields = Decoder::open(&value, META_VERSION).map_err(damaged)?;
            let seen_end = Offset(fields.i64().map_err(damaged)?);
            meta.applied_end = meta.applied_end.max(seen_end);
        }
        Ok(Some(meta))
    }

    /// Adds a record that waits.
    pub fn arm(&self, changes: &mut TimerChanges, waiting: &Waiting) {
        let Waiting { timer, key } = waiting;
        let value = Encoder::new(TIMER_VERSION).i64(timer.batch.0).seal();
        put(changes, &self.due_key(timer.due_ms, timer.offset), value);
        let mut value = Encoder::new(TIMER_VERSION);
        value.i64(timer.due_ms).i64(timer.batch.0);
        if let Some(key) = key {
            value.bytes(&key.0);
            put(changes, &self.hash_key(*key, timer.offset), Vec::new());
        }
        put(changes, &self.offset_key(timer.offset), value.seal());
        changes.count = changes.count.saturating_add(1);
    }

    /// Removes a record that waits no more.
    pub fn disarm(&self, changes: &mut TimerChanges, waiting: &Waiting) {
        let Waiting { timer, key } = waiting;
        let family = ColumnFamily::Timer;
        let due = self.due_key(timer.due_ms, timer.offset);
        changes.batch.delete(family, &due);
        let offset = self.offset_key(timer.offset);
        changes.batch.delete(family, &offset);
        if let Some(key) = key {
            let hash = self.hash_key(*key, timer.offset);
            changes.batch.delete(family, &hash);
        }
        changes.count = changes.count.saturating_add(1);
    }

    /// Writes changes together with what is then known of all timers.
    pub fn write(&self, mut changes: TimerChanges, meta: &TimerMeta) -> Result<(), LogError> {
        put(&mut changes, &self.key_of(META), encode_meta(meta));
        self.commit(changes)
    }

    /// Takes note that no batch below `end` changes a timer that is not applied.
    pub fn note_seen(&self, end: Offset) -> Result<(), LogError> {
        let mut changes = TimerChanges::default();
        let value = Encoder::new(META_VERSION).i64(end.0).seal();
        put(&mut changes, &self.key_of(SEEN_END), value);
        self.commit(changes)
    }

    fn commit(&self, changes: TimerChanges) -> Result<(), LogError> {
        // Nothing is written of a partition whose timers a deletion has removed.
        let _order = self.log.shared.order_meta_writes();
        if !self.log.is_deleted() {
            self.log.shared.state.write(changes.batch)?;
        }
        Ok(())
    }

    /// Returns the first `count` records, in order of due time and offset, from a place on and due
    /// at or before `until_ms`.
    pub fn due(
        &self,
        (due_ms, offset): (i64, Offset),
        until_ms: i64,
        count: usize,
    ) -> Result<Vec<Timer>, LogError> {
        let from = self.due_key(due_ms, offset);
        let pairs = self.scan(&self.key_of(BY_DUE), &from, count)?;
        let mut found = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let (due_ms, offset) = two_numbers(&key).ok_or_else(short)?;
            if due_ms > until_ms {
                break;
            }
            let mut fields = Decoder::open(&value, TIMER_VERSION).map_err(damaged)?;
            let batch = Offset(fields.i64().map_err(damaged)?);
            found.push(Timer {
                due_ms,
                offset,
                batch,
            });
        }
        Ok(found)
    }

    /// Returns the first record that waits at or above an offset.
    pub fn first_from(&self, offset: Offset) -> Result<Option<Offset>, LogError> {
        let pairs = self.scan(&self.key_of(BY_OFFSET), &self.offset_key(offset), 1)?;
        let Some((key, _)) = pairs.first() else {
            return Ok(None);
        };
        last_number(key).map(Offset).map(Some).ok_or_else(short)
    }

    /// Returns what is known of the record at an offset, if it waits.
    pub fn at(&self, offset: Offset) -> Result<Option<Waiting>, LogError> {
        let Some(value) = self.get(&self.offset_key(offset))? else {
            return Ok(None);
        };
        let mut fields = Decoder::open(&value, TIMER_VERSION).map_err(damaged)?;
        let due_ms = fields.i64().map_err(damaged)?;
        let batch = Offset(fields.i64().map_err(damaged)?);
        let key = if fields.is_empty() {
            None
        } else {
            Some(KeyHash(fields.array().map_err(damaged)?))
        };
        let timer = Timer {
            due_ms,
            offset,
            batch,
        };
        Ok(Some(Waiting { timer, key }))
    }

    /// Returns the offsets of the first `count` records that wait under a key, below an offset.
    pub fn of_key(
        &self,
        key: KeyHash,
        below: Offset,
        count: usize,
    ) -> Result<Vec<Offset>, LogError> {
        let mut prefix = self.key_of(BY_KEY);
        prefix.extend(key.0);
        let pairs = self.scan(&prefix, &prefix, count)?;
        let offsets: Option<Vec<_>> = pairs
            .iter()
            .map(|(key, _)| last_number(key).map(Offset))
            .collect();
        let mut offsets = offsets.ok_or_else(short)?;
        offsets.retain(|offset| *offset < below);
        Ok(offsets)
    }

    /// Forgets all entries and begins with `meta`.
    ///
    /// What was known goes last: after a crash in between, the entries are still known to be wrong.
    pub fn begin_again(&self, meta: &TimerMeta) -> Result<(), LogError> {
        for tag in [BY_DUE, BY_KEY, BY_OFFSET] {
            forget_prefix(self.log.shared.state.as_ref(), &self.key_of(tag))?;
        }
        let mut changes = TimerChanges::default();
        changes
            .batch
            .delete(ColumnFamily::Timer, &self.key_of(SEEN_END));
        self.write(changes, meta)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.log.shared.state.get(ColumnFamily::Timer, key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        count: usize,
    ) -> Result<crate::state::Pairs, StateError> {
        let state = self.log.shared.state.as_ref();
        state.scan_from(ColumnFamily::Timer, prefix, from, count)
    }

    fn key_of(&self, tag: u8) -> Vec<u8> {
        let mut bytes = self.key.to_bytes().to_vec();
        bytes.push(tag);
        bytes
    }

    /// Due times and offsets are never negative, so that their bytes are in their order.
    fn due_key(&self, due_ms: i64, offset: Offset) -> Vec<u8> {
        let mut bytes = self.key_of(BY_DUE);
        bytes.extend(due_ms.max(0).to_be_bytes());
        bytes.extend(offset.0.to_be_bytes());
        bytes
    }

    fn offset_key(&self, offset: Offset) -> Vec<u8> {
        let mut bytes = self.key_of(BY_OFFSET);
        bytes.extend(offset.0.to_be_bytes());
        bytes
    }

    fn hash_key(&self, key: KeyHash, offset: Offset) -> Vec<u8> {
        let mut bytes = self.key_of(BY_KEY);
        bytes.extend(key.0);
        bytes.extend(offset.0.to_be_bytes());
        bytes
    }
}

/// Removes all that is known of a partition's timers.
pub(crate) fn forget(state: &dyn StateStore, key: PartitionKey) -> Result<(), StateError> {
    forget_prefix(state, &key.to_bytes())
}

/// Removes all keys that begin so, in steps that take little memory.
fn forget_prefix(state: &dyn StateStore, prefix: &[u8]) -> Result<(), StateError> {
    let mut from = prefix.to_vec();
    loop {
        let pairs = state.scan_from(ColumnFamily::Timer, prefix, &from, FORGET_COUNT)?;
        let Some((last, _)) = pairs.last() else {
            return Ok(());
        };
        from.clone_from(last);
        let mut changes = WriteBatch::default();
        for (key, _) in &pairs {
            changes.delete(ColumnFamily::Timer, key);
        }
        state.write(changes)?;
    }
}

fn put(changes: &mut TimerChanges, key: &[u8], value: Vec<u8>) {
    changes.batch.put(ColumnFamily::Timer, key, value);
}

fn encode_meta(meta: &TimerMeta) -> Vec<u8> {
    Encoder::new(META_VERSION)
        .i64(meta.applied_end.0)
        .i64(meta.held_end.0)
        .u64(meta.pending_count)
        .seal()
}

fn decode_meta(bytes: &[u8]) -> Result<TimerMeta, FormatError> {
    let mut fields = Decoder::open(bytes, META_VERSION)?;
    Ok(TimerMeta {
        applied_end: Offset(fields.i64()?),
        held_end: Offset(fields.i64()?),
        pending_count: fields.u64()?,
    })
}

fn last_number(key: &[u8]) -> Option<i64> {
    let (_, last) = key.split_last_chunk::<8>()?;
    Some(i64::from_be_bytes(*last))
}

fn two_numbers(key: &[u8]) -> Option<(i64, Offset)> {
    let (rest, last) = key.split_last_chunk::<8>()?;
    Some((last_number(rest)?, Offset(i64::from_be_bytes(*last))))
}

fn damaged(error: FormatError) -> LogError {
    StateError::Corrupt(error.to_string()).into()
}

fn short() -> LogError {
    StateError::Corrupt("a timer's key is short".to_owned()).into()
}
