//! May a producer write to these partitions in its transaction?
//!
//! Asked by whoever takes transactional records and offsets, before they are appended.
//!
//! Source: KIP-890; Kafka's `AddPartitionsToTxnManager`.

use std::time::Duration;

use sprawl_core::transaction::{AddPartitionsRequest, TransactionVersion};
use sprawl_io::time;
use sprawl_model::{ProducerIdAndEpoch, TopicPartition};
use sprawl_protocol::ErrorCode;

use crate::broker::Broker;
use crate::coordinator::{of_coordinator, of_transaction};

/// How long the markers of the last transaction are waited for
/// (`add.partitions.to.txn.retry.backoff.max.ms`).
const RETRY_MAX: Duration = Duration::from_millis(100);

/// The pause between two tries (`add.partitions.to.txn.retry.backoff.ms` is 20 between brokers;
/// this is a look at memory).
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// What is asked of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The partitions join the transaction, which begins with the first: `transaction.version` 2.
    Add,
    /// The partitions must have joined before.
    Verify,
}

/// Answers for each partition, in the order asked.
pub(crate) async fn admit(
    broker: &Broker,
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
    partitions: &[TopicPartition],
    admission: Admission,
) -> Vec<(TopicPartition, Result<(), ErrorCode>)> {
    let answers = match admission {
        Admission::Add => {
            let added = add(broker, transactional_id, producer, partitions).await;
            vec![added; partitions.len()]
        }
        Admission::Verify => verify(broker, transactional_id, producer, partitions),
    };
    partitions.iter().cloned().zip(answers).collect()
}

/// A producer may begin its next transaction as soon as it knows that the last is decided, while
/// markers are still being written; those are waited for a little.
async fn add(
    broker: &Broker,
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
    partitions: &[TopicPartition],
) -> Result<(), ErrorCode> {
    let request = AddPartitionsRequest {
        transactional_id: transactional_id.to_owned(),
        producer,
        partitions: partitions.iter().cloned().collect(),
        client_version: TransactionVersion::V2,
    };
    let clock = &broker.io().clock;
    let deadline = clock.monotonic().saturating_add(RETRY_MAX);
    loop {
        let added = broker.transactions.add_partitions(request.clone()).await;
        if added != Err(ErrorCode::ConcurrentTransactions) || clock.monotonic() >= deadline {
            return added;
        }
        time::sleep(RETRY_PAUSE).await;
    }
}

/// Looks whether partitions are part of a transaction.
pub(crate) fn verify(
    broker: &Broker,
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
    partitions: &[TopicPartition],
) -> Vec<Result<(), ErrorCode>> {
    let verified = broker.transactions.read(transactional_id, |transactions| {
        transactions.verify(transactional_id, producer, partitions)
    });
    let refused = match verified {
        Ok(Ok(verified)) => {
            let verified = verified.into_iter();
            return verified.map(|each| each.map_err(of_transaction)).collect();
        }
        Ok(Err(error)) => of_transaction(error),
        Err(error) => of_coordinator(error),
    };
    vec![Err(refused); partitions.len()]
}
