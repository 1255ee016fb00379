//! Shows what is in a data directory, one thing at a time.

use std::path::{Path, PathBuf};

use sprawl_io::Io;
use sprawl_io::disk::OpenMode;
use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, PartitionKey};

use super::{lock, segment_files};
use crate::error::{DiskError, OpenError};
use crate::journal::scan::{self, ScannedFrame, Start};
use crate::segment::SegmentMeta;
use crate::segment::name::{Cleaned, SegmentName};
use crate::segment::walk::{CheckedWalk, Gaps};
use crate::state::record::{CHECKPOINT_KEY, DamageRange, PartitionMeta, decode_checkpoint};
use crate::state::{ColumnFamily, StateStore};

/// One thing in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dumped {
    /// The checkpoint in the state store.
    Checkpoint {
        /// Every frame below this lsn is in synced segments.
        next_lsn: u64,
        /// The journal generation at that time.
        generation: u64,
        /// Whether the last stop was clean.
        is_clean: bool,
    },
    /// What the state store knows of a partition.
    Partition {
        /// The partition.
        key: PartitionKey,
        /// Its first offset.
        log_start: Offset,
        /// Below this everything is in synced segments.
        flushed_end: Offset,
        /// Lost offsets.
        damage: Vec<DamageRange>,
    },
    /// A segment that compaction wrote; its batches follow.
    Compacted {
        /// The partition.
        key: PartitionKey,
        /// The segment.
        path: PathBuf,
        /// The first offset it stands for.
        base_offset: Offset,
        /// The offset after the last one.
        end: Offset,
        /// How often compaction wrote what is here.
        generation: u32,
    },
    /// A batch in a segment.
    Batch {
        /// The partition.
        key: PartitionKey,
        /// The segment.
        path: PathBuf,
        /// Where it begins, in bytes.
        position: u64,
        /// Its header.
        header: BatchHeader,
    },
    /// Where a segment ends for want of a sound batch.
    SegmentEnd {
        /// The segment.
        path: PathBuf,
        /// Where, in bytes.
        position: u64,
        /// Whether anything but zeros follows.
        has_remainder: bool,
    },
    /// A journal frame behind the checkpoint.
    Frame {
        /// Its number.
        lsn: u64,
        /// Whose batch it holds.
        key: PartitionKey,
        /// Whether it was to be synced before it was acknowledged.
        is_synced: bool,
        /// The batch's header.
        header: BatchHeader,
    },
}

/// Hands everything in a stopped data directory to `visit`: state, segments, journal, in that
/// order.
pub fn dump(
    io: &Io,
    dir: &Path,
    state: &dyn StateStore,
    visit: &mut dyn FnMut(Dumped),
) -> Result<(), OpenError> {
    let _lock = lock(io, dir)?;
    let start = match state.get(ColumnFamily::Store, CHECKPOINT_KEY)? {
        Some(value) => decode_checkpoint(&value).unwrap_or_default(),
        None => Start::default(),
    };
    visit(Dumped::Checkpoint {
        next_lsn: start.resume.next_lsn,
        generation: start.resume.generation,
        is_clean: start.is_clean,
    });
    for (key, segments) in segment_files(io, dir)? {
        let meta = state.get(ColumnFamily::Partition, &key.to_bytes())?;
        if let Some(meta) = meta.and_then(|value| PartitionMeta::decode(&value).ok()) {
            visit(Dumped::Partition {
                key,
                log_start: meta.log_start,
                flushed_end: meta.flushed_end,
                damage: meta.damage,
            });
        }
        for (name, path) in segments {
            dump_segment(io, key, name, &path, visit)?;
        }
    }
    let start = Start {
        is_clean: false,
        ..start
    };
    let mut frame = |frame: ScannedFrame| -> Result<(), OpenError> {
        visit(Dumped::Frame {
            lsn: frame.header.lsn,
            key: frame.header.key,
            is_synced: frame.header.sync,
            header: frame.batch_header,
        });
        Ok(())
    };
    scan::scan(io.disk.as_ref(), dir, start, &mut frame)?;
    Ok(())
}

fn dump_segment(
    io: &Io,
    key: PartitionKey,
    name: SegmentName,
    path: &Path,
    visit: &mut dyn FnMut(Dumped),
) -> Result<(), OpenError> {
    let base_offset = name.base_offset;
    if let Some(Cleaned { end, generation }) = name.cleaned {
        visit(Dumped::Compacted {
            key,
            path: path.to_path_buf(),
            base_offset,
            end,
            generation,
        });
    }
    let gaps = Gaps::of(&SegmentMeta::named(&name));
    let at = || DiskError::at("read", path);
    let file = io.disk.open(path, OpenMode::Read).map_err(at())?;
    let mut walk = CheckedWalk::new(file, 0, base_offset)
        .map_err(at())?
        .with_gaps(gaps);
    loop {
        let position = walk.position();
        let Some((header, _)) = walk.next().map_err(at())? else {
            break;
        };
        let path = path.to_path_buf();
        visit(Dumped::Batch {
            key,
            path,
            position,
            header,
        });
    }
    visit(Dumped::SegmentEnd {
        path: path.to_path_buf(),
        position: walk.position(),
        has_remainder: walk.has_remainder().map_err(at())?,
    });
    Ok(())
}
