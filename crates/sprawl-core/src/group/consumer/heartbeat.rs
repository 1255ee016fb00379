//! What happens when a member of a consumer group beats?
//!
//! One request does everything: it joins, changes a subscription, says what the member has given
//! up, leaves; and the answer tells the member what it has from now on.
//!
//! Source: KIP-848; Kafka's `GroupMetadataManager.consumerGroupHeartbeat`, KIP-1082 (ids made by
//! clients).

use super::assignor::Assignor;
use super::convert::group_to_join;
use super::draft::Draft;
use super::group::ConsumerGroup;
use super::leave::leave;
use super::member::{
    ConsumerMember, Current, JOIN_EPOCH, LEAVE_EPOCH, MemberMetadata, MemberState,
    STATIC_LEAVE_EPOCH, without_epochs,
};
use super::reconcile::next_step;
use super::records::ConsumerRecord;
use super::request::{ConsumerBeat, ConsumerHeartbeat, MemberIdOrigin};
use super::subscription::{SubscriptionChange, compile};
use crate::coordinator::Token;
use crate::coordinator::wire::fits;
use crate::group::any::Group;
use crate::group::error::GroupError;
use crate::group::request::Response;
use crate::group::shard::{Context, Groups};

pub(in crate::group) fn on_consumer_heartbeat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    mut request: ConsumerHeartbeat,
) {
    let outcome = validate(&request).and_then(|()| {
        if request.member_id.is_empty() {
            request.member_id = request.new_member_id.clone();
        }
        match request.member_epoch {
            LEAVE_EPOCH | STATIC_LEAVE_EPOCH => leave(groups, cx, &request),
            _ => beat(groups, cx, &request),
        }
    });
    let response = Response::ConsumerHeartbeat(outcome);
    match &response {
        Response::ConsumerHeartbeat(Ok(_)) => cx.reply_when_settled(token, response),
        _ => cx.reply(token, response),
    }
}

fn validate(request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let invalid = |reason| Err(GroupError::InvalidRequest { reason });
    let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    let epoch = request.member_epoch;
    let must_name_member = request.member_id_origin == MemberIdOrigin::Client
        || epoch > JOIN_EPOCH
        || epoch == LEAVE_EPOCH;
    if must_name_member && request.member_id.trim().is_empty() {
        return invalid("member id is empty");
    }
    if request.group_id.trim().is_empty() {
        return invalid("group id is empty");
    }
    if is_blank(&request.instance_id) {
        return invalid("instance id is empty");
    }
    if is_blank(&request.rack_id) {
        return invalid("rack id is empty");
    }
    if epoch == JOIN_EPOCH {
        if request.rebalance_timeout_ms.is_none() {
            return invalid("rebalance timeout is missing from the first heartbeat");
        }
        if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("a member that joins owns no partitions");
        }
        if request.topics.is_none() && request.regex.is_none() {
            return invalid("a member that joins subscribes by names or by a pattern");
        }
    } else if epoch == STATIC_LEAVE_EPOCH {
        if request.instance_id.is_none() {
            return invalid("instance id is missing");
        }
    } else if epoch < STATIC_LEAVE_EPOCH {
        return invalid("member epoch is below -2");
    }
    if let Some(name) = &request.server_assignor {
        Assignor::named(name).ok_or(GroupError::UnsupportedAssignor)?;
    }
    if let Some(regex) = request.regex.as_deref().filter(|regex| !regex.is_empty()) {
        compile(regex)?;
    }
    validate_sizes(request)
}

/// Keys are written in the plain encoding, whose strings are shorter.
fn validate_sizes(request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let keys = [
        request.group_id.as_str(),
        request.member_id.as_str(),
        request.new_member_id.as_str(),
        request.regex.as_deref().unwrap_or(""),
    ];
    if keys.into_iter().all(fits) {
        Ok(())
    } else {
        let reason = "an id or pattern is longer than 32767 bytes";
        Err(GroupError::InvalidRequest { reason })
    }
}

fn beat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &ConsumerHeartbeat,
) -> Result<ConsumerBeat, GroupError> {
    let existing = groups.get(&request.group_id);
    admit(existing, cx, request)?;
    let parts = group_to_join(groups, cx, &request.group_id)?;
    let Some(Group::Consumer(group)) = groups.get_mut(&request.group_id) else {
        return Err(GroupError::GroupIdNotFound);
    };
    let mut draft = Draft::after(group, parts);
    let before = draft.take_place(request);
    let change = draft.update_metadata(request);
    draft.follow_subscriptions(cx, change);
    draft.follow_epoch(cx);
    draft.reconcile(cx, &request.member_id, request.owned.as_ref());
    let beat = draft.answer(cx, request, &before);
    draft.append(cx);
    let Some(Group::Consumer(group)) = groups.get(&request.group_id) else {
        return Err(GroupError::GroupIdNotFound);
    };
    cx.cancel_timer(group.rejoin_timer(&request.member_id));
    cx.cancel_timer(group.sync_timer(&request.member_id));
    let session_ms = cx.consumer_session_timeout_ms(&request.group_id);
    cx.set_timer(group.session_timer(&request.member_id), session_ms);
    Ok(beat)
}

/// Whether this heartbeat is allowed; nothing has changed yet.
fn admit(
    existing: Option<&Group>,
    cx: &Context<'_>,
    request: &ConsumerHeartbeat,
) -> Result<(), GroupError> {
    let joins = request.member_epoch == JOIN_EPOCH;
    let group = match existing {
        Some(Group::Consumer(group)) => group,
        // The conversion of a classic group has rules of its own.
        Some(_) | None if joins => return Ok(()),
        Some(_) | None => return Err(GroupError::GroupIdNotFound),
    };
    let is_member = group.members.contains_key(&request.member_id);
    if group.members.len() >= cx.settings.consumer.size_max && !is_member {
        return Err(GroupError::GroupMaxSizeReached);
    }
    match &request.instance_id {
        None => admit_dynamic(group, request),
        Some(instance_id) => admit_static(group, request, instance_id),
    }
}

fn admit_dynamic(group: &ConsumerGroup, request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    match group.members.get(&request.member_id) {
        Some(member) => check_epoch(&member.current, request),
        None if request.member_epoch == JOIN_EPOCH => Ok(()),
        None => Err(GroupError::UnknownMemberId),
    }
}

fn admit_static(
    group: &ConsumerGroup,
    request: &ConsumerHeartbeat,
    instance_id: &str,
) -> Result<(), GroupError> {
    let holder_id = group.static_member_id(instance_id);
    let holder = holder_id.and_then(|id| Some((id, group.members.get(id)?)));
    match holder {
        None if request.member_epoch == JOIN_EPOCH => Ok(()),
        None => Err(GroupError::UnknownMemberId),
        Some((holder_id, holder)) if request.member_epoch == JOIN_EPOCH => {
            let is_released = holder.current.epoch == STATIC_LEAVE_EPOCH;
            if is_released || holder.uses_classic_protocol() || *holder_id == request.member_id {
                Ok(())
            } else {
                Err(GroupError::UnreleasedInstanceId)
            }
        }
        Some((holder_id, _)) if *holder_id != request.member_id => {
            Err(GroupError::FencedInstanceId)
        }
        Some((_, holder)) => check_epoch(&holder.current, request),
    }
}

/// A member may be one epoch behind if the answer that told it may be lost; it then has no more
/// than it was given.
fn check_epoch(current: &Current, request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let epoch = request.member_epoch;
    let is_unknown = current.state == MemberState::Unknown;
    if is_unknown && request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        // Written by a later release: only a member without partitions can start over.
        return Err(GroupError::FencedMemberEpoch);
    }
    if epoch == JOIN_EPOCH || epoch == current.epoch {
        return Ok(());
    }
    let is_subset = request.owned.as_ref().is_some_and(|owned| {
        owned.iter().all(|(topic_id, partitions)| {
            let assigned = current.assigned.get(topic_id);
            let has = |partition| assigned.is_some_and(|has| has.contains_key(partition));
            partitions.iter().all(has)
        })
    });
    if epoch < current.epoch && epoch == current.previous_epoch && is_subset {
        return Ok(());
    }
    Err(GroupError::FencedMemberEpoch)
}

impl Draft<'_> {
    /// Makes the requester a member, in the place of a static member that left where there is one;
    /// returns what it had.
    fn take_place(&mut self, request: &ConsumerHeartbeat) -> Current {
        let holder_id = request
            .instance_id
            .as_ref()
            .and_then(|instance_id| self.group.static_member_id(instance_id));
        if let Some(holder_id) = holder_id.filter(|id| **id != request.member_id).cloned() {
            self.replace_member(&holder_id, &request.member_id);
        }
        let member = self.group.members.get(&request.member_id);
        member
            .map(|member| member.current.clone())
            .unwrap_or_default()
    }

    /// Gives a static member's place to a new member id: it keeps target and partitions, and begins
    /// with epoch 0.
    pub(in crate::group) fn replace_member(&mut self, old_id: &str, new_id: &str) {
        let Some(ConsumerMember { metadata, current }) = self
            .group
            .members
            .get(old_id)
            .map(|member| (**member).clone())
        else {
            return;
        };
        let target = self.group.targets.get(old_id).cloned();
        self.remove_member(old_id);
        self.put(ConsumerRecord::Member(new_id.to_owned(), Some(metadata)));
        self.put(ConsumerRecord::Target(
            new_id.to_owned(),
            Some(target.unwrap_or_default()),
        ));
        let current = Current {
            epoch: JOIN_EPOCH,
            previous_epoch: JOIN_EPOCH,
            ..current
        };
        self.put(ConsumerRecord::Current(new_id.to_owned(), Some(current)));
    }

    pub(in crate::group) fn remove_member(&mut self, member_id: &str) {
        self.put(ConsumerRecord::Current(member_id.to_owned(), None));
        self.put(ConsumerRecord::Target(member_id.to_owned(), None));
        self.put(ConsumerRecord::Member(member_id.to_owned(), None));
    }

    /// Takes over what the member says about itself.
    fn update_metadata(&mut self, request: &ConsumerHeartbeat) -> SubscriptionChange {
        let member = self.group.members.get(&request.member_id);
        let known = member.map(|member| &member.metadata);
        let old = known.cloned().unwrap_or_default();
        let said = |new: &Option<String>, old: Option<String>| new.clone().or(old);
        let new = MemberMetadata {
            instance_id: said(&request.instance_id, old.instance_id.clone()),
            rack_id: said(&request.rack_id, old.rack_id.clone()),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            topics: request.topics.clone().unwrap_or_else(|| old.topics.clone()),
            regex: said(&request.regex, old.regex.clone()).filter(|regex| !regex.is_empty()),
            rebalance_timeout_ms: request
                .rebalance_timeout_ms
                .unwrap_or(old.rebalance_timeout_ms),
            server_assignor: said(&request.server_assignor, old.server_assignor.clone()),
            classic: None,
        };
        let known = known.cloned();
        self.put_metadata(&request.member_id, known.as_ref(), new)
    }

    /// Records a member's metadata if it has changed; says whether its subscription has.
    pub(in crate::group) fn put_metadata(
        &mut self,
        member_id: &str,
        known: Option<&MemberMetadata>,
        new: MemberMetadata,
    ) -> SubscriptionChange {
        if known == Some(&new) {
            return SubscriptionChange::None;
        }
        // A group that is new has to leave epoch 0, even without a topic.
        let is_unchanged = self.group.epoch.epoch != 0
            && known.is_some_and(|old| old.topics == new.topics && old.regex == new.regex);
        self.put(ConsumerRecord::Member(member_id.to_owned(), Some(new)));
        if is_unchanged {
            SubscriptionChange::None
        } else {
            SubscriptionChange::Changed
        }
    }

    /// Leads the member one step on, and watches how long it takes to give partitions up.
    pub(in crate::group) fn reconcile(
        &mut self,
        cx: &mut Context<'_>,
        member_id: &str,
        owned: Option<&crate::group::modern::Assignment>,
    ) {
        let Some(next) = next_step(self.group, member_id, owned) else {
            return;
        };
        let is_revoking = next.state == MemberState::UnrevokedPartitions;
        self.put(ConsumerRecord::Current(member_id.to_owned(), Some(next)));
        let member = self.group.members.get(member_id);
        let Some(member) = member.filter(|member| !member.uses_classic_protocol()) else {
            return;
        };
        let timer = self.group.rebalance_timer(member_id);
        if is_revoking {
            let timeout_ms = u64::try_from(member.metadata.rebalance_timeout_ms).unwrap_or(0);
            cx.set_timer(timer, timeout_ms);
        } else {
            cx.cancel_timer(timer);
        }
    }

    /// The assignment goes along when the member asks for all, or when it has changed.
    fn answer(
        &self,
        cx: &Context<'_>,
        request: &ConsumerHeartbeat,
        before: &Current,
    ) -> ConsumerBeat {
        let member = self.group.members.get(&request.member_id);
        let current = member
            .map(|member| member.current.clone())
            .unwrap_or_default();
        let has_subscription = request.topics.is_some() || request.regex.is_some();
        let asks_for_all = request.member_epoch == JOIN_EPOCH
            || (request.rebalance_timeout_ms.is_some()
                && has_subscription
                && request.owned.is_some());
        let assigned = without_epochs(&current.assigned);
        let is_changed = assigned != without_epochs(&before.assigned);
        ConsumerBeat {
            member_id: request.member_id.clone(),
            member_epoch: current.epoch,
            heartbeat_interval_ms: cx.consumer_heartbeat_interval_ms(&request.group_id),
            assignment: (asks_for_all || is_changed).then_some(assigned),
        }
    }
}
