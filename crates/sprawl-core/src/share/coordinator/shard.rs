//! How do requests reach the states of one `__share_group_state` partition?
//!
//! A change is taken over when it is appended and confirmed when it is durable. A log that refuses
//! says so before anything else happens, so that the change is taken back alone.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::{Offset, TenantId, TopicId};

use super::records::{
    RecordKey, decode_snapshot, decode_update, key_fits, snapshot_record, tombstone, update_record,
};
use super::request::{
    ShareStateErrand, ShareStateError, ShareStateInput, ShareStateKey, ShareStateResponse,
    ShareStateTimer, ShareStateWrite,
};
use super::state::{ShareState, ShareStateSummary, are_in_order};
use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Event, Machine, Now, Record,
    RecordError, Replayed, Token,
};
use crate::metadata::{MetadataImage, SHARE_STATE_TOPIC};

/// How many snapshots of share-partitions without a recent one are written at once.
const SNAPSHOTS_PER_APPEND_MAX: usize = 100;

/// The limits and delays of a share coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareStateSettings {
    /// How many changes follow a snapshot at most
    /// (`share.coordinator.snapshot.update.records.per.snapshot`).
    pub updates_per_snapshot: u32,
    /// How often records that nobody needs are deleted
    /// (`share.coordinator.state.topic.prune.interval.ms`).
    pub prune_interval_ms: u64,
    /// How often share-partitions without changes get a snapshot, so that the log can be pruned
    /// (`share.coordinator.cold.partition.snapshot.interval.ms`).
    pub snapshot_interval_ms: u64,
}

/// All states of one partition of `__share_group_state`.
#[derive(Debug)]
pub struct ShareStateShard {
    settings: ShareStateSettings,
    states: BTreeMap<ShareStateKey, Kept>,
    appends: BTreeMap<AppendId, InFlight>,
    next_append: u64,
    pruned_before: Offset,
}

/// A state and where it stands in the log.
#[derive(Clone, Debug)]
struct Kept {
    state: ShareState,
    updates: u32,
    /// The offset of the last snapshot; `None` for one that was replayed.
    snapshot_at: Option<Offset>,
}

/// An append that has not ended.
#[derive(Debug)]
struct InFlight {
    reply: Option<(Token, ShareStateResponse)>,
    /// Replies of reads that must not tell of this append before it is durable.
    readers: Vec<(Token, ShareStateResponse)>,
    /// What stood there before, by key, in the order of the records.
    before: Vec<(ShareStateKey, Option<Kept>)>,
    snapshots: Vec<ShareStateKey>,
}

type Effects = Vec<Effect<ShareStateResponse, ShareStateTimer, ShareStateErrand>>;

impl ShareStateShard {
    /// The state of a share-partition in short. What it tells of may not be durable yet.
    pub fn summary(&self, key: &ShareStateKey) -> Option<ShareStateSummary> {
        self.states.get(key).map(|kept| kept.state.summary())
    }

    /// How many share-partitions are kept.
    pub fn state_count(&self) -> usize {
        self.states.len()
    }

    fn initialize(
        &mut self,
        now: Now,
        (token, key): (Token, ShareStateKey),
        (state_epoch, start_offset): (i32, i64),
        effects: &mut Effects,
    ) {
        if !key_fits(&key) {
            return refuse(effects, token, ShareStateError::TooLarge);
        }
        let kept = self.states.get(&key);
        let mut state = ShareState::new(state_epoch, start_offset, now.wall_ms);
        if let Some(kept) = kept {
            let current = kept.state.state_epoch;
            if state_epoch < current {
                let found = state_epoch;
                let error = ShareStateError::FencedStateEpoch { found, current };
                return refuse(effects, token, error);
            }
            if start_offset < 0 {
                // There is a start already: whoever begins does not know of it.
                return self.reply_in_order(token, ShareStateResponse::Done, effects);
            }
            state.snapshot_epoch = kept.state.snapshot_epoch.saturating_add(1);
            state.leader_epoch = kept.state.leader_epoch;
        }
        let reply = Some((token, ShareStateResponse::Done));
        self.snapshot(vec![(key, state)], reply, effects);
    }

    fn read(
        &mut self,
        (token, key): (Token, ShareStateKey),
        leader_epoch: i32,
        effects: &mut Effects,
    ) {
        let Some(kept) = self.states.get(&key) else {
            return self.reply_in_order(token, ShareStateResponse::State(None), effects);
        };
        let current = kept.state.leader_epoch;
        if leader_epoch < current {
            let found = leader_epoch;
            let error = ShareStateError::FencedLeaderEpoch { found, current };
            return refuse(effects, token, error);
        }
        if leader_epoch == current {
            let state = ShareStateResponse::State(Some(kept.state.clone()));
            return self.reply_in_order(token, state, effects);
        }
        let write = ShareStateWrite {
            state_epoch: kept.state.state_epoch,
            leader_epoch,
            start_offset: -1,
            delivery_complete_count: -1,
            batches: Vec::new(),
        };
        let state = kept.state.with(&write);
        let reply = (token, ShareStateResponse::State(Some(state)));
        self.update(key, write, reply, effects);
    }

    fn write(
        &mut self,
        now: Now,
        (token, key): (Token, ShareStateKey),
        write: ShareStateWrite,
        effects: &mut Effects,
    ) {
        if let Err(error) = self.check_write(&key, &write) {
            return refuse(effects, token, error);
        }
        let done = ShareStateResponse::Done;
        let Some(kept) = self.states.get(&key) else {
            let mut state = ShareState::new(write.state_epoch, -1, now.wall_ms);
            state.apply(&write);
            return self.snapshot(vec![(key, state)], Some((token, done)), effects);
        };
        if kept.updates >= self.settings.updates_per_snapshot {
            let mut state = kept.state.with(&write);
            state.snapshot_epoch = state.snapshot_epoch.saturating_add(1);
            state.write_timestamp = now.wall_ms;
            return self.snapshot(vec![(key, state)], Some((token, done)), effects);
        }
        self.update(key, write, (token, done), effects);
    }

    fn check_write(
        &self,
        key: &ShareStateKey,
        write: &ShareStateWrite,
    ) -> Result<(), ShareStateError> {
        if !key_fits(key) {
            return Err(ShareStateError::TooLarge);
        }
        if !are_in_order(&write.batches) {
            return Err(ShareStateError::InvalidBatches);
        }
        let Some(kept) = self.states.get(key) else {
            return Ok(());
        };
        let (found, current) = (write.leader_epoch, kept.state.leader_epoch);
        if found >= 0 && found < current {
            return Err(ShareStateError::FencedLeaderEpoch { found, current });
        }
        let (found, current) = (write.state_epoch, kept.state.state_epoch);
        if found != current {
            return Err(ShareStateError::FencedStateEpoch { found, current });
        }
        Ok(())
    }

    fn delete(&mut self, token: Token, key: ShareStateKey, effects: &mut Effects) {
        if !self.states.contains_key(&key) {
            return self.reply_in_order(token, ShareStateResponse::Done, effects);
        }
        let before = self.states.remove(&key);
        let records = vec![tombstone(&key)];
        let in_flight = InFlight {
            reply: Some((token, ShareStateResponse::Done)),
            readers: Vec::new(),
            before: vec![(key, before)],
            snapshots: Vec::new(),
        };
        self.append(records, in_flight, effects);
    }

    /// Appends a change of a state that is kept.
    fn update(
        &mut self,
        key: ShareStateKey,
        write: ShareStateWrite,
        reply: (Token, ShareStateResponse),
        effects: &mut Effects,
    ) {
        let kept = self.states.get_mut(&key).expect("callers looked it up");
        let after = Kept {
            state: kept.state.with(&write),
            updates: kept.updates + 1,
            snapshot_at: kept.snapshot_at,
        };
        let before = Some(std::mem::replace(kept, after));
        let record = update_record(&key, kept.state.snapshot_epoch, &write);
        let in_flight = InFlight {
            reply: Some(reply),
            readers: Vec::new(),
            before: vec![(key, before)],
            snapshots: Vec::new(),
        };
        self.append(vec![record], in_flight, effects);
    }

    /// Appends whole states.
    fn snapshot(
        &mut self,
        states: Vec<(ShareStateKey, ShareState)>,
        reply: Option<(Token, ShareStateResponse)>,
        effects: &mut Effects,
    ) {
        let mut in_flight = InFlight {
            reply,
            readers: Vec::new(),
            before: Vec::new(),
            snapshots: Vec::new(),
        };
        let mut records = Vec::new();
        for (key, state) in states {
            records.push(snapshot_record(&key, &state));
            let before = self.states.get(&key).cloned();
            let kept = Kept {
                state,
                updates: 0,
                snapshot_at: before.as_ref().and_then(|kept| kept.snapshot_at),
            };
            self.states.insert(key.clone(), kept);
            in_flight.before.push((key.clone(), before));
            in_flight.snapshots.push(key);
        }
        self.append(records, in_flight, effects);
    }

    fn append(&mut self, records: Vec<Record>, in_flight: InFlight, effects: &mut Effects) {
        let append = AppendId(self.next_append);
        self.next_append += 1;
        self.appends.insert(append, in_flight);
        let kind = BatchKind::Plain;
        effects.push(Effect::Append {
            append,
            kind,
            records,
        });
    }

    /// Replies when everything appended so far is durable.
    fn reply_in_order(&mut self, token: Token, reply: ShareStateResponse, effects: &mut Effects) {
        match self.appends.values_mut().next_back() {
            Some(last) => last.readers.push((token, reply)),
            None => effects.push(Effect::Reply(token, reply)),
        }
    }

    fn appended(&mut self, append: AppendId, outcome: AppendOutcome, effects: &mut Effects) {
        let Some(ended) = self.appends.remove(&append) else {
            return;
        };
        match outcome {
            AppendOutcome::Durable(base) => {
                for (at, key) in (base.0..).zip(&ended.snapshots) {
                    if let Some(kept) = self.states.get_mut(key) {
                        kept.snapshot_at = Some(Offset(at));
                    }
                }
                let replies = ended.reply.into_iter().chain(ended.readers);
                effects.extend(replies.map(|(token, reply)| Effect::Reply(token, reply)));
            }
            AppendOutcome::Refused(refusal) => {
                for (key, before) in ended.before.into_iter().rev() {
                    match before {
                        Some(kept) => self.states.insert(key, kept),
                        None => self.states.remove(&key),
                    };
                }
                let error = match refusal {
                    AppendRefusal::DiskFull => ShareStateError::NoRoom,
                    AppendRefusal::TooLarge => ShareStateError::TooLarge,
                    AppendRefusal::FencedProducer
                    | AppendRefusal::NotInTransaction
                    | AppendRefusal::FencedCoordinator => {
                        unreachable!("states are not written in transactions")
                    }
                };
                if let Some((token, _)) = ended.reply {
                    refuse(effects, token, error);
                }
                let readers = ended.readers.into_iter();
                effects.extend(readers.map(|(token, reply)| Effect::Reply(token, reply)));
            }
        }
    }

    /// Deletes what is kept of topics that are gone.
    fn follow(&mut self, image: &MetadataImage, effects: &mut Effects) {
        if image.topic(TenantId::DEFAULT, SHARE_STATE_TOPIC).is_none() {
            // An image without this shard's own topic is one from before the metadata was read.
            return;
        }
        let topics: BTreeSet<TopicId> = self.states.keys().map(|key| key.topic_id).collect();
        let is_gone = |id: &TopicId| image.topic_by_id(*id).is_none();
        let gone: BTreeSet<TopicId> = topics.into_iter().filter(is_gone).collect();
        let keys = self
            .states
            .keys()
            .filter(|key| gone.contains(&key.topic_id));
        let keys: Vec<ShareStateKey> = keys.cloned().collect();
        for chunk in keys.chunks(SNAPSHOTS_PER_APPEND_MAX) {
            let records = chunk.iter().map(tombstone).collect();
            let remove = |key: &ShareStateKey| (key.clone(), self.states.remove(key));
            let in_flight = InFlight {
                reply: None,
                readers: Vec::new(),
                before: chunk.iter().map(remove).collect(),
                snapshots: Vec::new(),
            };
            self.append(records, in_flight, effects);
        }
    }

    /// Gives a snapshot to states whose last one was replayed or is followed by changes.
    fn snapshot_the_cold(&mut self, now: Now, effects: &mut Effects) {
        let busy: BTreeSet<&ShareStateKey> = self
            .appends
            .values()
            .flat_map(|append| append.before.iter().map(|(key, _)| key))
            .collect();
        let wanted = self.states.iter().filter(|(key, kept)| {
            (kept.snapshot_at.is_none() || kept.updates > 0) && !busy.contains(key)
        });
        let refresh = |(key, kept): (&ShareStateKey, &Kept)| {
            let mut state = kept.state.clone();
            state.snapshot_epoch = state.snapshot_epoch.saturating_add(1);
            state.write_timestamp = now.wall_ms;
            (key.clone(), state)
        };
        let mut states: Vec<(ShareStateKey, ShareState)> = wanted.map(refresh).collect();
        while !states.is_empty() {
            let rest = states.split_off(states.len().min(SNAPSHOTS_PER_APPEND_MAX));
            self.snapshot(std::mem::replace(&mut states, rest), None, effects);
        }
    }

    /// Has the records before every last snapshot deleted. A deletion may be among them: what it
    /// deleted is before it and goes with it.
    fn prune(&mut self, effects: &mut Effects) {
        let mut needed = self.states.values().map(|kept| kept.snapshot_at);
        let first = needed.try_fold(Offset(i64::MAX), |least, at| Some(least.min(at?)));
        let Some(before) = first else { return };
        if before > self.pruned_before && before < Offset(i64::MAX) {
            self.pruned_before = before;
            effects.push(Effect::Errand(ShareStateErrand::Prune { before }));
        }
    }

    fn on_timer(&mut self, now: Now, timer: ShareStateTimer, effects: &mut Effects) {
        match timer {
            ShareStateTimer::Prune => self.prune(effects),
            ShareStateTimer::Snapshot => self.snapshot_the_cold(now, effects),
        }
        self.set_timer(now, timer, effects);
    }

    fn set_timer(&self, now: Now, timer: ShareStateTimer, effects: &mut Effects) {
        let interval_ms = match timer {
            ShareStateTimer::Prune => self.settings.prune_interval_ms,
            ShareStateTimer::Snapshot => self.settings.snapshot_interval_ms,
        };
        let deadline_ms = now.monotonic_ms.saturating_add(interval_ms);
        effects.push(Effect::SetTimer { timer, deadline_ms });
    }

    fn unload(&mut self, effects: &mut Effects) {
        for ended in std::mem::take(&mut self.appends).into_values() {
            let waiting = ended.reply.into_iter().chain(ended.readers);
            for (token, _) in waiting {
                refuse(effects, token, ShareStateError::NotCoordinator);
            }
        }
        self.states.clear();
    }

    fn on_event(&mut self, now: Now, event: Event<ShareStateTimer>, effects: &mut Effects) {
        match event {
            Event::Loaded => {
                self.set_timer(now, ShareStateTimer::Prune, effects);
                self.set_timer(now, ShareStateTimer::Snapshot, effects);
            }
            Event::Unload => self.unload(effects),
            // Topics are told apart by id, which the metadata says.
            Event::PartitionsDeleted(_) => {}
            Event::MetadataChanged(image) => self.follow(&image, effects),
            Event::Timer(timer) => self.on_timer(now, timer, effects),
            Event::Appended(append, outcome) => self.appended(append, outcome, effects),
        }
    }
}

fn refuse(effects: &mut Effects, token: Token, error: ShareStateError) {
    effects.push(Effect::Reply(token, ShareStateResponse::Refused(error)));
}

impl Machine for ShareStateShard {
    type Settings = ShareStateSettings;
    type Input = ShareStateInput;
    type Response = ShareStateResponse;
    type Timer = ShareStateTimer;
    type Errand = ShareStateErrand;

    fn new(settings: ShareStateSettings) -> Self {
        Self {
            settings,
            states: BTreeMap::new(),
            appends: BTreeMap::new(),
            next_append: 0,
            pruned_before: Offset(0),
        }
    }

    fn replay(&mut self, _batch: BatchKind, record: &Record) -> Result<Replayed, RecordError> {
        match RecordKey::decode(&record.key)? {
            RecordKey::Snapshot(key) => match &record.value {
                Some(value) => {
                    let kept = Kept {
                        state: decode_snapshot(value)?,
                        updates: 0,
                        snapshot_at: None,
                    };
                    self.states.insert(key, kept);
                }
                None => {
                    self.states.remove(&key);
                }
            },
            RecordKey::Update(key) => {
                let value = record.value.as_deref().ok_or(RecordError::Null)?;
                let (_, write) = decode_update(value)?;
                // A change whose snapshot is pruned or deleted changes nothing.
                if let Some(kept) = self.states.get_mut(&key) {
                    kept.state.apply(&write);
                    kept.updates += 1;
                }
            }
            RecordKey::Unknown { version } => return Ok(Replayed::UnknownKey { version }),
        }
        Ok(Replayed::Applied)
    }

    fn step(&mut self, now: Now, input: ShareStateInput) -> Effects {
        let mut effects = Vec::new();
        match input {
            ShareStateInput::Initialize {
                token,
                key,
                state_epoch,
                start_offset,
            } => {
                let start = (state_epoch, start_offset);
                self.initialize(now, (token, key), start, &mut effects);
            }
            ShareStateInput::Read {
                token,
                key,
                leader_epoch,
            } => self.read((token, key), leader_epoch, &mut effects),
            ShareStateInput::Write { token, key, write } => {
                self.write(now, (token, key), write, &mut effects);
            }
            ShareStateInput::Delete { token, key } => self.delete(token, key, &mut effects),
            ShareStateInput::Event(event) => self.on_event(now, event, &mut effects),
        }
        effects
    }
}
