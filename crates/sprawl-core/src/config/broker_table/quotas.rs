//! Broker settings: how quotas are measured.

use super::{INT_MAX, broker};
use crate::config::definition::ConfigType::Int;
use crate::config::definition::Importance::Low;
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
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
];
