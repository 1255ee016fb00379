//! Who is in a group, who leads it, and which protocol do its members agree on?
//!
//! Invariants:
//! - `awaiting_join_count` is the number of members with a parked join.
//! - `supported_protocols` counts, for each protocol name, the members that offer it.
//! - A leader, where there is one, is a member, or was one when the group's record was written.
//!
//! Where Kafka picks "any" member or protocol from a hash map, this picks the first by name, so
//! that equal inputs give equal outputs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::member::Member;
use super::records::{GroupValue, MemberValue};
use super::state::ClassicState;
use super::subscription::{CONSUMER_PROTOCOL_TYPE, subscribed_topics};
use crate::coordinator::{Now, Token};
use crate::group::error::GroupError;
use crate::group::request::{JoinProtocol, JoinRequest, Joined, JoinedMember, Response};
use crate::group::shard::Context;

/// How the initial delay of a group goes on (KIP-134).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) struct InitialDelay {
    /// The delay that is running.
    pub(in crate::group) delay_ms: u64,
    /// How much longer it may be extended after that.
    pub(in crate::group) remaining_ms: u64,
    /// Whether a member has joined since it was last set.
    pub(in crate::group) member_added: bool,
}

/// A classic group.
#[derive(Clone, Debug)]
pub(in crate::group) struct ClassicGroup {
    pub(in crate::group) group_id: String,
    state: ClassicState,
    previous_state: ClassicState,
    pub(in crate::group) state_timestamp_ms: Option<i64>,
    pub(in crate::group) protocol_type: Option<String>,
    pub(in crate::group) protocol_name: Option<String>,
    pub(in crate::group) generation: i32,
    pub(in crate::group) leader: Option<String>,
    pub(in crate::group) members: BTreeMap<String, Member>,
    static_members: BTreeMap<String, String>,
    /// Members that were given an id and have yet to join with it.
    pub(in crate::group) pending_join: BTreeSet<String>,
    /// Members of this generation that have yet to sync.
    pub(in crate::group) pending_sync: BTreeSet<String>,
    supported_protocols: BTreeMap<String, usize>,
    awaiting_join_count: usize,
    /// What the members subscribe to; `None` where the coordinator cannot tell.
    pub(in crate::group) subscribed_topics: Option<BTreeSet<String>>,
    pub(in crate::group) initial_delay: Option<InitialDelay>,
}

impl ClassicGroup {
    pub(in crate::group) fn empty(group_id: &str, now: Option<Now>) -> Self {
        Self {
            group_id: group_id.to_owned(),
            state: ClassicState::Empty,
            previous_state: ClassicState::Dead,
            state_timestamp_ms: now.map(|now| now.wall_ms),
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            supported_protocols: BTreeMap::new(),
            awaiting_join_count: 0,
            subscribed_topics: None,
            initial_delay: None,
        }
    }

    /// A group as its record tells.
    pub(in crate::group) fn loaded(group_id: &str, value: GroupValue) -> Self {
        let mut group = Self::empty(group_id, None);
        group.state = if value.members.is_empty() {
            ClassicState::Empty
        } else {
            ClassicState::Stable
        };
        group.state_timestamp_ms = value.state_timestamp_ms;
        group.generation = value.generation;
        group.protocol_type = value.protocol_type;
        group.protocol_name = value.protocol_name;
        group.leader = value.leader;
        for member in value.members {
            group.insert_loaded(member);
        }
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    fn insert_loaded(&mut self, value: MemberValue) {
        let member = Member::loaded(value, self.protocol_name.as_deref());
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members
                .insert(instance_id.clone(), member.member_id.clone());
        }
        self.count_protocols(&member.protocols, Count::Up);
        self.members.insert(member.member_id.clone(), member);
    }

    pub(in crate::group) fn state(&self) -> ClassicState {
        self.state
    }

    pub(in crate::group) fn previous_state(&self) -> ClassicState {
        self.previous_state
    }

    pub(in crate::group) fn transition(&mut self, now: Now, next: ClassicState) {
        assert!(
            self.state.may_become(next),
            "{} may not become {next}",
            self.state
        );
        self.previous_state = self.state;
        self.state = next;
        self.state_timestamp_ms = Some(now.wall_ms);
    }

    pub(in crate::group) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(in crate::group) fn static_member_id(&self, instance_id: &str) -> Option<&String> {
        self.static_members.get(instance_id)
    }

    pub(in crate::group) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether offsets of the topic are in use by members. A consumer group whose subscriptions
    /// cannot be read counts as subscribed to everything.
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(in crate::group) fn awaiting_join_count(&self) -> usize {
        self.awaiting_join_count
    }

    pub(in crate::group) fn all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join_count && self.pending_join.is_empty()
    }

    /// The longest rebalance timeout of a member, in milliseconds.
    pub(in crate::group) fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max();
        u64::try_from(longest.unwrap_or(0)).unwrap_or(0)
    }

    /// Checks that a member is who it says it is.
    pub(in crate::group) fn validate_member(
        &self,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = group_instance_id {
            let holder = self
                .static_members
                .get(instance_id)
                .ok_or(GroupError::UnknownMemberId)?;
            if holder != member_id {
                return Err(GroupError::FencedInstanceId);
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// Adds a member with its parked join.
    pub(in crate::group) fn add(&mut self, mut member: Member, protocol_type: &str, token: Token) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members
                .insert(instance_id.clone(), member.member_id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.member_id.clone());
        }
        member.awaiting_join = Some(token);
        self.awaiting_join_count += 1;
        self.count_protocols(&member.protocols, Count::Up);
        self.pending_join.remove(&member.member_id);
        let replaced = self.members.insert(member.member_id.clone(), member);
        assert!(replaced.is_none(), "a member is added once");
    }

    /// Removes a member, or a member to be; returns what it had parked.
    pub(in crate::group) fn remove(&mut self, member_id: &str) -> Option<Member> {
        let removed = self.members.remove(member_id);
        if let Some(member) = &removed {
            self.count_protocols(&member.protocols, Count::Down);
            if member.awaiting_join.is_some() {
                self.awaiting_join_count -= 1;
            }
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        removed
    }

    /// Gives a static member's place to a new member id; the parked requests of the old one are
    /// returned in the old member, for fencing.
    pub(in crate::group) fn replace_static_member(
        &mut self,
        instance_id: &str,
        old_member_id: &str,
        new_member_id: &str,
    ) -> Option<Member> {
        let old = self.members.remove(old_member_id)?;
        if old.awaiting_join.is_some() {
            self.awaiting_join_count -= 1;
        }
        let member = Member {
            member_id: new_member_id.to_owned(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..old.clone()
        };
        self.members.insert(new_member_id.to_owned(), member);
        if self.pending_sync.remove(old_member_id) {
            self.pending_sync.insert(new_member_id.to_owned());
        }
        if self.is_leader(old_member_id) {
            self.leader = Some(new_member_id.to_owned());
        }
        self.static_members
            .insert(instance_id.to_owned(), new_member_id.to_owned());
        Some(old)
    }

    /// Takes over what a member says in a new join and parks it; returns a join parked before.
    pub(in crate::group) fn update_member(
        &mut self,
        member_id: &str,
        request: &JoinRequest,
        token: Token,
    ) -> Option<Token> {
        self.set_member_terms(
            member_id,
            request.protocols.clone(),
            request.rebalance_timeout_ms,
            request.session_timeout_ms,
        );
        let member = self
            .members
            .get_mut(member_id)
            .expect("the caller found the member");
        let replaced = member.awaiting_join.replace(token);
        if replaced.is_none() {
            self.awaiting_join_count += 1;
        }
        replaced
    }

    pub(in crate::group) fn set_member_terms(
        &mut self,
        member_id: &str,
        protocols: Vec<JoinProtocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let member = self
            .members
            .get_mut(member_id)
            .expect("the caller found the member");
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        let old_protocols = std::mem::replace(&mut member.protocols, protocols.clone());
        self.count_protocols(&old_protocols, Count::Down);
        self.count_protocols(&protocols, Count::Up);
    }

    /// Takes a member's parked join, to answer it.
    pub(in crate::group) fn take_join(&mut self, member_id: &str) -> Option<Token> {
        let token = self.members.get_mut(member_id)?.awaiting_join.take();
        if token.is_some() {
            self.awaiting_join_count -= 1;
        }
        token
    }

    /// Takes a member's parked sync, to answer it.
    pub(in crate::group) fn take_sync(&mut self, member_id: &str) -> Option<Token> {
        self.members.get_mut(member_id)?.awaiting_sync.take()
    }

    /// Answers everything the members have parked.
    pub(in crate::group) fn refuse_parked(&mut self, cx: &mut Context<'_>, error: GroupError) {
        let member_ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            if let Some(token) = self.take_join(&member_id) {
                cx.reply(token, Response::join_refused(error, member_id.as_str()));
            }
            if let Some(token) = self.take_sync(&member_id) {
                cx.reply(token, Response::Sync(Err(error)));
            }
        }
    }

    /// Whether a member with these protocols fits the group.
    pub(in crate::group) fn supports(
        &self,
        protocol_type: &str,
        protocols: &[JoinProtocol],
    ) -> bool {
        if self.state == ClassicState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|protocol| self.is_candidate(&protocol.name))
    }

    fn is_candidate(&self, protocol_name: &str) -> bool {
        let support = self
            .supported_protocols
            .get(protocol_name)
            .copied()
            .unwrap_or(0);
        support == self.members.len()
    }

    /// The protocol that every member offers and most prefer; `None` without members.
    pub(in crate::group) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .find(|protocol| self.is_candidate(&protocol.name));
            if let Some(protocol) = choice {
                *votes.entry(protocol.name.as_str()).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name.to_owned())
    }

    /// Hands leadership to a member that has joined when the leader has not; says whether the
    /// leader now is one that has joined.
    pub(in crate::group) fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else {
            return false;
        };
        let joined = |member: &&Member| member.awaiting_join.is_some();
        if self.members.get(leader).as_ref().is_some_and(joined) {
            return true;
        }
        let elected = self
            .members
            .values()
            .find(joined)
            .map(|member| member.member_id.clone());
        if elected.is_none() {
            return false;
        }
        self.leader = elected;
        true
    }

    /// Settles the protocol of members that were not elected into a generation here.
    pub(in crate::group) fn choose_protocol(&mut self) {
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
    }

    /// Begins the next generation with whoever is a member now.
    pub(in crate::group) fn begin_generation(&mut self, now: Now) {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        let next = if self.members.is_empty() {
            ClassicState::Empty
        } else {
            ClassicState::CompletingRebalance
        };
        self.transition(now, next);
        self.pending_sync.clear();
    }

    fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol_name = self.protocol_name.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.append(&mut subscribed_topics(&member.metadata(protocol_name)).ok()?);
        }
        Some(topics)
    }

    /// The current generation as this member is told.
    pub(in crate::group) fn joined(&self, member_id: &str) -> Joined {
        let protocol_name = self.protocol_name.as_deref().unwrap_or("");
        let members = if self.is_leader(member_id) {
            self.members
                .values()
                .map(|member| JoinedMember {
                    member_id: member.member_id.clone(),
                    group_instance_id: member.group_instance_id.clone(),
                    metadata: member.metadata(protocol_name),
                })
                .collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members,
        }
    }

    pub(in crate::group) fn assignments(&self) -> BTreeMap<String, Bytes> {
        let pairs = self.members.iter();
        pairs
            .map(|(member_id, member)| (member_id.clone(), member.assignment.clone()))
            .collect()
    }

    fn count_protocols(&mut self, protocols: &[JoinProtocol], count: Count) {
        // A name offered twice by one member counts once.
        let names: BTreeSet<&str> = protocols.iter().map(|each| each.name.as_str()).collect();
        for name in names {
            let support = self.supported_protocols.entry(name.to_owned()).or_default();
            match count {
                Count::Up => *support += 1,
                Count::Down => *support -= 1,
            }
            if *support == 0 {
                self.supported_protocols.remove(name);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Count {
    Up,
    Down,
}
