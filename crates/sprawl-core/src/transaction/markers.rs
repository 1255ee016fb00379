//! How does a decided transaction come to its end?
//!
//! Once the decision is durable, markers are asked for; once every marker is written, the end is
//! stored. A limited number of transactions of a shard writes markers at a time; the others wait in
//! the order in which they were decided.

use std::collections::{BTreeSet, VecDeque};

use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch};

use super::request::{Errand, MarkersErrand, Outcome};
use super::shard::{Context, Transactions};
use super::state::TransactionState;
use super::value::TransactionValue;

/// Transactions of one shard whose markers are being written at the same time.
const RUNNING_MAX: usize = 64;

/// How long a coordinator waits before it tries again to store that markers are written.
pub(super) const COMPLETE_RETRY_MS: u64 = 1_000;

/// Whose markers are being written, and whose wait.
#[derive(Debug, Default)]
pub(super) struct Markers {
    running: BTreeSet<String>,
    waiting: VecDeque<String>,
}

impl Markers {
    /// Queues a decided transaction.
    pub(super) fn wait(&mut self, transactional_id: &str) {
        self.waiting.push_back(transactional_id.to_owned());
    }

    /// Starts as many as may run.
    pub(super) fn go_on(transactions: &Transactions, cx: &mut Context<'_>) {
        while cx.markers.running.len() < RUNNING_MAX {
            let Some(transactional_id) = cx.markers.waiting.pop_front() else {
                return;
            };
            let Some(transaction) = transactions.get(&transactional_id) else {
                continue;
            };
            let value = &transaction.value;
            let outcome = match value.state {
                TransactionState::PrepareCommit => Outcome::Commit,
                TransactionState::PrepareAbort => Outcome::Abort,
                _ => continue,
            };
            cx.run(Errand::WriteMarkers(MarkersErrand {
                transactional_id: transactional_id.clone(),
                producer: value.producer,
                outcome,
                version: value.client_version,
                partitions: value.partitions.clone(),
            }));
            cx.markers.running.insert(transactional_id);
        }
    }
}

pub(super) fn on_markers_written(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    transactional_id: &str,
    producer: ProducerIdAndEpoch,
) {
    cx.markers.running.remove(transactional_id);
    let is_this = transactions
        .get(transactional_id)
        .is_some_and(|transaction| transaction.value.producer == producer);
    if is_this {
        complete(transactions, cx, transactional_id);
    }
    Markers::go_on(transactions, cx);
}

/// Stores that a decided transaction's markers are written.
pub(super) fn complete(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    transactional_id: &str,
) {
    let Some(transaction) = transactions.get_mut(transactional_id) else {
        return;
    };
    if !transaction.value.state.is_ending() || transaction.pending.is_some() {
        return;
    }
    let value = completed(&transaction.value, cx.now.wall_ms);
    cx.store((transactional_id, transaction), value, None);
}

/// What a decided transaction becomes.
pub(super) fn completed(value: &TransactionValue, now_ms: i64) -> TransactionValue {
    let state = match value.state {
        TransactionState::PrepareCommit => TransactionState::CompleteCommit,
        _ => TransactionState::CompleteAbort,
    };
    let complete = TransactionValue {
        partitions: BTreeSet::new(),
        ..value.become_state(state, now_ms)
    };
    if value.next_producer_id == ProducerId::NONE {
        return complete;
    }
    let next = TransactionValue {
        next_producer_id: ProducerId::NONE,
        next_producer_epoch: ProducerEpoch::NONE,
        ..complete
    };
    if value.next_producer_epoch == ProducerEpoch::NONE {
        return TransactionValue {
            producer: ProducerIdAndEpoch {
                producer_id: value.next_producer_id,
                producer_epoch: ProducerEpoch(0),
            },
            previous_producer_id: value.producer.producer_id,
            ..next
        };
    }
    // Of a kept transaction the decision says already whom the client takes itself for.
    TransactionValue {
        producer: ProducerIdAndEpoch {
            producer_id: value.next_producer_id,
            producer_epoch: value.next_producer_epoch,
        },
        ..next
    }
}
