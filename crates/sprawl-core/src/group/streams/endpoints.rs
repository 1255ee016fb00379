//! Which partitions does each endpoint have, for those who query state from outside?
//!
//! Source: Kafka's `EndpointToPartitionsManager`, but for one thing: a topic is named with
//! partitions that it has.

use std::collections::BTreeSet;

use sprawl_model::TenantId;

use super::group::StreamsGroup;
use super::request::EndpointPartitions;
use super::tasks::{TaskIds, without_epochs};
use crate::metadata::MetadataImage;

impl StreamsGroup {
    /// What the endpoints of all members have.
    pub(super) fn endpoints(&self, image: &MetadataImage) -> Vec<EndpointPartitions> {
        let members = self.members.values();
        members
            .filter_map(|member| {
                let endpoint = member.metadata.user_endpoint.clone()?;
                let assigned = &member.current.assigned;
                Some(EndpointPartitions {
                    endpoint,
                    active: self.partitions_of(&without_epochs(&assigned.active), image),
                    standby: self.partitions_of(&assigned.standby, image),
                })
            })
            .collect()
    }

    fn partitions_of(
        &self,
        tasks: &TaskIds,
        image: &MetadataImage,
    ) -> Vec<(String, BTreeSet<i32>)> {
        let configured = self.configured.as_ref();
        let Some(subtopologies) = configured.and_then(|one| one.subtopologies.as_ref()) else {
            return Vec::new();
        };
        let mut partitions = Vec::new();
        for (id, numbers) in tasks {
            let Some(subtopology) = subtopologies.get(id) else {
                continue;
            };
            for name in subtopology.read_topics() {
                let topic = image.topic(TenantId::DEFAULT, name);
                let count = topic.map_or(0, |topic| topic.partition_count());
                let there: BTreeSet<i32> = numbers.range(..count).copied().collect();
                if !there.is_empty() {
                    partitions.push((name.clone(), there));
                }
            }
        }
        partitions
    }
}
