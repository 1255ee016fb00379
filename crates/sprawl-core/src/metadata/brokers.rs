//! Brokers: registration, epochs, blocks of producer ids.

use std::sync::Arc;

use sprawl_model::{BrokerEpoch, BrokerId, LeaderEpoch, ProducerId};

use super::command::{BrokerSpec, MetadataReply};
use super::error::MetadataError;
use super::image::{BrokerRegistration, MetadataImage, Topic};

/// Registers a broker. A restart gets a new broker epoch, and every partition it leads a new leader
/// epoch, so that what its last life sent late is recognised.
pub(super) fn register(
    image: &mut MetadataImage,
    index: u64,
    spec: &BrokerSpec,
) -> Result<MetadataReply, MetadataError> {
    let known = image.brokers.get(&spec.id);
    if let Some(known) = known.filter(|known| known.incarnation_id == spec.incarnation_id) {
        return Ok(MetadataReply::BrokerRegistered { epoch: known.epoch });
    }
    let is_restart = known.is_some();
    let epoch = BrokerEpoch(i64::try_from(index).expect("log indexes stay below 2^63"));
    let registration = BrokerRegistration {
        id: spec.id,
        epoch,
        incarnation_id: spec.incarnation_id,
        endpoints: spec.endpoints.clone(),
        rack: spec.rack.clone(),
    };
    Arc::make_mut(&mut image.brokers).insert(spec.id, Arc::new(registration));
    if is_restart {
        begin_leader_epochs(image, spec.id);
    }
    Ok(MetadataReply::BrokerRegistered { epoch })
}

fn begin_leader_epochs(image: &mut MetadataImage, broker_id: BrokerId) {
    let leads = |topic: &Topic| topic.partitions.iter().any(|p| p.leader == Some(broker_id));
    let led: Vec<Arc<Topic>> = image
        .all_topics()
        .filter(|topic| leads(topic))
        .cloned()
        .collect();
    for topic in led {
        let mut topic = Topic::clone(&topic);
        for partition in &mut topic.partitions {
            if partition.leader == Some(broker_id) {
                partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
                partition.partition_epoch = partition.partition_epoch.saturating_add(1);
            }
        }
        image.put_topic(topic);
    }
}

pub(super) fn allocate_producer_ids(
    image: &mut MetadataImage,
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    count: u32,
) -> Result<MetadataReply, MetadataError> {
    let broker = image
        .broker(broker_id)
        .ok_or(MetadataError::UnknownBroker { broker_id })?;
    if broker.epoch != broker_epoch {
        let (current, found) = (broker.epoch, broker_epoch);
        return Err(MetadataError::StaleBrokerEpoch {
            broker_id,
            current,
            found,
        });
    }
    let first = image.next_producer_id;
    image.next_producer_id = first
        .checked_add(i64::from(count))
        .ok_or(MetadataError::ProducerIdsExhausted)?;
    Ok(MetadataReply::ProducerIds {
        first: ProducerId(first),
        count,
    })
}
