//! What happens when groups, or some of their offsets, are deleted?
//!
//! Source: DeleteGroups 0 to 2 (KIP-229), OffsetDelete 0 (KIP-496).

use super::any::Group;
use super::error::GroupError;
use super::offsets::{Offsets, Partitions};
use super::request::{OffsetDeleteRequest, Response};
use super::shard::{Context, Groups, Tombstone};
use crate::coordinator::Token;

pub(super) fn on_delete_groups(
    groups: &mut Groups,
    offsets: &Offsets,
    cx: &mut Context<'_>,
    token: Token,
    group_ids: Vec<String>,
) {
    let (mut tombstones, mut deleted, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for group_id in group_ids {
        let outcome = groups
            .get(&group_id)
            .ok_or(GroupError::GroupIdNotFound)
            .and_then(Group::check_delete);
        if outcome.is_ok() {
            deleted.extend(delete_group(
                groups,
                offsets,
                cx,
                (&group_id, &mut tombstones),
            ));
        }
        results.push((group_id, outcome));
    }
    cx.append_tombstones(&tombstones, deleted);
    cx.reply_when_durable(token, Response::DeleteGroups(results));
}

/// Forgets a group at once and adds the tombstones that make it so in the log. Offsets go when
/// these are durable; commits that are still in flight stand before them in the log.
pub(super) fn delete_group(
    groups: &mut Groups,
    offsets: &Offsets,
    cx: &mut Context<'_>,
    (group_id, tombstones): (&str, &mut Vec<Tombstone>),
) -> Option<Group> {
    let mut partitions = cx.appends.partitions_in_flight(group_id);
    partitions.extend(offsets.pending.partitions(group_id));
    let held = offsets.of_group(group_id);
    partitions.extend(held.map(|entry| (entry.topic.to_owned(), entry.partition)));
    let each = partitions.iter();
    tombstones
        .extend(each.map(|(topic, partition)| Tombstone::offset(group_id, topic, *partition)));
    let group = groups.remove(group_id)?;
    tombstones.extend(group.tombstones().into_iter().map(Tombstone::group));
    group.cancel_timers(cx);
    Some(group)
}

pub(super) fn on_offset_delete(
    groups: &Groups,
    offsets: &Offsets,
    cx: &mut Context<'_>,
    token: Token,
    request: &OffsetDeleteRequest,
) {
    match validate_offset_delete(groups, request) {
        Ok(group) => offset_delete(group, offsets, cx, token, request),
        Err(error) => cx.reply(token, Response::OffsetDelete(Err(error))),
    }
}

fn validate_offset_delete<'a>(
    groups: &'a Groups,
    request: &OffsetDeleteRequest,
) -> Result<&'a Group, GroupError> {
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups
        .get(&request.group_id)
        .ok_or(GroupError::GroupIdNotFound)?;
    group.check_offset_delete()?;
    Ok(group)
}

fn offset_delete(
    group: &Group,
    offsets: &Offsets,
    cx: &mut Context<'_>,
    token: Token,
    request: &OffsetDeleteRequest,
) {
    let in_flight = cx.appends.partitions_in_flight(group.group_id());
    let (mut tombstones, mut results, mut written) = (Vec::new(), Vec::new(), Partitions::new());
    for (topic, partition) in &request.partitions {
        if group.is_subscribed_to(topic) {
            results.push(Err(GroupError::GroupSubscribedToTopic));
            continue;
        }
        results.push(Ok(()));
        let key = (topic.clone(), *partition);
        let is_held = offsets.get(group.group_id(), topic, *partition).is_some();
        let is_pending = (offsets.pending).contains(group.group_id(), topic, *partition);
        if (is_held || is_pending || in_flight.contains(&key)) && written.insert(key) {
            tombstones.push(Tombstone::offset(group.group_id(), topic, *partition));
        }
    }
    cx.append_tombstones(&tombstones, Vec::new());
    cx.reply_when_durable(token, Response::OffsetDelete(Ok(results)));
}
