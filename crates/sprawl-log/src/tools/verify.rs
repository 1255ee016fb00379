//! Checks every checksum, the segments against the state store, and the journal's chain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sprawl_io::Io;
use sprawl_io::disk::OpenMode;
use sprawl_model::{Offset, PartitionKey};

use super::{ToolObserver, lock, segment_files};
use crate::error::{DiskError, OpenError};
use crate::journal::scan::{self, LostFrames, ScannedFrame, Start, TornTail};
use crate::segment::SegmentMeta;
use crate::segment::index::decode_chunk;
use crate::segment::name::SegmentName;
use crate::segment::walk::{CheckedWalk, Gaps, WalkError};
use crate::segment::write::header_digest;
use crate::state::record::{
    CHECKPOINT_KEY, PartitionMeta, decode_checkpoint, index_prefix, segment_key,
};
use crate::state::{ColumnFamily, StateStore};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a file, or a directory.
    pub path: PathBuf,
    /// At which byte, where that is known.
    pub position: Option<u64>,
    /// What, with what was expected and found.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Partitions checked.
    pub partition_count: u64,
    /// Segments checked.
    pub segment_count: u64,
    /// Batches whose checksum was checked, in segments.
    pub batch_count: u64,
    /// Records in them.
    pub record_count: u64,
    /// Batches that hold delayed records, delivered or not.
    pub delayed_batch_count: u64,
    /// Bytes of all those batches.
    pub batch_bytes: u64,
    /// Index entries compared with the segments.
    pub index_entry_count: u64,
    /// Journal frames checked.
    pub frame_count: u64,
    /// Damage.
    pub problems: Vec<Problem>,
    /// Unfinished ends, which the next start cuts: no damage.
    pub torn_tails: Vec<TornTail>,
}

/// Checks a stopped data directory; `state` is its state store.
///
/// Errors: `Locked` where a broker serves it; damage is in the report and no error.
pub fn verify(
    io: &Io,
    dir: &Path,
    state: &dyn StateStore,
    observer: &dyn ToolObserver,
) -> Result<VerifyReport, OpenError> {
    let _lock = lock(io, dir)?;
    let mut check = Check {
        io,
        state,
        observer,
        report: VerifyReport::default(),
        done_bytes: 0,
        total_bytes: 0,
    };
    let files = segment_files(io, dir)?;
    for (_, path) in files.values().flatten() {
        let size = io.disk.size(path).map_err(DiskError::at("look up", path))?;
        check.total_bytes = check.total_bytes.saturating_add(size.unwrap_or(0));
    }
    for (key, segments) in &files {
        check.partition(*key, segments)?;
    }
    check.journal(dir)?;
    Ok(check.report)
}

struct Check<'a> {
    io: &'a Io,
    state: &'a dyn StateStore,
    observer: &'a dyn ToolObserver,
    report: VerifyReport,
    done_bytes: u64,
    total_bytes: u64,
}

impl Check<'_> {
    fn partition(
        &mut self,
        key: PartitionKey,
        segments: &[(SegmentName, PathBuf)],
    ) -> Result<(), OpenError> {
        self.report.partition_count = self.report.partition_count.saturating_add(1);
        let meta = self.state.get(ColumnFamily::Partition, &key.to_bytes())?;
        let meta = meta.map(|value| PartitionMeta::decode(&value)).transpose();
        let flushed_end = match meta {
            Ok(meta) => meta.map_or(Offset(0), |meta| meta.flushed_end),
            Err(error) => {
                let path = segments
                    .first()
                    .map_or(PathBuf::new(), |(_, path)| path.clone());
                self.problem(&path, None, format!("partition meta: {error}"));
                Offset(0)
            }
        };
        let mut expected = None;
        for (name, path) in segments {
            let base_offset = name.base_offset;
            if let Some(expected) = expected.filter(|expected| *expected != base_offset) {
                let what = format!("segment begins at offset {base_offset}, expected {expected}");
                self.problem(path, None, what);
            }
            expected = Some(self.segment(key, *name, path)?);
        }
        if let Some(end) = expected.filter(|end| *end < flushed_end)
            && let Some((_, path)) = segments.last()
        {
            let what = format!("log ends at offset {end}, expected at least {flushed_end}");
            self.problem(path, None, what);
        }
        Ok(())
    }

    /// Checks one segment and returns the offset behind it.
    fn segment(
        &mut self,
        key: PartitionKey,
        name: SegmentName,
        path: &Path,
    ) -> Result<Offset, OpenError> {
        let base_offset = name.base_offset;
        self.report.segment_count = self.report.segment_count.saturating_add(1);
        // The state store may still speak of what a compacted segment replaced.
        let saved = self.saved_meta(key, base_offset, path)?;
        let saved = saved.filter(|saved| SegmentName::of(saved, base_offset) == name);
        let at = || DiskError::at("read", path);
        let file = self.io.disk.open(path, OpenMode::Read).map_err(at())?;
        let size = file.size().map_err(at())?;
        let mut meta = SegmentMeta::named(&name);
        let mut walk = CheckedWalk::new(Arc::clone(&file), 0, base_offset)
            .map_err(at())?
            .with_gaps(Gaps::of(&meta));
        let mut starts = BTreeMap::new();
        while let Some((header, batch)) = walk.next().map_err(at())? {
            starts.insert(meta.size, (header.base_offset, meta.max_timestamp));
            meta.extend(&header);
            let report = &mut self.report;
            report.batch_count = report.batch_count.saturating_add(1);
            let records = u64::try_from(header.record_count).unwrap_or(0);
            report.record_count = report.record_count.saturating_add(records);
            let holds_delayed = u64::from(header.attributes.holds_delayed());
            report.delayed_batch_count = report.delayed_batch_count.saturating_add(holds_delayed);
            let bytes = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            report.batch_bytes = report.batch_bytes.saturating_add(bytes);
            let done = self.done_bytes.saturating_add(walk.position());
            self.observer
                .progress(done.min(self.total_bytes), self.total_bytes);
        }
        self.done_bytes = self.done_bytes.saturating_add(size);
        let is_torn = walk.has_remainder().map_err(at())?;
        self.compare(path, &meta, saved.as_ref(), is_torn);
        if let Some(digest) = saved.and_then(|saved| saved.digest) {
            let found = header_digest(file.as_ref(), meta.size);
            if !matches!(found, Ok(found) if found == digest) {
                let what = match found {
                    Ok(_) | Err(WalkError::Bad) => {
                        "digest differs from the recorded one".to_owned()
                    }
                    Err(WalkError::Disk(error)) => format!("cannot read: {error}"),
                };
                self.problem(path, None, what);
            }
        }
        let prefix = index_prefix(key, base_offset, meta.generation);
        self.index(&prefix, path, &starts)?;
        Ok(meta.next_offset)
    }

    fn saved_meta(
        &mut self,
        key: PartitionKey,
        base_offset: Offset,
        path: &Path,
    ) -> Result<Option<SegmentMeta>, OpenError> {
        let value = self
            .state
            .get(ColumnFamily::Segment, &segment_key(key, base_offset))?;
        match value.map(|value| SegmentMeta::decode(&value)).transpose() {
            Ok(meta) => Ok(meta),
            Err(error) => {
                self.problem(path, None, format!("segment meta: {error}"));
                Ok(None)
            }
        }
    }

    fn compare(
        &mut self,
        path: &Path,
        meta: &SegmentMeta,
        saved: Option<&SegmentMeta>,
        is_torn: bool,
    ) {
        let synced = saved.map_or(0, |saved| saved.size);
        if meta.size < synced {
            let what = format!(
                "no sound batch at position {}, expected batches up to {synced}",
                meta.size
            );
            self.problem(path, Some(meta.size), what);
        } else if is_torn && meta.generation > 0 {
            let what = "compacted segment has no sound batch here".to_owned();
            self.problem(path, Some(meta.size), what);
        } else if is_torn && saved.is_some_and(|saved| saved.digest.is_some()) {
            let what = format!("sealed segment has bytes behind its end at {synced}");
            self.problem(path, Some(meta.size), what);
        } else if is_torn {
            self.report.torn_tails.push(TornTail {
                path: path.to_path_buf(),
                position: meta.size,
                lsn: 0,
            });
        }
    }

    /// Compares each saved index entry with the batch that stands there.
    fn index(
        &mut self,
        prefix: &[u8],
        path: &Path,
        starts: &BTreeMap<u64, (Offset, i64)>,
    ) -> Result<(), OpenError> {
        for (_, value) in self.state.scan(ColumnFamily::Index, prefix)? {
            let entries = match decode_chunk(&value) {
                Ok(entries) => entries,
                Err(error) => {
                    self.problem(path, None, format!("index: {error}"));
                    continue;
                }
            };
            for entry in entries {
                self.report.index_entry_count = self.report.index_entry_count.saturating_add(1);
                let expected = (entry.base_offset, entry.max_timestamp_before);
                if starts.get(&entry.position) != Some(&expected) {
                    let what =
                        format!("index names a batch with offset {} here", entry.base_offset);
                    self.problem(path, Some(entry.position), what);
                }
            }
        }
        Ok(())
    }

    fn journal(&mut self, dir: &Path) -> Result<(), OpenError> {
        let value = self.state.get(ColumnFamily::Store, CHECKPOINT_KEY)?;
        let start = match value.map(|value| decode_checkpoint(&value)).transpose() {
            // A clean stop is not believed here: what follows it is read all the same.
            Ok(start) => Start {
                is_clean: false,
                ..start.unwrap_or_default()
            },
            Err(error) => {
                self.problem(dir, None, format!("checkpoint: {error}"));
                Start::default()
            }
        };
        let mut visit = |_: ScannedFrame| -> Result<(), OpenError> { Ok(()) };
        let outcome = scan::scan(self.io.disk.as_ref(), dir, start, &mut visit)?;
        self.report.frame_count = outcome.frame_count;
        self.report.torn_tails.extend(outcome.torn);
        for LostFrames {
            path,
            first_lsn,
            end_lsn,
            ..
        } in outcome.lost
        {
            let what = format!("journal frames {first_lsn} to {end_lsn} are lost");
            self.problem(&path, None, what);
        }
        Ok(())
    }

    fn problem(&mut self, path: &Path, position: Option<u64>, what: String) {
        let path = path.to_path_buf();
        self.report.problems.push(Problem {
            path,
            position,
            what,
        });
    }
}
