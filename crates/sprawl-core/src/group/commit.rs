//! What happens when offsets are committed?
//!
//! Offsets of a transaction are written at once and count when its marker stands behind them.
//!
//! Source: OffsetCommit 2 to 10, TxnOffsetCommit 0 to 5 (KIP-98, KIP-447); a commit without a
//! generation makes a simple group, which has no protocol type and no record of its own.

use std::collections::BTreeSet;

use sprawl_model::TopicPartition;
use sprawl_model::batch::{ControlKind, TxnOutcome};

use super::any::Group;
use super::error::GroupError;
use super::offsets::{CommittedOffset, OffsetChange, Offsets};
use super::records::{RecordKey, offset_commit_value};
use super::request::{CommitOffset, MissingGroup, OffsetCommitRequest, Response};
use super::shard::{AfterAppend, Context, Groups, Tombstone};
use crate::coordinator::wire::fits;
use crate::coordinator::{BatchKind, Record, Token};
use crate::partition::EndTxn;

pub(super) fn on_offset_commit(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: OffsetCommitRequest,
) {
    match validate(groups, cx, &request) {
        Ok(()) => commit(cx, token, request),
        Err(error) => cx.reply(token, Response::OffsetCommit(Err(error))),
    }
}

fn validate(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &OffsetCommitRequest,
) -> Result<(), GroupError> {
    if !fits(&request.group_id) {
        return Err(GroupError::UnknownServerError);
    }
    if request.generation < 0 {
        let group_id = &request.group_id;
        groups
            .entry(group_id.clone())
            .or_insert_with(|| Group::simple(group_id, Some(cx.now)));
    }
    let missing_group = match request.missing_group {
        MissingGroup::GroupIdNotFound => GroupError::GroupIdNotFound,
        MissingGroup::IllegalGeneration => GroupError::IllegalGeneration,
    };
    let group = groups.get(&request.group_id).ok_or(missing_group)?;
    group.check_commit(cx, request)
}

fn commit(cx: &mut Context<'_>, token: Token, request: OffsetCommitRequest) {
    let now_ms = cx.now.wall_ms;
    let expire_timestamp_ms = request
        .retention_ms
        .map(|retention_ms| now_ms.saturating_add(retention_ms));
    let (mut records, mut changes, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for commit in request.offsets {
        if let Err(error) = validate_offset(cx, &commit) {
            results.push(Err(error));
            continue;
        }
        let committed = CommittedOffset {
            offset: commit.offset,
            leader_epoch: commit.leader_epoch,
            metadata: commit.metadata,
            commit_timestamp_ms: now_ms,
            expire_timestamp_ms,
        };
        let key = RecordKey::offset_commit(&request.group_id, &commit.topic, commit.partition);
        let value = Some(offset_commit_value(&committed));
        records.push(Record {
            key: key.encode(),
            value,
        });
        changes.push(OffsetChange {
            group_id: request.group_id.clone(),
            topic: commit.topic,
            partition: commit.partition,
            committed: Some(committed),
            transaction: request.transaction.map(|producer| producer.producer_id),
        });
        results.push(Ok(()));
    }
    if !records.is_empty() {
        let kind = request
            .transaction
            .map_or(BatchKind::Plain, BatchKind::Transactional);
        cx.append_kind(kind, records, changes, AfterAppend::Nothing);
    }
    cx.reply_when_durable(token, Response::OffsetCommit(Ok(results)));
}

fn validate_offset(cx: &Context<'_>, commit: &CommitOffset) -> Result<(), GroupError> {
    let metadata_size = commit.metadata.encode_utf16().count();
    if metadata_size > cx.settings.offset_metadata_size_max || !fits(&commit.metadata) {
        return Err(GroupError::OffsetMetadataTooLarge);
    }
    if !fits(&commit.topic) {
        return Err(GroupError::UnknownServerError);
    }
    Ok(())
}

/// A transaction that has offsets here has ended: its marker is written. What follows it in the log
/// belongs to the producer's next transaction.
pub(super) fn on_end_transaction(cx: &mut Context<'_>, token: Token, end: EndTxn) {
    let after = AfterAppend::TransactionEnded {
        producer_id: end.producer_id,
        outcome: end.marker.outcome,
    };
    cx.append_kind(BatchKind::Marker(end), Vec::new(), Vec::new(), after);
    cx.reply_when_durable(token, Response::EndTransaction(Ok(())));
}

/// What a control record of the log says of its transaction.
pub(super) fn outcome_of(record: &Record) -> Option<TxnOutcome> {
    match ControlKind::of_key(&record.key) {
        ControlKind::Commit => Some(TxnOutcome::Commit),
        ControlKind::Abort => Some(TxnOutcome::Abort),
        ControlKind::Other => None,
    }
}

/// Topics or partitions are gone: so are the offsets committed for them.
pub(super) fn on_partitions_deleted(
    offsets: &Offsets,
    cx: &mut Context<'_>,
    partitions: &[TopicPartition],
) {
    let mut tombstones = Vec::new();
    let mut group_ids: BTreeSet<&String> = offsets.group_ids().collect();
    group_ids.extend(offsets.pending.group_ids());
    for group_id in group_ids {
        let held = partitions.iter().filter(|deleted| {
            let (topic, partition) = (&deleted.topic, deleted.partition.0);
            offsets.get(group_id, topic, partition).is_some()
                || offsets.pending.contains(group_id, topic, partition)
        });
        tombstones.extend(
            held.map(|deleted| Tombstone::offset(group_id, &deleted.topic, deleted.partition.0)),
        );
    }
    cx.append_tombstones(&tombstones, Vec::new());
}
