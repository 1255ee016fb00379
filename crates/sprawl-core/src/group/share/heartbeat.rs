//! What happens when a member of a share group beats, falls silent, or partitions become ready?

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::{TenantId, TopicId};

use super::assign::assign;
use super::group::ShareGroup;
use super::records::{Current, Member, ShareRecord, States};
use super::request::{ShareBeat, ShareHeartbeat, ShareStates, StatePartitions};
use crate::config::{GroupConfigs, ShareGroupConfig};
use crate::coordinator::wire::fits;
use crate::coordinator::{Record, Token};
use crate::group::any::Group;
use crate::group::error::GroupError;
use crate::group::modern::metadata_hash;
use crate::group::request::Response;
use crate::group::revert::Revert;
use crate::group::shard::{AfterAppend, Context, Groups};

const JOIN_EPOCH: i32 = 0;
const LEAVE_EPOCH: i32 = -1;

/// A group with the records of a step: each is applied at once, and all are appended together.
struct Draft<'a> {
    group: &'a mut ShareGroup,
    records: Vec<Record>,
    reverts: Vec<Revert>,
}

impl Draft<'_> {
    fn put(&mut self, record: ShareRecord) {
        self.records.push(record.encode(&self.group.group_id));
        let record = self.group.apply(record);
        self.reverts.push(Revert::Share {
            group_id: self.group.group_id.clone(),
            record,
        });
    }

    fn append(self, cx: &mut Context<'_>) {
        if !self.records.is_empty() {
            cx.append(self.records, Vec::new(), AfterAppend::Revert(self.reverts));
        }
    }
}

fn config(cx: &Context<'_>, group_id: &str) -> ShareGroupConfig {
    GroupConfigs::new(cx.metadata.group_configs(group_id)).share(&cx.settings.share)
}

pub(in crate::group) fn on_share_heartbeat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    request: ShareHeartbeat,
) {
    let beat = check_form(&request).and_then(|()| match request.member_epoch {
        LEAVE_EPOCH => leave(groups, cx, &request),
        _ => beat(groups, cx, &request),
    });
    cx.reply_when_settled(token, Response::ShareHeartbeat(beat));
}

fn check_form(request: &ShareHeartbeat) -> Result<(), GroupError> {
    let invalid = |reason| Err(GroupError::InvalidRequest { reason });
    let joins = request.member_epoch == JOIN_EPOCH;
    if request.group_id.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if request.member_id.trim().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.member_epoch < LEAVE_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    if joins && request.topics.as_ref().is_none_or(BTreeSet::is_empty) {
        return invalid("SubscribedTopicNames must be set in first request.");
    }
    if request.rack_id.as_ref().is_some_and(String::is_empty) {
        return invalid("RackId can't be empty.");
    }
    if !fits(&request.group_id) || !fits(&request.member_id) {
        return invalid("GroupId and MemberId can't be longer than 32767 bytes.");
    }
    Ok(())
}

/// The group that a member beats for; one that joins may make it.
fn group_of<'a>(
    groups: &'a mut Groups,
    request: &ShareHeartbeat,
) -> Result<&'a mut ShareGroup, GroupError> {
    let joins = request.member_epoch == JOIN_EPOCH;
    if joins && !groups.contains_key(&request.group_id) {
        let group = Group::Share(ShareGroup::new(&request.group_id));
        groups.insert(request.group_id.clone(), group);
    }
    match groups.get_mut(&request.group_id) {
        Some(Group::Share(group)) => Ok(group),
        Some(_) | None => Err(GroupError::GroupIdNotFound),
    }
}

fn beat(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &ShareHeartbeat,
) -> Result<ShareBeat, GroupError> {
    let config = config(cx, &request.group_id);
    let is_new = !groups.contains_key(&request.group_id);
    let group = group_of(groups, request)?;
    admit(group, cx, request)?;
    let before = group.currents.get(&request.member_id).cloned();
    let unmade = is_new.then(|| Revert::Group {
        group_id: request.group_id.clone(),
        before: None,
    });
    let mut draft = Draft {
        group,
        records: Vec::new(),
        reverts: unmade.into_iter().collect(),
    };
    draft.update_member(request);
    draft.follow_metadata(cx);
    let to_begin = draft.find_states_to_begin(cx);
    draft.update_target(cx);
    draft.lead(&request.member_id);
    let member_id = request.member_id.clone();
    let current = draft
        .group
        .currents
        .get(&member_id)
        .cloned()
        .unwrap_or_default();
    let (timer, group_epoch) = (draft.group.session_timer(&member_id), draft.group.epoch);
    draft.append(cx);
    cx.set_timer(timer, u64::try_from(config.session_timeout_ms).unwrap_or(0));
    let is_changed = before.is_none_or(|before| before.assigned != current.assigned);
    let tells_all = request.member_epoch == JOIN_EPOCH || is_changed;
    Ok(ShareBeat {
        member_id,
        member_epoch: current.epoch,
        heartbeat_interval_ms: config.heartbeat_interval_ms,
        assignment: tells_all.then_some(current.assigned),
        group_epoch,
        to_begin,
    })
}

fn admit(group: &ShareGroup, cx: &Context<'_>, request: &ShareHeartbeat) -> Result<(), GroupError> {
    let epoch = request.member_epoch;
    if !group.members.contains_key(&request.member_id) {
        if epoch != JOIN_EPOCH {
            return Err(GroupError::UnknownMemberId);
        }
        if group.members.len() >= cx.settings.share.size_max {
            return Err(GroupError::GroupMaxSizeReached);
        }
        return Ok(());
    }
    let current = group.currents.get(&request.member_id);
    let (now, before) = current.map_or((0, 0), |one| (one.epoch, one.previous_epoch));
    // A member may be one epoch behind if the answer that told it may be lost.
    if epoch == JOIN_EPOCH || epoch == now || (epoch < now && epoch == before) {
        Ok(())
    } else {
        Err(GroupError::FencedMemberEpoch)
    }
}

impl Draft<'_> {
    /// Takes over what the member says about itself; a new subscription is a new group epoch.
    fn update_member(&mut self, request: &ShareHeartbeat) {
        let known = self.group.members.get(&request.member_id).cloned();
        let old = known.clone().unwrap_or_default();
        let new = Member {
            rack_id: request.rack_id.clone().or(old.rack_id),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            topics: request.topics.clone().unwrap_or_else(|| old.topics.clone()),
        };
        if known.as_ref() == Some(&new) {
            return;
        }
        let is_other = known.is_none_or(|known| known.topics != new.topics);
        self.put(ShareRecord::Member(request.member_id.clone(), Some(new)));
        if is_other {
            self.next_epoch();
        }
    }

    fn next_epoch(&mut self) {
        let next = (self.group.epoch.saturating_add(1), self.group.metadata_hash);
        self.put(ShareRecord::Group(Some(next)));
    }

    /// A change of the subscribed topics is a new group epoch.
    fn follow_metadata(&mut self, cx: &Context<'_>) {
        let hash = metadata_hash(cx.metadata, self.group.subscribed().into_iter());
        if hash != self.group.metadata_hash {
            let next = (self.group.epoch.saturating_add(1), hash);
            self.put(ShareRecord::Group(Some(next)));
        }
    }

    /// Finds the subscribed partitions whose state was not begun, and notes that they are to be.
    fn find_states_to_begin(&mut self, cx: &Context<'_>) -> StatePartitions {
        let mut missing = StatePartitions::new();
        for name in self.group.subscribed() {
            let Some(topic) = cx.metadata.topic(TenantId::DEFAULT, name) else {
                continue;
            };
            let begun = self.group.states.initialized.get(&topic.id);
            let is_begun = |number: &i32| begun.is_some_and(|(_, begun)| begun.contains(number));
            let numbers: BTreeSet<i32> = (0..topic.partition_count())
                .filter(|number| !is_begun(number))
                .collect();
            if !numbers.is_empty() {
                missing.insert(topic.id, (name.to_owned(), numbers));
            }
        }
        if !missing.is_empty() && self.group.states.initializing != missing {
            let states = States {
                initializing: missing.clone(),
                ..self.group.states.clone()
            };
            self.put(ShareRecord::States(Some(states)));
        }
        missing
    }

    /// Computes the target assignment of a new group epoch.
    fn update_target(&mut self, cx: &Context<'_>) {
        if self.group.target_epoch >= self.group.epoch {
            return;
        }
        let subscriptions: BTreeMap<&str, BTreeSet<TopicId>> = self
            .group
            .members
            .iter()
            .map(|(id, member)| {
                let topics = member.topics.iter();
                let topics = topics.filter_map(|name| cx.metadata.topic(TenantId::DEFAULT, name));
                (id.as_str(), topics.map(|topic| topic.id).collect())
            })
            .collect();
        let targets = assign(&subscriptions, &self.group.begun(), &self.group.targets);
        for (member_id, target) in targets {
            if self.group.targets.get(&member_id) != Some(&target) {
                self.put(ShareRecord::Target(member_id, Some(target)));
            }
        }
        let epoch = (self.group.epoch, cx.now.wall_ms);
        self.put(ShareRecord::TargetEpoch(Some(epoch)));
    }

    /// Leads a member to its target.
    fn lead(&mut self, member_id: &str) {
        let before = self
            .group
            .currents
            .get(member_id)
            .cloned()
            .unwrap_or_default();
        if before.epoch == self.group.target_epoch {
            return;
        }
        let assigned = self
            .group
            .targets
            .get(member_id)
            .cloned()
            .unwrap_or_default();
        let current = Current {
            epoch: self.group.target_epoch,
            previous_epoch: before.epoch,
            assigned,
        };
        self.put(ShareRecord::Current(member_id.to_owned(), Some(current)));
    }

    fn remove_member(&mut self, member_id: &str) {
        self.put(ShareRecord::Current(member_id.to_owned(), None));
        self.put(ShareRecord::Target(member_id.to_owned(), None));
        self.put(ShareRecord::Member(member_id.to_owned(), None));
        self.next_epoch();
    }
}

fn leave(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    request: &ShareHeartbeat,
) -> Result<ShareBeat, GroupError> {
    let group = group_of(groups, request)?;
    if !group.members.contains_key(&request.member_id) {
        return Err(GroupError::UnknownMemberId);
    }
    remove(group, cx, &request.member_id);
    Ok(ShareBeat {
        member_id: request.member_id.clone(),
        member_epoch: LEAVE_EPOCH,
        heartbeat_interval_ms: 0,
        assignment: None,
        group_epoch: group.epoch,
        to_begin: StatePartitions::new(),
    })
}

fn remove(group: &mut ShareGroup, cx: &mut Context<'_>, member_id: &str) {
    let timer = group.session_timer(member_id);
    let mut draft = Draft {
        group,
        records: Vec::new(),
        reverts: Vec::new(),
    };
    draft.remove_member(member_id);
    draft.append(cx);
    cx.cancel_timer(timer);
}

/// A member's session is over.
pub(in crate::group) fn on_share_member_timeout(
    group: &mut ShareGroup,
    cx: &mut Context<'_>,
    member_id: &str,
) {
    if group.members.contains_key(member_id) {
        remove(group, cx, member_id);
    }
}

/// States of partitions were begun or deleted: others are given out from now on.
pub(in crate::group) fn on_share_states(
    groups: &mut Groups,
    cx: &mut Context<'_>,
    token: Token,
    (group_id, change): (&str, ShareStates),
) {
    let Some(Group::Share(group)) = groups.get_mut(group_id) else {
        let refused = Response::ShareStates(Err(GroupError::GroupIdNotFound));
        return cx.reply_when_settled(token, refused);
    };
    let mut states = group.states.clone();
    match change {
        ShareStates::Begun(begun) => {
            for (topic_id, (name, numbers)) in begun {
                note_begun(&mut states, topic_id, (name, &numbers));
            }
        }
        ShareStates::Deleted(deleted) => {
            states.initialized.retain(|id, _| !deleted.contains(id));
            states.initializing.retain(|id, _| !deleted.contains(id));
        }
    }
    let mut draft = Draft {
        group,
        records: Vec::new(),
        reverts: Vec::new(),
    };
    if states != draft.group.states {
        draft.put(ShareRecord::States(Some(states)));
        draft.next_epoch();
    }
    draft.append(cx);
    cx.reply_when_settled(token, Response::ShareStates(Ok(())));
}

fn note_begun(states: &mut States, topic_id: TopicId, (name, numbers): (String, &BTreeSet<i32>)) {
    let known = states.initialized.entry(topic_id);
    let (_, begun) = known.or_insert_with(|| (name, BTreeSet::new()));
    begun.extend(numbers);
    if let Some((_, waiting)) = states.initializing.get_mut(&topic_id) {
        waiting.retain(|number| !numbers.contains(number));
        if waiting.is_empty() {
            states.initializing.remove(&topic_id);
        }
    }
}

/// The log is replayed: sessions start.
pub(in crate::group) fn start_sessions(group: &ShareGroup, cx: &mut Context<'_>) {
    let timeout_ms = config(cx, &group.group_id).session_timeout_ms;
    for timer in group.timers() {
        cx.set_timer(timer, u64::try_from(timeout_ms).unwrap_or(0));
    }
}
