//! How does a member get from what it has to what it should have?
//!
//! ```text
//! STABLE ---new target---> UNREVOKED_PARTITIONS (it has to give something up, in its old epoch)
//! UNREVOKED_PARTITIONS ---it says that it owns them no more---> next epoch, as below
//! any ---nothing to give up---> target epoch: STABLE, or UNRELEASED_PARTITIONS while others hold
//!                               partitions that it should get
//! ```
//!
//! A partition is given to a member only when nobody holds it, so that it never has two owners
//! (I20).
//!
//! Source: KIP-848, Kafka's `CurrentAssignmentBuilder`; KIP-1251 (assignment epochs).

use std::collections::BTreeSet;

use sprawl_model::TopicId;

use super::group::ConsumerGroup;
use super::member::{Current, MemberState, Owned};
use crate::group::modern::Assignment;

/// The next step of a member towards its target; `None` where it stays as it is. `owned` is what
/// the member says that it has, if it says so.
pub(in crate::group) fn next_step(
    group: &ConsumerGroup,
    member_id: &str,
    owned: Option<&Assignment>,
) -> Option<Current> {
    let target_epoch = group.target_epoch.epoch;
    let member = group.members.get(member_id)?;
    let current = &member.current;
    let epoch = match current.state {
        MemberState::Stable if current.epoch == target_epoch => return None,
        MemberState::Stable | MemberState::UnreleasedPartitions => current.epoch,
        MemberState::UnrevokedPartitions if owns_any(owned, &current.revoking) => return None,
        MemberState::UnrevokedPartitions => current.epoch.saturating_add(1),
        MemberState::Unknown if owned.is_none_or(|owned| !owned.is_empty()) => {
            return None;
        }
        MemberState::Unknown => target_epoch,
    };
    let next = step_from(group, member_id, (current, epoch), owned);
    (next != *current).then_some(next)
}

/// Whether the member still has some of `revoking`, or does not say.
fn owns_any(owned: Option<&Assignment>, revoking: &Owned) -> bool {
    let Some(owned) = owned else {
        return true;
    };
    owned.iter().any(|(topic_id, partitions)| {
        let revoking = revoking.get(topic_id);
        revoking.is_some_and(|revoking| partitions.iter().any(|each| revoking.contains_key(each)))
    })
}

fn step_from(
    group: &ConsumerGroup,
    member_id: &str,
    (current, epoch): (&Current, i32),
    owned: Option<&Assignment>,
) -> Current {
    let nothing = Assignment::new();
    let target = group.targets.get(member_id).unwrap_or(&nothing);
    let (mut assigned, revoking) = split(&current.assigned, target);
    if !revoking.is_empty() && owns_any(owned, &revoking) {
        return Current {
            epoch,
            previous_epoch: current.epoch,
            state: MemberState::UnrevokedPartitions,
            assigned,
            revoking,
        };
    }
    let (free, has_unreleased) = free_of(group, target, &assigned);
    let target_epoch = group.target_epoch.epoch;
    for (topic_id, partition) in free {
        let of_topic = assigned.or_default(topic_id);
        of_topic.insert(partition, target_epoch);
    }
    Current {
        epoch: target_epoch,
        previous_epoch: current.epoch,
        state: if has_unreleased {
            MemberState::UnreleasedPartitions
        } else {
            MemberState::Stable
        },
        assigned,
        revoking: Owned::default(),
    }
}

/// What of `assigned` the target keeps, and what it takes away.
fn split(assigned: &Owned, target: &Assignment) -> (Owned, Owned) {
    let (mut kept, mut revoking) = (Owned::default(), Owned::default());
    for (topic_id, partitions) in assigned.iter() {
        let wanted = target.get(topic_id);
        for (partition, epoch) in partitions {
            let is_wanted = wanted.is_some_and(|wanted| wanted.contains(partition));
            let side = if is_wanted { &mut kept } else { &mut revoking };
            let of_topic = side.or_default(*topic_id);
            of_topic.insert(*partition, *epoch);
        }
    }
    (kept, revoking)
}

/// What the member may get now, and whether there is more that others hold.
fn free_of(
    group: &ConsumerGroup,
    target: &Assignment,
    assigned: &Owned,
) -> (BTreeSet<(TopicId, i32)>, bool) {
    let mut free = BTreeSet::new();
    let mut has_unreleased = false;
    for (topic_id, partitions) in target {
        let has = assigned.get(topic_id);
        let missing = partitions
            .iter()
            .filter(|partition| has.is_none_or(|has| !has.contains_key(partition)));
        for partition in missing {
            let is_held = group.holder(*topic_id, *partition).is_some();
            if is_held {
                has_unreleased = true;
            } else {
                free.insert((*topic_id, *partition));
            }
        }
    }
    (free, has_unreleased)
}

/// Whether a member still waits for a partition of its target that another holds.
pub(in crate::group) fn waits_for_others(group: &ConsumerGroup, member_id: &str) -> bool {
    let nothing = Assignment::new();
    let target = group.targets.get(member_id).unwrap_or(&nothing);
    let member = group.members.get(member_id);
    member.is_some_and(|member| free_of(group, target, &member.current.assigned).1)
}
