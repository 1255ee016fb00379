//! What does a group know about one member?

use bytes::Bytes;

use super::records::MemberValue;
use crate::coordinator::Token;
use crate::group::request::{JoinProtocol, JoinRequest};

/// A member of a group.
#[derive(Clone, Debug)]
pub(in crate::group) struct Member {
    pub(in crate::group) member_id: String,
    pub(in crate::group) group_instance_id: Option<String>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) rebalance_timeout_ms: i32,
    pub(in crate::group) session_timeout_ms: i32,
    /// Preferred first.
    pub(in crate::group) protocols: Vec<JoinProtocol>,
    pub(in crate::group) assignment: Bytes,
    /// Changed only through the group, which counts these.
    pub(in crate::group) awaiting_join: Option<Token>,
    pub(in crate::group) awaiting_sync: Option<Token>,
    /// Whether the member has never been answered: it has no id to heartbeat with, so that a parked
    /// join does not keep it alive for ever.
    pub(in crate::group) is_new: bool,
}

impl Member {
    /// A member as it first joins.
    pub(in crate::group) fn joining(member_id: String, request: &JoinRequest) -> Self {
        Self {
            member_id,
            group_instance_id: request.group_instance_id.clone(),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
        }
    }

    /// A member as its group's record tells. Only the chosen protocol is stored.
    pub(in crate::group) fn loaded(value: MemberValue, protocol_name: Option<&str>) -> Self {
        Self {
            member_id: value.member_id,
            group_instance_id: value.group_instance_id,
            client_id: value.client_id,
            client_host: value.client_host,
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            session_timeout_ms: value.session_timeout_ms,
            protocols: vec![JoinProtocol {
                name: protocol_name.unwrap_or("").to_owned(),
                metadata: value.subscription,
            }],
            assignment: value.assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    /// The metadata for a protocol; empty for one the member does not offer.
    pub(in crate::group) fn metadata(&self, protocol_name: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)
            .map(|protocol| protocol.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether silence is excused: a parked request shows that the member is there.
    pub(in crate::group) fn satisfies_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
