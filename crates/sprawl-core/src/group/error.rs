//! Why is a group request refused?

use thiserror::Error;

use crate::coordinator::AppendRefusal;

/// A refusal, named as Kafka names its error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum GroupError {
    /// The group id is empty where one is needed.
    #[error("expected a group id, found an empty one")]
    InvalidGroupId,
    /// The session timeout lies outside the broker's bounds.
    #[error("session timeout is outside the bounds of the broker")]
    InvalidSessionTimeout,
    /// The member is not, or no longer, part of the group.
    #[error("member id is not known to the group")]
    UnknownMemberId,
    /// The member must join again with the id it has just received (KIP-394).
    #[error("join again with the member id of this response")]
    MemberIdRequired,
    /// Another member has taken over this group instance id (KIP-345).
    #[error("group instance id is held by another member id")]
    FencedInstanceId,
    /// The request names another generation than the group's.
    #[error("generation differs from the group's")]
    IllegalGeneration,
    /// The group is rebalancing; the member must join again.
    #[error("group is rebalancing")]
    RebalanceInProgress,
    /// No protocol of the member is supported by every other member.
    #[error("member's protocols do not fit the group's")]
    InconsistentGroupProtocol,
    /// The group has as many members as it may have.
    #[error("group has reached its maximum size")]
    GroupMaxSizeReached,
    /// The group has members.
    #[error("group is not empty")]
    NonEmptyGroup,
    /// There is no such group.
    #[error("group does not exist")]
    GroupIdNotFound,
    /// The group's members subscribe to the topic whose offsets are to be deleted.
    #[error("group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// The commit's metadata string is longer than the broker allows.
    #[error("offset metadata is too large")]
    OffsetMetadataTooLarge,
    /// The record of the change does not fit the log, or the request contradicts itself.
    #[error("request could not be carried out")]
    UnknownServerError,
    /// The log takes no records at the moment.
    #[error("coordinator cannot store the change now")]
    CoordinatorNotAvailable,
    /// The request contradicts the rules of its API.
    #[error("{reason}")]
    InvalidRequest {
        /// Which rule.
        reason: &'static str,
    },
    /// No cluster has topics that the topology could run with.
    #[error("{reason}")]
    StreamsInvalidTopology {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The member's epoch is not the coordinator's: it must give up its partitions and join again.
    #[error("member epoch differs from the coordinator's; join again without partitions")]
    FencedMemberEpoch,
    /// The epoch of a commit or fetch is not the member's.
    #[error("member epoch differs from the coordinator's")]
    StaleMemberEpoch,
    /// Another member has this group instance id and has not left.
    #[error("group instance id is still in use by another member")]
    UnreleasedInstanceId,
    /// There is no server-side assignor of this name.
    #[error("server assignor is not supported; supported are uniform and range")]
    UnsupportedAssignor,
    /// The pattern is no regular expression, or too large a one.
    #[error("topic pattern is not a valid RE2 regular expression")]
    InvalidRegularExpression,
    /// The member speaks a protocol that needs a newer version of the request.
    #[error("members of this group must use a newer version of this request")]
    UnsupportedVersion,
    /// The coordinator has given up this partition.
    #[error("this broker no longer coordinates the group")]
    NotCoordinator,
    /// A newer instance of the transactional producer has written.
    #[error("producer epoch is older than one that has written")]
    InvalidProducerEpoch,
    /// The producer has no transaction that its coordinator knows to be open.
    #[error("producer has no open transaction in the group's partition")]
    InvalidTxnState,
    /// A newer transaction coordinator has ended a transaction of the producer.
    #[error("transaction coordinator is older than one that has written")]
    TransactionCoordinatorFenced,
}

impl From<AppendRefusal> for GroupError {
    fn from(refusal: AppendRefusal) -> Self {
        match refusal {
            AppendRefusal::TooLarge => Self::UnknownServerError,
            AppendRefusal::DiskFull => Self::CoordinatorNotAvailable,
            AppendRefusal::FencedProducer => Self::InvalidProducerEpoch,
            AppendRefusal::NotInTransaction => Self::InvalidTxnState,
            AppendRefusal::FencedCoordinator => Self::TransactionCoordinatorFenced,
        }
    }
}
