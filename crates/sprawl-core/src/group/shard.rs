//! How do inputs reach the groups of one `__consumer_offsets` partition?
//!
//! The shard owns the groups, the committed offsets and the appends in flight. The rules are in the
//! files beside this one, one per request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use sprawl_model::batch::TxnOutcome;
use sprawl_model::{Offset, ProducerId, ProducerIdAndEpoch};

use super::any::Group;
use super::classic::records::GroupValue;
use super::classic::{
    AssignmentStored, ClassicGroup, StaticReturn, on_assignment_appended, on_heartbeat, on_join,
    on_leave, on_session_timeout, on_static_return_appended, on_sync,
};
use super::commit::{on_end_transaction, on_offset_commit, on_partitions_deleted, outcome_of};
use super::consumer::{
    ConsumerGroup, ConsumerRecord, on_consumer_heartbeat, on_member_timeout, on_rebalance_timeout,
};
use super::effect::{Effect, Input, TimerId};
use super::error::GroupError;
use super::expiry::on_offset_expiry;
use super::offsets::{OffsetChange, Offsets, Partitions};
use super::records::{RecordKey, decode_offset_commit};
use super::remove::{on_delete_groups, on_offset_delete};
use super::request::Response;
use super::revert::{Revert, revert};
use super::settings::GroupSettings;
use super::share::{
    ShareGroup, ShareRecord, on_share_heartbeat, on_share_member_timeout, on_share_states,
};
use super::state::GroupState;
use super::streams::{
    StreamsGroup, StreamsRecord, on_initial_delay_over, on_streams_heartbeat,
    on_streams_member_timeout, on_streams_rebalance_timeout,
};
use crate::coordinator::{
    AppendId, AppendOutcome, BatchKind, Machine, Now, Record, RecordError, Replayed, Token,
};
use crate::metadata::MetadataImage;
use crate::partition::EndTxn;

/// Every group of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupShard {
    pub(super) settings: GroupSettings,
    pub(super) groups: Groups,
    pub(super) offsets: Offsets,
    pub(super) appends: Appends,
    metadata: Arc<MetadataImage>,
}

pub(super) type Groups = BTreeMap<String, Group>;

/// What happens to a group once its append has ended.
#[derive(Debug)]
pub(super) enum AfterAppend {
    /// Nothing beyond offsets and replies.
    Nothing,
    /// The leader's assignment is handed out.
    Assignment(AssignmentStored),
    /// A static member that came back under a new id is answered.
    StaticReturn(Box<StaticReturn>),
    /// What the producer's transaction has pending counts, or is dropped.
    TransactionEnded {
        producer_id: ProducerId,
        outcome: TxnOutcome,
    },
    /// Changes are taken back if the log does not take their records.
    Revert(Vec<Revert>),
    /// Groups that were forgotten come back if the log does not take their tombstones.
    Deletion(Vec<Group>),
}

#[derive(Debug)]
struct InFlight {
    changes: Vec<OffsetChange>,
    after: AfterAppend,
    replies: Vec<ParkedReply>,
}

/// A reply that waits for an append.
#[derive(Debug)]
struct ParkedReply {
    token: Token,
    durable: Response,
}

/// Appends that have not ended. They end in order, as a log becomes durable in order.
#[derive(Debug, Default)]
pub(super) struct Appends {
    next: u64,
    in_flight: BTreeMap<AppendId, InFlight>,
}

impl Appends {
    /// Partitions of a group whose commits are written but not yet durable.
    pub(super) fn partitions_in_flight(&self, group_id: &str) -> Partitions {
        let changes = self.in_flight.values().flat_map(|append| &append.changes);
        changes
            .filter(|change| change.group_id == group_id && change.committed.is_some())
            .map(|change| (change.topic.clone(), change.partition))
            .collect()
    }

    /// Whether an offset of a transaction is written but not yet durable.
    pub(super) fn has_pending(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let mut changes = self.in_flight.values().flat_map(|append| &append.changes);
        changes.any(|change| {
            change.transaction.is_some()
                && change.partition == partition
                && change.topic == topic
                && change.group_id == group_id
        })
    }
}

/// What a rule may use besides the group at hand.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a GroupSettings,
    /// The cluster's topics and the settings of groups.
    pub(super) metadata: &'a MetadataImage,
    pub(super) appends: &'a mut Appends,
    effects: &'a mut Vec<Effect>,
    appended: Option<AppendId>,
}

impl Context<'_> {
    pub(super) fn reply(&mut self, token: Token, response: Response) {
        self.effects.push(Effect::Reply(token, response));
    }

    /// Replies once everything appended so far in this step is durable; at once if that is nothing.
    pub(super) fn reply_when_durable(&mut self, token: Token, response: Response) {
        let in_flight = self
            .appended
            .and_then(|id| self.appends.in_flight.get_mut(&id));
        match in_flight {
            Some(append) => append.replies.push(ParkedReply {
                token,
                durable: response,
            }),
            None => self.reply(token, response),
        }
    }

    /// Replies once every append before is durable, those of earlier steps included: the reply may
    /// tell of what they changed.
    pub(super) fn reply_when_settled(&mut self, token: Token, response: Response) {
        match self.appends.in_flight.values_mut().next_back() {
            Some(append) => append.replies.push(ParkedReply {
                token,
                durable: response,
            }),
            None => self.reply(token, response),
        }
    }

    /// The last append of this step so far.
    pub(super) fn last_append(&self) -> Option<AppendId> {
        self.appended
    }

    pub(super) fn append(
        &mut self,
        records: Vec<Record>,
        changes: Vec<OffsetChange>,
        after: AfterAppend,
    ) {
        self.append_kind(BatchKind::Plain, records, changes, after);
    }

    pub(super) fn append_kind(
        &mut self,
        kind: BatchKind,
        records: Vec<Record>,
        changes: Vec<OffsetChange>,
        after: AfterAppend,
    ) {
        let is_marker = matches!(kind, BatchKind::Marker(_));
        assert!(records.is_empty() == is_marker, "an append has records");
        let append = AppendId(self.appends.next);
        self.appends.next += 1;
        let in_flight = InFlight {
            changes,
            after,
            replies: Vec::new(),
        };
        self.appends.in_flight.insert(append, in_flight);
        self.appended = Some(append);
        self.effects.push(Effect::Append {
            append,
            kind,
            records,
        });
    }

    /// Appends tombstones in batches of bounded size. `deleted` are the groups they delete.
    pub(super) fn append_tombstones(&mut self, tombstones: &[Tombstone], deleted: Vec<Group>) {
        let mut after = AfterAppend::Deletion(deleted);
        let mut batches = tombstones.chunks(TOMBSTONES_PER_APPEND_MAX).peekable();
        while let Some(batch) = batches.next() {
            let records = batch
                .iter()
                .map(|tombstone| tombstone.record.clone())
                .collect();
            let changes = batch
                .iter()
                .filter_map(|tombstone| tombstone.change.clone())
                .collect();
            let is_last = batches.peek().is_none();
            let then = if is_last {
                std::mem::replace(&mut after, AfterAppend::Nothing)
            } else {
                AfterAppend::Nothing
            };
            self.append(records, changes, then);
        }
    }

    pub(super) fn set_timer(&mut self, timer: TimerId, delay_ms: u64) {
        let deadline_ms = self.now.monotonic_ms.saturating_add(delay_ms);
        self.effects.push(Effect::SetTimer { timer, deadline_ms });
    }

    pub(super) fn cancel_timer(&mut self, timer: TimerId) {
        self.effects.push(Effect::CancelTimer(timer));
    }
}

/// How many tombstones go into one append. A tombstone is at most about 64 KiB, and usually 60
/// bytes, so that a batch stays far below `max.message.bytes` in practice.
const TOMBSTONES_PER_APPEND_MAX: usize = 1_000;

/// A record that deletes.
pub(super) struct Tombstone {
    record: Record,
    /// The committed offset that goes; none for a record of the group itself.
    change: Option<OffsetChange>,
}

impl Tombstone {
    pub(super) fn offset(group_id: &str, topic: &str, partition: i32) -> Self {
        Self {
            record: RecordKey::offset_commit(group_id, topic, partition).tombstone(),
            change: Some(OffsetChange {
                group_id: group_id.to_owned(),
                topic: topic.to_owned(),
                partition,
                committed: None,
                transaction: None,
            }),
        }
    }

    /// A tombstone of a group's own records.
    pub(super) fn group(record: Record) -> Self {
        Self {
            record,
            change: None,
        }
    }

    /// Whether the record is the group's own and no offset.
    pub(super) fn is_group(&self) -> bool {
        self.change.is_none()
    }
}

impl Machine for GroupShard {
    type Settings = GroupSettings;
    type Input = Input;
    type Response = Response;
    type Timer = TimerId;
    type Errand = Infallible;

    fn new(settings: GroupSettings) -> Self {
        Self {
            settings,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            appends: Appends::default(),
            metadata: Arc::default(),
        }
    }

    fn replay(&mut self, batch: BatchKind, record: &Record) -> Result<Replayed, RecordError> {
        match batch {
            BatchKind::Plain => self.replay_record(record, None),
            BatchKind::Transactional(producer) => {
                self.replay_record(record, Some(producer.producer_id))
            }
            BatchKind::Control(ProducerIdAndEpoch { producer_id, .. })
            | BatchKind::Marker(EndTxn { producer_id, .. }) => {
                if let Some(outcome) = outcome_of(record) {
                    self.offsets.end_transaction(producer_id, outcome);
                }
                Ok(Replayed::Applied)
            }
        }
    }

    fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Self {
            settings,
            groups,
            offsets,
            appends,
            metadata,
        } = self;
        let image = Arc::clone(metadata);
        let cx = &mut Context {
            now,
            settings,
            metadata: &image,
            appends,
            effects: &mut effects,
            appended: None,
        };
        match input {
            Input::Loaded => on_loaded(groups, offsets, cx),
            Input::Unload => on_unload(groups, cx),
            Input::Join(token, request) => on_join(groups, cx, token, request),
            Input::Sync(token, request) => on_sync(groups, cx, token, request),
            Input::Heartbeat(token, request) => on_heartbeat(groups, cx, token, &request),
            Input::ConsumerHeartbeat(token, request) => {
                on_consumer_heartbeat(groups, cx, token, request);
            }
            Input::ShareHeartbeat(token, request) => {
                on_share_heartbeat(groups, cx, token, request);
            }
            Input::StreamsHeartbeat(token, request) => {
                on_streams_heartbeat(groups, cx, token, request);
            }
            Input::ShareStates(token, group_id, change) => {
                on_share_states(groups, cx, token, (&group_id, change));
            }
            Input::Leave(token, request) => on_leave(groups, cx, token, request),
            Input::OffsetCommit(token, request) => on_offset_commit(groups, cx, token, request),
            Input::EndTransaction(token, end) => on_end_transaction(cx, token, end),
            Input::OffsetDelete(token, request) => {
                on_offset_delete(groups, offsets, cx, token, &request);
            }
            Input::DeleteGroups(token, group_ids) => {
                on_delete_groups(groups, offsets, cx, token, group_ids);
            }
            Input::PartitionsDeleted(partitions) => on_partitions_deleted(offsets, cx, &partitions),
            Input::MetadataChanged(changed) => *metadata = changed,
            Input::Timer(timer) => on_timer(groups, offsets, cx, timer),
            Input::Appended(append, outcome) => on_appended(groups, offsets, cx, append, outcome),
        }
        effects
    }
}

impl GroupShard {
    fn replay_record(
        &mut self,
        record: &Record,
        transaction: Option<ProducerId>,
    ) -> Result<Replayed, RecordError> {
        if let Some((group_id, record)) = ConsumerRecord::decode(record)? {
            replay_consumer(&mut self.groups, group_id, record);
            return Ok(Replayed::Applied);
        }
        if let Some((group_id, record)) = ShareRecord::decode(record)? {
            replay_share(&mut self.groups, group_id, record);
            return Ok(Replayed::Applied);
        }
        if let Some((group_id, record)) = StreamsRecord::decode(record)? {
            replay_streams(&mut self.groups, group_id, record);
            return Ok(Replayed::Applied);
        }
        match RecordKey::decode(&record.key)? {
            RecordKey::OffsetCommit {
                group_id,
                topic,
                partition,
            } => {
                let committed = record
                    .value
                    .as_deref()
                    .map(decode_offset_commit)
                    .transpose()?;
                let change = OffsetChange {
                    group_id,
                    topic,
                    partition,
                    committed,
                    transaction,
                };
                if change.committed.is_some() {
                    // Groups that only hold offsets have no record of their own.
                    let group_id = change.group_id.as_str();
                    let simple = || Group::simple(group_id, None);
                    self.groups
                        .entry(group_id.to_owned())
                        .or_insert_with(simple);
                }
                self.offsets.apply(change);
            }
            RecordKey::Group { group_id } => match &record.value {
                Some(value) => {
                    let group = ClassicGroup::loaded(&group_id, GroupValue::decode(value)?);
                    self.groups.insert(group_id, Group::Classic(group));
                }
                None => {
                    if let Some(Group::Classic(_)) = self.groups.get(&group_id) {
                        self.groups.remove(&group_id);
                    }
                }
            },
            RecordKey::Unknown { version } => return Ok(Replayed::UnknownKey { version }),
        }
        Ok(Replayed::Applied)
    }

    /// How many groups are in each state.
    pub fn count_by_state(&self) -> BTreeMap<GroupState, usize> {
        let mut counts: BTreeMap<_, _> = GroupState::ALL.map(|state| (state, 0)).into();
        for group in self.groups.values() {
            *counts.entry(group.state()).or_default() += 1;
        }
        counts
    }

    /// How many partitions have a committed offset.
    pub fn offset_count(&self) -> usize {
        self.offsets.count()
    }

    /// Whether appends are still under way.
    pub fn has_appends_in_flight(&self) -> bool {
        !self.appends.in_flight.is_empty()
    }
}

/// A group that only holds offsets is replaced: it has no record of its own.
fn replay_consumer(groups: &mut Groups, group_id: String, record: ConsumerRecord) {
    if let ConsumerRecord::Group(None) = record {
        if let Some(Group::Consumer(_)) = groups.get(&group_id) {
            groups.remove(&group_id);
        }
        return;
    }
    if !matches!(groups.get(&group_id), Some(Group::Consumer(_))) {
        if record.is_tombstone() {
            return;
        }
        let group = Group::Consumer(ConsumerGroup::new(&group_id));
        groups.insert(group_id.clone(), group);
    }
    if let Some(Group::Consumer(group)) = groups.get_mut(&group_id) {
        group.apply(record);
    }
}

/// As [`replay_consumer`].
fn replay_share(groups: &mut Groups, group_id: String, record: ShareRecord) {
    if let ShareRecord::Group(None) = record {
        if let Some(Group::Share(_)) = groups.get(&group_id) {
            groups.remove(&group_id);
        }
        return;
    }
    if !matches!(groups.get(&group_id), Some(Group::Share(_))) {
        if record.is_tombstone() {
            return;
        }
        let group = Group::Share(ShareGroup::new(&group_id));
        groups.insert(group_id.clone(), group);
    }
    if let Some(Group::Share(group)) = groups.get_mut(&group_id) {
        group.apply(record);
    }
}

/// As [`replay_consumer`].
fn replay_streams(groups: &mut Groups, group_id: String, record: StreamsRecord) {
    if let StreamsRecord::Group(None) = record {
        if let Some(Group::Streams(_)) = groups.get(&group_id) {
            groups.remove(&group_id);
        }
        return;
    }
    if !matches!(groups.get(&group_id), Some(Group::Streams(_))) {
        if record.is_tombstone() {
            return;
        }
        let group = Group::Streams(StreamsGroup::new(&group_id));
        groups.insert(group_id.clone(), group);
    }
    if let Some(Group::Streams(group)) = groups.get_mut(&group_id) {
        group.apply(record);
    }
}

fn on_loaded(groups: &mut Groups, offsets: &Offsets, cx: &mut Context<'_>) {
    // A log cut short of a group's last records can hold offsets whose group is gone.
    for group_id in offsets.group_ids() {
        groups
            .entry(group_id.clone())
            .or_insert_with(|| Group::simple(group_id, None));
    }
    for group in groups.values_mut() {
        group.on_loaded(cx);
    }
    cx.set_timer(
        TimerId::OffsetExpiry,
        cx.settings.offsets_retention_check_interval_ms,
    );
}

fn on_unload(groups: &mut Groups, cx: &mut Context<'_>) {
    for append in std::mem::take(&mut cx.appends.in_flight).into_values() {
        for reply in append.replies {
            let refusal = refused(reply.durable, GroupError::NotCoordinator);
            cx.reply(reply.token, refusal);
        }
    }
    for group in groups.values_mut() {
        group.on_unload(cx);
    }
    groups.clear();
}

/// Turns a reply into a refusal of the same request.
fn refused(response: Response, error: GroupError) -> Response {
    match response {
        Response::Join(_) => Response::join_refused(error, ""),
        Response::Sync(_) => Response::Sync(Err(error)),
        Response::Heartbeat(_) => Response::Heartbeat(Err(error)),
        Response::ConsumerHeartbeat(_) => Response::ConsumerHeartbeat(Err(error)),
        Response::ShareHeartbeat(_) => Response::ShareHeartbeat(Err(error)),
        Response::ShareStates(_) => Response::ShareStates(Err(error)),
        Response::StreamsHeartbeat(_) => Response::StreamsHeartbeat(Err(error)),
        Response::Leave(_) => Response::Leave(Err(error)),
        Response::OffsetCommit(_) => Response::OffsetCommit(Err(error)),
        Response::OffsetDelete(_) => Response::OffsetDelete(Err(error)),
        Response::EndTransaction(_) => Response::EndTransaction(Err(error)),
        Response::DeleteGroups(results) => Response::DeleteGroups(
            results
                .into_iter()
                .map(|(group_id, _)| (group_id, Err(error)))
                .collect(),
        ),
    }
}

fn classic<'a>(groups: &'a mut Groups, group_id: &str) -> Option<&'a mut ClassicGroup> {
    groups.get_mut(group_id).and_then(Group::as_classic_mut)
}

fn on_timer(groups: &mut Groups, offsets: &Offsets, cx: &mut Context<'_>, timer: TimerId) {
    match timer {
        TimerId::Heartbeat {
            group_id,
            member_id,
        } => match groups.get_mut(&group_id) {
            Some(Group::Classic(group)) => on_session_timeout(group, cx, &member_id),
            Some(Group::Consumer(_)) => on_member_timeout(groups, cx, &group_id, &member_id),
            Some(Group::Share(group)) => on_share_member_timeout(group, cx, &member_id),
            Some(Group::Streams(group)) => on_streams_member_timeout(group, cx, &member_id),
            None => {}
        },
        TimerId::Rebalance {
            group_id,
            member_id,
        } => match groups.get_mut(&group_id) {
            Some(Group::Streams(group)) => on_streams_rebalance_timeout(group, cx, &member_id),
            _ => on_rebalance_timeout(groups, cx, &group_id, &member_id),
        },
        TimerId::MemberJoin {
            group_id,
            member_id,
        }
        | TimerId::MemberSync {
            group_id,
            member_id,
        } => on_member_timeout(groups, cx, &group_id, &member_id),
        TimerId::Join { group_id } => match groups.get_mut(&group_id) {
            Some(Group::Classic(group)) => group.on_join_timeout(cx),
            Some(Group::Streams(group)) => on_initial_delay_over(group, cx),
            Some(Group::Consumer(_) | Group::Share(_)) | None => {}
        },
        TimerId::Sync { group_id } => {
            if let Some(group) = classic(groups, &group_id) {
                group.on_sync_timeout(cx);
            }
        }
        TimerId::OffsetExpiry => on_offset_expiry(groups, offsets, cx),
    }
}

fn on_appended(
    groups: &mut Groups,
    offsets: &mut Offsets,
    cx: &mut Context<'_>,
    append: AppendId,
    outcome: AppendOutcome,
) {
    match outcome {
        AppendOutcome::Durable(Offset(_)) => {
            // Reports may overtake each other; durability does not: what stands earlier in the log
            // is durable as well.
            let later = cx.appends.in_flight.split_off(&AppendId(append.0 + 1));
            let durable = std::mem::replace(&mut cx.appends.in_flight, later);
            for in_flight in durable.into_values() {
                on_durable(groups, offsets, cx, in_flight);
            }
        }
        AppendOutcome::Refused(refusal) => {
            let error = GroupError::from(refusal);
            let Some(in_flight) = cx.appends.in_flight.remove(&append) else {
                return;
            };
            for reply in in_flight.replies {
                cx.reply(reply.token, refused(reply.durable, error));
            }
            after_append(groups, cx, in_flight.after, Stored::No(error));
        }
    }
}

fn on_durable(
    groups: &mut Groups,
    offsets: &mut Offsets,
    cx: &mut Context<'_>,
    in_flight: InFlight,
) {
    for change in in_flight.changes {
        // A commit whose group has been deleted meanwhile is followed by its tombstone.
        offsets.apply(change);
    }
    if let AfterAppend::TransactionEnded {
        producer_id,
        outcome,
    } = in_flight.after
    {
        offsets.end_transaction(producer_id, outcome);
    }
    for reply in in_flight.replies {
        cx.reply(reply.token, reply.durable);
    }
    after_append(groups, cx, in_flight.after, Stored::Yes);
}

/// Whether the records of an append are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    No(GroupError),
}

fn after_append(groups: &mut Groups, cx: &mut Context<'_>, after: AfterAppend, stored: Stored) {
    match after {
        AfterAppend::Nothing | AfterAppend::TransactionEnded { .. } => {}
        AfterAppend::Deletion(deleted) => {
            if let Stored::No(_) = stored {
                restore(groups, deleted);
            }
        }
        AfterAppend::Revert(reverts) => {
            if let Stored::No(error) = stored {
                revert(groups, cx, reverts, error);
            }
        }
        AfterAppend::Assignment(assignment) => {
            if let Some(group) = classic(groups, &assignment.group_id) {
                on_assignment_appended(group, cx, assignment, stored);
            }
        }
        AfterAppend::StaticReturn(static_return) => {
            if let Some(group) = classic(groups, &static_return.group_id) {
                on_static_return_appended(group, cx, *static_return, stored);
            }
        }
    }
}

fn restore(groups: &mut Groups, deleted: Vec<Group>) {
    for mut group in deleted {
        group.on_restored();
        groups.entry(group.group_id().to_owned()).or_insert(group);
    }
}
