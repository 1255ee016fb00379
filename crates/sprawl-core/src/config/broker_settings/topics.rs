//! What topics get unless their creator says.

use super::values::Values;
use crate::config::error::ConfigError;

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

impl TopicDefaults {
    pub(super) fn resolve(values: &Values<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            partition_count: values.int("num.partitions")?,
            replication_factor: i16::try_from(values.int("default.replication.factor")?)
                .unwrap_or(i16::MAX),
            auto_create: values.boolean("auto.create.topics.enable")?,
            delete_enabled: values.boolean("delete.topic.enable")?,
        })
    }
}
