//! Segments: runs of record batches of one partition, unchanged, in files named by base offset.
//!
//! A segment is written behind from the hot queue, grows only at its end, and is sealed once.
//! Sealed means: cut to its logical size, synced, never written again, with a digest. Up to a block
//! of zeros may follow the last batch of a segment that is not sealed (`docs/formats/segment.md`).
//! Compaction replaces sealed segments by one that its name tells apart ([`name`]).

pub(crate) mod index;
pub(crate) mod name;
pub(crate) mod walk;
pub(crate) mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sprawl_io::disk::OpenMode;
use sprawl_io::{Disk, File};
use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, PartitionId, PartitionKey, TenantId, TopicId};

use crate::error::DiskError;
use index::SegmentIndex;
use name::SegmentName;

/// The directory of all partitions inside the data directory.
pub(crate) const PARTITIONS_DIR: &str = "partitions";
/// What the name of a deleted partition's directory ends with.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";

/// What is known of a segment's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    /// The end of the last batch, in bytes.
    pub(crate) size: u64,
    /// The offset after the last batch.
    pub(crate) next_offset: Offset,
    /// The first batch's largest timestamp, or -1.
    pub(crate) first_timestamp: i64,
    /// The largest timestamp, or -1.
    pub(crate) max_timestamp: i64,
    /// Over the headers of all batches, once sealed.
    pub(crate) digest: Option<[u8; 32]>,
    /// How often compaction wrote what is here; 0 is never.
    pub(crate) generation: u32,
}

impl SegmentMeta {
    /// Describes a segment without batches.
    pub(crate) fn empty(base_offset: Offset) -> Self {
        Self {
            size: 0,
            next_offset: base_offset,
            first_timestamp: -1,
            max_timestamp: -1,
            digest: None,
            generation: 0,
        }
    }

    /// Describes a segment of a name, before any batch is known. A compacted one reaches to the end
    /// in its name whatever batches it holds.
    pub(crate) fn named(name: &SegmentName) -> Self {
        let empty = Self::empty(name.base_offset);
        match name.cleaned {
            None => empty,
            Some(cleaned) => Self {
                next_offset: cleaned.end,
                generation: cleaned.generation,
                ..empty
            },
        }
    }

    /// Adds a batch at the end.
    pub(crate) fn extend(&mut self, header: &BatchHeader) {
        if self.size == 0 {
            self.first_timestamp = header.max_timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        if self.generation == 0 {
            self.next_offset = header.next_offset();
        }
        let size = u64::try_from(header.size()).unwrap_or(u64::MAX);
        self.size = self.size.saturating_add(size);
    }
}

/// One segment file and what is known of it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: Offset,
    pub(crate) path: PathBuf,
    meta: Mutex<SegmentMeta>,
    index: Mutex<SegmentIndex>,
    reader: Mutex<Option<Arc<dyn File>>>,
}

impl Segment {
    pub(crate) fn new(dir: &Path, meta: SegmentMeta, base_offset: Offset) -> Self {
        let name = SegmentName::of(&meta, base_offset);
        Self::at(dir.join(name.to_string()), meta, base_offset)
    }

    /// Makes a segment of a file that does not have its final name yet.
    pub(crate) fn at(path: PathBuf, meta: SegmentMeta, base_offset: Offset) -> Self {
        Self {
            base_offset,
            path,
            meta: Mutex::new(meta),
            index: Mutex::new(SegmentIndex::new(meta.size == 0)),
            reader: Mutex::default(),
        }
    }

    pub(crate) fn meta(&self) -> SegmentMeta {
        *self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.meta().digest.is_some()
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, SegmentIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes batches that were written to the file.
    pub(crate) fn extend(&self, headers: &[BatchHeader], index_interval_bytes: u32) {
        let mut index = self.index();
        let mut meta = self.meta.lock().unwrap_or_else(PoisonError::into_inner);
        for header in headers {
            index.note(&meta, header.base_offset, index_interval_bytes);
            meta.extend(header);
        }
    }

    /// Replaces what is known, after damage was found.
    pub(crate) fn replace(&self, meta: SegmentMeta) {
        *self.meta.lock().unwrap_or_else(PoisonError::into_inner) = meta;
    }

    pub(crate) fn set_digest(&self, digest: [u8; 32]) {
        self.meta
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .digest = Some(digest);
    }

    /// Returns the handle that readers share; opened at the first read.
    pub(crate) fn reader(&self, disk: &dyn Disk) -> Result<Arc<dyn File>, DiskError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*reader {
            return Ok(Arc::clone(file));
        }
        let file = disk
            .open(&self.path, OpenMode::Read)
            .map_err(DiskError::at("open", &self.path))?;
        *reader = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Closes the shared handle; reads under way keep theirs.
    pub(crate) fn close_reader(&self) {
        self.reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// Returns the name of a partition's directory: `<topic id>-<partition>`, after `t<tenant>.` where
/// the tenant is not the default one.
pub(crate) fn dir_name(key: PartitionKey) -> String {
    if key.tenant == TenantId::DEFAULT {
        format!("{}-{}", key.topic_id, key.partition)
    } else {
        format!("t{}.{}-{}", key.tenant, key.topic_id, key.partition)
    }
}

/// Returns the partition in a directory's name, or `None` for other directories.
pub(crate) fn dir_key(name: &str) -> Option<PartitionKey> {
    let (tenant, rest) = match name.strip_prefix('t').and_then(|rest| rest.split_once('.')) {
        Some((tenant, rest)) => (TenantId(tenant.parse().ok()?), rest),
        None => (TenantId::DEFAULT, name),
    };
    let (topic, partition) = rest.rsplit_once('-')?;
    let key = PartitionKey {
        tenant,
        topic_id: TopicId(topic.parse().ok()?),
        partition: PartitionId(partition.parse().ok()?),
    };
    (dir_name(key) == name).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        let mut key = PartitionKey {
            partition: PartitionId(12),
            ..PartitionKey::default()
        };
        assert_eq!(dir_name(key), "00000000-0000-0000-0000-000000000000-12");
        assert_eq!(dir_key(&dir_name(key)), Some(key));
        key.tenant = TenantId(3);
        assert_eq!(dir_key(&dir_name(key)), Some(key));
        for other in [
            "",
            "lost+found",
            "00000000-0000-0000-0000-000000000000-012",
            "t3.x-1",
        ] {
            assert_eq!(dir_key(other), None, "{other}");
        }
    }
}
