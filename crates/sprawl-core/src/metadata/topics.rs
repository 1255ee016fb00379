//! Topics: creation, deletion, more partitions. Each rule has a `plan_` form that changes nothing,
//! for `validate_only` requests.

use std::collections::BTreeMap;

use sprawl_model::{BrokerId, LeaderEpoch, PartitionId, TopicId};

use super::command::{MetadataReply, NewPartitions, NewTopic, Placement, TopicRef};
use super::configs::check_topic_configs;
use super::error::MetadataError;
use super::image::{MetadataImage, Partition, Topic};
use super::names::{can_collide, check_topic_name, names_collide};

/// The most partitions one request may make, as in Kafka.
pub const PARTITIONS_PER_COMMAND_MAX: usize = 10_000;

pub(super) fn create(
    image: &mut MetadataImage,
    new: &NewTopic,
) -> Result<MetadataReply, MetadataError> {
    let topic = plan_create_topic(image, new)?;
    image.put_topic(topic);
    Ok(MetadataReply::Done)
}

pub(super) fn delete(
    image: &mut MetadataImage,
    topic_id: TopicId,
) -> Result<MetadataReply, MetadataError> {
    plan_delete_topic(image, topic_id)?;
    image.remove_topic(topic_id);
    Ok(MetadataReply::Done)
}

pub(super) fn create_partitions(
    image: &mut MetadataImage,
    new: &NewPartitions,
) -> Result<MetadataReply, MetadataError> {
    let topic = plan_create_partitions(image, new)?;
    image.put_topic(topic);
    Ok(MetadataReply::Done)
}

/// Returns the topic that `new` would make.
pub fn plan_create_topic(image: &MetadataImage, new: &NewTopic) -> Result<Topic, MetadataError> {
    let TopicRef { tenant, name } = &new.topic;
    check_new_name(image, &new.topic)?;
    if new.topic_id == TopicId::NONE || image.topic_by_id(new.topic_id).is_some() {
        return Err(MetadataError::TopicIdTaken {
            topic_id: new.topic_id,
        });
    }
    check_topic_configs(image, &new.configs)?;
    let assignments = match &new.placement {
        Placement::Spread {
            partition_count,
            replication_factor,
        } => spread(
            image,
            new.topic_id,
            (0, *partition_count),
            *replication_factor,
        )?,
        Placement::Manual(assignments) => manual(image, assignments)?,
    };
    Ok(Topic {
        tenant: *tenant,
        id: new.topic_id,
        name: name.clone(),
        configs: new.configs.clone(),
        partitions: assignments.into_iter().map(new_partition).collect(),
    })
}

/// Checks that a topic can be deleted.
pub fn plan_delete_topic(image: &MetadataImage, topic_id: TopicId) -> Result<(), MetadataError> {
    match image.topic_by_id(topic_id) {
        Some(_) => Ok(()),
        None => Err(MetadataError::UnknownTopicId { topic_id }),
    }
}

/// Returns the topic with the partitions that `new` would add.
pub fn plan_create_partitions(
    image: &MetadataImage,
    new: &NewPartitions,
) -> Result<Topic, MetadataError> {
    let TopicRef { tenant, name } = &new.topic;
    let topic = image
        .topic(*tenant, name)
        .ok_or_else(|| MetadataError::UnknownTopic { name: name.clone() })?;
    let current = topic.partition_count();
    if new.count <= current {
        let reason = format!(
            "expected more than the {current} there are, found {}",
            new.count
        );
        return Err(MetadataError::InvalidPartitions { reason });
    }
    let first = topic
        .partitions
        .first()
        .expect("every topic has a partition");
    let replica_count = first.replicas.len();
    let added = match &new.assignments {
        Some(assignments) => {
            check_assignment_count(assignments.len(), new.count - current)?;
            for replicas in assignments {
                check_replicas(image, replicas, Some(replica_count))?;
            }
            assignments.clone()
        }
        None => {
            let factor = i16::try_from(replica_count).expect("replication factors are 16 bits");
            spread(image, topic.id, (current, new.count - current), factor)?
        }
    };
    let mut grown = Topic::clone(topic);
    grown
        .partitions
        .extend(added.into_iter().map(new_partition));
    Ok(grown)
}

fn check_new_name(image: &MetadataImage, topic: &TopicRef) -> Result<(), MetadataError> {
    let name = &topic.name;
    let invalid = |reason| MetadataError::InvalidTopicName {
        name: name.clone(),
        reason,
    };
    check_topic_name(name).map_err(invalid)?;
    if image.topic(topic.tenant, name).is_some() {
        return Err(MetadataError::TopicExists { name: name.clone() });
    }
    if can_collide(name) {
        let mut topics = image.topics(topic.tenant);
        if let Some(other) = topics.find(|other| names_collide(&other.name, name)) {
            let other = &other.name;
            let reason = format!("expected no other topic that reads the same, found {other}");
            return Err(invalid(reason));
        }
    }
    Ok(())
}

/// Spreads partitions over the brokers: consecutive partitions begin at consecutive brokers, and
/// the topic's id says where the first begins.
fn spread(
    image: &MetadataImage,
    topic_id: TopicId,
    (first, count): (i32, i32),
    replication_factor: i16,
) -> Result<Vec<Vec<BrokerId>>, MetadataError> {
    let brokers: Vec<BrokerId> = image.brokers().map(|broker| broker.id).collect();
    let replica_count = match usize::try_from(replication_factor) {
        Ok(factor) if (1..=brokers.len()).contains(&factor) => factor,
        _ => {
            let (found, max) = (replication_factor, brokers.len());
            let reason = format!("expected 1 to the number of brokers, {max}, found {found}");
            return Err(MetadataError::InvalidReplicationFactor { reason });
        }
    };
    let wanted = usize::try_from(count).unwrap_or(0);
    if wanted == 0 {
        let reason = format!("expected 1 or more, found {count}");
        return Err(MetadataError::InvalidPartitions { reason });
    }
    check_partition_limit(wanted)?;
    let start = topic_id.0.as_u128() % brokers.len() as u128;
    let start = usize::try_from(start).expect("a remainder of a length fits it")
        + usize::try_from(first).expect("partition numbers are not negative");
    let replicas_of = |index: usize| {
        (0..replica_count)
            .map(|at| brokers[(start + index + at) % brokers.len()])
            .collect()
    };
    Ok((0..wanted).map(replicas_of).collect())
}

fn manual(
    image: &MetadataImage,
    assignments: &[(PartitionId, Vec<BrokerId>)],
) -> Result<Vec<Vec<BrokerId>>, MetadataError> {
    check_partition_limit(assignments.len())?;
    let mut by_partition = BTreeMap::new();
    let mut replica_count = None;
    for (partition, replicas) in assignments {
        if by_partition.insert(*partition, replicas.clone()).is_some() {
            return Err(bad_assignment(format!(
                "expected partition {partition} once, found twice"
            )));
        }
        check_replicas(image, replicas, replica_count)?;
        replica_count = Some(replicas.len());
    }
    for (expected, found) in (0..).map(PartitionId).zip(by_partition.keys()) {
        if expected != *found {
            let reason = format!("expected partitions counted from 0, found no {expected}");
            return Err(bad_assignment(reason));
        }
    }
    if by_partition.is_empty() {
        let reason = "expected 1 or more, found 0".to_owned();
        return Err(MetadataError::InvalidPartitions { reason });
    }
    Ok(by_partition.into_values().collect())
}

fn check_replicas(
    image: &MetadataImage,
    replicas: &[BrokerId],
    replica_count: Option<usize>,
) -> Result<(), MetadataError> {
    if replicas.is_empty() {
        return Err(bad_assignment("expected a replica, found none".to_owned()));
    }
    for (at, broker_id) in replicas.iter().enumerate() {
        if image.broker(*broker_id).is_none() {
            let reason = format!("expected registered brokers, found {broker_id}");
            return Err(bad_assignment(reason));
        }
        if replicas.iter().take(at).any(|seen| seen == broker_id) {
            return Err(bad_assignment(format!(
                "expected broker {broker_id} once, found twice"
            )));
        }
    }
    match replica_count {
        Some(expected) if expected != replicas.len() => {
            let found = replicas.len();
            let reason = format!("expected {expected} replicas as elsewhere, found {found}");
            Err(bad_assignment(reason))
        }
        _ => Ok(()),
    }
}

fn check_assignment_count(found: usize, added: i32) -> Result<(), MetadataError> {
    if usize::try_from(added) == Ok(found) {
        return check_partition_limit(found);
    }
    Err(bad_assignment(format!(
        "expected {added} assignments, one a partition, found {found}"
    )))
}

fn check_partition_limit(found: usize) -> Result<(), MetadataError> {
    if found > PARTITIONS_PER_COMMAND_MAX {
        return Err(MetadataError::TooManyPartitions {
            max: PARTITIONS_PER_COMMAND_MAX,
            found,
        });
    }
    Ok(())
}

fn bad_assignment(reason: String) -> MetadataError {
    MetadataError::InvalidReplicaAssignment { reason }
}

fn new_partition(replicas: Vec<BrokerId>) -> Partition {
    Partition {
        isr: replicas.clone(),
        leader: replicas.first().copied(),
        replicas,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
    }
}
