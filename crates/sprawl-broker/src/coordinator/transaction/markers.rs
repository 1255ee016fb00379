//! How do the markers of a decided transaction reach its partitions?
//!
//! One task a transaction; the machine limits how many there are. A partition that is gone needs
//! none; every other failure is tried again until the broker stops, and after a restart all of them
//! are written once more, which does no harm.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use sprawl_core::transaction::{Errand, Input, MarkersErrand, Outcome, TransactionShard};
use sprawl_io::time;
use sprawl_model::TopicPartition;
use sprawl_model::batch::TxnOutcome;
use sprawl_protocol::ErrorCode;

use crate::broker::Broker;
use crate::coordinator::shard::{Errands, Shard};
use crate::transaction_marker::TxnMarker;

/// Partitions of one transaction that are written to at the same time.
const PARTITIONS_AT_ONCE_MAX: usize = 256;

/// The pause before failed markers are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Writes markers through the broker it belongs to.
#[derive(Debug, Default)]
pub(super) struct MarkerWriter {
    broker: OnceLock<Weak<Broker>>,
}

impl MarkerWriter {
    /// Says through which broker. Once.
    pub(super) fn attach(&self, broker: &Arc<Broker>) {
        let is_first = self.broker.set(Arc::downgrade(broker)).is_ok();
        assert!(is_first, "a coordinator belongs to one broker");
    }
}

impl Errands<TransactionShard> for MarkerWriter {
    fn run(&self, shard: &Arc<Shard<TransactionShard>>, errand: Errand) {
        let Errand::WriteMarkers(markers) = errand;
        let Some(broker) = self.broker.get().and_then(Weak::upgrade) else {
            return;
        };
        let shard = shard.clone();
        let spawn = broker.io.spawn.clone();
        spawn.task(Box::pin(async move {
            write_all(&broker, &shard, markers).await;
        }));
    }
}

/// What became of a marker.
enum Written {
    /// It is durable, or nobody needs it.
    Done,
    /// Another try may help.
    Again,
    /// A newer coordinator has written here; it ends the transaction.
    Fenced,
}

async fn write_all(broker: &Broker, shard: &Arc<Shard<TransactionShard>>, errand: MarkersErrand) {
    let marker = TxnMarker {
        producer_id: errand.producer.producer_id,
        producer_epoch: errand.producer.producer_epoch,
        coordinator_epoch: shard.log().leader_epoch().0,
        outcome: match errand.outcome {
            Outcome::Commit => TxnOutcome::Commit,
            Outcome::Abort => TxnOutcome::Abort,
        },
        transaction_version: errand.version.0,
    };
    let mut left: Vec<TopicPartition> = errand.partitions.into_iter().collect();
    loop {
        let mut again = Vec::new();
        for partitions in left.chunks(PARTITIONS_AT_ONCE_MAX) {
            // All are appended before the first is waited for, so that they share a sync.
            let writes: Vec<_> = partitions
                .iter()
                .map(|partition| broker.write_txn_marker(partition, &marker))
                .collect();
            for (partition, write) in partitions.iter().zip(writes) {
                match judge(partition, &marker, write.await) {
                    Written::Done => {}
                    Written::Again => again.push(partition.clone()),
                    Written::Fenced => return,
                }
            }
        }
        if again.is_empty() {
            break;
        }
        left = again;
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            () = time::sleep(RETRY_PAUSE) => {}
        }
    }
    shard.tell(Input::MarkersWritten {
        transactional_id: errand.transactional_id,
        producer: errand.producer,
    });
}

fn judge(
    partition: &TopicPartition,
    marker: &TxnMarker,
    written: Result<(), ErrorCode>,
) -> Written {
    match written {
        Ok(()) => Written::Done,
        // The metadata says that the topic is gone, and its transactions with it.
        Err(ErrorCode::UnknownTopicOrPartition) => Written::Done,
        Err(error @ ErrorCode::InvalidProducerEpoch) => {
            // The producer has written in a later epoch here, so that nothing of this one is open.
            let error = error.name();
            tracing::warn!(%partition, ?marker, error, "marker of a transaction that has ended");
            Written::Done
        }
        Err(ErrorCode::TransactionCoordinatorFenced) => {
            tracing::error!(%partition, ?marker, "a newer transaction coordinator has written");
            Written::Fenced
        }
        Err(error) => {
            let error = error.name();
            tracing::debug!(%partition, ?marker, error, "marker is tried again");
            Written::Again
        }
    }
}
