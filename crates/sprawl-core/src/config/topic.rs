//! A topic's settings as values: what the partition leader and the log look at.

use super::definition::{Definition, Value};
use super::error::{ConfigError, nearest};
use super::resolve::{ConfigLayers, ConfigMap, broker_value};
use super::topic_table::{topic_definition, topic_definitions};

/// What happens to old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Nothing.
    Keep,
    /// Old segments are deleted.
    Delete,
    /// The last record of each key stays.
    Compact,
    /// Both.
    CompactDelete,
}

impl CleanupPolicy {
    /// Returns whether retention limits apply.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::CompactDelete)
    }

    /// Returns whether records need keys.
    pub fn compacts(self) -> bool {
        matches!(self, Self::Compact | Self::CompactDelete)
    }
}

/// How batches are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionSetting {
    /// As the producer sent them.
    Producer,
    /// Plain.
    Uncompressed,
    /// gzip at a level; -1 is its default.
    Gzip(i32),
    /// snappy.
    Snappy,
    /// lz4 at a level.
    Lz4(i32),
    /// zstd at a level.
    Zstd(i32),
}

/// Whose time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageTime {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushSetting {
    /// After a journal write and a sync.
    Fsync,
    /// After a journal write.
    Async,
    /// At once.
    Memory,
}

/// The validated settings of one topic, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy`
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with the level that belongs to it.
    pub compression: CompressionSetting,
    /// `max.message.bytes`
    pub message_bytes_max: u32,
    /// `message.timestamp.type`
    pub timestamp_type: MessageTime,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_ms_max: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_ms_max: i64,
    /// `retention.ms`; `None` is no limit.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` is no limit.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `min.insync.replicas`
    pub min_insync_replicas: u32,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`
    pub compaction_lag_ms_min: i64,
    /// `max.compaction.lag.ms`
    pub compaction_lag_ms_max: i64,
    /// `min.cleanable.dirty.ratio`
    pub cleanable_dirty_ratio_min: f64,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election: bool,
    /// `errors.deadletterqueue.group.enable`
    pub dead_letters_enabled: bool,
    /// `sprawl.delayed.delivery.max.ms`; `None` where `sprawl.delayed.delivery` is off.
    pub delivery_delay_ms_max: Option<i64>,
    /// `sprawl.flush`
    pub flush: FlushSetting,
}

impl TopicConfig {
    /// Validates a topic's own settings over the broker's and fills in the rest.
    pub fn resolve(overrides: &ConfigMap, layers: &ConfigLayers<'_>) -> Result<Self, ConfigError> {
        check_names(overrides)?;
        for definition in topic_definitions() {
            if let Some(raw) = overrides.get(definition.name) {
                definition.parse(raw)?;
            }
        }
        let values = Values { overrides, layers };
        let config = Self {
            cleanup_policy: values.cleanup_policy()?,
            compression: values.compression()?,
            message_bytes_max: values.unsigned("max.message.bytes")?,
            timestamp_type: values.timestamp_type()?,
            timestamp_before_ms_max: values.integer("message.timestamp.before.max.ms")?,
            timestamp_after_ms_max: values.integer("message.timestamp.after.max.ms")?,
            retention_ms: Some(values.integer("retention.ms")?).filter(|ms| *ms >= 0),
            retention_bytes: u64::try_from(values.integer("retention.bytes")?).ok(),
            segment_bytes: values.unsigned("segment.bytes")?,
            segment_ms: values.integer("segment.ms")?,
            segment_jitter_ms: values.integer("segment.jitter.ms")?,
            index_interval_bytes: values.unsigned("index.interval.bytes")?,
            file_delete_delay_ms: values.integer("file.delete.delay.ms")?,
            min_insync_replicas: values.unsigned("min.insync.replicas")?,
            delete_retention_ms: values.integer("delete.retention.ms")?,
            compaction_lag_ms_min: values.integer("min.compaction.lag.ms")?,
            compaction_lag_ms_max: values.integer("max.compaction.lag.ms")?,
            cleanable_dirty_ratio_min: values.double("min.cleanable.dirty.ratio")?,
            unclean_leader_election: values.boolean("unclean.leader.election.enable")?,
            dead_letters_enabled: values.boolean("errors.deadletterqueue.group.enable")?,
            delivery_delay_ms_max: values.delivery_delay_ms_max()?,
            flush: values.flush()?,
        };
        values.check_remote_storage()?;
        config.check_compaction_lag()?;
        config.check_delayed_delivery()?;
        Ok(config)
    }

    /// Returns the settings of a topic that sets nothing on a broker that sets nothing.
    pub fn defaults() -> Self {
        let empty = ConfigMap::new();
        Self::resolve(&empty, &ConfigLayers::empty(&empty)).expect("the tables' defaults are valid")
    }

    fn check_compaction_lag(&self) -> Result<(), ConfigError> {
        if self.compaction_lag_ms_min <= self.compaction_lag_ms_max {
            return Ok(());
        }
        Err(ConfigError::Contradiction {
            name: "min.compaction.lag.ms",
            value: self.compaction_lag_ms_min.to_string(),
            other: "max.compaction.lag.ms",
            other_value: self.compaction_lag_ms_max.to_string(),
            expected: "the minimum at or below the maximum",
        })
    }

    /// Compaction would take a waiting record for a superseded one, or the other way round.
    fn check_delayed_delivery(&self) -> Result<(), ConfigError> {
        if self.delivery_delay_ms_max.is_none() || !self.cleanup_policy.compacts() {
            return Ok(());
        }
        Err(ConfigError::Contradiction {
            name: "sprawl.delayed.delivery",
            value: "true".to_owned(),
            other: "cleanup.policy",
            other_value: "compact".to_owned(),
            expected: "one of the two: a delayed topic is not compacted",
        })
    }
}

fn check_names(overrides: &ConfigMap) -> Result<(), ConfigError> {
    match overrides
        .keys()
        .find(|name| topic_definition(name).is_none())
    {
        None => Ok(()),
        Some(name) => {
            let names = topic_definitions().iter().map(|definition| definition.name);
            Err(ConfigError::Unknown {
                name: name.clone(),
                nearest: nearest(name, names),
            })
        }
    }
}

/// Returns a topic setting's value: the topic's own, else the broker's, else the default.
pub(super) fn topic_value(
    definition: &Definition,
    overrides: &ConfigMap,
    layers: &ConfigLayers<'_>,
) -> Result<Value, ConfigError> {
    if let Some(raw) = overrides.get(definition.name) {
        return definition.parse(raw);
    }
    for synonym in definition.synonyms {
        if let Some(value) = broker_value(synonym, layers)? {
            return Ok(in_topic_unit(synonym, value));
        }
    }
    definition.parse(
        definition
            .default
            .expect("every topic setting has a default"),
    )
}

/// Broker settings in minutes or hours become ms; any negative time means "no limit".
fn in_topic_unit(synonym: &str, value: Value) -> Value {
    let Value::Integer(number) = value else {
        return value;
    };
    let factor: i64 = match synonym {
        "log.retention.minutes" => 60_000,
        "log.retention.hours" | "log.roll.hours" | "log.roll.jitter.hours" => 3_600_000,
        _ => 1,
    };
    let negative_is_none = synonym.starts_with("log.retention.") && number < 0;
    Value::Integer(if negative_is_none {
        -1
    } else {
        number.saturating_mul(factor)
    })
}

struct Values<'a> {
    overrides: &'a ConfigMap,
    layers: &'a ConfigLayers<'a>,
}

impl Values<'_> {
    fn value(&self, name: &'static str) -> Result<Value, ConfigError> {
        let definition = topic_definition(name).expect("named after the table");
        topic_value(definition, self.overrides, self.layers)
    }

    fn integer(&self, name: &'static str) -> Result<i64, ConfigError> {
        let Value::Integer(value) = self.value(name)? else {
            unreachable!("{name} is a number")
        };
        Ok(value)
    }

    fn unsigned(&self, name: &'static str) -> Result<u32, ConfigError> {
        let value = self.integer(name)?;
        Ok(u32::try_from(value).expect("the table bounds it to 31 bits"))
    }

    fn double(&self, name: &'static str) -> Result<f64, ConfigError> {
        let Value::Double(value) = self.value(name)? else {
            unreachable!("{name} is a double")
        };
        Ok(value)
    }

    fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        let Value::Boolean(value) = self.value(name)? else {
            unreachable!("{name} is a boolean")
        };
        Ok(value)
    }

    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        let Value::Text(value) = self.value(name)? else {
            unreachable!("{name} is a string")
        };
        Ok(value)
    }

    fn level(&self, name: &'static str) -> Result<i32, ConfigError> {
        let level = self.integer(name)?;
        Ok(i32::try_from(level).expect("levels are ints"))
    }

    fn cleanup_policy(&self) -> Result<CleanupPolicy, ConfigError> {
        let Value::List(words) = self.value("cleanup.policy")? else {
            unreachable!("cleanup.policy is a list")
        };
        let has = |word: &str| words.iter().any(|item| item == word);
        Ok(match (has("compact"), has("delete")) {
            (false, false) => CleanupPolicy::Keep,
            (false, true) => CleanupPolicy::Delete,
            (true, false) => CleanupPolicy::Compact,
            (true, true) => CleanupPolicy::CompactDelete,
        })
    }

    fn compression(&self) -> Result<CompressionSetting, ConfigError> {
        Ok(match self.text("compression.type")?.as_str() {
            "producer" => CompressionSetting::Producer,
            "uncompressed" => CompressionSetting::Uncompressed,
            "gzip" => CompressionSetting::Gzip(self.level("compression.gzip.level")?),
            "snappy" => CompressionSetting::Snappy,
            "lz4" => CompressionSetting::Lz4(self.level("compression.lz4.level")?),
            "zstd" => CompressionSetting::Zstd(self.level("compression.zstd.level")?),
            other => unreachable!("the table does not admit {other}"),
        })
    }

    fn timestamp_type(&self) -> Result<MessageTime, ConfigError> {
        Ok(match self.text("message.timestamp.type")?.as_str() {
            "CreateTime" => MessageTime::CreateTime,
            "LogAppendTime" => MessageTime::LogAppendTime,
            other => unreachable!("the table does not admit {other}"),
        })
    }

    fn delivery_delay_ms_max(&self) -> Result<Option<i64>, ConfigError> {
        let is_on = self.boolean("sprawl.delayed.delivery")?;
        let delay_ms_max = self.integer("sprawl.delayed.delivery.max.ms")?;
        Ok(is_on.then_some(delay_ms_max))
    }

    fn flush(&self) -> Result<FlushSetting, ConfigError> {
        Ok(match self.text("sprawl.flush")?.as_str() {
            "fsync" => FlushSetting::Fsync,
            "async" => FlushSetting::Async,
            "memory" => FlushSetting::Memory,
            other => unreachable!("the table does not admit {other}"),
        })
    }

    fn check_remote_storage(&self) -> Result<(), ConfigError> {
        if self.boolean("remote.storage.enable")? {
            return Err(ConfigError::Invalid {
                name: "remote.storage.enable".to_owned(),
                value: "true".to_owned(),
                expected: "false, as this broker has no object store".to_owned(),
            });
        }
        Ok(())
    }
}
