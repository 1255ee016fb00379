//! A share-partition, one test a rule, and any order of events at once.

mod answers;
mod delivery;
mod ends;
mod model;

use super::*;

pub(super) const NOW: u64 = 1_000;

pub(super) fn settings() -> SharePartitionSettings {
    SharePartitionSettings {
        record_lock_duration_ms: 30_000,
        delivery_count_limit: 3,
        record_locks_max: 100,
        retry_delay: RetryDelay::NONE,
        dead_letters: DeadLetters::Dropped,
    }
}

pub(super) fn fresh(settings: SharePartitionSettings) -> SharePartition {
    SharePartition::load(settings, (0, 0), 0, &[], (NOW, 0)).unwrap()
}

pub(super) fn records(first: i64, last: i64) -> LogBatch {
    LogBatch {
        first,
        last,
        kind: LogBatchKind::Records,
    }
}

pub(super) fn no_records(first: i64, last: i64) -> LogBatch {
    LogBatch {
        kind: LogBatchKind::NoRecords,
        ..records(first, last)
    }
}

/// Fetches from where the share-partition wants to read, out of `log`.
pub(super) fn fetch(
    partition: &mut SharePartition,
    now_ms: u64,
    member_id: &str,
    log: &[LogBatch],
) -> Vec<(i64, i64, i16)> {
    fetch_at_most(
        partition,
        now_ms,
        member_id,
        log,
        (u64::MAX, AcquireMode::BatchOptimized),
    )
}

pub(super) fn fetch_at_most(
    partition: &mut SharePartition,
    now_ms: u64,
    member_id: &str,
    log: &[LogBatch],
    (records_max, mode): (u64, AcquireMode),
) -> Vec<(i64, i64, i16)> {
    let Some(from) = partition.fetch_offset(now_ms) else {
        return Vec::new();
    };
    let batches: Vec<LogBatch> = log
        .iter()
        .filter(|batch| batch.last >= from)
        .copied()
        .collect();
    let request = AcquireRequest {
        member_id,
        from,
        batches: &batches,
        records_max,
        batch_size: 500,
        mode,
    };
    let acquired = partition.acquire(now_ms, &request);
    acquired
        .iter()
        .map(|run| (run.first, run.last, run.delivery_count))
        .collect()
}

pub(super) fn answer(first: i64, last: i64, ack: AckType) -> AckBatch {
    AckBatch {
        first,
        last,
        types: vec![ack],
    }
}

/// Answers and lets the write succeed; returns what was written.
pub(super) fn acknowledge(
    partition: &mut SharePartition,
    member_id: &str,
    answers: &[AckBatch],
) -> StateWrite {
    let write = partition
        .acknowledge((NOW, 0), member_id, answers)
        .unwrap()
        .unwrap();
    partition.written(write.id, Ok(()));
    write
}

pub(super) fn stored(first: i64, last: i64, state: DeliveryState, count: i16) -> StateBatch {
    StateBatch {
        first,
        last,
        state,
        delivery_count: count,
    }
}
