//! Delayed records of one partition: told before they are appended, released when they are due.
//!
//! Order of locks: what waits ([`Pending`]), then the sequencer. Appending takes the sequencer
//! alone, and only says from where on something is unapplied; the timers are brought up to date by
//! whoever delivers. A release is decided against the whole log: its last look, and the append,
//! happen under the sequencer's lock.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use sprawl_core::config::MessageTime;
use sprawl_io::net::BoxFuture;
use sprawl_log::{
    AppendError, Durable, FlushError, LogError, PartitionLog, Timer, TimerChanges, TimerMeta,
};
use sprawl_model::batch::{BatchHeader, TimestampType};
use sprawl_model::{Offset, PartitionKey};

use super::{Partition, Sequencer};
use crate::delay::pending::{Caught, Pending};
use crate::delay::release::{self, RELEASE_COUNT_MAX, Release, Style};
use crate::delay::{Agenda, DelayError};

/// How often a release is built outside the sequencer's lock before it is built under it.
const TRY_COUNT: usize = 3;

/// What a partition knows of its delayed records.
#[derive(Debug)]
pub(super) struct Delayed {
    /// The log may hold batches that readers do not see.
    holds: AtomicBool,
    /// The state store knows that this partition has timers.
    is_known: AtomicBool,
    /// The partition is on the agenda.
    is_touched: AtomicBool,
    /// No batch below changes a timer that is not applied; `i64::MAX` is none at all. Changed under
    /// the sequencer's lock.
    unapplied_from: AtomicI64,
    /// How many records waited when it was last looked.
    waiting: AtomicU64,
    pending: Mutex<Pending>,
    agenda: Arc<Agenda>,
}

/// What a look at a partition found and did.
pub(crate) struct Delivered {
    /// What was released, in order.
    pub(crate) released: Vec<Timer>,
    /// When, in ms since the Unix epoch.
    pub(crate) now_ms: i64,
    /// How many records were cancelled.
    pub(crate) cancelled_count: u64,
    /// When the next record is due, in ms since the Unix epoch.
    pub(crate) next_due_ms: Option<i64>,
    /// How many records wait.
    pub(crate) waiting: u64,
    /// Ends when the release is durable.
    pub(crate) durable: Option<BoxFuture<'static, Result<Durable<Offset>, FlushError>>>,
}

impl Delivered {
    fn nothing(now_ms: i64) -> Self {
        Self {
            released: Vec::new(),
            now_ms,
            cancelled_count: 0,
            next_due_ms: None,
            waiting: 0,
            durable: None,
        }
    }

    /// Nothing yet: the partition is to be looked at again then.
    pub(crate) fn later(retry_ms: i64, waiting: u64) -> Self {
        Self {
            next_due_ms: Some(retry_ms),
            waiting,
            ..Self::nothing(retry_ms)
        }
    }
}

/// What waits in a partition, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// How many records.
    pub(crate) count: u64,
    /// When the next is due, ms since the Unix epoch.
    pub(crate) next_due_ms: Option<i64>,
}

impl Delayed {
    /// Begins with what the state store knows; the log's later batches are applied at the first
    /// look. `first_change` is the first batch that replaying the log met and that changes timers.
    pub(super) fn open(
        log: &Arc<PartitionLog>,
        first_change: Option<Offset>,
        agenda: Arc<Agenda>,
    ) -> Result<Self, LogError> {
        let timers = log.timers();
        let known = match (timers.meta()?, first_change) {
            (Some(meta), _) if meta.applied_end <= log.log_end() => Some(meta),
            // A crash took batches that were applied.
            (Some(_), _) => Some(begin_again(log, log.log_start())?),
            // The state store was lost, and the whole log was replayed for the same reason.
            (None, Some(first)) => Some(begin_again(log, first)?),
            (None, None) => None,
        };
        let unapplied_from = known.map(|meta| meta.applied_end);
        let first = match known {
            Some(_) => timers.first_from(Offset(0))?,
            None => None,
        };
        log.pin(first.into_iter().chain(unapplied_from).min());
        Ok(Self {
            holds: AtomicBool::new(known.is_some()),
            is_known: AtomicBool::new(known.is_some()),
            is_touched: AtomicBool::new(false),
            unapplied_from: AtomicI64::new(unapplied_from.map_or(i64::MAX, |from| from.0)),
            waiting: AtomicU64::new(known.map_or(0, |meta| meta.pending_count)),
            pending: Mutex::new(Pending::new(timers, known.unwrap_or(TimerMeta::NONE))),
            agenda,
        })
    }

    /// Says whether readers have to be led around something.
    pub(super) fn holds(&self) -> bool {
        self.holds.load(Ordering::Acquire)
    }

    /// Says that a batch which changes timers is about to be appended at the log's end. Called
    /// under the sequencer's lock.
    ///
    /// Errors: the state store does not take it; nothing may be appended then, since after a crash
    /// nobody would look for the batch.
    pub(super) fn announce(&self, log: &Arc<PartitionLog>) -> Result<(), AppendError> {
        let at = log.log_end();
        if !self.is_known.load(Ordering::Acquire) {
            let meta = TimerMeta {
                applied_end: at,
                held_end: at,
                pending_count: 0,
            };
            let written = log.timers().write(TimerChanges::default(), &meta);
            written.map_err(|error| AppendError::Offline {
                reason: error.to_string().into(),
            })?;
            self.is_known.store(true, Ordering::Release);
        }
        if self.unapplied_from.load(Ordering::Acquire) == i64::MAX {
            log.pin(Some(log.pinned_from().min(at)));
            self.unapplied_from.store(at.0, Ordering::Release);
        }
        self.holds.store(true, Ordering::Release);
        Ok(())
    }

    /// Puts the partition on the agenda.
    pub(super) fn touch(&self, key: PartitionKey) {
        if !self.is_touched.swap(true, Ordering::AcqRel) {
            self.agenda.touch(key);
        }
    }

    /// Tells the state store how much of the log need not be looked through after a crash. Called
    /// under the sequencer's lock.
    pub(super) fn note_seen(&self, log: &Arc<PartitionLog>) {
        let is_applied = self.unapplied_from.load(Ordering::Acquire) == i64::MAX;
        if !is_applied || !self.is_known.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = log.timers().note_seen(log.durable_end()) {
            tracing::warn!(partition = %log.key(), %error, "cannot note how far delayed records are applied");
        }
    }

    fn unapplied_from(&self) -> Offset {
        Offset(self.unapplied_from.load(Ordering::Acquire))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // What is behind the lock says after every failure how much of the log it stands for.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begin_again(log: &Arc<PartitionLog>, from: Offset) -> Result<TimerMeta, LogError> {
    let meta = TimerMeta {
        applied_end: from,
        held_end: from,
        pending_count: 0,
    };
    tracing::info!(partition = %log.key(), from = from.0, "the timers of delayed records are built again");
    log.timers().begin_again(&meta)?;
    Ok(meta)
}

impl Partition {
    /// Has a partition with delayed records looked at, after it was opened.
    pub(crate) fn wake_delayed(&self) {
        if self.delayed.is_known.load(Ordering::Acquire) {
            self.delayed.touch(self.key());
        }
    }

    /// Says whether the log may hold batches that readers do not see.
    pub(crate) fn holds_delayed(&self) -> bool {
        self.delayed.holds()
    }

    /// How many records waited when it was last looked.
    pub(crate) fn waiting_count(&self) -> u64 {
        self.delayed.waiting.load(Ordering::Relaxed)
    }

    /// What waits, as of the last look at the log, which is moments ago. Blocking.
    pub(crate) fn waits(&self) -> Result<Waits, DelayError> {
        let mut pending = self.delayed.pending();
        Ok(Waits {
            count: pending.meta().pending_count,
            next_due_ms: pending.next_due_ms()?,
        })
    }

    /// Applies what was appended and releases the first records that are due. Blocking.
    ///
    /// Errors: what is not done is done by a later call.
    pub(crate) fn deliver_due(&self) -> Result<Delivered, DelayError> {
        self.delayed.is_touched.store(false, Ordering::Release);
        let mut delivered = Delivered::nothing(self.clock.wall_ms());
        let mut pending = self.delayed.pending();
        self.catch_up(&mut pending, &mut delivered)?;
        let next_due_ms = pending.next_due_ms()?;
        if next_due_ms.is_some_and(|due_ms| due_ms <= delivered.now_ms) {
            self.release(&mut pending, &mut delivered)?;
        }
        self.settle(&mut pending, &mut delivered)?;
        Ok(delivered)
    }

    fn catch_up(
        &self,
        pending: &mut Pending,
        delivered: &mut Delivered,
    ) -> Result<Caught, DelayError> {
        // In this order: what is below this end was announced before.
        let end = self.log.log_end();
        let caught = pending.catch_up(&self.log, self.delayed.unapplied_from(), end)?;
        delivered.cancelled_count += caught.cancelled_count;
        Ok(caught)
    }

    fn release(&self, pending: &mut Pending, delivered: &mut Delivered) -> Result<(), DelayError> {
        for _ in 0..TRY_COUNT {
            let release = self.build_release(pending, delivered.now_ms)?;
            let sequencer = self.sequencer();
            let caught = self.catch_up(pending, delivered)?;
            if !release.is_spoilt(&caught) {
                self.append_release(&sequencer, release, delivered)?;
                drop(sequencer);
                return self.catch_up(pending, delivered).map(drop);
            }
        }
        // Producers must not keep the due records waiting for ever.
        let sequencer = self.sequencer();
        self.catch_up(pending, delivered)?;
        let release = self.build_release(pending, delivered.now_ms)?;
        self.append_release(&sequencer, release, delivered)?;
        drop(sequencer);
        self.catch_up(pending, delivered).map(drop)
    }

    fn build_release(&self, pending: &mut Pending, now_ms: i64) -> Result<Release, DelayError> {
        let due = pending.due(now_ms, RELEASE_COUNT_MAX)?;
        let config = self.config();
        let style = Style {
            now_ms,
            timestamp_type: match config.timestamp_type {
                MessageTime::CreateTime => TimestampType::CreateTime,
                MessageTime::LogAppendTime => TimestampType::LogAppendTime,
            },
            message_bytes_max: config.message_bytes_max as usize,
        };
        let release = release::build(&self.log, &due, style)?;
        for timer in &release.lost {
            tracing::error!(partition = %self.name, offset = timer.offset.0, "a delayed record is lost to damage");
        }
        pending.give_up(&release.lost)?;
        Ok(release)
    }

    fn append_release(
        &self,
        sequencer: &Sequencer,
        release: Release,
        delivered: &mut Delivered,
    ) -> Result<(), DelayError> {
        let Some(batch) = release.batch else {
            return Ok(());
        };
        let bytes: BytesMut = batch;
        let mut header = BatchHeader::parse(&bytes).expect("the batch was built by us");
        self.delayed.announce(&self.log)?;
        let appended = self.append_at_end(sequencer, bytes, &mut header)?;
        delivered.durable = Some(Box::pin(appended.durable()));
        delivered.released = release.released;
        Ok(())
    }

    /// Applies the rest and says what may be deleted and what readers meet.
    fn settle(&self, pending: &mut Pending, delivered: &mut Delivered) -> Result<(), DelayError> {
        let sequencer = self.sequencer();
        self.catch_up(pending, delivered)?;
        let first = pending.first()?;
        let delayed = &self.delayed;
        delayed.unapplied_from.store(i64::MAX, Ordering::Release);
        self.log.pin(first);
        if pending.meta().held_end <= self.log.log_start() {
            delayed.holds.store(false, Ordering::Release);
        }
        drop(sequencer);
        delivered.next_due_ms = pending.next_due_ms()?;
        delivered.waiting = pending.meta().pending_count;
        delayed.waiting.store(delivered.waiting, Ordering::Relaxed);
        Ok(())
    }
}
