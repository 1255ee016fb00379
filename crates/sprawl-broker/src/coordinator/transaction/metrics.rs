//! The transaction coordinator's metric names and handles.

use std::sync::Arc;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use sprawl_core::transaction::{Outcome, TransactionShard, TransactionState};

use crate::coordinator::shard::Shard;

/// Transactional ids, by state.
const TRANSACTIONAL_IDS: &str = "sprawl_transactional_ids";
/// Transactions that producers have ended, by outcome.
const TRANSACTIONS_ENDED_TOTAL: &str = "sprawl_transactions_ended_total";

/// Handles, looked up once.
pub(super) struct TransactionMetrics {
    by_state: Vec<(TransactionState, Gauge)>,
    commits: Counter,
    aborts: Counter,
}

impl std::fmt::Debug for TransactionMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionMetrics").finish_non_exhaustive()
    }
}

impl TransactionMetrics {
    /// Registers every metric with the process's recorder.
    pub(super) fn register() -> Self {
        describe_gauge!(TRANSACTIONAL_IDS, "Transactional ids, by state");
        describe_counter!(
            TRANSACTIONS_ENDED_TOTAL,
            "Transactions ended by their producers, by outcome"
        );
        let by_state = TransactionState::ALL
            .map(|state| (state, gauge!(TRANSACTIONAL_IDS, "state" => state.name())));
        Self {
            by_state: by_state.into(),
            commits: counter!(TRANSACTIONS_ENDED_TOTAL, "outcome" => "commit"),
            aborts: counter!(TRANSACTIONS_ENDED_TOTAL, "outcome" => "abort"),
        }
    }

    pub(super) fn count_end(&self, outcome: Outcome) {
        match outcome {
            Outcome::Commit => self.commits.increment(1),
            Outcome::Abort => self.aborts.increment(1),
        }
    }

    /// Brings the gauges up to date. O(transactional ids).
    pub(super) fn update(&self, shards: &[Arc<Shard<TransactionShard>>]) {
        let mut totals = vec![0_usize; self.by_state.len()];
        for shard in shards {
            // A shard that is loading or given up has nothing to count.
            let Ok(counts) = shard.read(TransactionShard::count_by_state) else {
                continue;
            };
            for (total, (state, _)) in totals.iter_mut().zip(&self.by_state) {
                *total += counts.get(state).copied().unwrap_or(0);
            }
        }
        for (total, (_, gauge)) in totals.into_iter().zip(&self.by_state) {
            gauge.set(as_gauge(total));
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; counts stay far below 2^53"
)]
fn as_gauge(count: usize) -> f64 {
    count as f64
}
