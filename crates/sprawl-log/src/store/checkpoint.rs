//! Checkpoints: everything journalled so far goes to synced segments, then journal files are free
//! again.
//!
//! Order: note the journal's place, write behind, sync segments and names, save and flush state,
//! recycle. A crash between any two leaves either the old checkpoint or the new one, both true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::worker::WriteBehind;
use super::{PRODUCER_SNAPSHOT, Shared};
use crate::error::{DiskError, LogError};
use crate::journal::Progress;
use crate::journal::scan::Start;
use crate::metrics as names;
use crate::partition::PartitionLog;
use crate::segment::PARTITIONS_DIR;
use crate::state::record::{CHECKPOINT_KEY, checkpoint};
use crate::state::{ColumnFamily, WriteBatch};

/// Changes of this many partitions go to the state store at a time.
const PARTITIONS_PER_BATCH: usize = 256;

/// Why a checkpoint is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The store goes on.
    Running,
    /// Nothing was or will be appended after it.
    Final,
}

impl Shared {
    /// Takes a checkpoint.
    pub(super) fn checkpoint(&self, worker: &mut WriteBehind, kind: Kind) -> Result<(), LogError> {
        let started = self.io.clock.monotonic();
        self.wants_checkpoint.store(false, Ordering::Release);
        let partitions: Vec<_> = self
            .map()
            .values()
            .filter(|partition| partition.is_changed())
            .cloned()
            .collect();
        if let Some(hook) = self.hook.get() {
            for partition in &partitions {
                if let Some((offset, bytes)) = hook(partition) {
                    partition.save_snapshot(PRODUCER_SNAPSHOT, offset, bytes);
                }
            }
        }
        // Every frame below this place has advanced its partition's durable end already.
        let live_bytes = self.journal.live_bytes();
        let resume = self.journal.place();
        // Taken again after the place: a partition may have become dirty in between.
        let partitions: Vec<_> = self
            .map()
            .values()
            .filter(|partition| partition.is_changed())
            .cloned()
            .collect();
        for partition in &partitions {
            self.write_partition(worker, partition)?;
        }
        // All writes come before the first sync: one commit of the file system then covers the new
        // sizes of all files, and the syncs after it only flush the disk's cache.
        for partition in &partitions {
            partition.sync_segments()?;
        }
        let dir = self.dir.join(PARTITIONS_DIR);
        self.io
            .disk
            .sync_dir(&dir)
            .map_err(DiskError::at("sync", &dir))?;
        let graves = worker.graves();
        self.save(
            &partitions,
            Start {
                resume,
                is_clean: kind == Kind::Final,
            },
        )?;
        self.journal
            .recycle(self, resume.next_lsn.saturating_sub(1))?;
        self.journal.checkpoint_taken(live_bytes);
        for grave in graves {
            self.io
                .disk
                .remove_dir_all(&grave)
                .map_err(DiskError::at("remove", &grave))?;
            worker.buried(&grave);
        }
        worker.checkpointed(self.io.clock.monotonic());
        let took = self.io.clock.monotonic().saturating_sub(started);
        metrics::histogram!(names::CHECKPOINT_SECONDS).record(took.as_secs_f64());
        tracing::debug!(
            lsn = resume.next_lsn,
            partitions = partitions.len(),
            ?took,
            "checkpoint"
        );
        Ok(())
    }

    /// Writes what was durable of a partition when this began.
    fn write_partition(
        &self,
        worker: &mut WriteBehind,
        partition: &Arc<PartitionLog>,
    ) -> Result<(), LogError> {
        let target = partition.durable_end();
        while !partition.is_written_to(target) && !partition.is_deleted() {
            if !worker.write_now(self, partition)? {
                break;
            }
        }
        Ok(())
    }

    /// Saves what changed and, last, the checkpoint itself; durable together.
    fn save(&self, partitions: &[Arc<PartitionLog>], start: Start) -> Result<(), LogError> {
        for some in partitions.chunks(PARTITIONS_PER_BATCH) {
            let _order = self.order_meta_writes();
            let mut changes = WriteBatch::default();
            for partition in some.iter().filter(|partition| !partition.is_deleted()) {
                partition.save(&mut changes)?;
            }
            self.state.write(changes)?;
        }
        let mut changes = WriteBatch::default();
        changes.put(ColumnFamily::Store, CHECKPOINT_KEY, checkpoint(&start));
        self.state.write(changes)?;
        self.state.flush()?;
        for partition in partitions {
            partition.saved();
        }
        Ok(())
    }

    /// Writes out everything queued and takes the last checkpoint.
    pub(super) fn drain_and_checkpoint(&self) -> Result<(), LogError> {
        let mut worker = self.write_behind();
        loop {
            self.check_online()?;
            match self.journal.commit_group(self) {
                Ok(Progress::Written) => {}
                Ok(Progress::Idle) => break,
                Ok(Progress::Stalled) => self.checkpoint(&mut worker, Kind::Running)?,
                Err(error) => {
                    self.take_offline(&error.to_string());
                    return Err(error.into());
                }
            }
        }
        self.checkpoint(&mut worker, Kind::Final)
    }
}
