//! What can a share coordinator be asked?

use std::fmt;

use sprawl_model::{Offset, TopicId, kafka_uuid, parse_kafka_uuid};

use super::state::ShareState;
use crate::coordinator::{Event, Token};
use crate::share::StateBatch;

/// One partition as one group consumes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareStateKey {
    /// The group.
    pub group_id: String,
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for ShareStateKey {
    /// `group:topic-id:partition`, as `FindCoordinator` names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group_id,
            topic_id,
            partition,
        } = self;
        write!(f, "{group_id}:{}:{partition}", kafka_uuid(topic_id.0))
    }
}

impl ShareStateKey {
    /// Reads what `FindCoordinator` names; a group's own id may have colons.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, partition) = text.rsplit_once(':')?;
        let (group_id, topic_id) = rest.rsplit_once(':')?;
        let partition: i32 = partition.parse().ok()?;
        let topic_id = TopicId(parse_kafka_uuid(topic_id)?);
        (!group_id.is_empty() && partition >= 0).then(|| Self {
            group_id: group_id.to_owned(),
            topic_id,
            partition,
        })
    }
}

/// A change of a share-partition's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareStateWrite {
    /// The epoch of the state that was read.
    pub state_epoch: i32,
    /// The epoch of the partition's leader.
    pub leader_epoch: i32,
    /// The first offset that is not over; -1 leaves it as it is.
    pub start_offset: i64,
    /// How many offsets from there on are over; -1 where unknown.
    pub delivery_complete_count: i32,
    /// What changes.
    pub batches: Vec<StateBatch>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum ShareStateInput {
    /// A share-partition begins, or begins again, at an offset; -1 lets its leader find out.
    Initialize {
        /// For the reply.
        token: Token,
        /// Which.
        key: ShareStateKey,
        /// The new state epoch.
        state_epoch: i32,
        /// Where.
        start_offset: i64,
    },
    /// A leader begins to serve a share-partition; from then on older leaders are fenced.
    Read {
        /// For the reply.
        token: Token,
        /// Which.
        key: ShareStateKey,
        /// The leader's epoch.
        leader_epoch: i32,
    },
    /// A leader has a change written.
    Write {
        /// For the reply.
        token: Token,
        /// Which.
        key: ShareStateKey,
        /// What changes.
        write: ShareStateWrite,
    },
    /// A group is done with a share-partition.
    Delete {
        /// For the reply.
        token: Token,
        /// Which.
        key: ShareStateKey,
    },
    /// What happens to every coordinator.
    Event(Event<ShareStateTimer>),
}

impl From<Event<ShareStateTimer>> for ShareStateInput {
    fn from(event: Event<ShareStateTimer>) -> Self {
        Self::Event(event)
    }
}

/// Names a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareStateTimer {
    /// The next look for records that nobody needs.
    Prune,
    /// The next look for share-partitions without a recent snapshot.
    Snapshot,
}

/// What is done outside of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareStateErrand {
    /// Delete the log's records before an offset.
    Prune {
        /// The first offset that is needed.
        before: Offset,
    },
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareStateResponse {
    /// The change is durable.
    Done,
    /// The state, of which all is durable; `None` where there is none.
    State(Option<ShareState>),
    /// Refused.
    Refused(ShareStateError),
}

/// Why a request changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareStateError {
    /// A newer leader serves the partition.
    #[error("leader epoch {found} is older than {current}")]
    FencedLeaderEpoch {
        /// The epoch in the request.
        found: i32,
        /// The newest epoch.
        current: i32,
    },
    /// The share-partition was initialised again.
    #[error("state epoch {found} is not {current}")]
    FencedStateEpoch {
        /// The epoch in the request.
        found: i32,
        /// The epoch of the state.
        current: i32,
    },
    /// Runs that are none, or out of order.
    #[error("state batches are not in order")]
    InvalidBatches,
    /// The log took nothing for want of room; the same request may succeed later.
    #[error("the log is full")]
    NoRoom,
    /// The state is larger than the topic takes.
    #[error("the state is larger than the topic takes")]
    TooLarge,
    /// The partition is given up.
    #[error("this broker does not coordinate the share-partition")]
    NotCoordinator,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_is_written_as_kafka_writes_it() {
        let id = Uuid::parse_str("a1b2c3d4-e5f6-4789-8abc-def012345678").unwrap();
        let key = ShareStateKey {
            group_id: "orders:eu".to_owned(),
            topic_id: TopicId(id),
            partition: 12,
        };
        let text = key.to_string();
        assert_eq!(text, "orders:eu:obLD1OX2R4mKvN7wEjRWeA:12");
        assert_eq!(ShareStateKey::parse(&text), Some(key));
        for bad in [
            "",
            "g",
            "g:x:1",
            "g:obLD1OX2R4mKvN7wEjRWeA:-1",
            ":obLD1OX2R4mKvN7wEjRWeA:1",
        ] {
            assert_eq!(ShareStateKey::parse(bad), None, "{bad}");
        }
    }
}
