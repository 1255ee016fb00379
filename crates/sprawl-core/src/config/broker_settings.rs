//! The broker's settings as values, validated once and passed down by part.

use std::time::Duration;

use sprawl_model::BrokerId;

use super::broker::check_static_broker;
use super::definition::Value;
use super::error::ConfigError;
use super::resolve::{ConfigLayers, ConfigMap, broker_value};
use super::topic::TopicConfig;
use crate::group::MigrationPolicy;
use crate::quota::QuotaWindows;

/// An address as `PLAINTEXT://host:port` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// 0 takes a free port.
    pub port: u16,
}

/// What a topic gets unless its creator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `num.partitions`
    pub partition_count: i32,
    /// `default.replication.factor`
    pub replication_factor: i16,
    /// `auto.create.topics.enable`
    pub auto_create: bool,
    /// `delete.topic.enable`
    pub delete_enabled: bool,
}

/// What a listener allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// `max.connections`
    pub count_max: usize,
    /// `max.connections.per.ip`
    pub count_per_ip_max: usize,
    /// `connections.max.idle.ms`; `None` is for ever.
    pub idle_max: Option<Duration>,
    /// `socket.request.max.bytes`
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`; `None` follows the memory there is.
    pub queued_bytes_max: Option<u64>,
    /// `fetch.max.bytes`
    pub fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`
    pub fetch_sessions_max: usize,
    /// `max.request.partition.size.limit`
    pub described_partitions_max: usize,
}

/// Limits of classic groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub size_max: usize,
    /// Consumer groups.
    pub consumer: ConsumerGroupLimits,
}

/// Limits of consumer groups (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupLimits {
    /// `group.consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `group.consumer.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.consumer.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.min.heartbeat.interval.ms`
    pub heartbeat_interval_ms_min: i32,
    /// `group.consumer.max.heartbeat.interval.ms`
    pub heartbeat_interval_ms_max: i32,
    /// `group.consumer.max.size`
    pub size_max: usize,
    /// `group.consumer.migration.policy`
    pub migration: MigrationPolicy,
}

/// What a group may set, and what it gets if it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where the group sets nothing.
    pub default: i32,
    /// The smallest value a group gets.
    pub min: i32,
    /// The largest value a group gets.
    pub max: i32,
}

/// Limits of share groups (KIP-932).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupLimits {
    /// `group.share.session.timeout.ms` and its bounds
    pub session_timeout_ms: Bound,
    /// `group.share.heartbeat.interval.ms` and its bounds
    pub heartbeat_interval_ms: Bound,
    /// `group.share.record.lock.duration.ms` and its bounds
    pub record_lock_duration_ms: Bound,
    /// `group.share.delivery.count.limit` and its bounds
    pub delivery_count_limit: Bound,
    /// `group.share.partition.max.record.locks` and its bounds
    pub record_locks_max: Bound,
    /// `group.share.max.size`
    pub size_max: usize,
    /// `group.share.max.share.sessions`
    pub sessions_max: usize,
    /// `errors.deadletterqueue.auto.create.topics.enable`
    pub dead_letter_topics_made: bool,
    /// `errors.deadletterqueue.topic.name.prefix`
    pub dead_letter_topic_prefix: String,
}

impl Default for ShareGroupLimits {
    fn default() -> Self {
        let settings = BrokerSettings::from_map(&ConfigMap::new());
        settings.expect("the defaults are valid").share_groups
    }
}

/// The share coordinator and its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCoordinatorSettings {
    /// `share.coordinator.snapshot.update.records.per.snapshot`
    pub updates_per_snapshot: u32,
    /// `share.coordinator.state.topic.prune.interval.ms`
    pub prune_interval_ms: u64,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`
    pub snapshot_interval_ms: u64,
    /// `share.coordinator.state.topic.num.partitions`
    pub topic_partition_count: i32,
    /// `share.coordinator.state.topic.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// Kafka's `share.coordinator.state.topic.segment.bytes`
    pub topic_segment_bytes: u32,
}

/// Committed offsets and their topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsSettings {
    /// `offsets.commit.timeout.ms`
    pub commit_timeout: Duration,
    /// `offset.metadata.max.bytes`
    pub metadata_size_max: usize,
    /// `offsets.retention.minutes`
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `offsets.topic.num.partitions`
    pub topic_partition_count: i32,
    /// `offsets.topic.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// `offsets.topic.segment.bytes`
    pub topic_segment_bytes: u32,
}

/// Transactions and the topic of transactional ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// `transaction.max.timeout.ms`
    pub timeout_ms_max: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiry_interval: Duration,
    /// `transaction.state.log.num.partitions`
    pub topic_partition_count: i32,
    /// `transaction.state.log.replication.factor`: the most, where fewer brokers are there.
    pub topic_replication_factor_max: i16,
    /// `transaction.state.log.min.isr`: the most, where fewer replicas are there.
    pub topic_min_isr_max: i16,
    /// `transaction.state.log.segment.bytes`
    pub topic_segment_bytes: u32,
}

/// How client quotas are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSettings {
    /// `quota.window.num`, `quota.window.size.seconds`
    pub windows: QuotaWindows,
    /// `controller.quota.window.num`, `controller.quota.window.size.seconds`
    pub mutation_windows: QuotaWindows,
}

/// The hot queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotSettings {
    /// `sprawl.hot.queue.bytes`; `None` follows the memory there is.
    pub bytes_max: Option<u64>,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// `sprawl.journal.file.bytes`
    pub file_bytes: u64,
    /// `sprawl.journal.bytes.max`
    pub bytes_max: u64,
}

/// What compaction may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    /// `log.cleaner.enable`
    pub is_enabled: bool,
    /// `log.cleaner.threads`
    pub thread_count: u32,
    /// `log.cleaner.dedupe.buffer.size`
    pub dedupe_bytes_max: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`
    pub io_bytes_per_second_max: f64,
    /// `log.cleaner.backoff.ms`
    pub backoff: Duration,
}

/// What happens as the disk fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// `sprawl.disk.throttle.percent`
    pub throttle_percent: u8,
    /// `sprawl.disk.full.percent`
    pub full_percent: u8,
    /// `sprawl.disk.ballast.bytes`
    pub ballast_bytes: u64,
}

/// The validated settings of a broker, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerSettings {
    /// `node.id`
    pub node_id: BrokerId,
    /// `broker.rack`
    pub rack: Option<String>,
    /// `listeners`
    pub listener: ListenerAddress,
    /// `advertised.listeners`; `None` is where `listener` was bound.
    pub advertised: Option<ListenerAddress>,
    /// Defaults of new topics.
    pub topics: TopicDefaults,
    /// Limits of the listener.
    pub connections: ConnectionSettings,
    /// Limits of groups.
    pub groups: GroupLimits,
    /// Limits of share groups.
    pub share_groups: ShareGroupLimits,
    /// The share coordinator.
    pub share_coordinator: ShareCoordinatorSettings,
    /// Committed offsets.
    pub offsets: OffsetsSettings,
    /// Transactions.
    pub transactions: TransactionLimits,
    /// Client quotas.
    pub quotas: QuotaSettings,
    /// The hot queue.
    pub hot: HotSettings,
    /// The journal.
    pub journal: JournalSettings,
    /// The disk.
    pub disk: DiskSettings,
    /// Compaction.
    pub cleaner: CleanerSettings,
    /// `log.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// What topics get that set nothing of their own.
    pub topic_config: TopicConfig,
    /// The settings as they were given, for `DescribeConfigs`.
    pub statics: ConfigMap,
}

impl BrokerSettings {
    /// Validates the settings given at start and fills in the rest.
    pub fn from_map(statics: &ConfigMap) -> Result<Self, ConfigError> {
        check_static_broker(statics)?;
        let none = ConfigMap::new();
        Self::resolve(&ConfigLayers {
            statics: &with_both_ids(statics),
            ..ConfigLayers::empty(&none)
        })
    }

    /// Validates the settings in effect: those given at start and those set at run time over them.
    pub fn resolve(layers: &ConfigLayers<'_>) -> Result<Self, ConfigError> {
        let values = Values { layers };
        let settings = Self {
            node_id: BrokerId(values.int("node.id")?),
            rack: values.text("broker.rack")?,
            listener: values
                .listener("listeners")?
                .expect("listeners has a default"),
            advertised: values.listener("advertised.listeners")?,
            topics: values.topics()?,
            connections: values.connections()?,
            groups: values.groups()?,
            share_groups: values.share_groups()?,
            share_coordinator: values.share_coordinator()?,
            offsets: values.offsets()?,
            transactions: values.transactions()?,
            quotas: QuotaSettings {
                windows: values.windows("quota.window.num", "quota.window.size.seconds")?,
                mutation_windows: values.windows(
                    "controller.quota.window.num",
                    "controller.quota.window.size.seconds",
                )?,
            },
            hot: HotSettings {
                bytes_max: values.natural("sprawl.hot.queue.bytes")?,
            },
            journal: JournalSettings {
                file_bytes: values.unsigned("sprawl.journal.file.bytes")?,
                bytes_max: values.unsigned("sprawl.journal.bytes.max")?,
            },
            disk: DiskSettings {
                throttle_percent: values.unsigned("sprawl.disk.throttle.percent")?,
                full_percent: values.unsigned("sprawl.disk.full.percent")?,
                ballast_bytes: values.unsigned("sprawl.disk.ballast.bytes")?,
            },
            cleaner: values.cleaner()?,
            retention_check_interval: values.ms("log.retention.check.interval.ms")?,
            producer_id_expiration_ms: values.integer("producer.id.expiration.ms")?,
            topic_config: TopicConfig::resolve(&ConfigMap::new(), layers)?,
            statics: layers.statics.clone(),
        };
        values.check_contradictions()?;
        Ok(settings)
    }
}

/// Gives `broker.id` the value of `node.id`, or the other way round, as Kafka does.
fn with_both_ids(statics: &ConfigMap) -> ConfigMap {
    let mut both = statics.clone();
    for (set, other) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let Some(value) = statics.get(set).cloned() {
            both.entry(other.to_owned()).or_insert(value);
        }
    }
    both
}

/// The segment size of `__share_group_state`, in bytes.
const SHARE_STATE_SEGMENT_BYTES: u32 = 100 * 1024 * 1024;

/// What share groups may set: smallest, default and largest value.
const SHARE_BOUNDS: [[&str; 3]; 5] = [
    [
        "group.share.min.session.timeout.ms",
        "group.share.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ],
    [
        "group.share.min.heartbeat.interval.ms",
        "group.share.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ],
    [
        "group.share.min.record.lock.duration.ms",
        "group.share.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ],
    [
        "group.share.min.delivery.count.limit",
        "group.share.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ],
    [
        "group.share.min.partition.max.record.locks",
        "group.share.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ],
];

struct Values<'a> {
    layers: &'a ConfigLayers<'a>,
}

impl Values<'_> {
    fn topics(&self) -> Result<TopicDefaults, ConfigError> {
        Ok(TopicDefaults {
            partition_count: self.int("num.partitions")?,
            replication_factor: i16::try_from(self.int("default.replication.factor")?)
                .unwrap_or(i16::MAX),
            auto_create: self.boolean("auto.create.topics.enable")?,
            delete_enabled: self.boolean("delete.topic.enable")?,
        })
    }

    fn connections(&self) -> Result<ConnectionSettings, ConfigError> {
        Ok(ConnectionSettings {
            count_max: self.unsigned("max.connections")?,
            count_per_ip_max: self.unsigned("max.connections.per.ip")?,
            idle_max: self
                .natural("connections.max.idle.ms")?
                .map(Duration::from_millis),
            request_bytes_max: self.unsigned("socket.request.max.bytes")?,
            queued_bytes_max: self
                .natural("queued.max.request.bytes")?
                .filter(|max| *max > 0),
            fetch_bytes_max: self.unsigned("fetch.max.bytes")?,
            fetch_sessions_max: self.unsigned("max.incremental.fetch.session.cache.slots")?,
            described_partitions_max: self.unsigned("max.request.partition.size.limit")?,
        })
    }

    fn groups(&self) -> Result<GroupLimits, ConfigError> {
        Ok(GroupLimits {
            session_timeout_ms_min: self.int("group.min.session.timeout.ms")?,
            session_timeout_ms_max: self.int("group.max.session.timeout.ms")?,
            initial_rebalance_delay_ms: self.int("group.initial.rebalance.delay.ms")?,
            size_max: self.unsigned("group.max.size")?,
            consumer: self.consumer_groups()?,
        })
    }

    fn consumer_groups(&self) -> Result<ConsumerGroupLimits, ConfigError> {
        let policy = match self.value("group.consumer.migration.policy")? {
            Some(Value::Text(policy)) => policy,
            _ => unreachable!("the policy is a word with a default"),
        };
        Ok(ConsumerGroupLimits {
            session_timeout_ms: self.int("group.consumer.session.timeout.ms")?,
            session_timeout_ms_min: self.int("group.consumer.min.session.timeout.ms")?,
            session_timeout_ms_max: self.int("group.consumer.max.session.timeout.ms")?,
            heartbeat_interval_ms: self.int("group.consumer.heartbeat.interval.ms")?,
            heartbeat_interval_ms_min: self.int("group.consumer.min.heartbeat.interval.ms")?,
            heartbeat_interval_ms_max: self.int("group.consumer.max.heartbeat.interval.ms")?,
            size_max: self.unsigned("group.consumer.max.size")?,
            migration: match policy.as_str() {
                "upgrade" => MigrationPolicy::Upgrade,
                "downgrade" => MigrationPolicy::Downgrade,
                "disabled" => MigrationPolicy::Disabled,
                _ => MigrationPolicy::Bidirectional,
            },
        })
    }

    fn transactions(&self) -> Result<TransactionLimits, ConfigError> {
        let min_isr = self.int("transaction.state.log.min.isr")?;
        Ok(TransactionLimits {
            timeout_ms_max: self.int("transaction.max.timeout.ms")?,
            id_expiration_ms: self.int("transactional.id.expiration.ms")?,
            abort_interval: self
                .ms("transaction.abort.timed.out.transaction.cleanup.interval.ms")?,
            expiry_interval: self
                .ms("transaction.remove.expired.transaction.cleanup.interval.ms")?,
            topic_partition_count: self.int("transaction.state.log.num.partitions")?,
            topic_replication_factor_max: self
                .unsigned("transaction.state.log.replication.factor")?,
            topic_min_isr_max: i16::try_from(min_isr).unwrap_or(i16::MAX),
            topic_segment_bytes: self.unsigned("transaction.state.log.segment.bytes")?,
        })
    }

    fn share_groups(&self) -> Result<ShareGroupLimits, ConfigError> {
        let [session, heartbeat, lock, count, locks] = SHARE_BOUNDS;
        let made = "errors.deadletterqueue.auto.create.topics.enable";
        Ok(ShareGroupLimits {
            session_timeout_ms: self.bound(session)?,
            heartbeat_interval_ms: self.bound(heartbeat)?,
            record_lock_duration_ms: self.bound(lock)?,
            delivery_count_limit: self.bound(count)?,
            record_locks_max: self.bound(locks)?,
            size_max: self.unsigned("group.share.max.size")?,
            sessions_max: self.unsigned("group.share.max.share.sessions")?,
            dead_letter_topics_made: self.boolean(made)?,
            dead_letter_topic_prefix: self
                .text("errors.deadletterqueue.topic.name.prefix")?
                .unwrap_or_default(),
        })
    }

    fn bound(&self, [min, default, max]: [&'static str; 3]) -> Result<Bound, ConfigError> {
        Ok(Bound {
            default: self.int(default)?,
            min: self.int(min)?,
            max: self.int(max)?,
        })
    }

    fn share_coordinator(&self) -> Result<ShareCoordinatorSettings, ConfigError> {
        let factor = "share.coordinator.state.topic.replication.factor";
        Ok(ShareCoordinatorSettings {
            updates_per_snapshot: self
                .unsigned("share.coordinator.snapshot.update.records.per.snapshot")?,
            prune_interval_ms: self.unsigned("share.coordinator.state.topic.prune.interval.ms")?,
            snapshot_interval_ms: self
                .unsigned("share.coordinator.cold.partition.snapshot.interval.ms")?,
            topic_partition_count: self.int("share.coordinator.state.topic.num.partitions")?,
            topic_replication_factor_max: self.unsigned(factor)?,
            topic_segment_bytes: SHARE_STATE_SEGMENT_BYTES,
        })
    }

    fn offsets(&self) -> Result<OffsetsSettings, ConfigError> {
        let minutes: u64 = self.unsigned("offsets.retention.minutes")?;
        Ok(OffsetsSettings {
            commit_timeout: self.ms("offsets.commit.timeout.ms")?,
            metadata_size_max: self.unsigned("offset.metadata.max.bytes")?,
            retention: Duration::from_secs(minutes.saturating_mul(60)),
            retention_check_interval: self.ms("offsets.retention.check.interval.ms")?,
            topic_partition_count: self.int("offsets.topic.num.partitions")?,
            topic_replication_factor_max: self.unsigned("offsets.topic.replication.factor")?,
            topic_segment_bytes: self.unsigned("offsets.topic.segment.bytes")?,
        })
    }

    fn cleaner(&self) -> Result<CleanerSettings, ConfigError> {
        Ok(CleanerSettings {
            is_enabled: self.boolean("log.cleaner.enable")?,
            thread_count: self.unsigned("log.cleaner.threads")?,
            dedupe_bytes_max: self.unsigned("log.cleaner.dedupe.buffer.size")?,
            load_factor: self.double("log.cleaner.io.buffer.load.factor")?,
            io_buffer_bytes: self.unsigned("log.cleaner.io.buffer.size")?,
            io_bytes_per_second_max: self.double("log.cleaner.io.max.bytes.per.second")?,
            backoff: self.ms("log.cleaner.backoff.ms")?,
        })
    }

    fn windows(
        &self,
        count: &'static str,
        size: &'static str,
    ) -> Result<QuotaWindows, ConfigError> {
        let seconds: u64 = self.unsigned(size)?;
        Ok(QuotaWindows {
            count: self.unsigned(count)?,
            window_ms: seconds.saturating_mul(1000),
        })
    }

    fn value(&self, name: &'static str) -> Result<Option<Value>, ConfigError> {
        broker_value(name, self.layers)
    }

    fn integer(&self, name: &'static str) -> Result<i64, ConfigError> {
        match self.value(name)? {
            Some(Value::Integer(value)) => Ok(value),
            _ => unreachable!("{name} is a number with a default"),
        }
    }

    fn int(&self, name: &'static str) -> Result<i32, ConfigError> {
        Ok(i32::try_from(self.integer(name)?).expect("the table bounds it to 32 bits"))
    }

    /// For settings whose rule admits no value outside `T`.
    fn unsigned<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let value = self.integer(name)?;
        Ok(T::try_from(value).unwrap_or_else(|_| unreachable!("the table bounds {name}")))
    }

    /// For settings that say "none" with a negative number.
    fn natural<T: TryFrom<i64>>(&self, name: &'static str) -> Result<Option<T>, ConfigError> {
        Ok(T::try_from(self.integer(name)?).ok())
    }

    fn ms(&self, name: &'static str) -> Result<Duration, ConfigError> {
        Ok(Duration::from_millis(self.unsigned(name)?))
    }

    fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.value(name)? {
            Some(Value::Boolean(value)) => Ok(value),
            _ => unreachable!("{name} is a boolean with a default"),
        }
    }

    fn double(&self, name: &'static str) -> Result<f64, ConfigError> {
        match self.value(name)? {
            Some(Value::Double(value)) => Ok(value),
            _ => unreachable!("{name} is a double with a default"),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(_) => unreachable!("{name} is a string"),
        }
    }

    fn listener(&self, name: &'static str) -> Result<Option<ListenerAddress>, ConfigError> {
        let Some(Value::List(items)) = self.value(name)? else {
            return Ok(None);
        };
        let parsed = match items.as_slice() {
            [one] => parse_listener(one),
            _ => None,
        };
        parsed.map(Some).ok_or_else(|| ConfigError::Invalid {
            name: name.to_owned(),
            value: items.join(","),
            expected: "one address as PLAINTEXT://host:port".to_owned(),
        })
    }

    /// Settings that are fine alone and not together.
    fn check_contradictions(&self) -> Result<(), ConfigError> {
        for [min, default, max] in SHARE_BOUNDS {
            for (name, other) in [(min, default), (default, max)] {
                let (lower, upper) = (self.integer(name)?, self.integer(other)?);
                let expected = "the first at or below the second";
                self.expect_at_most((name, lower), (other, upper), expected)?;
            }
        }
        let lower = "the first at or below the second";
        for (name, other) in [
            (
                "group.min.session.timeout.ms",
                "group.max.session.timeout.ms",
            ),
            (
                "group.consumer.min.session.timeout.ms",
                "group.consumer.session.timeout.ms",
            ),
            (
                "group.consumer.session.timeout.ms",
                "group.consumer.max.session.timeout.ms",
            ),
            (
                "group.consumer.min.heartbeat.interval.ms",
                "group.consumer.heartbeat.interval.ms",
            ),
            (
                "group.consumer.heartbeat.interval.ms",
                "group.consumer.max.heartbeat.interval.ms",
            ),
            ("message.max.bytes", "socket.request.max.bytes"),
            ("sprawl.disk.throttle.percent", "sprawl.disk.full.percent"),
        ] {
            self.expect_at_most(
                (name, self.integer(name)?),
                (other, self.integer(other)?),
                lower,
            )?;
        }
        let (node, broker) = ("node.id", "broker.id");
        if self.integer(node)? != self.integer(broker)? {
            let same = "the same number for both, or one of them alone";
            let ids = (node, self.integer(node)?);
            return Err(contradiction(ids, (broker, self.integer(broker)?), same));
        }
        let (queued, request) = ("queued.max.request.bytes", "socket.request.max.bytes");
        let queued_bytes = self.integer(queued)?;
        if queued_bytes > 0 {
            let room = "room for the largest request";
            self.expect_at_most(
                (request, self.integer(request)?),
                (queued, queued_bytes),
                room,
            )?;
        }
        // The journal is recycled file by file: one is written, one is synced, two wait for the
        // segments to catch up.
        let (file, all) = ("sprawl.journal.file.bytes", "sprawl.journal.bytes.max");
        let four_files = self.integer(file)?.saturating_mul(4);
        let room = "room for at least four journal files";
        if four_files > self.integer(all)? {
            let limits = (file, self.integer(file)?);
            return Err(contradiction(limits, (all, self.integer(all)?), room));
        }
        Ok(())
    }

    fn expect_at_most(
        &self,
        lower: (&'static str, i64),
        upper: (&'static str, i64),
        expected: &'static str,
    ) -> Result<(), ConfigError> {
        if lower.1 <= upper.1 {
            Ok(())
        } else {
            Err(contradiction(lower, upper, expected))
        }
    }
}

fn contradiction(
    (name, value): (&'static str, i64),
    (other, other_value): (&'static str, i64),
    expected: &'static str,
) -> ConfigError {
    let (value, other_value) = (value.to_string(), other_value.to_string());
    ConfigError::Contradiction {
        name,
        value,
        other,
        other_value,
        expected,
    }
}

fn parse_listener(text: &str) -> Option<ListenerAddress> {
    let address = text.strip_prefix("PLAINTEXT://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some(ListenerAddress {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}
