//! Which committed offsets are too old to keep, and which groups go with them?
//!
//! Source: KIP-211. The clock of an offset starts when its group becomes empty; for a simple group,
//! or for a topic a stable consumer group no longer subscribes to, at its commit.

use super::any::Group;
use super::effect::TimerId;
use super::offsets::{CommittedOffset, Offsets};
use super::remove::delete_group;
use super::shard::{Context, Groups, Tombstone};
use super::state::GroupState;

pub(super) fn on_offset_expiry(groups: &mut Groups, offsets: &Offsets, cx: &mut Context<'_>) {
    let mut tombstones = Vec::new();
    let mut expired_groups = Vec::new();
    for (group_id, group) in groups.iter() {
        let in_flight = cx.appends.partitions_in_flight(group_id);
        // A group is not forgotten under a transaction.
        let mut is_held = !in_flight.is_empty() || offsets.pending.has_any(group_id);
        for entry in offsets.of_group(group_id) {
            let key = (entry.topic.to_owned(), entry.partition);
            let pending = &offsets.pending;
            let expired = !in_flight.contains(&key)
                && !pending.contains(group_id, entry.topic, entry.partition)
                && !group.is_subscribed_to(entry.topic)
                && is_expired(group, cx, entry.committed);
            if expired {
                tombstones.push(Tombstone::offset(group_id, entry.topic, entry.partition));
            } else {
                is_held = true;
            }
        }
        if !is_held && group.state() == GroupState::Empty {
            expired_groups.push(group_id.clone());
        }
    }
    let mut group_tombstones = Vec::new();
    let mut deleted = Vec::new();
    for group_id in &expired_groups {
        deleted.extend(delete_group(
            groups,
            offsets,
            cx,
            (group_id, &mut group_tombstones),
        ));
    }
    // The offsets of these groups have their tombstones already.
    group_tombstones.retain(Tombstone::is_group);
    tombstones.append(&mut group_tombstones);
    cx.append_tombstones(&tombstones, deleted);
    cx.set_timer(
        TimerId::OffsetExpiry,
        cx.settings.offsets_retention_check_interval_ms,
    );
}

fn is_expired(group: &Group, cx: &Context<'_>, committed: &CommittedOffset) -> bool {
    let Some(since_ms) = group.retained_since_ms(committed) else {
        return false;
    };
    match committed.expire_timestamp_ms {
        Some(expire_timestamp_ms) => cx.now.wall_ms >= expire_timestamp_ms,
        None => cx.now.wall_ms.saturating_sub(since_ms) >= cx.settings.offsets_retention_ms,
    }
}
