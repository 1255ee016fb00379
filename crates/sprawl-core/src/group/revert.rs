//! How is a change taken back that the log has refused?

use super::any::Group;
use super::consumer::ConsumerRecord;
use super::error::GroupError;
use super::shard::{Context, Groups};
use super::share::ShareRecord;
use super::streams::StreamsRecord;

/// What undoes one change to the groups of a shard.
#[derive(Debug)]
pub(super) enum Revert {
    /// The group was this one, or was not there.
    Group {
        /// The group.
        group_id: String,
        /// What it was.
        before: Option<Box<Group>>,
    },
    /// The record of a share group that restores what another has replaced.
    Share {
        /// The group.
        group_id: String,
        /// The record.
        record: ShareRecord,
    },
    /// The record of a streams group that restores what another has replaced.
    Streams {
        /// The group.
        group_id: String,
        /// The record.
        record: Box<StreamsRecord>,
    },
    /// The record of a consumer group that restores what another has replaced.
    Consumer {
        /// The group.
        group_id: String,
        /// The record.
        record: Box<ConsumerRecord>,
    },
}

/// Takes changes back, the last one first. Whoever waits for a group that goes is told why.
pub(super) fn revert(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    reverts: Vec<Revert>,
    error: GroupError,
) {
    for each in reverts.into_iter().rev() {
        match each {
            Revert::Group { group_id, before } => {
                let undone = match before {
                    Some(mut before) => {
                        before.on_restored();
                        groups.insert(group_id, *before)
                    }
                    None => groups.remove(&group_id),
                };
                if let Some(Group::Classic(mut undone)) = undone {
                    undone.refuse_parked(cx, error);
                }
            }
            Revert::Share { group_id, record } => {
                if let Some(Group::Share(group)) = groups.get_mut(&group_id) {
                    group.apply(record);
                }
            }
            Revert::Streams { group_id, record } => {
                if let Some(Group::Streams(group)) = groups.get_mut(&group_id) {
                    group.apply(*record);
                    group.forget_conclusions();
                }
            }
            Revert::Consumer { group_id, record } => {
                if let Some(Group::Consumer(group)) = groups.get_mut(&group_id) {
                    group.apply(*record);
                    // What was seen of the metadata is no longer recorded.
                    group.metadata_seen = None;
                }
            }
        }
    }
}
