//! The table of topic settings.

use super::definition::ConfigType::{Boolean, Double, Int, List, Long, String};
use super::definition::{Definition, Rule, changeable as topic, find};

const MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;

/// The words of `cleanup.policy`.
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
/// The words of `compression.type`.
pub(super) const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// The words of `message.timestamp.type`.
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
/// The words of `group.consumer.migration.policy`.
pub(super) const MIGRATION_POLICIES: &[&str] =
    &["bidirectional", "downgrade", "upgrade", "disabled"];
/// The words of `sprawl.flush`.
pub(super) const FLUSH_MODES: &[&str] = &["fsync", "async", "memory"];

/// Returns all topic settings, by name.
pub fn topic_definitions() -> &'static [Definition] {
    TABLE
}

/// Returns the topic setting called `name`.
pub fn topic_definition(name: &str) -> Option<&'static Definition> {
    find(TABLE, name)
}

const TABLE: &[Definition] = &[
    topic(
        "cleanup.policy",
        (List, "delete", Rule::OneOf(CLEANUP_POLICIES)),
        &["log.cleanup.policy"],
        "What happens to old records: `delete` drops whole segments by age and size, `compact` keeps \
         the last record of each key. Both may be given; an empty list keeps everything.",
    ),
    topic(
        "compression.gzip.level",
        (Int, "-1", Rule::BetweenOr(1, 9, -1)),
        &["compression.gzip.level"],
        "The gzip level where the broker compresses; -1 is gzip's own default.",
    ),
    topic(
        "compression.lz4.level",
        (Int, "9", Rule::Between(1, 17)),
        &["compression.lz4.level"],
        "The lz4 level where the broker compresses.",
    ),
    topic(
        "compression.type",
        (String, "producer", Rule::OneOf(COMPRESSION_TYPES)),
        &["compression.type"],
        "How batches are stored: `producer` keeps what the producer chose, a codec converts to it, \
         `uncompressed` stores plain records.",
    ),
    topic(
        "compression.zstd.level",
        (Int, "3", Rule::Between(-131_072, 22)),
        &["compression.zstd.level"],
        "The zstd level where the broker compresses.",
    ),
    topic(
        "delete.retention.ms",
        (Long, "86400000", Rule::Between(0, MAX)),
        &["log.cleaner.delete.retention.ms"],
        "How long compaction keeps delete markers, in ms, so that a slow reader still sees them. \
         It counts from the first compaction that meets the marker.",
    ),
    topic(
        "errors.deadletterqueue.group.enable",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether share groups may have their dead records moved to this topic (KIP-1191).",
    ),
    topic(
        "file.delete.delay.ms",
        (Long, "60000", Rule::Between(0, MAX)),
        &["log.segment.delete.delay.ms"],
        "In Kafka, how long a deleted segment's file stays, in ms. Here it goes once nobody reads it; \
         the value is kept and reported.",
    ),
    topic(
        "flush.messages",
        (Long, "9223372036854775807", Rule::Between(1, MAX)),
        &["log.flush.interval.messages"],
        "In Kafka, how many records may stay unsynced. Here `sprawl.flush` decides when an append is \
         durable; the value is kept and reported.",
    ),
    topic(
        "flush.ms",
        (Long, "9223372036854775807", Rule::Between(0, MAX)),
        &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "In Kafka, how long records may stay unsynced, in ms. Here `sprawl.flush` decides when an \
         append is durable; the value is kept and reported.",
    ),
    topic(
        "follower.replication.throttled.replicas",
        (List, "", Rule::ThrottledReplicas),
        &[],
        "Replicas whose followers are throttled, as partition:broker pairs, or * for all.",
    ),
    topic(
        "index.interval.bytes",
        (Int, "4096", Rule::Between(0, INT_MAX)),
        &["log.index.interval.bytes"],
        "In Kafka, how many bytes of a segment lie between two index entries. Here one distance serves \
         all topics; the value is kept and reported.",
    ),
    topic(
        "leader.replication.throttled.replicas",
        (List, "", Rule::ThrottledReplicas),
        &[],
        "Replicas whose leaders are throttled, as partition:broker pairs, or * for all.",
    ),
    topic(
        "local.retention.bytes",
        (Long, "-2", Rule::Between(-2, MAX)),
        &["log.local.retention.bytes"],
        "How many bytes stay on the local disk once tiered; -2 follows `retention.bytes`.",
    ),
    topic(
        "local.retention.ms",
        (Long, "-2", Rule::Between(-2, MAX)),
        &["log.local.retention.ms"],
        "How long records stay on the local disk once tiered, in ms; -2 follows `retention.ms`.",
    ),
    topic(
        "max.compaction.lag.ms",
        (Long, "9223372036854775807", Rule::Between(1, MAX)),
        &["log.cleaner.max.compaction.lag.ms"],
        "The longest a record may wait for compaction, in ms. A compacted topic's segments are no \
         older than that.",
    ),
    topic(
        "max.message.bytes",
        (Int, "1048588", Rule::Between(0, INT_MAX)),
        &["message.max.bytes"],
        "The largest batch accepted, in bytes, as stored (after compression).",
    ),
    topic(
        "message.timestamp.after.max.ms",
        (Long, "3600000", Rule::Between(0, MAX)),
        &["log.message.timestamp.after.max.ms"],
        "How far in the future a record's timestamp may lie, in ms; later ones are refused. Does not \
         apply to LogAppendTime.",
    ),
    topic(
        "message.timestamp.before.max.ms",
        (Long, "9223372036854775807", Rule::Between(0, MAX)),
        &["log.message.timestamp.before.max.ms"],
        "How far in the past a record's timestamp may lie, in ms; earlier ones are refused. Does not \
         apply to LogAppendTime.",
    ),
    topic(
        "message.timestamp.type",
        (String, "CreateTime", Rule::OneOf(TIMESTAMP_TYPES)),
        &["log.message.timestamp.type"],
        "Whose time a record carries: the producer's (CreateTime) or the broker's (LogAppendTime).",
    ),
    topic(
        "min.cleanable.dirty.ratio",
        (Double, "0.5", Rule::Fraction(0.0, 1.0)),
        &["log.cleaner.min.cleanable.ratio"],
        "How much of a log must be uncompacted before compaction runs, from 0 to 1.",
    ),
    topic(
        "min.compaction.lag.ms",
        (Long, "0", Rule::Between(0, MAX)),
        &["log.cleaner.min.compaction.lag.ms"],
        "The shortest a record stays uncompacted, in ms.",
    ),
    topic(
        "min.insync.replicas",
        (Int, "1", Rule::Between(1, INT_MAX)),
        &["min.insync.replicas"],
        "How many replicas must be in sync for a write with acks=all to be accepted. One node is one \
         replica: kept and reported.",
    ),
    topic(
        "preallocate",
        (Boolean, "false", Rule::Any),
        &["log.preallocate"],
        "In Kafka, whether segment files are allocated whole. Here the journal always is; the value is \
         kept and reported.",
    ),
    topic(
        "remote.log.copy.disable",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether a tiered topic stops copying to the object store.",
    ),
    topic(
        "remote.log.delete.on.disable",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether switching tiering off deletes what was tiered.",
    ),
    topic(
        "remote.storage.enable",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether sealed segments go to the object store. Refused while the broker has none.",
    ),
    topic(
        "retention.bytes",
        (Long, "-1", Rule::Any),
        &["log.retention.bytes"],
        "How large a partition may grow before its oldest segments are deleted; -1 is no limit.",
    ),
    topic(
        "retention.ms",
        (Long, "604800000", Rule::Between(-1, MAX)),
        &[
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ],
        "How long records are kept, in ms; -1 is no limit.",
    ),
    topic(
        "segment.bytes",
        (Int, "1073741824", Rule::Between(1_048_576, INT_MAX)),
        &["log.segment.bytes"],
        "How large a segment grows before the next one begins. Retention deletes whole segments.",
    ),
    topic(
        "segment.index.bytes",
        (Int, "10485760", Rule::Between(4, INT_MAX)),
        &["log.index.size.max.bytes"],
        "In Kafka, the size of a segment's index file. Here the index grows as needed; the value is \
         kept and reported.",
    ),
    topic(
        "segment.jitter.ms",
        (Long, "0", Rule::Between(0, MAX)),
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        "The most by which a segment's age limit is shortened, in ms, so that partitions do not all \
         roll at once. Kept and reported; not acted on yet.",
    ),
    topic(
        "segment.ms",
        (Long, "604800000", Rule::Between(1, MAX)),
        &["log.roll.ms", "log.roll.hours"],
        "How old a segment grows before the next one begins, in ms.",
    ),
    topic(
        "sprawl.delayed.delivery",
        (Boolean, "false", Rule::Any),
        &[],
        "Whether a record with the header `sprawl.deliver-at` (ms since the epoch) or \
         `sprawl.deliver-after` (ms) stays hidden until it is due. Not together with compaction.",
    ),
    topic(
        "sprawl.delayed.delivery.max.ms",
        (Long, "604800000", Rule::Between(0, MAX)),
        &[],
        "How far ahead a record's delivery may lie, in ms; records that ask for more are refused. \
         Nothing behind a waiting record is deleted by retention, so this bounds what is kept.",
    ),
    topic(
        "sprawl.flush",
        (String, "fsync", Rule::OneOf(FLUSH_MODES)),
        &["sprawl.flush"],
        "When a write is acknowledged: `fsync` after the journal is synced (survives a power cut), \
         `async` after it is written (survives the death of the process), `memory` at once.",
    ),
    topic(
        "unclean.leader.election.enable",
        (Boolean, "false", Rule::Any),
        &["unclean.leader.election.enable"],
        "Whether a replica that is not in sync may lead when no other is left, losing records.",
    ),
];
