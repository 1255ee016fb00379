//! What the descriptions of groups of the newer protocols have in common: who is refused, and
//! partitions under the names of their topics.
//!
//! Source: KIP-848, KIP-932, KIP-1071.

use sprawl_core::group::{Assignment, GroupError};
use sprawl_core::metadata::MetadataImage;
use sprawl_protocol::messages::{GroupId, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use crate::authorized_operations;
use crate::coordinator::{CoordinatorError, of_coordinator};

/// Why a group is not described.
pub(super) struct Undescribed {
    pub(super) code: ErrorCode,
    pub(super) message: Option<StrBytes>,
}

impl From<ErrorCode> for Undescribed {
    fn from(code: ErrorCode) -> Self {
        let message = None;
        Self { code, message }
    }
}

/// Which groups are described, and whether they are served here.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) is_served: bool,
}

/// Answers for one group: its description, or why there is none.
pub(super) fn check<T>(
    kind: Kind,
    group_id: &GroupId,
    look: impl FnOnce() -> Result<Result<T, GroupError>, CoordinatorError>,
) -> Result<T, Undescribed> {
    if !kind.is_served {
        return Err(ErrorCode::UnsupportedVersion.into());
    }
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId.into());
    }
    let looked = look().map_err(of_coordinator)?;
    // Whatever the reason, there is no such group to describe.
    looked.map_err(|_| {
        let message = format!("Group {} is not a {} group.", group_id.0, kind.name);
        Undescribed {
            code: ErrorCode::GroupIdNotFound,
            message: Some(StrBytes::from_string(message)),
        }
    })
}

/// What everybody may do with a group that is described, where that was asked.
pub(super) fn operations(are_asked: bool) -> i32 {
    if are_asked {
        authorized_operations::GROUP
    } else {
        authorized_operations::NOT_ASKED
    }
}

/// The partitions of each topic by its name. Topics that are gone have no name and are left out, as
/// Kafka does.
pub(super) fn named(
    assignment: &Assignment,
    image: &MetadataImage,
) -> impl Iterator<Item = (Uuid, TopicName, Vec<i32>)> {
    assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = image.topic_by_id(*topic_id)?;
        let name = TopicName(StrBytes::from_string(topic.name.clone()));
        Some((topic_id.0, name, partitions.iter().copied().collect()))
    })
}

/// The topics that a member subscribes to.
pub(super) fn subscribed(topics: impl IntoIterator<Item = String>) -> Vec<TopicName> {
    let names = topics.into_iter().map(StrBytes::from_string);
    names.map(TopicName).collect()
}
