//! What happens when a transaction takes in partitions, and when a broker asks whether it has?
//!
//! Source: AddPartitionsToTxn 0 to 5, AddOffsetsToTxn 0 to 4, Produce 12; KIP-890.

use std::collections::BTreeSet;

use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{ProducerEpoch, ProducerIdAndEpoch, TopicPartition};

use super::error::TransactionError;
use super::request::{AddPartitionsRequest, Response};
use super::shard::{Context, Transaction, TransactionShard, Transactions};
use super::state::TransactionState;
use super::value::TransactionValue;
use crate::coordinator::Token;

pub(super) fn on_add_partitions(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    token: Token,
    request: AddPartitionsRequest,
) {
    let transactional_id = request.transactional_id.as_str();
    if transactional_id.is_empty() {
        return cx.refuse(token, TransactionError::InvalidRequest);
    }
    let Some(transaction) = transactions.get_mut(transactional_id) else {
        return cx.refuse(token, TransactionError::InvalidProducerIdMapping);
    };
    if let Err(error) = admit(transaction, request.producer) {
        return cx.refuse(token, error);
    }
    let value = &transaction.value;
    let is_open = value.state == TransactionState::Ongoing;
    if is_open && request.partitions.is_subset(&value.partitions) {
        return cx.reply(token, Response::Added);
    }
    let mut partitions: BTreeSet<TopicPartition> = if is_open {
        value.partitions.clone()
    } else {
        BTreeSet::new()
    };
    partitions.extend(request.partitions);
    let begun = TransactionValue {
        partitions,
        start_ms: if is_open {
            value.start_ms
        } else {
            cx.now.wall_ms
        },
        client_version: request.client_version,
        ..value.become_state(TransactionState::Ongoing, cx.now.wall_ms)
    };
    let reply = Some((token, Response::Added));
    cx.store((transactional_id, transaction), begun, reply);
}

fn admit(transaction: &Transaction, producer: ProducerIdAndEpoch) -> Result<(), TransactionError> {
    let value = &transaction.value;
    // First of all: the producer may go by the id or epoch that only the end of its last
    // transaction brings.
    if transaction.pending.is_some() || value.state.is_ending() {
        return Err(TransactionError::ConcurrentTransactions);
    }
    check_producer(value, producer)?;
    // The last epoch is the coordinator's own, for fencing.
    if value.producer.producer_epoch == ProducerEpoch(i16::MAX) {
        return Err(TransactionError::ProducerFenced);
    }
    Ok(())
}

/// Whether the producer may write in the transaction. One that was initialised to end a kept
/// transaction may not: its epoch is not that of the transaction's records.
fn check_producer(
    value: &TransactionValue,
    producer: ProducerIdAndEpoch,
) -> Result<(), TransactionError> {
    match value.check_client(producer) {
        Err(TransactionError::ProducerFenced) if active(Mutant::FencedEpochAccepted) => {}
        checked => checked?,
    }
    if value.is_kept() {
        return Err(TransactionError::InvalidTxnState);
    }
    Ok(())
}

impl TransactionShard {
    /// Whether each partition is part of the producer's current transaction. A change under way is
    /// not looked at: partitions count from the moment their record is durable.
    pub fn verify(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactionError> {
        if transactional_id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let transaction = self
            .transactions
            .get(transactional_id)
            .ok_or(TransactionError::InvalidProducerIdMapping)?;
        let value = &transaction.value;
        check_producer(value, producer)?;
        if value.state.is_ending() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        let verified = partitions.iter().map(|partition| {
            if value.partitions.contains(partition) {
                Ok(())
            } else {
                Err(TransactionError::TransactionAbortable)
            }
        });
        Ok(verified.collect())
    }
}
