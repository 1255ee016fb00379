//! One round over one partition, in steps of about one I/O buffer.
//!
//! Nothing but the swap at the end of a group changes what a reader or a restart sees. Ended
//! anywhere, a round leaves the log sound: groups that were swapped stay, the others are as before,
//! and the dirty part is still called dirty.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_model::Offset;
use sprawl_model::batch::{BatchHeader, Records, payload};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;

use super::filter::{Filter, Outcome, control_kind};
use super::offset_map::OffsetMap;
use super::plan::{Cleanable, group};
use super::transactions::OpenTransactions;
use super::{CLEANED_SNAPSHOT, CleanerSettings, CompactionBounds};
use crate::aligned::AlignedBuffer;
use crate::error::{DiskError, LogError};
use crate::partition::PartitionLog;
use crate::partition::compact::Swapped;
use crate::segment::name::{Cleaned, SegmentName};
use crate::segment::walk::{CheckedWalk, Gaps};
use crate::segment::write::SegmentWriter;
use crate::segment::{Segment, SegmentMeta};
use crate::store::Shared;

/// A step reads and writes at least this much at a time.
const WINDOW_BYTES_MIN: u64 = 4096;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompactionStats {
    /// Where the dirty part began.
    pub from: Offset,
    /// The offset up to which the log is clean now.
    pub to: Offset,
    /// Bytes read to find the last offset of every key.
    pub mapped_bytes: u64,
    /// Bytes read to be cleaned.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Records read to be cleaned.
    pub records_read: u64,
    /// Records that stayed.
    pub records_kept: u64,
    /// Records without a key that were dropped.
    pub invalid_count: u64,
    /// Keys in the offset map.
    pub key_count: u64,
    /// How long it took, pauses included.
    pub elapsed: Duration,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The store closes, the partition was deleted, or its old segments were meanwhile.
    #[error("the log changed meanwhile")]
    Gone,
    /// A batch fails its checks: nothing is written over it.
    #[error("no sound batch at offset {0}")]
    Damaged(Offset),
    /// Not even one batch fits the offset map.
    #[error("the keys of one batch do not fit log.cleaner.dedupe.buffer.size")]
    MapTooSmall,
    /// The disk or the state store refused.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<DiskError> for JobError {
    fn from(error: DiskError) -> Self {
        Self::Log(error.into())
    }
}

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress {
    /// More is to be done; so many bytes went from and to the disk.
    More(u64),
    /// The round is over.
    Done(CompactionStats),
}

/// A round.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) partition: Arc<PartitionLog>,
    cleanable: Cleanable,
    map: OffsetMap,
    filter: Filter,
    /// The segments whose keys are not in the map yet.
    unmapped: VecDeque<Arc<Segment>>,
    /// The transactions around the place of the first reading.
    transactions: OpenTransactions,
    is_mapped: bool,
    reading: Option<Reading>,
    groups: VecDeque<Vec<Arc<Segment>>>,
    target: Option<Target>,
    staging: AlignedBuffer,
    window_bytes: usize,
    stats: CompactionStats,
    started: Duration,
}

/// A segment that is being read.
#[derive(Debug)]
struct Reading {
    segment: Arc<Segment>,
    walk: CheckedWalk,
    meta: SegmentMeta,
}

/// The segment that a group becomes.
#[derive(Debug)]
struct Target {
    sources: Vec<Arc<Segment>>,
    unread: VecDeque<Arc<Segment>>,
    segment: Arc<Segment>,
    writer: SegmentWriter,
    batches: Vec<Bytes>,
    headers: Vec<BatchHeader>,
    batch_bytes: usize,
    /// Something differs from the sources.
    is_changed: bool,
}

impl Job {
    pub(crate) fn new(
        shared: &Shared,
        partition: Arc<PartitionLog>,
        cleanable: Cleanable,
        bounds: CompactionBounds,
        settings: &CleanerSettings,
    ) -> Self {
        let config = partition.config().compaction.unwrap_or_default();
        let threads = u64::from(settings.thread_count.max(1));
        let share = |bytes: u64| bytes.checked_div(threads).unwrap_or(0);
        let dirty = cleanable.end.0.saturating_sub(cleanable.first_dirty.0);
        let map = OffsetMap::new(
            share(settings.dedupe_bytes_max),
            settings.load_factor,
            u64::try_from(dirty).unwrap_or(0),
        );
        // Half of a thread's share is for reading, half for writing.
        let window = (share(settings.io_buffer_bytes) / 2).max(WINDOW_BYTES_MIN);
        let window_bytes = usize::try_from(window).unwrap_or(usize::MAX);
        let first_dirty = cleanable.first_dirty;
        let unmapped = cleanable.segments.iter();
        let unmapped = unmapped.filter(|one| one.meta().next_offset > first_dirty);
        Self {
            unmapped: unmapped.cloned().collect(),
            transactions: OpenTransactions::new(&bounds.aborted),
            filter: Filter::new(
                bounds,
                cleanable.end,
                shared.io.clock.wall_ms(),
                config.delete_retention_ms,
            ),
            stats: CompactionStats {
                from: first_dirty,
                to: first_dirty,
                ..CompactionStats::default()
            },
            started: shared.io.clock.monotonic(),
            staging: AlignedBuffer::with_capacity(window_bytes),
            is_mapped: false,
            reading: None,
            groups: VecDeque::new(),
            target: None,
            map,
            window_bytes,
            cleanable,
            partition,
        }
    }

    /// Does the next piece of work.
    pub(crate) fn step(&mut self, shared: &Shared) -> Result<Progress, JobError> {
        self.check_goes_on(shared)?;
        let result = if self.is_mapped {
            self.clean_step(shared)
        } else {
            self.map_step(shared)
        };
        match result {
            // What is missing because it was deleted is no fault of the disk.
            Err(JobError::Log(LogError::Disk(_))) if !self.has_sources() => Err(JobError::Gone),
            result => result,
        }
    }

    /// Removes what an ended round leaves behind.
    pub(crate) fn abandon(&mut self, shared: &Shared) {
        if let Some(target) = self.target.take()
            && shared.offline().is_none()
            && !self.partition.is_deleted()
            && let Err(error) = shared.io.disk.remove_file(&target.segment.path)
        {
            // The next start removes it.
            let path = target.segment.path.display();
            tracing::warn!(%path, %error, "cannot remove an unfinished segment");
        }
    }

    fn check_goes_on(&self, shared: &Shared) -> Result<(), JobError> {
        if shared.offline().is_some() || shared.is_closing() || self.partition.is_deleted() {
            return Err(JobError::Gone);
        }
        Ok(())
    }

    fn has_sources(&self) -> bool {
        let mut sources = self.cleanable.segments.iter();
        !self.partition.is_deleted() && sources.all(|one| self.partition.holds_segment(one))
    }

    /// Takes the keys of about one window into the map.
    fn map_step(&mut self, shared: &Shared) -> Result<Progress, JobError> {
        if self.reading.is_none() {
            let Some(segment) = self.unmapped.pop_front() else {
                return self.finish_map();
            };
            self.reading = Some(Reading::open(shared, &segment, self.window_bytes)?);
        }
        let mut bytes = 0_u64;
        while bytes < self.window_bytes as u64 {
            let Some((header, batch)) = self.next_batch()? else {
                if let Some(read) = self.reading.take() {
                    let last = read.meta.next_offset.0.saturating_sub(1);
                    self.map.note_latest(Offset(last));
                }
                break;
            };
            bytes = bytes.saturating_add(batch.len() as u64);
            if !self.map_batch(&header, &batch)? {
                self.unmapped.clear();
                self.reading = None;
                break;
            }
        }
        self.stats.mapped_bytes = self.stats.mapped_bytes.saturating_add(bytes);
        Ok(Progress::More(bytes))
    }

    /// Takes the keys of a batch; false where the map is full.
    fn map_batch(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<bool, JobError> {
        let damaged = |_| JobError::Damaged(header.base_offset);
        if header.attributes.is_control() {
            let kind = control_kind(header, batch).map_err(damaged)?;
            self.transactions.on_control(header, kind);
        } else if !self.transactions.on_data(header) {
            let records = payload(batch, DECOMPRESSED_BYTES_MAX).map_err(damaged)?;
            for record in Records::new(header, &records) {
                let record = record.map_err(damaged)?;
                if let Some(key) = record.key
                    && record.offset >= self.cleanable.first_dirty
                    && !self.map.put(key, record.offset)
                {
                    return Ok(false);
                }
            }
        }
        if header.last_offset() >= self.cleanable.first_dirty {
            self.map.note_latest(header.last_offset());
        }
        Ok(true)
    }

    fn finish_map(&mut self) -> Result<Progress, JobError> {
        let end = Offset(self.map.latest().0.saturating_add(1));
        if end <= self.cleanable.first_dirty {
            return Err(JobError::MapTooSmall);
        }
        self.is_mapped = true;
        self.stats.to = end;
        self.stats.key_count = self.map.count();
        let segment_bytes = u64::from(self.partition.config().segment_bytes);
        self.groups = group(&self.cleanable.segments, end, segment_bytes).into();
        Ok(Progress::More(0))
    }

    /// Cleans about one window of a group.
    fn clean_step(&mut self, shared: &Shared) -> Result<Progress, JobError> {
        if self.target.is_none() {
            let Some(sources) = self.groups.pop_front() else {
                return Ok(Progress::Done(self.finish(shared)));
            };
            self.target = Some(Target::create(shared, &self.partition, sources)?);
        }
        if self.reading.is_none() {
            let next = self.target.as_mut().and_then(|one| one.unread.pop_front());
            let Some(segment) = next else {
                return self.finish_group(shared);
            };
            self.reading = Some(Reading::open(shared, &segment, self.window_bytes)?);
        }
        let mut bytes = 0_u64;
        while bytes < self.window_bytes as u64 {
            let Some((header, batch)) = self.next_batch()? else {
                self.reading = None;
                break;
            };
            bytes = bytes.saturating_add(batch.len() as u64);
            self.clean_batch(&header, batch)?;
        }
        self.stats.read_bytes = self.stats.read_bytes.saturating_add(bytes);
        let is_full = self
            .target
            .as_ref()
            .is_some_and(|target| target.batch_bytes >= self.window_bytes);
        let written = if is_full { self.flush(shared)? } else { 0 };
        Ok(Progress::More(bytes.saturating_add(written)))
    }

    fn clean_batch(&mut self, header: &BatchHeader, batch: Bytes) -> Result<(), JobError> {
        let filtered = self
            .filter
            .apply(&self.map, header, &batch)
            .map_err(|_| JobError::Damaged(header.base_offset))?;
        let stats = &mut self.stats;
        stats.records_read = stats.records_read.saturating_add(filtered.records_read);
        stats.records_kept = stats.records_kept.saturating_add(filtered.records_kept);
        stats.invalid_count = stats.invalid_count.saturating_add(filtered.invalid_count);
        let Some(target) = &mut self.target else {
            return Ok(());
        };
        match filtered.outcome {
            Outcome::Gone => target.is_changed = true,
            Outcome::Unchanged => target.push(*header, batch),
            Outcome::Replaced(batch) => {
                target.is_changed = true;
                let header = BatchHeader::parse(&batch).expect("it was just built");
                target.push(header, batch);
            }
        }
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<(BatchHeader, Bytes)>, JobError> {
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        reading.next()
    }

    /// Writes what was kept so far and returns how many bytes went to disk.
    fn flush(&mut self, shared: &Shared) -> Result<u64, JobError> {
        let Some(target) = &mut self.target else {
            return Ok(0);
        };
        let written = target.flush(shared, &mut self.staging)?;
        self.stats.written_bytes = self.stats.written_bytes.saturating_add(written);
        Ok(written)
    }

    /// Puts a whole group in the place of its sources.
    fn finish_group(&mut self, shared: &Shared) -> Result<Progress, JobError> {
        let written = self.flush(shared)?;
        let Some(target) = self.target.take() else {
            return Ok(Progress::More(written));
        };
        if target.sources.len() == 1 && !target.is_changed {
            shared
                .io
                .disk
                .remove_file(&target.segment.path)
                .map_err(DiskError::at("remove", &target.segment.path))?;
            return Ok(Progress::More(written));
        }
        let unfinished = target.segment.path.clone();
        target.writer.seal(shared.io.disk.as_ref())?;
        let new = self.partition.finished_segment(&target.segment);
        let swap = || {
            self.partition
                .replace_segments(&target.sources, &new, &unfinished)
        };
        match shared.exclusively(swap) {
            Some(Ok(Swapped::Yes)) => Ok(Progress::More(written)),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Swapped::No)) | None => {
                if shared.offline().is_none() && !self.partition.is_deleted() {
                    let removed = shared.io.disk.remove_file(&unfinished);
                    removed.map_err(DiskError::at("remove", &unfinished))?;
                }
                Err(JobError::Gone)
            }
        }
    }

    /// Notes that the log is clean up to where the map reached.
    fn finish(&mut self, shared: &Shared) -> CompactionStats {
        let now = shared.io.clock.monotonic();
        self.stats.elapsed = now.saturating_sub(self.started);
        self.partition
            .save_snapshot(CLEANED_SNAPSHOT, self.stats.to, Vec::new());
        // A restart would read every swapped segment whose meta is not saved.
        shared.request_checkpoint();
        self.stats
    }
}

impl Reading {
    fn open(
        shared: &Shared,
        segment: &Arc<Segment>,
        window_bytes: usize,
    ) -> Result<Self, DiskError> {
        let meta = segment.meta();
        let file = segment.reader(shared.io.disk.as_ref())?;
        let walk = CheckedWalk::new(file, 0, segment.base_offset)
            .map_err(DiskError::at("read", &segment.path))?
            .with_gaps(Gaps::of(&meta))
            .with_window(window_bytes, meta.size);
        Ok(Self {
            segment: Arc::clone(segment),
            walk,
            meta,
        })
    }

    fn next(&mut self) -> Result<Option<(BatchHeader, Bytes)>, JobError> {
        let next = self.walk.next();
        let next = next.map_err(DiskError::at("read", &self.segment.path))?;
        if next.is_none() && self.walk.position() < self.meta.size {
            return Err(JobError::Damaged(self.walk.next_offset()));
        }
        Ok(next)
    }
}

impl Target {
    fn create(
        shared: &Shared,
        partition: &PartitionLog,
        sources: Vec<Arc<Segment>>,
    ) -> Result<Self, JobError> {
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return Err(JobError::Gone);
        };
        let generation = sources.iter().map(|one| one.meta().generation).max();
        let name = SegmentName {
            base_offset: first.base_offset,
            cleaned: Some(Cleaned {
                end: last.meta().next_offset,
                generation: generation.unwrap_or(0).saturating_add(1),
            }),
        };
        let path = partition.dir().join(name.unfinished());
        let segment = Segment::at(path, SegmentMeta::named(&name), name.base_offset);
        let segment = Arc::new(segment);
        let disk = shared.io.disk.as_ref();
        Ok(Self {
            writer: SegmentWriter::open(disk, Arc::clone(&segment))?,
            unread: sources.iter().cloned().collect(),
            sources,
            segment,
            batches: Vec::new(),
            headers: Vec::new(),
            batch_bytes: 0,
            is_changed: false,
        })
    }

    fn push(&mut self, header: BatchHeader, batch: Bytes) {
        self.batch_bytes = self.batch_bytes.saturating_add(batch.len());
        self.headers.push(header);
        self.batches.push(batch);
    }

    fn flush(&mut self, shared: &Shared, staging: &mut AlignedBuffer) -> Result<u64, DiskError> {
        if self.batches.is_empty() {
            return Ok(0);
        }
        let written = self.writer.write(&self.batches, staging)?;
        self.segment
            .extend(&self.headers, shared.settings.index_interval_bytes);
        self.batches.clear();
        self.headers.clear();
        self.batch_bytes = 0;
        Ok(written)
    }
}
