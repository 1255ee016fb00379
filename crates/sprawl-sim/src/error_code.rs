//! Which answers a client meets without anybody having done wrong.

/// Says whether sending the same request again is the right reaction, and a safe one: storage or
/// coordinator not ready, request timed out, partition not known yet.
pub(crate) fn is_safe_to_retry(code: i16) -> bool {
    matches!(
        code,
        // UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER,
        // REQUEST_TIMED_OUT.
        3 | 5 | 6 | 7
        // COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
        | 14 | 15 | 16
        // NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR.
        | 19 | 20 | 56
    )
}

/// OFFSET_OUT_OF_RANGE: the offset is below the log start, or above the high watermark.
pub(crate) const OFFSET_OUT_OF_RANGE: i16 = 1;
/// KAFKA_STORAGE_ERROR: the disk fails, or the records are lost to damage.
pub(crate) const KAFKA_STORAGE_ERROR: i16 = 56;
/// ILLEGAL_GENERATION: the group has moved on.
pub(crate) const ILLEGAL_GENERATION: i16 = 22;
/// UNKNOWN_MEMBER_ID: the group forgot the member.
pub(crate) const UNKNOWN_MEMBER_ID: i16 = 25;
/// REBALANCE_IN_PROGRESS: join again.
pub(crate) const REBALANCE_IN_PROGRESS: i16 = 27;
/// MEMBER_ID_REQUIRED: join again with the id in the answer.
pub(crate) const MEMBER_ID_REQUIRED: i16 = 79;
/// OUT_OF_ORDER_SEQUENCE_NUMBER: a batch before this one is missing.
pub(crate) const OUT_OF_ORDER_SEQUENCE: i16 = 45;
/// FENCED_MEMBER_EPOCH: join again.
pub(crate) const FENCED_MEMBER_EPOCH: i16 = 110;
/// TOPIC_ALREADY_EXISTS.
pub(crate) const TOPIC_ALREADY_EXISTS: i16 = 36;
/// CONCURRENT_TRANSACTIONS: the last change of the transactional id is not done.
pub(crate) const CONCURRENT_TRANSACTIONS: i16 = 51;
/// UNSTABLE_OFFSET_COMMIT: a transaction that commits the offset is not decided.
pub(crate) const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// Says whether an answer takes the transaction away from a producer that has broken no rule: its
/// epoch is fenced, or its transaction was aborted over its head.
pub(crate) fn ends_a_transaction(code: i16) -> bool {
    matches!(
        code,
        // INVALID_PRODUCER_EPOCH, PRODUCER_FENCED, INVALID_TXN_STATE, TRANSACTION_ABORTABLE.
        47 | 90 | 48 | 120
    )
}
