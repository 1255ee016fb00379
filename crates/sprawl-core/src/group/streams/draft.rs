//! How does a rule change a group? Record by record: each is applied at once, and all of a step are
//! appended together. If the log refuses them, they are taken back in reverse order.

use super::group::StreamsGroup;
use super::records::{GroupEpoch, StreamsRecord};
use crate::coordinator::Record;
use crate::group::revert::Revert;
use crate::group::shard::{AfterAppend, Context};

/// Records of a step, and what takes them back.
pub(super) type Parts = (Vec<Record>, Vec<Revert>);

/// A group with the records of this step.
pub(super) struct Draft<'a> {
    pub(super) group: &'a mut StreamsGroup,
    records: Vec<Record>,
    reverts: Vec<Revert>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(group: &'a mut StreamsGroup) -> Self {
        Self::after(group, Parts::default())
    }

    /// A draft that goes on from records which another part of the step has made.
    pub(super) fn after(group: &'a mut StreamsGroup, (records, reverts): Parts) -> Self {
        Self {
            group,
            records,
            reverts,
        }
    }

    pub(super) fn put(&mut self, record: StreamsRecord) {
        self.records.push(record.encode(&self.group.group_id));
        let inverse = self.group.apply(record);
        self.reverts.push(Revert::Streams {
            group_id: self.group.group_id.clone(),
            record: Box::new(inverse),
        });
    }

    /// Moves the group to its next epoch.
    pub(super) fn bump_epoch(&mut self, epoch: GroupEpoch) {
        let next = self.group.epoch.epoch.saturating_add(1);
        let epoch = GroupEpoch {
            epoch: next,
            ..epoch
        };
        self.put(StreamsRecord::Group(Some(epoch)));
    }

    /// Appends what there is.
    pub(super) fn append(self, cx: &mut Context<'_>) {
        if !self.records.is_empty() {
            cx.append(self.records, Vec::new(), AfterAppend::Revert(self.reverts));
        }
    }
}
