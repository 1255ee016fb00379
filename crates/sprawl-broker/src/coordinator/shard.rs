//! How are the effects of a shard's state machine carried out?
//!
//! Everything a step asks for happens under the shard's lock: replies go to their channels, batches
//! to the log, timers into the list. So appends stand in the log in the order in which the state
//! machine made them. Only the wait for durability is outside; it comes back as the next input.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use sprawl_core::group::{
    AppendId, AppendOutcome, Effect, GroupError, GroupShard, Input, Now, Record, Response, Token,
};
use sprawl_core::metadata::MetadataImage;
use sprawl_io::Io;
use sprawl_model::TopicPartition;
use sprawl_model::batch::{BatchBuilder, BatchOptions};
use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::error::CoordinatorError;
use super::log::{AppendRefused, CoordinatorLog, DurableOffset};
use super::timers::Timers;

/// One partition of the offsets topic.
#[derive(Debug)]
pub(super) struct Shard {
    io: Io,
    log: Arc<dyn CoordinatorLog>,
    alarm: Arc<Alarm>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// The log is being read; partitions deleted meanwhile are dropped afterwards.
    Loading {
        deleted: Vec<TopicPartition>,
        image: Arc<MetadataImage>,
    },
    /// Requests are answered.
    Active(Active),
    /// The log failed, or the partition is gone.
    Unavailable,
}

#[derive(Debug)]
struct Active {
    groups: GroupShard,
    timers: Timers,
    waiting: BTreeMap<Token, oneshot::Sender<Response>>,
}

/// An append that is not durable yet.
type InFlight = (AppendId, DurableOffset);

impl Shard {
    /// A shard that waits for [`Self::loaded`].
    pub(super) fn loading(io: Io, log: Arc<dyn CoordinatorLog>, alarm: Arc<Alarm>) -> Self {
        Self {
            io,
            log,
            alarm,
            state: Mutex::new(State::Loading {
                deleted: Vec::new(),
                image: Arc::default(),
            }),
        }
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }

    pub(super) fn log(&self) -> &Arc<dyn CoordinatorLog> {
        &self.log
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a step would leave the state machine between two states, so nothing is
        // salvaged then: the next step meets the assertion again, and replies are dropped as
        // NotCoordinator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        let monotonic_ms = self.io.clock.monotonic().as_millis();
        Now {
            wall_ms: self.io.clock.wall_ms(),
            monotonic_ms: u64::try_from(monotonic_ms).unwrap_or(u64::MAX),
        }
    }

    /// Opens the shard to requests.
    pub(super) fn loaded(self: &Arc<Self>, groups: GroupShard) {
        let mut state = self.state();
        let State::Loading { deleted, image } = &mut *state else {
            return;
        };
        let (deleted, image) = (std::mem::take(deleted), Arc::clone(image));
        let (timers, waiting) = (Timers::default(), BTreeMap::new());
        *state = State::Active(Active {
            groups,
            timers,
            waiting,
        });
        let mut in_flight = self.step(&mut state, Input::MetadataChanged(image));
        in_flight.extend(self.step(&mut state, Input::Loaded));
        if !deleted.is_empty() {
            in_flight.extend(self.step(&mut state, Input::PartitionsDeleted(deleted)));
        }
        drop(state);
        self.await_durable(in_flight);
    }

    /// Gives up the partition; whoever waits is told to look for the coordinator again.
    pub(super) fn unload(self: &Arc<Self>) {
        let mut state = self.state();
        // Nothing is written by an unload, so nothing is in flight afterwards.
        drop(self.step(&mut state, Input::Unload));
        *state = State::Unavailable;
    }

    /// Carries out a request; the receiver gets the reply.
    pub(super) fn ask(
        self: &Arc<Self>,
        token: Token,
        input: Input,
    ) -> Result<oneshot::Receiver<Response>, CoordinatorError> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        state.active()?.waiting.insert(token, sender);
        let in_flight = self.step(&mut state, input);
        drop(state);
        self.await_durable(in_flight);
        Ok(receiver)
    }

    /// Looks at the groups.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&GroupShard) -> T,
    ) -> Result<T, CoordinatorError> {
        self.state().active().map(|active| read(&active.groups))
    }

    /// Takes over the cluster's topics and the settings of groups.
    pub(super) fn follow_metadata(self: &Arc<Self>, changed: &Arc<MetadataImage>) {
        let mut state = self.state();
        if let State::Loading { image, .. } = &mut *state {
            *image = Arc::clone(changed);
            return;
        }
        let in_flight = self.step(&mut state, Input::MetadataChanged(Arc::clone(changed)));
        drop(state);
        self.await_durable(in_flight);
    }

    /// Drops the committed offsets of partitions that are gone.
    pub(super) fn forget_partitions(self: &Arc<Self>, partitions: Vec<TopicPartition>) {
        let mut state = self.state();
        if let State::Loading { deleted, .. } = &mut *state {
            deleted.extend(partitions);
            return;
        }
        let in_flight = self.step(&mut state, Input::PartitionsDeleted(partitions));
        drop(state);
        self.await_durable(in_flight);
    }

    /// Raises every timer that is due and returns the next deadline.
    pub(super) fn fire_due_timers(self: &Arc<Self>) -> Option<u64> {
        let mut state = self.state();
        let mut in_flight = Vec::new();
        while let Ok(active) = state.active() {
            let Some(timer) = active.timers.take_due(self.now().monotonic_ms) else {
                break;
            };
            in_flight.extend(self.step(&mut state, Input::Timer(timer)));
        }
        let next = state
            .active()
            .ok()
            .and_then(|active| active.timers.next_deadline_ms());
        drop(state);
        self.await_durable(in_flight);
        next
    }

    /// Takes a step, and those that follow from appends which the log refuses at once.
    fn step(&self, state: &mut State, input: Input) -> Vec<InFlight> {
        let mut in_flight = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let State::Active(active) = state else { break };
            let ends = matches!(input, Input::Unload);
            for effect in active.groups.step(self.now(), input) {
                if let Some(next) = self.carry_out(active, effect, &mut in_flight) {
                    inputs.push_back(next);
                }
            }
            if ends {
                *state = State::Unavailable;
            }
        }
        in_flight
    }

    fn carry_out(
        &self,
        active: &mut Active,
        effect: Effect,
        in_flight: &mut Vec<InFlight>,
    ) -> Option<Input> {
        match effect {
            Effect::Reply(token, response) => {
                if let Some(waiting) = active.waiting.remove(&token) {
                    // The client may be gone: then nobody wants the reply.
                    drop(waiting.send(response));
                }
            }
            Effect::SetTimer { timer, deadline_ms } => {
                active.timers.set(timer, deadline_ms);
                self.alarm.set(deadline_ms);
            }
            Effect::CancelTimer(timer) => active.timers.cancel(timer),
            Effect::Append { append, records } => match self.append(&records) {
                Ok(durable) => in_flight.push((append, durable)),
                Err(AppendRefused::Refused(error)) => {
                    return Some(Input::Appended(append, AppendOutcome::Refused(error)));
                }
                Err(AppendRefused::Failed(error)) => {
                    tracing::error!(partition = %self.log.name(), %error, "group log failed");
                    return Some(Input::Unload);
                }
            },
        }
        None
    }

    fn append(&self, records: &[Record]) -> Result<DurableOffset, AppendRefused> {
        let batch = build_batch(records, self.io.clock.wall_ms())?;
        self.log.append(batch)
    }

    /// Waits in the background until appends are durable, and tells the state machine.
    fn await_durable(self: &Arc<Self>, in_flight: Vec<InFlight>) {
        for (append, durable) in in_flight {
            let shard = Arc::clone(self);
            self.io.spawn.task(Box::pin(async move {
                match durable.await {
                    Ok(base_offset) => shard.appended(append, AppendOutcome::Durable(base_offset)),
                    Err(error) => {
                        tracing::error!(partition = %shard.log.name(), %error, "group log failed");
                        shard.unload();
                    }
                }
            }));
        }
    }

    fn appended(self: &Arc<Self>, append: AppendId, outcome: AppendOutcome) {
        let mut state = self.state();
        let in_flight = self.step(&mut state, Input::Appended(append, outcome));
        drop(state);
        self.await_durable(in_flight);
    }
}

impl State {
    fn active(&mut self) -> Result<&mut Active, CoordinatorError> {
        match self {
            Self::Loading { .. } => Err(CoordinatorError::Loading),
            Self::Active(active) => Ok(active),
            Self::Unavailable => Err(CoordinatorError::NotCoordinator),
        }
    }
}

fn build_batch(records: &[Record], timestamp_ms: i64) -> Result<BytesMut, AppendRefused> {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for record in records {
        batch
            .push(
                timestamp_ms,
                Some(&record.key),
                record.value.as_deref(),
                &[],
            )
            .map_err(|_| AppendRefused::Refused(GroupError::UnknownServerError))?;
    }
    Ok(batch.build())
}
