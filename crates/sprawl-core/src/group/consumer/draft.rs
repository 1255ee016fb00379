//! How does a rule change a group? Record by record: each is applied at once, and all of a step are
//! appended together.
//!
//! If the log refuses them, they are taken back in reverse order. That is exact, because a refusal
//! is reported before the shard sees another input ([`AppendOutcome::Refused`]).
//!
//! [`AppendOutcome::Refused`]: crate::coordinator::AppendOutcome::Refused

use super::group::ConsumerGroup;
use super::records::ConsumerRecord;
use crate::coordinator::Record;
use crate::group::revert::Revert;
use crate::group::shard::{AfterAppend, Context};

/// A group with the records of this step.
pub(in crate::group) struct Draft<'a> {
    pub(in crate::group) group: &'a mut ConsumerGroup,
    records: Vec<Record>,
    reverts: Vec<Revert>,
}

impl<'a> Draft<'a> {
    pub(in crate::group) fn new(group: &'a mut ConsumerGroup) -> Self {
        Self {
            group,
            records: Vec::new(),
            reverts: Vec::new(),
        }
    }

    /// A draft that goes on from records which another part of the step has made.
    pub(in crate::group) fn after(
        group: &'a mut ConsumerGroup,
        (records, reverts): (Vec<Record>, Vec<Revert>),
    ) -> Self {
        Self {
            group,
            records,
            reverts,
        }
    }

    pub(in crate::group) fn put(&mut self, record: ConsumerRecord) {
        self.records.push(record.encode(&self.group.group_id));
        let inverse = self.group.apply(record);
        self.reverts.push(Revert::Consumer {
            group_id: self.group.group_id.clone(),
            record: Box::new(inverse),
        });
    }

    /// Appends what there is.
    pub(in crate::group) fn append(self, cx: &mut Context<'_>) {
        if !self.records.is_empty() {
            cx.append(self.records, Vec::new(), AfterAppend::Revert(self.reverts));
        }
    }

    /// Gives the records to a step that goes on without the group.
    pub(in crate::group) fn into_parts(self) -> (Vec<Record>, Vec<Revert>) {
        (self.records, self.reverts)
    }
}
