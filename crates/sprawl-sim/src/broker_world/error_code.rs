//! Which answers a client meets without anybody having done wrong.

/// Says whether sending the same request again is the right reaction, and a safe one: storage or
/// coordinator not ready, request timed out, partition not known yet.
pub(super) fn is_safe_to_retry(code: i16) -> bool {
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
pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;
/// KAFKA_STORAGE_ERROR: the disk fails, or the records are lost to damage.
pub(super) const KAFKA_STORAGE_ERROR: i16 = 56;
/// ILLEGAL_GENERATION: the group has moved on.
pub(super) const ILLEGAL_GENERATION: i16 = 22;
/// UNKNOWN_MEMBER_ID: the group forgot the member.
pub(super) const UNKNOWN_MEMBER_ID: i16 = 25;
/// REBALANCE_IN_PROGRESS: join again.
pub(super) const REBALANCE_IN_PROGRESS: i16 = 27;
/// MEMBER_ID_REQUIRED: join again with the id in the answer.
pub(super) const MEMBER_ID_REQUIRED: i16 = 79;
