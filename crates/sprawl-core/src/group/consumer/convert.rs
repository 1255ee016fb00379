//! How does a live group change between the classic and the consumer protocol?
//!
//! Up: the first member that beats takes a classic group of consumers along. Its members keep their
//! assignments, are told to join again, and go on by the classic protocol inside the consumer group
//! ([`super::classic_member`]). Down: when the last member that beats is gone, the classic members
//! that are left are a classic group again, which rebalances.
//!
//! Source: KIP-848, "Online migration"; `group.consumer.migration.policy`.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::group::ConsumerGroup;
use super::member::{ClassicMetadata, Current, MemberMetadata, MemberState, Owned};
use super::protocol::{assigned_partitions, assignment_bytes, subscription};
use super::records::{ConsumerRecord, GroupEpoch, TargetEpoch};
use crate::coordinator::Record;
use crate::group::any::Group;
use crate::group::classic::records::{GroupValue, MemberValue, group_record};
use crate::group::classic::subscription::CONSUMER_PROTOCOL_TYPE;
use crate::group::classic::{ClassicGroup, ClassicState};
use crate::group::error::GroupError;
use crate::group::modern::Assignment;
use crate::group::revert::Revert;
use crate::group::shard::{AfterAppend, Context, Groups};

/// Records of a step, and what takes them back.
pub(in crate::group) type Parts = (Vec<Record>, Vec<Revert>);

/// Makes sure that there is a consumer group of this id to join, and returns what that writes.
pub(super) fn group_to_join(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    group_id: &str,
) -> Result<Parts, GroupError> {
    let (mut records, consumer) = match groups.get_mut(group_id) {
        Some(Group::Consumer(_)) => return Ok(Parts::default()),
        Some(Group::Share(_) | Group::Streams(_)) => return Err(GroupError::GroupIdNotFound),
        None => (Vec::new(), ConsumerGroup::new(group_id)),
        Some(Group::Classic(classic)) if classic.state() == ClassicState::Empty => {
            let tombstone = crate::group::records::group_key(group_id).tombstone();
            (vec![tombstone], ConsumerGroup::new(group_id))
        }
        Some(Group::Classic(classic)) => {
            check_upgrade(classic, cx)?;
            let (converted, consumer) = upgraded(classic, cx)?;
            classic.refuse_parked(cx, GroupError::RebalanceInProgress);
            (converted, consumer)
        }
    };
    let before = groups.insert(group_id.to_owned(), Group::Consumer(consumer));
    if let Some(before) = &before {
        before.cancel_timers(cx);
    }
    if let Some(Group::Consumer(group)) = groups.get(group_id) {
        start_sessions(group, cx);
    }
    let reverts = vec![Revert::Group {
        group_id: group_id.to_owned(),
        before: before.map(Box::new),
    }];
    records.shrink_to_fit();
    Ok((records, reverts))
}

fn check_upgrade(classic: &ClassicGroup, cx: &Context<'_>) -> Result<(), GroupError> {
    let settings = &cx.settings.consumer;
    let is_allowed = settings.migration.allows_upgrade()
        && classic.uses_consumer_protocol()
        && classic.members.len() <= settings.size_max;
    if is_allowed {
        Ok(())
    } else {
        Err(GroupError::GroupIdNotFound)
    }
}

/// The consumer group that a classic group becomes, and the records that say so.
fn upgraded(
    classic: &ClassicGroup,
    cx: &Context<'_>,
) -> Result<(Vec<Record>, ConsumerGroup), GroupError> {
    let generation = classic.generation;
    let mut group = ConsumerGroup::new(&classic.group_id);
    let mut members = BTreeMap::new();
    let mut taken = Assignment::new();
    for (member_id, member) in &classic.members {
        let metadata = upgraded_metadata(classic, member)?;
        let mut target = assigned_partitions(&member.assignment, cx.metadata)
            .map_err(|_| GroupError::GroupIdNotFound)?;
        // A client's assignor may have given a partition twice; here it has one owner.
        target.retain(|topic_id, partitions| {
            let taken = taken.entry(*topic_id).or_default();
            partitions.retain(|partition| taken.insert(*partition));
            !partitions.is_empty()
        });
        members.insert(member_id.clone(), (metadata, target));
    }
    let mut draft = Draft::new(&mut group);
    for (member_id, (metadata, _)) in &members {
        draft.put(ConsumerRecord::Member(
            member_id.clone(),
            Some(metadata.clone()),
        ));
    }
    draft.put(ConsumerRecord::Group(Some(GroupEpoch {
        epoch: generation,
        metadata_hash: 0,
    })));
    for (member_id, (_, target)) in &members {
        draft.put(ConsumerRecord::Target(
            member_id.clone(),
            Some(target.clone()),
        ));
    }
    // Without a time: the coordinator has computed nothing yet, its first target is due at once.
    draft.put(ConsumerRecord::TargetEpoch(Some(TargetEpoch {
        epoch: generation,
        timestamp_ms: 0,
    })));
    for (member_id, (_, target)) in members {
        let current = Current {
            epoch: generation,
            previous_epoch: generation,
            state: MemberState::Stable,
            assigned: owned_since(&target, generation),
            revoking: Owned::default(),
        };
        draft.put(ConsumerRecord::Current(member_id, Some(current)));
    }
    let (written, _) = draft.into_parts();
    let mut records = vec![crate::group::records::group_key(&classic.group_id).tombstone()];
    records.extend(written);
    Ok((records, group))
}

fn owned_since(target: &Assignment, epoch: i32) -> Owned {
    let each = target.iter();
    each.map(|(topic_id, partitions)| {
        let with_epoch = partitions.iter().map(|partition| (*partition, epoch));
        (*topic_id, with_epoch.collect())
    })
    .collect()
}

fn upgraded_metadata(
    classic: &ClassicGroup,
    member: &crate::group::classic::Member,
) -> Result<MemberMetadata, GroupError> {
    let chosen = classic.protocol_name.clone();
    let name = chosen
        .or_else(|| classic.select_protocol())
        .unwrap_or_default();
    let subscribed =
        subscription(&member.metadata(&name)).map_err(|_| GroupError::GroupIdNotFound)?;
    Ok(MemberMetadata {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscribed.rack_id,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: subscribed.topics,
        regex: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic: Some(ClassicMetadata {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        }),
    })
}

/// Starts the sessions of all members: the group is loaded, or was a classic group.
pub(in crate::group) fn start_sessions(group: &ConsumerGroup, cx: &mut Context<'_>) {
    for (member_id, member) in &group.members {
        let session_ms = match &member.metadata.classic {
            Some(classic) => u64::try_from(classic.session_timeout_ms).unwrap_or(0),
            None => cx.consumer_session_timeout_ms(&group.group_id),
        };
        cx.set_timer(group.session_timer(member_id), session_ms);
        let is_revoking = member.current.state == MemberState::UnrevokedPartitions;
        if is_revoking && !member.uses_classic_protocol() {
            let timeout_ms = u64::try_from(member.metadata.rebalance_timeout_ms).unwrap_or(0);
            cx.set_timer(group.rebalance_timer(member_id), timeout_ms);
        }
    }
}

/// Appends `parts`. If all members that are left speak the classic protocol, the group becomes a
/// classic group in the same batch, and rebalances.
pub(super) fn downgrade_if_classic(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    group_id: &str,
    (mut records, mut reverts): Parts,
) {
    let classic = match groups.get(group_id) {
        Some(Group::Consumer(group)) if may_downgrade(group, cx) => downgraded(group, cx),
        _ => None,
    };
    let Some(classic) = classic else {
        cx.append(records, Vec::new(), AfterAppend::Revert(reverts));
        return;
    };
    let record = group_record(&classic, &classic.assignments());
    let before = groups.insert(group_id.to_owned(), Group::Classic(classic));
    if let Some(Group::Consumer(before)) = &before {
        let tombstones = before.tombstones();
        records.extend(tombstones.iter().map(|record| record.encode(group_id)));
        for timer in before.members.keys().flat_map(|id| before.timers(id)) {
            cx.cancel_timer(timer);
        }
    }
    records.push(record);
    reverts.push(Revert::Group {
        group_id: group_id.to_owned(),
        before: before.map(Box::new),
    });
    cx.append(records, Vec::new(), AfterAppend::Revert(reverts));
    if let Some(Group::Classic(classic)) = groups.get_mut(group_id) {
        for member_id in classic.members.keys() {
            classic.restart_session(cx, member_id);
        }
        classic.prepare_rebalance(cx);
    }
}

fn may_downgrade(group: &ConsumerGroup, cx: &Context<'_>) -> bool {
    let count = group.members.len();
    cx.settings.consumer.migration.allows_downgrade()
        && count > 0
        && count == group.classic_member_count()
        && count <= cx.settings.size_max
}

/// The classic group that a group of classic members becomes.
fn downgraded(group: &ConsumerGroup, cx: &Context<'_>) -> Option<ClassicGroup> {
    let nothing = Assignment::new();
    let mut members = Vec::new();
    for (member_id, member) in &group.members {
        let classic = member.metadata.classic.as_ref()?;
        let target = group.targets.get(member_id).unwrap_or(&nothing);
        members.push(MemberValue {
            member_id: member_id.clone(),
            group_instance_id: member.metadata.instance_id.clone(),
            client_id: member.metadata.client_id.clone(),
            client_host: member.metadata.client_host.clone(),
            rebalance_timeout_ms: member.metadata.rebalance_timeout_ms,
            session_timeout_ms: classic.session_timeout_ms,
            subscription: bytes::Bytes::new(),
            assignment: assignment_bytes(classic, target, cx.metadata),
        });
    }
    let mut downgraded = ClassicGroup::loaded(
        &group.group_id,
        GroupValue {
            protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()),
            generation: group.epoch.epoch,
            protocol_name: None,
            leader: group.members.keys().next().cloned(),
            state_timestamp_ms: Some(cx.now.wall_ms),
            members,
        },
    );
    for (member_id, member) in &group.members {
        let classic = member.metadata.classic.as_ref()?;
        downgraded.set_member_terms(
            member_id,
            classic.protocols.clone(),
            member.metadata.rebalance_timeout_ms,
            classic.session_timeout_ms,
        );
    }
    downgraded.choose_protocol();
    Some(downgraded)
}
