//! The table of broker settings. A default that differs from Kafka's says so.

use super::definition::ConfigType::{Boolean, Double, Int, List, Long, Short, String};
use super::definition::Importance::{High, Low, Medium};
use super::definition::Update::{ClusterWide, ReadOnly};
use super::definition::{ConfigType, Definition, Importance, Rule, Update};
use super::topic_table::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, FLUSH_MODES, MIGRATION_POLICIES, TIMESTAMP_TYPES,
};

const MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;

/// Returns all broker settings, by name.
pub fn broker_definitions() -> &'static [Definition] {
    TABLE
}

/// Returns the broker setting called `name`.
pub fn broker_definition(name: &str) -> Option<&'static Definition> {
    TABLE
        .binary_search_by_key(&name, |definition| definition.name)
        .ok()
        .map(|at| &TABLE[at])
}

const fn broker(
    name: &'static str,
    (config_type, default, rule): (ConfigType, Option<&'static str>, Rule),
    (importance, update): (Importance, Update),
    doc: &'static str,
) -> Definition {
    Definition {
        name,
        config_type,
        default,
        rule,
        importance,
        update,
        synonyms: &[],
        doc,
    }
}

const TABLE: &[Definition] = &[
    broker(
        "advertised.listeners",
        (List, None, Rule::Any),
        (High, ReadOnly),
        "The address clients are told to connect to, as PLAINTEXT://host:port; unset is what \
         `listeners` says.",
    ),
    broker(
        "auto.create.topics.enable",
        (Boolean, Some("true"), Rule::Any),
        (High, ReadOnly),
        "Whether asking for an unknown topic creates it.",
    ),
    broker(
        "broker.id",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The older name of `node.id`: either says both, and two values that differ are refused. \
         Kafka's default is to have none.",
    ),
    broker(
        "broker.rack",
        (String, None, Rule::Any),
        (Medium, ReadOnly),
        "The rack this broker stands in.",
    ),
    broker(
        "compression.gzip.level",
        (Int, Some("-1"), Rule::BetweenOr(1, 9, -1)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.lz4.level",
        (Int, Some("9"), Rule::Between(1, 17)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.type",
        (String, Some("producer"), Rule::OneOf(COMPRESSION_TYPES)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "compression.zstd.level",
        (Int, Some("3"), Rule::Between(-131_072, 22)),
        (Medium, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "connections.max.idle.ms",
        (Long, Some("600000"), Rule::Any),
        (Medium, ReadOnly),
        "A connection on which nothing happened for this long is closed; negative is never.",
    ),
    broker(
        "controller.quota.window.num",
        (Int, Some("11"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How many windows the quota of partitions created and deleted is measured over.",
    ),
    broker(
        "controller.quota.window.size.seconds",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How long each of those windows is.",
    ),
    broker(
        "default.replication.factor",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How many replicas a topic gets unless its creator says.",
    ),
    broker(
        "delete.topic.enable",
        (Boolean, Some("true"), Rule::Any),
        (High, ReadOnly),
        "Whether topics can be deleted.",
    ),
    broker(
        "errors.deadletterqueue.auto.create.topics.enable",
        (Boolean, Some("false"), Rule::Any),
        (Medium, ClusterWide),
        "Whether dead-letter topics of share groups are made when needed (KIP-1191).",
    ),
    broker(
        "errors.deadletterqueue.topic.name.prefix",
        (String, Some("dlq."), Rule::Any),
        (Medium, ClusterWide),
        "How names of dead-letter topics of share groups begin (KIP-1191).",
    ),
    broker(
        "fetch.max.bytes",
        (Int, Some("57671680"), Rule::Between(1024, INT_MAX)),
        (Medium, ReadOnly),
        "The most bytes one fetch returns, whatever the client asks for.",
    ),
    broker(
        "group.consumer.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How often members of consumer groups (KIP-848) beat, unless their group says.",
    ),
    broker(
        "group.consumer.max.heartbeat.interval.ms",
        (Int, Some("15000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `consumer.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.max.session.timeout.ms",
        (Int, Some("60000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `consumer.session.timeout.ms` of a group.",
    ),
    broker(
        "group.consumer.max.size",
        (Int, Some("2147483647"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most members of a consumer group (KIP-848).",
    ),
    broker(
        "group.consumer.migration.policy",
        (
            String,
            Some("bidirectional"),
            Rule::OneOf(MIGRATION_POLICIES),
        ),
        (Medium, ReadOnly),
        "Between which protocols a group may change while it has members: `upgrade` lets a classic \
         group become a consumer group (KIP-848), `downgrade` the reverse.",
    ),
    broker(
        "group.consumer.min.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `consumer.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.consumer.min.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `consumer.session.timeout.ms` of a group.",
    ),
    broker(
        "group.consumer.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How long a member of a consumer group (KIP-848) may be silent, unless its group says.",
    ),
    broker(
        "group.initial.rebalance.delay.ms",
        (Int, Some("3000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "How long an empty group waits for more members before its first rebalance.",
    ),
    broker(
        "group.max.session.timeout.ms",
        (Int, Some("1800000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest session timeout a member of a classic group may ask for.",
    ),
    broker(
        "group.max.size",
        (Int, Some("2147483647"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most members of a classic group.",
    ),
    broker(
        "group.min.session.timeout.ms",
        (Int, Some("6000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest session timeout a member of a classic group may ask for.",
    ),
    broker(
        "group.share.delivery.count.limit",
        (Int, Some("5"), Rule::Between(2, 25)),
        (Medium, ReadOnly),
        "How often a record is delivered to a share group, unless the group says.",
    ),
    broker(
        "group.share.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How often members of share groups (KIP-932) beat, unless the group says.",
    ),
    broker(
        "group.share.max.delivery.count.limit",
        (Int, Some("10"), Rule::Between(2, 25)),
        (Medium, ReadOnly),
        "The largest `share.delivery.count.limit` of a group.",
    ),
    broker(
        "group.share.max.heartbeat.interval.ms",
        (Int, Some("15000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `share.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.share.max.partition.max.record.locks",
        (Int, Some("4000"), Rule::Between(100, 20_000)),
        (Medium, ReadOnly),
        "The largest `share.partition.max.record.locks` of a group.",
    ),
    broker(
        "group.share.max.record.lock.duration.ms",
        (Int, Some("60000"), Rule::Between(30_000, 3_600_000)),
        (Medium, ReadOnly),
        "The longest `share.record.lock.duration.ms` of a group.",
    ),
    broker(
        "group.share.max.session.timeout.ms",
        (Int, Some("60000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The longest `share.session.timeout.ms` of a group.",
    ),
    broker(
        "group.share.max.share.sessions",
        (Int, Some("2000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most share sessions; a member that needs one more is refused.",
    ),
    broker(
        "group.share.max.size",
        (Int, Some("200"), Rule::Between(1, 1_000)),
        (Medium, ReadOnly),
        "The most members of a share group (KIP-932).",
    ),
    broker(
        "group.share.min.delivery.count.limit",
        (Int, Some("2"), Rule::Between(2, 5)),
        (Medium, ReadOnly),
        "The smallest `share.delivery.count.limit` of a group.",
    ),
    broker(
        "group.share.min.heartbeat.interval.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `share.heartbeat.interval.ms` of a group.",
    ),
    broker(
        "group.share.min.partition.max.record.locks",
        (Int, Some("100"), Rule::Between(100, 2_000)),
        (Medium, ReadOnly),
        "The smallest `share.partition.max.record.locks` of a group.",
    ),
    broker(
        "group.share.min.record.lock.duration.ms",
        (Int, Some("15000"), Rule::Between(1_000, 30_000)),
        (Medium, ReadOnly),
        "The shortest `share.record.lock.duration.ms` of a group.",
    ),
    broker(
        "group.share.min.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The shortest `share.session.timeout.ms` of a group.",
    ),
    broker(
        "group.share.partition.max.record.locks",
        (Int, Some("2000"), Rule::Between(100, 10_000)),
        (Medium, ReadOnly),
        "How many records of a partition a share group has under way.",
    ),
    broker(
        "group.share.record.lock.duration.ms",
        (Int, Some("30000"), Rule::Between(1_000, 3_600_000)),
        (Medium, ReadOnly),
        "How long a member of a share group holds a record, unless the group says.",
    ),
    broker(
        "group.share.session.timeout.ms",
        (Int, Some("45000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How long a member of a share group may be silent, unless the group says.",
    ),
    broker(
        "listeners",
        (List, Some("PLAINTEXT://127.0.0.1:9092"), Rule::Any),
        (High, ReadOnly),
        "The address to listen on, as PLAINTEXT://host:port. Kafka's default is every \
         interface; here it is this machine alone, as there is no authentication yet.",
    ),
    broker(
        "log.cleaner.backoff.ms",
        (Long, Some("15000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "How long a cleaner thread sleeps when no log is to be compacted, in ms.",
    ),
    broker(
        "log.cleaner.dedupe.buffer.size",
        (Long, Some("134217728"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "The most memory that all cleaner threads use to find the last record of each key, in bytes. \
         24 bytes a key; taken only while a log is compacted, and only as much as its keys may need.",
    ),
    broker(
        "log.cleaner.delete.retention.ms",
        (Long, Some("86400000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `delete.retention.ms`.",
    ),
    broker(
        "log.cleaner.enable",
        (Boolean, Some("true"), Rule::Any),
        (Medium, ReadOnly),
        "Whether topics with `cleanup.policy=compact` are compacted, the broker's own among them.",
    ),
    broker(
        "log.cleaner.io.buffer.load.factor",
        (Double, Some("0.9"), Rule::Fraction(0.0, 1.0)),
        (Medium, ClusterWide),
        "How full the buffer of `log.cleaner.dedupe.buffer.size` may become.",
    ),
    broker(
        "log.cleaner.io.buffer.size",
        (Int, Some("524288"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "How much all cleaner threads read and write at a time, in bytes.",
    ),
    broker(
        "log.cleaner.io.max.bytes.per.second",
        (Double, Some("1.7976931348623157E308"), Rule::Any),
        (Medium, ClusterWide),
        "The most that all cleaner threads read and write in a second, in bytes.",
    ),
    broker(
        "log.cleaner.max.compaction.lag.ms",
        (Long, Some("9223372036854775807"), Rule::Between(1, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `max.compaction.lag.ms`.",
    ),
    broker(
        "log.cleaner.min.cleanable.ratio",
        (Double, Some("0.5"), Rule::Fraction(0.0, 1.0)),
        (Medium, ClusterWide),
        "Default of the topic setting `min.cleanable.dirty.ratio`.",
    ),
    broker(
        "log.cleaner.min.compaction.lag.ms",
        (Long, Some("0"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `min.compaction.lag.ms`.",
    ),
    broker(
        "log.cleaner.threads",
        (Int, Some("1"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "How many logs are compacted at once; at most 64.",
    ),
    broker(
        "log.cleanup.policy",
        (List, Some("delete"), Rule::OneOf(CLEANUP_POLICIES)),
        (Medium, ClusterWide),
        "Default of the topic setting `cleanup.policy`.",
    ),
    broker(
        "log.flush.interval.messages",
        (Long, Some("9223372036854775807"), Rule::Between(1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `flush.messages`.",
    ),
    broker(
        "log.flush.interval.ms",
        (Long, None, Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `flush.ms`.",
    ),
    broker(
        "log.flush.scheduler.interval.ms",
        (Long, Some("9223372036854775807"), Rule::Between(0, MAX)),
        (High, ReadOnly),
        "Default of the topic setting `flush.ms` where `log.flush.interval.ms` is not set.",
    ),
    broker(
        "log.index.interval.bytes",
        (Int, Some("4096"), Rule::Between(0, INT_MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `index.interval.bytes`.",
    ),
    broker(
        "log.index.size.max.bytes",
        (Int, Some("10485760"), Rule::Between(4, INT_MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `segment.index.bytes`.",
    ),
    broker(
        "log.local.retention.bytes",
        (Long, Some("-2"), Rule::Between(-2, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `local.retention.bytes`.",
    ),
    broker(
        "log.local.retention.ms",
        (Long, Some("-2"), Rule::Between(-2, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `local.retention.ms`.",
    ),
    broker(
        "log.message.timestamp.after.max.ms",
        (Long, Some("3600000"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.after.max.ms`.",
    ),
    broker(
        "log.message.timestamp.before.max.ms",
        (Long, Some("9223372036854775807"), Rule::Between(0, MAX)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.before.max.ms`.",
    ),
    broker(
        "log.message.timestamp.type",
        (String, Some("CreateTime"), Rule::OneOf(TIMESTAMP_TYPES)),
        (Medium, ClusterWide),
        "Default of the topic setting `message.timestamp.type`.",
    ),
    broker(
        "log.preallocate",
        (Boolean, Some("false"), Rule::Any),
        (Medium, ClusterWide),
        "Default of the topic setting `preallocate`.",
    ),
    broker(
        "log.retention.bytes",
        (Long, Some("-1"), Rule::Any),
        (High, ClusterWide),
        "Default of the topic setting `retention.bytes`.",
    ),
    broker(
        "log.retention.check.interval.ms",
        (Long, Some("300000"), Rule::Between(1, MAX)),
        (Medium, ReadOnly),
        "How often retention limits are applied.",
    ),
    broker(
        "log.retention.hours",
        (Int, Some("168"), Rule::Any),
        (High, ReadOnly),
        "Default of the topic setting `retention.ms`, in hours, where neither the minutes nor \
         the ms are set.",
    ),
    broker(
        "log.retention.minutes",
        (Int, None, Rule::Any),
        (High, ReadOnly),
        "Default of the topic setting `retention.ms`, in minutes, where the ms are not set.",
    ),
    broker(
        "log.retention.ms",
        (Long, None, Rule::Between(-1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `retention.ms`.",
    ),
    broker(
        "log.roll.hours",
        (Int, Some("168"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "Default of the topic setting `segment.ms`, in hours, where the ms are not set.",
    ),
    broker(
        "log.roll.jitter.hours",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "Default of the topic setting `segment.jitter.ms`, in hours, where the ms are not \
         set.",
    ),
    broker(
        "log.roll.jitter.ms",
        (Long, None, Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.jitter.ms`.",
    ),
    broker(
        "log.roll.ms",
        (Long, None, Rule::Between(1, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.ms`.",
    ),
    broker(
        "log.segment.bytes",
        (Int, Some("1073741824"), Rule::Between(1_048_576, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting `segment.bytes`.",
    ),
    broker(
        "log.segment.delete.delay.ms",
        (Long, Some("60000"), Rule::Between(0, MAX)),
        (High, ClusterWide),
        "Default of the topic setting `file.delete.delay.ms`.",
    ),
    broker(
        "max.connections",
        (Int, Some("2147483647"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The most connections at once.",
    ),
    broker(
        "max.connections.per.ip",
        (Int, Some("2147483647"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "The most connections at once from one address.",
    ),
    broker(
        "max.incremental.fetch.session.cache.slots",
        (Int, Some("1000"), Rule::Between(0, INT_MAX)),
        (Medium, ReadOnly),
        "How many fetch sessions are remembered.",
    ),
    broker(
        "max.request.partition.size.limit",
        (Int, Some("2000"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "The most partitions one DescribeTopicPartitions answer holds.",
    ),
    broker(
        "message.max.bytes",
        (Int, Some("1048588"), Rule::Between(0, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting `max.message.bytes`.",
    ),
    broker(
        "min.insync.replicas",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "node.id",
        (Int, Some("0"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The number of this node. It never changes for a data directory.",
    ),
    broker(
        "num.partitions",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Medium, ReadOnly),
        "How many partitions a topic gets unless its creator says.",
    ),
    broker(
        "offset.metadata.max.bytes",
        (Int, Some("4096"), Rule::Between(0, INT_MAX)),
        (High, ReadOnly),
        "The longest text that may go with a committed offset.",
    ),
    broker(
        "offsets.commit.timeout.ms",
        (Int, Some("5000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long an offset commit waits for its disk before it fails with an error that clients \
         retry.",
    ),
    broker(
        "offsets.retention.check.interval.ms",
        (Long, Some("600000"), Rule::Between(1, MAX)),
        (High, ReadOnly),
        "How often committed offsets are checked for expiry.",
    ),
    broker(
        "offsets.retention.minutes",
        (Int, Some("10080"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long the offsets of a group without members are kept.",
    ),
    broker(
        "offsets.topic.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions the topic of committed offsets gets. It cannot change once the \
         topic exists.",
    ),
    broker(
        "offsets.topic.replication.factor",
        (Short, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "How many replicas the topic of committed offsets gets; at most one for each broker \
         there is, where Kafka would wait for more brokers.",
    ),
    broker(
        "offsets.topic.segment.bytes",
        (Int, Some("104857600"), Rule::Between(1_048_576, INT_MAX)),
        (High, ReadOnly),
        "The segment size of the topic of committed offsets.",
    ),
    broker(
        "producer.id.expiration.ms",
        (Int, Some("86400000"), Rule::Between(1, INT_MAX)),
        (Low, ClusterWide),
        "How long an idle idempotent producer is remembered.",
    ),
    broker(
        "queued.max.request.bytes",
        (Long, Some("-1"), Rule::Any),
        (Medium, ReadOnly),
        "The most bytes of requests read and not yet answered; no more is read beyond it. -1 \
         is a quarter of the memory this process may use.",
    ),
    broker(
        "quota.window.num",
        (Int, Some("11"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How many windows client quotas are measured over.",
    ),
    broker(
        "quota.window.size.seconds",
        (Int, Some("1"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How long each of those windows is.",
    ),
    broker(
        "share.coordinator.cold.partition.snapshot.interval.ms",
        (Int, Some("300000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often share-partitions without a snapshot since their last changes get one.",
    ),
    broker(
        "share.coordinator.snapshot.update.records.per.snapshot",
        (Int, Some("500"), Rule::Between(0, 500)),
        (Low, ReadOnly),
        "How many changes of a share-partition are written between two snapshots of it.",
    ),
    broker(
        "share.coordinator.state.topic.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions `__share_group_state` is made with.",
    ),
    broker(
        "share.coordinator.state.topic.prune.interval.ms",
        (Int, Some("300000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often records of `__share_group_state` that nobody needs are deleted.",
    ),
    broker(
        "share.coordinator.state.topic.replication.factor",
        (Short, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "The most replicas `__share_group_state` is made with.",
    ),
    broker(
        "socket.request.max.bytes",
        (Int, Some("104857600"), Rule::Between(1, 104_857_600)),
        (High, ReadOnly),
        "The largest request that is read.",
    ),
    broker(
        "sprawl.disk.ballast.bytes",
        (Long, Some("134217728"), Rule::Between(0, MAX)),
        (Medium, ReadOnly),
        "The size of a file that is kept so that it can be given up when the disk is full; 0 \
         keeps none.",
    ),
    broker(
        "sprawl.disk.full.percent",
        (Int, Some("95"), Rule::Between(1, 100)),
        (High, ReadOnly),
        "How full the disk may be before writes are refused with an error that clients retry.",
    ),
    broker(
        "sprawl.disk.throttle.percent",
        (Int, Some("90"), Rule::Between(1, 100)),
        (Medium, ReadOnly),
        "How full the disk may be before producers are slowed down.",
    ),
    broker(
        "sprawl.flush",
        (String, Some("fsync"), Rule::OneOf(FLUSH_MODES)),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
    broker(
        "sprawl.hot.queue.bytes",
        (Long, Some("-1"), Rule::Between(-1, MAX)),
        (High, ReadOnly),
        "The most bytes of recent batches kept in memory; -1 is a quarter of the memory this \
         process may use.",
    ),
    broker(
        "sprawl.journal.bytes.max",
        (Long, Some("1073741824"), Rule::Between(134_217_728, MAX)),
        (Medium, ReadOnly),
        "The most bytes of journal; appends wait for the segments to catch up beyond it.",
    ),
    broker(
        "sprawl.journal.file.bytes",
        (
            Long,
            Some("67108864"),
            Rule::Between(8_388_608, 1_073_741_824),
        ),
        (Low, ReadOnly),
        "The size of one journal file. Files are written once and then used again.",
    ),
    broker(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        (Int, Some("10000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often transactions that are open for longer than their timeout are looked for.",
    ),
    broker(
        "transaction.max.timeout.ms",
        (Int, Some("900000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "The longest timeout a transactional producer may ask for.",
    ),
    broker(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        (Int, Some("3600000"), Rule::Between(1, INT_MAX)),
        (Low, ReadOnly),
        "How often transactional ids that nobody uses are looked for.",
    ),
    broker(
        "transaction.state.log.min.isr",
        (Int, Some("2"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many replicas of the topic of transactional ids must have a write; no more than there \
         are.",
    ),
    broker(
        "transaction.state.log.num.partitions",
        (Int, Some("50"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How many partitions the topic of transactional ids is made with.",
    ),
    broker(
        "transaction.state.log.replication.factor",
        (Int, Some("3"), Rule::Between(1, 32_767)),
        (High, ReadOnly),
        "How many replicas the topic of transactional ids gets, at most as many as there are \
         brokers.",
    ),
    broker(
        "transaction.state.log.segment.bytes",
        (Int, Some("104857600"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "The segment size of the topic of transactional ids.",
    ),
    broker(
        "transactional.id.expiration.ms",
        (Int, Some("604800000"), Rule::Between(1, INT_MAX)),
        (High, ReadOnly),
        "How long a transactional id without an open transaction is remembered.",
    ),
    broker(
        "unclean.leader.election.enable",
        (Boolean, Some("false"), Rule::Any),
        (High, ClusterWide),
        "Default of the topic setting of the same name.",
    ),
];
