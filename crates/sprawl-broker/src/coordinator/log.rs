//! How does a shard write to and read from its partition?

use std::fmt::Debug;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sprawl_core::coordinator::AppendRefusal;
use sprawl_core::partition::{EndTxn, MarkerError, SequenceError};
use sprawl_io::net::BoxFuture;
use sprawl_log::{AtLeastOne, Part, ReadRequest};
use sprawl_model::{LeaderEpoch, Offset};

use crate::partition::Partition;
use crate::replicated_log::{AppendError, AppendMarkerError, Appended, ReplicatedLog};
use crate::validate::ValidBatch;

/// How much is read at once while loading (`offsets.load.buffer.size`).
const LOAD_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AppendRefused {
    /// Nothing was written and the log goes on; the state machine is told.
    Refused(AppendRefusal),
    /// The log takes nothing more.
    Failed(String),
}

/// The batch is in the log until this says that it stays there: the offset of its first record, or
/// why the log failed.
pub(super) type DurableOffset = BoxFuture<'static, Result<Offset, String>>;

/// A shard's log.
pub(super) trait CoordinatorLog: Debug + Send + Sync + 'static {
    /// Appends one batch, as acks=all does. Batches become durable in the order of these calls.
    fn append(&self, batch: BytesMut) -> Result<DurableOffset, AppendRefused>;

    /// Appends the marker that ends a producer's transaction, as [`Self::append`] does.
    fn append_marker(&self, end: &EndTxn) -> Result<DurableOffset, AppendRefused>;

    /// The epoch in which this broker leads the partition.
    fn leader_epoch(&self) -> LeaderEpoch;

    /// The first offset.
    fn start(&self) -> Offset;

    /// Reads whole batches from `offset` and the offset after them; no bytes at the end. Blocking.
    fn read(&self, offset: Offset) -> Result<(Bytes, Offset), String>;

    /// Deletes the records before an offset, as far as the log can. Blocking.
    fn prune(&self, before: Offset) -> Result<(), String>;

    /// What people call it.
    fn name(&self) -> String;
}

fn refused_by_log(error: &sprawl_log::AppendError) -> AppendRefused {
    match error {
        sprawl_log::AppendError::DiskFull { .. } => AppendRefused::Refused(AppendRefusal::DiskFull),
        _ => AppendRefused::Failed(error.to_string()),
    }
}

/// A coordinator's own batches name no producer; those in a client's name may come too late.
fn refused_by_sequence(error: &SequenceError) -> AppendRefused {
    match error {
        SequenceError::FencedEpoch { .. } => AppendRefused::Refused(AppendRefusal::FencedProducer),
        SequenceError::TransactionState { .. } => {
            AppendRefused::Refused(AppendRefusal::NotInTransaction)
        }
        // Like a full disk: there is no room now.
        SequenceError::TooManyProducers => AppendRefused::Refused(AppendRefusal::DiskFull),
        SequenceError::OutOfOrder { .. } | SequenceError::NegativeSequence { .. } => {
            AppendRefused::Failed(error.to_string())
        }
    }
}

fn durable_offset(appended: Appended) -> DurableOffset {
    Box::pin(async move {
        let durable = appended.durable.await;
        durable
            .map(sprawl_log::Durable::into_inner)
            .map_err(|error| error.to_string())
    })
}

/// A partition of an internal topic.
#[derive(Debug)]
pub(super) struct PartitionLog {
    partition: Arc<Partition>,
}

impl PartitionLog {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        Self { partition }
    }
}

impl CoordinatorLog for PartitionLog {
    fn append(&self, batch: BytesMut) -> Result<DurableOffset, AppendRefused> {
        let size_max = usize::try_from(self.partition.config().message_bytes_max);
        if batch.len() > size_max.unwrap_or(usize::MAX) {
            return Err(AppendRefused::Refused(AppendRefusal::TooLarge));
        }
        let batch = ValidBatch::from_broker(batch)
            .map_err(|error| AppendRefused::Failed(error.to_string()))?;
        let appended = self.partition.append(batch);
        let appended = appended.map_err(|error| match error {
            AppendError::Log(error) => refused_by_log(&error),
            AppendError::Sequence(error) => refused_by_sequence(&error),
        })?;
        Ok(durable_offset(appended))
    }

    fn append_marker(&self, end: &EndTxn) -> Result<DurableOffset, AppendRefused> {
        let appended = self.partition.append_marker(end);
        let appended = appended.map_err(|error| match error {
            AppendMarkerError::Log(error) => refused_by_log(&error),
            AppendMarkerError::Marker(MarkerError::FencedEpoch { .. }) => {
                AppendRefused::Refused(AppendRefusal::FencedProducer)
            }
            AppendMarkerError::Marker(MarkerError::FencedCoordinator { .. }) => {
                AppendRefused::Refused(AppendRefusal::FencedCoordinator)
            }
        })?;
        Ok(durable_offset(appended))
    }

    fn leader_epoch(&self) -> LeaderEpoch {
        self.partition.leader_epoch()
    }

    fn start(&self) -> Offset {
        self.partition.log_start()
    }

    fn read(&self, offset: Offset) -> Result<(Bytes, Offset), String> {
        let request = ReadRequest {
            offset,
            bytes_max: LOAD_BYTES_MAX,
            at_least_one: AtLeastOne::Yes,
            end: self.partition.high_watermark(),
        };
        let read = self
            .partition
            .read(request)
            .map_err(|error| error.to_string())?;
        let mut bytes = BytesMut::with_capacity(read.size);
        for part in read.parts {
            match part {
                Part::Memory(memory) => bytes.extend_from_slice(&memory),
                Part::File(range) => {
                    bytes.extend_from_slice(&range.load().map_err(|error| error.to_string())?);
                }
            }
        }
        Ok((bytes.freeze(), read.next_offset))
    }

    fn prune(&self, before: Offset) -> Result<(), String> {
        let pruned = self.partition.log().delete_records(before);
        pruned.map(drop).map_err(|error| error.to_string())
    }

    fn name(&self) -> String {
        self.partition.name().to_string()
    }
}
