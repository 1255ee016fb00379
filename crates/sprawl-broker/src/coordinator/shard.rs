//! How are the effects of a shard's state machine carried out?
//!
//! Everything a step asks for happens under the shard's lock: replies go to their channels, batches
//! to the log, timers into the list. So appends stand in the log in the order in which the state
//! machine made them. Only the wait for durability is outside; it comes back as the next input.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use sprawl_core::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Event, Machine, Now, Record, Token,
};
use sprawl_core::metadata::MetadataImage;
use sprawl_io::Io;
use sprawl_model::batch::{BatchBuilder, BatchOptions};
use sprawl_model::{ProducerIdAndEpoch, TopicPartition};
use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::error::CoordinatorError;
use super::log::{AppendRefused, CoordinatorLog, DurableOffset};
use super::timers::Timers;

/// One partition of an internal topic.
#[derive(Debug)]
pub(crate) struct Shard<M: Machine> {
    io: Io,
    log: Arc<dyn CoordinatorLog>,
    alarm: Arc<Alarm>,
    errands: Arc<dyn Errands<M>>,
    state: Mutex<State<M>>,
}

/// Who runs the errands of a machine.
pub(crate) trait Errands<M: Machine>: Debug + Send + Sync + 'static {
    /// Starts an errand and returns at once; its end comes back as an input of the shard. Called
    /// in the order in which the machine asked, outside of its lock.
    fn run(&self, shard: &Arc<Shard<M>>, errand: M::Errand);
}

/// For machines that have none.
#[derive(Debug)]
pub(super) struct NoErrands;

impl<M: Machine<Errand = Infallible>> Errands<M> for NoErrands {
    fn run(&self, _: &Arc<Shard<M>>, errand: Infallible) {
        match errand {}
    }
}

#[derive(Debug)]
enum State<M: Machine> {
    /// The log is being read; partitions deleted meanwhile are dropped afterwards.
    Loading {
        deleted: Vec<TopicPartition>,
        image: Arc<MetadataImage>,
    },
    /// Requests are answered.
    Active(Active<M>),
    /// The log failed, or the partition is gone.
    Unavailable,
}

#[derive(Debug)]
struct Active<M: Machine> {
    machine: M,
    timers: Timers<M::Timer>,
    waiting: BTreeMap<Token, oneshot::Sender<M::Response>>,
}

/// What is done after the lock is given back.
struct Afterwards<M: Machine> {
    /// Appends that are not durable yet.
    in_flight: Vec<(AppendId, DurableOffset)>,
    errands: Vec<M::Errand>,
}

impl<M: Machine> Default for Afterwards<M> {
    fn default() -> Self {
        Self {
            in_flight: Vec::new(),
            errands: Vec::new(),
        }
    }
}

impl<M: Machine> Shard<M> {
    /// A shard that waits for [`Self::loaded`].
    pub(super) fn loading(
        io: Io,
        log: Arc<dyn CoordinatorLog>,
        alarm: Arc<Alarm>,
        errands: Arc<dyn Errands<M>>,
    ) -> Self {
        Self {
            io,
            log,
            alarm,
            errands,
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

    fn state(&self) -> MutexGuard<'_, State<M>> {
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
    pub(super) fn loaded(self: &Arc<Self>, machine: M) {
        let mut state = self.state();
        let State::Loading { deleted, image } = &mut *state else {
            return;
        };
        let (deleted, image) = (std::mem::take(deleted), Arc::clone(image));
        let (timers, waiting) = (Timers::default(), BTreeMap::new());
        *state = State::Active(Active {
            machine,
            timers,
            waiting,
        });
        let mut afterwards = Afterwards::default();
        let image = Event::MetadataChanged(image).into();
        self.step(&mut state, image, &mut afterwards);
        self.step(&mut state, Event::Loaded.into(), &mut afterwards);
        if !deleted.is_empty() {
            let deleted = Event::PartitionsDeleted(deleted).into();
            self.step(&mut state, deleted, &mut afterwards);
        }
        drop(state);
        self.follow_up(afterwards);
    }

    /// Gives up the partition; whoever waits is told to look for the coordinator again.
    pub(super) fn unload(&self) {
        self.end(&mut self.state());
    }

    /// The machine's last step. It writes nothing, and what it wants done is not done any more.
    fn end(&self, state: &mut State<M>) {
        if let State::Active(active) = state {
            let mut afterwards = Afterwards::default();
            for effect in active.machine.step(self.now(), Event::Unload.into()) {
                self.carry_out(active, effect, &mut afterwards);
            }
        }
        *state = State::Unavailable;
    }

    /// Carries out a request; the receiver gets the reply.
    pub(super) fn ask(
        self: &Arc<Self>,
        token: Token,
        input: M::Input,
    ) -> Result<oneshot::Receiver<M::Response>, CoordinatorError> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        state.active()?.waiting.insert(token, sender);
        let mut afterwards = Afterwards::default();
        self.step(&mut state, input, &mut afterwards);
        drop(state);
        self.follow_up(afterwards);
        Ok(receiver)
    }

    /// Takes a step that nobody waits for; none where the shard is not open.
    pub(crate) fn tell(self: &Arc<Self>, input: M::Input) {
        let mut state = self.state();
        let mut afterwards = Afterwards::default();
        self.step(&mut state, input, &mut afterwards);
        drop(state);
        self.follow_up(afterwards);
    }

    /// Looks at the state.
    pub(super) fn read<T>(&self, read: impl FnOnce(&M) -> T) -> Result<T, CoordinatorError> {
        self.state().active().map(|active| read(&active.machine))
    }

    /// Takes over the cluster's topics and settings.
    pub(super) fn follow_metadata(self: &Arc<Self>, changed: &Arc<MetadataImage>) {
        let mut state = self.state();
        if let State::Loading { image, .. } = &mut *state {
            *image = Arc::clone(changed);
            return;
        }
        drop(state);
        self.tell(Event::MetadataChanged(Arc::clone(changed)).into());
    }

    /// Has the machine drop what it knows of partitions that are gone.
    pub(super) fn forget_partitions(self: &Arc<Self>, partitions: Vec<TopicPartition>) {
        let mut state = self.state();
        if let State::Loading { deleted, .. } = &mut *state {
            deleted.extend(partitions);
            return;
        }
        drop(state);
        self.tell(Event::PartitionsDeleted(partitions).into());
    }

    /// Raises every timer that is due and returns the next deadline.
    pub(super) fn fire_due_timers(self: &Arc<Self>) -> Option<u64> {
        let mut state = self.state();
        let mut afterwards = Afterwards::default();
        while let Ok(active) = state.active() {
            let Some(timer) = active.timers.take_due(self.now().monotonic_ms) else {
                break;
            };
            self.step(&mut state, Event::Timer(timer).into(), &mut afterwards);
        }
        let next = state
            .active()
            .ok()
            .and_then(|active| active.timers.next_deadline_ms());
        drop(state);
        self.follow_up(afterwards);
        next
    }

    /// Takes a step, and those that follow from appends which the log refuses at once.
    fn step(&self, state: &mut State<M>, input: M::Input, afterwards: &mut Afterwards<M>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let State::Active(active) = state else { return };
            let mut log_failed = false;
            for effect in active.machine.step(self.now(), input) {
                match self.carry_out(active, effect, afterwards) {
                    Carried::Done => {}
                    Carried::Next(event) => inputs.push_back(event.into()),
                    Carried::LogFailed => log_failed = true,
                }
            }
            if log_failed {
                self.end(state);
            }
        }
    }

    fn carry_out(
        &self,
        active: &mut Active<M>,
        effect: Effect<M::Response, M::Timer, M::Errand>,
        afterwards: &mut Afterwards<M>,
    ) -> Carried<M::Timer> {
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
            Effect::Errand(errand) => afterwards.errands.push(errand),
            Effect::Append {
                append,
                kind,
                records,
            } => match self.append(kind, &records) {
                Ok(durable) => afterwards.in_flight.push((append, durable)),
                Err(AppendRefused::Refused(refusal)) => {
                    let outcome = AppendOutcome::Refused(refusal);
                    return Carried::Next(Event::Appended(append, outcome));
                }
                Err(AppendRefused::Failed(error)) => {
                    tracing::error!(partition = %self.log.name(), %error, "coordinator log failed");
                    return Carried::LogFailed;
                }
            },
        }
        Carried::Done
    }

    fn append(&self, kind: BatchKind, records: &[Record]) -> Result<DurableOffset, AppendRefused> {
        if let BatchKind::Marker(end) = kind {
            return self.log.append_marker(&end);
        }
        let batch = build_batch(kind, records, self.io.clock.wall_ms())?;
        self.log.append(batch)
    }

    /// Starts errands, waits in the background until appends are durable, and tells the machine.
    fn follow_up(self: &Arc<Self>, afterwards: Afterwards<M>) {
        for (append, durable) in afterwards.in_flight {
            let shard = Arc::clone(self);
            self.io.spawn.task(Box::pin(async move {
                match durable.await {
                    Ok(base_offset) => {
                        let outcome = AppendOutcome::Durable(base_offset);
                        shard.tell(Event::Appended(append, outcome).into());
                    }
                    Err(error) => {
                        let partition = shard.log.name();
                        tracing::error!(%partition, %error, "coordinator log failed");
                        shard.unload();
                    }
                }
            }));
        }
        for errand in afterwards.errands {
            self.errands.run(self, errand);
        }
    }
}

/// What became of an effect.
enum Carried<Timer> {
    Done,
    /// It ended at once.
    Next(Event<Timer>),
    LogFailed,
}

impl<M: Machine> State<M> {
    fn active(&mut self) -> Result<&mut Active<M>, CoordinatorError> {
        match self {
            Self::Loading { .. } => Err(CoordinatorError::Loading),
            Self::Active(active) => Ok(active),
            Self::Unavailable => Err(CoordinatorError::NotCoordinator),
        }
    }
}

fn build_batch(
    kind: BatchKind,
    records: &[Record],
    timestamp_ms: i64,
) -> Result<BytesMut, AppendRefused> {
    let mut batch = BatchBuilder::new(options(kind));
    for record in records {
        batch
            .push(
                timestamp_ms,
                Some(&record.key),
                record.value.as_deref(),
                &[],
            )
            .map_err(|_| AppendRefused::Refused(AppendRefusal::TooLarge))?;
    }
    Ok(batch.build())
}

/// A coordinator's own batch has no sequence, even in a transaction.
fn options(kind: BatchKind) -> BatchOptions {
    let (producer, transactional, control) = match kind {
        BatchKind::Plain => (ProducerIdAndEpoch::NONE, false, false),
        BatchKind::Transactional(producer) => (producer, true, false),
        BatchKind::Control(producer) => (producer, true, true),
        BatchKind::Marker(_) => unreachable!("the partition builds markers"),
    };
    BatchOptions {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        transactional,
        control,
        ..BatchOptions::default()
    }
}
