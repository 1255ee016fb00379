//! Ending a transaction in one partition: the marker that its coordinator writes there.
//!
//! Source: KIP-98; KIP-890 and KIP-1228 for what a marker's epoch must be; `WriteTxnMarkers`.

use std::sync::Arc;

use sprawl_core::metadata::OFFSETS_TOPIC;
use sprawl_core::partition::EndTxn;
use sprawl_io::net::BoxFuture;
use sprawl_model::batch::{EndTxnMarker, TxnOutcome};
use sprawl_model::{ProducerEpoch, ProducerId, TopicId, TopicPartition};
use sprawl_protocol::ErrorCode;

use crate::broker::Broker;
use crate::partition::Partition;
use crate::replicated_log::{Appended, ReplicatedLog};
use crate::wire_error;

/// Says how a producer's transaction ended, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TxnMarker {
    /// Whose transaction.
    pub(crate) producer_id: ProducerId,
    /// The producer's epoch; from `transaction.version` 2 on, the one after the transaction.
    pub(crate) producer_epoch: ProducerEpoch,
    /// The leader epoch of the coordinator's partition of `__transaction_state`.
    pub(crate) coordinator_epoch: i32,
    /// How it ended.
    pub(crate) outcome: TxnOutcome,
    /// The `transaction.version` under which it ran.
    pub(crate) transaction_version: i16,
}

impl TxnMarker {
    pub(crate) fn as_end_txn(&self) -> EndTxn {
        EndTxn {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            marker: EndTxnMarker {
                outcome: self.outcome,
                coordinator_epoch: self.coordinator_epoch,
            },
            transaction_version: self.transaction_version,
        }
    }
}

impl Broker {
    /// Writes a marker to a partition that this broker leads, now; the future waits until it is
    /// durable.
    ///
    /// Writing the same marker again does no harm. In a partition of the offsets topic the group
    /// coordinator writes it, in the order of its other records.
    /// Errors, as Kafka answers WriteTxnMarkers: `InvalidProducerEpoch` and
    /// `TransactionCoordinatorFenced` are final; all others pass, or the partition is gone.
    pub(crate) fn write_txn_marker(
        &self,
        partition: &TopicPartition,
        marker: &TxnMarker,
    ) -> BoxFuture<'static, Result<(), ErrorCode>> {
        if partition.topic == OFFSETS_TOPIC {
            let end = marker.as_end_txn();
            return self.coordinator.end_transaction(partition.partition, end);
        }
        match self.append_txn_marker(partition, marker) {
            Ok((partition, appended)) => Box::pin(async move {
                let durable = appended.durable.await;
                durable.map_err(|error| wire_error::of_flush(&error))?;
                // Nobody may read here for a while, but compaction wants to know as well.
                partition.last_stable_offset();
                Ok(())
            }),
            Err(code) => Box::pin(std::future::ready(Err(code))),
        }
    }

    fn append_txn_marker(
        &self,
        partition: &TopicPartition,
        marker: &TxnMarker,
    ) -> Result<(Arc<Partition>, Appended), ErrorCode> {
        let (topic, id) = (&partition.topic, partition.partition);
        let partition = self.find_partition(topic, TopicId::NONE, id)?;
        let appended = partition.append_marker(&marker.as_end_txn());
        let appended = appended.map_err(|error| wire_error::of_marker(&error))?;
        Ok((partition, appended))
    }
}
