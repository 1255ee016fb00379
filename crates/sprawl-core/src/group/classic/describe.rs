//! What can be read about a classic group?

use bytes::Bytes;

use super::member::Member;
use super::membership::ClassicGroup;
use super::state::ClassicState;

/// A classic group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its state.
    pub state: ClassicState,
    /// Its protocol type; empty for a simple group.
    pub protocol_type: String,
    /// The chosen protocol, while the group is stable; else empty.
    pub protocol_name: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member_id: String,
    /// Its static identity, if any.
    pub group_instance_id: Option<String>,
    /// The client id it joined with.
    pub client_id: String,
    /// The address it joined from.
    pub client_host: String,
    /// Its metadata for the chosen protocol, while the group is stable; else empty.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl ClassicGroup {
    pub(in crate::group) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state() == ClassicState::Stable;
        let chosen = self.protocol_name.clone().filter(|_| is_stable);
        let describe_member = |member: &Member| DescribedMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: chosen
                .as_deref()
                .map(|name| member.metadata(name))
                .unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        DescribedGroup {
            state: self.state(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.values().map(describe_member).collect(),
            protocol_name: chosen.unwrap_or_default(),
        }
    }
}
