//! How does a classic group look in `__consumer_offsets`?
//!
//! Written: GroupMetadataValue 3. Read: values 0 to 4, the flexible version 4 included.
//!
//! Source: Kafka's GroupMetadataValue message definition, KIP-915.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::member::Member;
use super::membership::ClassicGroup;
use crate::coordinator::wire::{Reader, Writer};
use crate::coordinator::{Record, RecordError};
use crate::group::records::{group_key, value_reader};

/// A group's metadata, as its record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct GroupValue {
    pub(in crate::group) protocol_type: Option<String>,
    pub(in crate::group) generation: i32,
    pub(in crate::group) protocol_name: Option<String>,
    pub(in crate::group) leader: Option<String>,
    pub(in crate::group) state_timestamp_ms: Option<i64>,
    pub(in crate::group) members: Vec<MemberValue>,
}

/// A member, as its group's record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct MemberValue {
    pub(in crate::group) member_id: String,
    pub(in crate::group) group_instance_id: Option<String>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) rebalance_timeout_ms: i32,
    pub(in crate::group) session_timeout_ms: i32,
    pub(in crate::group) subscription: Bytes,
    pub(in crate::group) assignment: Bytes,
}

impl MemberValue {
    fn of(member: &Member, protocol_name: &str, assignment: Bytes) -> Self {
        Self {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol_name),
            assignment,
        }
    }

    fn encode(&self, writer: &mut Writer) {
        writer
            .string(&self.member_id)
            .nullable_string(self.group_instance_id.as_deref())
            .string(&self.client_id)
            .string(&self.client_host)
            .int32(self.rebalance_timeout_ms)
            .int32(self.session_timeout_ms)
            .bytes(&self.subscription)
            .bytes(&self.assignment);
    }

    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, RecordError> {
        let member_id = reader.string()?;
        let group_instance_id = if version >= 3 {
            reader.nullable_string()?
        } else {
            None
        };
        let client_id = reader.string()?;
        let client_host = reader.string()?;
        let rebalance_timeout_ms = if version >= 1 { reader.int32()? } else { -1 };
        let session_timeout_ms = reader.int32()?;
        let subscription = reader.bytes()?;
        let assignment = reader.bytes()?;
        reader.tagged_fields()?;
        Ok(Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: match rebalance_timeout_ms {
                -1 => session_timeout_ms,
                timeout_ms => timeout_ms,
            },
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

impl GroupValue {
    pub(in crate::group) fn encode(&self) -> Bytes {
        let mut writer = Writer::version(3);
        writer
            .string(self.protocol_type.as_deref().unwrap_or(""))
            .int32(self.generation)
            .nullable_string(self.protocol_name.as_deref())
            .nullable_string(self.leader.as_deref())
            .int64(self.state_timestamp_ms.unwrap_or(-1))
            .count(self.members.len());
        for member in &self.members {
            member.encode(&mut writer);
        }
        writer.finish()
    }

    pub(in crate::group) fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = value_reader(value)?;
        let protocol_type = reader.string()?;
        let generation = reader.int32()?;
        let protocol_name = reader.nullable_string()?;
        let leader = reader.nullable_string()?;
        let state_timestamp_ms = if version >= 2 { reader.int64()? } else { -1 };
        let mut members = Vec::new();
        for _ in 0..reader.count()? {
            members.push(MemberValue::decode(&mut reader, version)?);
        }
        reader.tagged_fields()?;
        Ok(Self {
            protocol_type: (!protocol_type.is_empty()).then_some(protocol_type),
            generation,
            protocol_name,
            leader,
            state_timestamp_ms: (state_timestamp_ms != -1).then_some(state_timestamp_ms),
            members,
        })
    }
}

/// The record of `group` with these assignments; a member without one is written with an empty one.
pub(in crate::group) fn group_record(
    group: &ClassicGroup,
    assignments: &BTreeMap<String, Bytes>,
) -> Record {
    let members = group
        .members
        .values()
        .map(|member| {
            let assignment = assignments
                .get(&member.member_id)
                .cloned()
                .unwrap_or_default();
            MemberValue::of(
                member,
                group.protocol_name.as_deref().unwrap_or(""),
                assignment,
            )
        })
        .collect();
    let value = GroupValue {
        protocol_type: group.protocol_type.clone(),
        generation: group.generation,
        protocol_name: group.protocol_name.clone(),
        leader: group.leader.clone(),
        state_timestamp_ms: group.state_timestamp_ms,
        members,
    };
    Record {
        key: group_key(&group.group_id).encode(),
        value: Some(value.encode()),
    }
}
