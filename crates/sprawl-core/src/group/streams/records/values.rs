//! How do the values of a streams group's records look? Sets stand in order, so that equal states
//! have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{GroupEpoch, TargetEpoch};
use crate::coordinator::RecordError;
use crate::coordinator::wire::{Encoding, Reader, Writer};
use crate::group::streams::member::{Current, MemberMetadata, MemberState};
use crate::group::streams::request::UserEndpoint;
use crate::group::streams::tasks::{ActiveSince, OwnedTasks, TaskIds, Tasks};
use crate::group::streams::topology::{CopartitionGroup, InternalTopic, Subtopology, Topology};

/// Before a nullable structure: it is there.
const PRESENT: i8 = 1;
/// Before a nullable structure: it is null.
const NULL: i8 = -1;

fn value_reader(value: &[u8]) -> Result<Reader<'_>, RecordError> {
    let mut reader = Reader::new(value);
    let found = reader.int16()?;
    if found != 0 {
        let known_max = 0;
        return Err(RecordError::ValueVersion { known_max, found });
    }
    reader.set_encoding(Encoding::Compact);
    Ok(reader)
}

/// Reads an array.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let mut list = Vec::new();
    for _ in 0..reader.count()? {
        list.push(element(reader)?);
    }
    Ok(list)
}

fn put_list<T>(writer: &mut Writer, list: &[T], mut element: impl FnMut(&mut Writer, &T)) {
    writer.count(list.len());
    for each in list {
        element(writer, each);
    }
}

fn put_texts(writer: &mut Writer, texts: &[String]) {
    put_list(writer, texts, |writer, text| {
        writer.string(text);
    });
}

fn put_pair(writer: &mut Writer, (key, value): (&str, &str)) {
    writer.string(key).string(value).no_tags();
}

fn pair(reader: &mut Reader<'_>) -> Result<(String, String), RecordError> {
    let pair = (reader.string()?, reader.string()?);
    reader.tagged_fields()?;
    Ok(pair)
}

fn pairs(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, RecordError> {
    let pairs = list(reader, pair)?;
    Ok(pairs.into_iter().collect())
}

pub(super) fn encode_group(group: &GroupEpoch) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(group.epoch).int64(group.metadata_hash);
    let mut tags = Vec::new();
    if group.validated_topology_epoch != -1 {
        tags.push((0, group.validated_topology_epoch.to_be_bytes().to_vec()));
    }
    if !group.assignment_configs.is_empty() {
        let configs = &group.assignment_configs;
        tags.push((1, Writer::content(|field| put_pairs(field, configs))));
    }
    writer.tag_list(&tags).finish()
}

fn put_pairs(writer: &mut Writer, pairs: &BTreeMap<String, String>) {
    writer.count(pairs.len());
    for (key, value) in pairs {
        put_pair(writer, (key, value));
    }
}

pub(super) fn decode_group(value: &[u8]) -> Result<GroupEpoch, RecordError> {
    let mut reader = value_reader(value)?;
    let mut group = GroupEpoch {
        epoch: reader.int32()?,
        metadata_hash: reader.int64()?,
        ..GroupEpoch::default()
    };
    reader.tags(|tag, field| {
        match tag {
            0 => group.validated_topology_epoch = field.int32()?,
            1 => {
                for _ in 0..field.nullable_count()?.unwrap_or(0) {
                    let (key, value) = pair(field)?;
                    group.assignment_configs.insert(key, value);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(group)
}

pub(super) fn encode_target_epoch(target: TargetEpoch) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer.int32(target.epoch);
    match target.timestamp_ms {
        0 => writer.no_tags(),
        timestamp_ms => writer.one_tag(0, |field| {
            field.int64(timestamp_ms);
        }),
    };
    writer.finish()
}

pub(super) fn decode_target_epoch(value: &[u8]) -> Result<TargetEpoch, RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let mut timestamp_ms = 0;
    reader.tags(|tag, field| {
        if tag == 0 {
            timestamp_ms = field.int64()?;
        }
        Ok(())
    })?;
    Ok(TargetEpoch {
        epoch,
        timestamp_ms,
    })
}

pub(super) fn encode_member(member: &MemberMetadata) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .nullable_string(member.instance_id.as_deref())
        .nullable_string(member.rack_id.as_deref())
        .string(&member.client_id)
        .string(&member.client_host)
        .int32(member.rebalance_timeout_ms)
        .int32(member.topology_epoch)
        .string(&member.process_id);
    match &member.user_endpoint {
        None => writer.int8(NULL),
        Some((host, port)) => writer.int8(PRESENT).string(host).uint16(*port).no_tags(),
    };
    put_pairs(&mut writer, &member.client_tags);
    writer.no_tags().finish()
}

pub(super) fn decode_member(value: &[u8]) -> Result<MemberMetadata, RecordError> {
    let mut reader = value_reader(value)?;
    let member = MemberMetadata {
        instance_id: reader.nullable_string()?,
        rack_id: reader.nullable_string()?,
        client_id: reader.string()?,
        client_host: reader.string()?,
        rebalance_timeout_ms: reader.int32()?,
        topology_epoch: reader.int32()?,
        process_id: reader.string()?,
        user_endpoint: endpoint(&mut reader)?,
        client_tags: pairs(&mut reader)?,
    };
    reader.tagged_fields()?;
    Ok(member)
}

fn endpoint(reader: &mut Reader<'_>) -> Result<Option<UserEndpoint>, RecordError> {
    match reader.int8()? {
        NULL => Ok(None),
        PRESENT => {
            let endpoint = (reader.string()?, reader.uint16()?);
            reader.tagged_fields()?;
            Ok(Some(endpoint))
        }
        other => Err(RecordError::Number(other.into())),
    }
}

fn put_tasks(writer: &mut Writer, tasks: &TaskIds) {
    writer.count(tasks.len());
    for (subtopology, partitions) in tasks {
        writer.string(subtopology).count(partitions.len());
        for partition in partitions {
            writer.int32(*partition);
        }
        writer.no_tags();
    }
}

fn tasks(reader: &mut Reader<'_>) -> Result<TaskIds, RecordError> {
    let mut tasks = TaskIds::new();
    for _ in 0..reader.count()? {
        let subtopology = reader.string()?;
        let partitions: BTreeSet<i32> = list(reader, Reader::int32)?.into_iter().collect();
        reader.tagged_fields()?;
        if !partitions.is_empty() {
            tasks.insert(subtopology, partitions);
        }
    }
    Ok(tasks)
}

pub(super) fn encode_target(target: &Tasks) -> Bytes {
    let mut writer = Writer::flexible(0);
    put_tasks(&mut writer, &target.active);
    put_tasks(&mut writer, &target.standby);
    put_tasks(&mut writer, &target.warmup);
    writer.no_tags().finish()
}

pub(super) fn decode_target(value: &[u8]) -> Result<Tasks, RecordError> {
    let mut reader = value_reader(value)?;
    let target = Tasks {
        active: tasks(&mut reader)?,
        standby: tasks(&mut reader)?,
        warmup: tasks(&mut reader)?,
    };
    reader.tagged_fields()?;
    Ok(target)
}

fn put_owned(writer: &mut Writer, owned: &OwnedTasks) {
    writer.count(owned.active.len());
    for (subtopology, partitions) in &owned.active {
        writer.string(subtopology).count(partitions.len());
        for partition in partitions.keys() {
            writer.int32(*partition);
        }
        writer.one_tag(0, |field| {
            field.count(partitions.len());
            for epoch in partitions.values() {
                field.int32(*epoch);
            }
        });
    }
    put_tasks(writer, &owned.standby);
    put_tasks(writer, &owned.warmup);
}

fn owned(reader: &mut Reader<'_>, member_epoch: i32) -> Result<OwnedTasks, RecordError> {
    let mut active = ActiveSince::new();
    for _ in 0..reader.count()? {
        let subtopology = reader.string()?;
        let partitions = list(reader, Reader::int32)?;
        let mut epochs = Vec::new();
        reader.tags(|tag, field| {
            if tag == 0 {
                for _ in 0..field.nullable_count()?.unwrap_or(0) {
                    epochs.push(field.int32()?);
                }
            }
            Ok(())
        })?;
        // An earlier release wrote none.
        if epochs.len() != partitions.len() {
            epochs = vec![member_epoch; partitions.len()];
        }
        if !partitions.is_empty() {
            active.insert(subtopology, partitions.into_iter().zip(epochs).collect());
        }
    }
    Ok(OwnedTasks {
        active,
        standby: tasks(reader)?,
        warmup: tasks(reader)?,
    })
}

pub(super) fn encode_current(current: &Current) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .int32(current.epoch)
        .int32(current.previous_epoch)
        .int8(current.state.number());
    put_owned(&mut writer, &current.assigned);
    put_owned(&mut writer, &current.revoking);
    writer.no_tags().finish()
}

pub(super) fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    let mut reader = value_reader(value)?;
    let (epoch, previous_epoch) = (reader.int32()?, reader.int32()?);
    let state = MemberState::numbered(reader.int8()?);
    let assigned = owned(&mut reader, epoch)?;
    let revoking = owned(&mut reader, epoch)?;
    reader.tagged_fields()?;
    Ok(Current {
        epoch,
        previous_epoch,
        state,
        assigned,
        revoking,
    })
}

pub(super) fn encode_topology(topology: &Topology) -> Bytes {
    let mut writer = Writer::flexible(0);
    writer
        .int32(topology.epoch)
        .count(topology.subtopologies.len());
    for (id, subtopology) in &topology.subtopologies {
        writer.string(id);
        put_subtopology(&mut writer, subtopology);
    }
    writer.no_tags().finish()
}

fn put_subtopology(writer: &mut Writer, subtopology: &Subtopology) {
    put_texts(writer, &subtopology.source_topics);
    put_texts(writer, &subtopology.source_topic_regexes);
    put_list(writer, &subtopology.changelogs, put_topic);
    put_texts(writer, &subtopology.repartition_sinks);
    put_list(writer, &subtopology.repartition_sources, put_topic);
    put_list(writer, &subtopology.copartition_groups, |writer, group| {
        for places in [
            &group.source_topics,
            &group.source_topic_regexes,
            &group.repartition_sources,
        ] {
            put_list(writer, places, |writer, place| {
                writer.int16(*place);
            });
        }
        writer.no_tags();
    });
    writer.no_tags();
}

fn put_topic(writer: &mut Writer, topic: &InternalTopic) {
    writer
        .string(&topic.name)
        .int32(topic.partition_count)
        .int16(topic.replication_factor);
    put_list(writer, &topic.configs, |writer, (key, value)| {
        put_pair(writer, (key, value));
    });
    writer.no_tags();
}

pub(super) fn decode_topology(value: &[u8]) -> Result<Topology, RecordError> {
    let mut reader = value_reader(value)?;
    let epoch = reader.int32()?;
    let mut subtopologies = BTreeMap::new();
    for _ in 0..reader.count()? {
        let id = reader.string()?;
        subtopologies.insert(id, subtopology(&mut reader)?);
    }
    reader.tagged_fields()?;
    Ok(Topology {
        epoch,
        subtopologies,
    })
}

fn subtopology(reader: &mut Reader<'_>) -> Result<Subtopology, RecordError> {
    let subtopology = Subtopology {
        source_topics: list(reader, Reader::string)?,
        source_topic_regexes: list(reader, Reader::string)?,
        changelogs: list(reader, topic)?,
        repartition_sinks: list(reader, Reader::string)?,
        repartition_sources: list(reader, topic)?,
        copartition_groups: list(reader, copartition_group)?,
    };
    reader.tagged_fields()?;
    Ok(subtopology)
}

fn copartition_group(reader: &mut Reader<'_>) -> Result<CopartitionGroup, RecordError> {
    let group = CopartitionGroup {
        source_topics: list(reader, Reader::int16)?,
        source_topic_regexes: list(reader, Reader::int16)?,
        repartition_sources: list(reader, Reader::int16)?,
    };
    reader.tagged_fields()?;
    Ok(group)
}

fn topic(reader: &mut Reader<'_>) -> Result<InternalTopic, RecordError> {
    let topic = InternalTopic {
        name: reader.string()?,
        partition_count: reader.int32()?,
        replication_factor: reader.int16()?,
        configs: list(reader, pair)?,
    };
    reader.tagged_fields()?;
    Ok(topic)
}
