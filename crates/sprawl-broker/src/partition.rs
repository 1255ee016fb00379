//! One partition that this broker leads: sequencing in front of the log.
//!
//! Invariants: offsets are given out under one short lock, together with the append, so they are
//! dense (I11); a duplicate of an idempotent producer is answered with its original offset, and
//! only once that offset is durable (I5, I12). The lock is never held across an await. The first
//! unstable offset is known before the batch that makes it so is appended, and no transaction is
//! stable before its marker is durable (I15).

mod delayed;
mod replay;
mod transactions;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::BytesMut;
use delayed::Delayed;
pub(crate) use delayed::Delivered;
use sprawl_core::config::TopicConfig;
use sprawl_core::partition::{EndTxn, ProducerStates, SequenceVerdict};
use sprawl_io::Clock;
use sprawl_log::{
    CompactionBounds, LastOfProducer, LogRead, PartitionLog, Pending, ReadError, ReadRequest,
};
use sprawl_model::batch::{self, BatchHeader};
use sprawl_model::{LeaderEpoch, Offset, PartitionKey, TopicPartition};

use crate::delay::Agenda;
use crate::replicated_log::{AppendError, AppendMarkerError, Appended, ReplicatedLog};
use crate::validate::ValidBatch;

/// A partition led by this broker.
#[derive(Debug)]
pub(crate) struct Partition {
    name: TopicPartition,
    log: Arc<PartitionLog>,
    clock: Arc<dyn Clock>,
    config: ArcSwap<TopicConfig>,
    /// The first offset that is not stable whatever is durable; `i64::MAX` is none.
    first_unstable: AtomicI64,
    sequencer: Mutex<Sequencer>,
    delayed: Delayed,
}

#[derive(Debug)]
struct Sequencer {
    leader_epoch: LeaderEpoch,
    producers: ProducerStates,
}

/// Why a partition could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenPartitionError {
    /// The log could not be opened, or what waits in it not be read.
    #[error(transparent)]
    Log(#[from] sprawl_log::LogError),
    /// The log could not be read to rebuild the producers' state.
    #[error("producer state of {partition} cannot be rebuilt: {source}")]
    Producers {
        /// Which partition.
        partition: TopicPartition,
        /// What the log said.
        source: ReadError,
    },
}

impl Partition {
    /// Opens the partition over its log and rebuilds the producers' state: the last snapshot, then
    /// every batch header, and every marker, after it. O(batches since the last checkpoint).
    pub(crate) fn open(
        name: TopicPartition,
        log: Arc<PartitionLog>,
        clock: Arc<dyn Clock>,
        (config, leader_epoch): (Arc<TopicConfig>, LeaderEpoch),
        agenda: Arc<Agenda>,
    ) -> Result<Self, OpenPartitionError> {
        let replayed = replay::rebuild_producers(&log, clock.wall_ms()).map_err(|source| {
            OpenPartitionError::Producers {
                partition: name.clone(),
                source,
            }
        })?;
        let producers = replayed.producers;
        let delayed = Delayed::open(&log, replayed.first_change, agenda)?;
        Ok(Self {
            name,
            log,
            clock,
            config: ArcSwap::new(config),
            first_unstable: AtomicI64::new(transactions::encode(producers.first_unstable())),
            sequencer: Mutex::new(Sequencer {
                leader_epoch,
                producers,
            }),
            delayed,
        })
    }

    /// The partition's name, for people and logs.
    pub(crate) fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The partition's identity.
    pub(crate) fn key(&self) -> PartitionKey {
        self.log.key()
    }

    /// The log below, for what replication has no say in: look-ups, sizes, settings.
    pub(crate) fn log(&self) -> &Arc<PartitionLog> {
        &self.log
    }

    /// The topic's settings.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// Takes over changed settings.
    pub(crate) fn set_config(&self, config: Arc<TopicConfig>) {
        self.config.store(config);
    }

    /// Takes over a newer leader epoch.
    pub(crate) fn set_leader_epoch(&self, leader_epoch: LeaderEpoch) {
        let mut sequencer = self.sequencer();
        assert!(
            sequencer.leader_epoch <= leader_epoch,
            "a leader epoch never decreases (I6)"
        );
        sequencer.leader_epoch = leader_epoch;
    }

    /// Encodes the producers' state together with the offset it is complete to.
    pub(crate) fn producer_snapshot(&self) -> (Offset, Vec<u8>) {
        let sequencer = self.sequencer();
        self.delayed.note_seen(&self.log);
        (self.log.log_end(), sequencer.producers.encode())
    }

    /// What compaction of the log has to respect; `None` where the log cannot say.
    pub(crate) fn compaction_bounds(&self) -> Option<CompactionBounds> {
        let stable_end = self.last_stable_offset();
        let aborted = self
            .log
            .aborted_transactions(self.log_start(), stable_end)
            .inspect_err(|error| tracing::warn!(partition = %self.name, %error, "not compacted"))
            .ok()?;
        let sequencer = self.sequencer();
        let producers = sequencer.producers.last_records();
        let producers = producers.map(|(id, epoch, last_data_offset)| {
            let last = LastOfProducer {
                epoch,
                last_data_offset,
            };
            (id, last)
        });
        Some(CompactionBounds {
            stable_end,
            producers: producers.collect(),
            aborted,
        })
    }

    /// Forgets producers that have been silent for `expiration_ms`.
    pub(crate) fn expire_producers(&self, expiration_ms: i64) {
        let now_ms = self.clock.wall_ms();
        self.sequencer().producers.expire(now_ms, expiration_ms);
    }

    fn sequencer(&self) -> MutexGuard<'_, Sequencer> {
        // The state behind the lock is only changed after the append succeeded, in calls that do
        // not panic.
        self.sequencer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a batch its place and appends it. The caller has checked it and records it.
    fn append_at_end(
        &self,
        sequencer: &Sequencer,
        mut bytes: BytesMut,
        header: &mut BatchHeader,
    ) -> Result<Pending, sprawl_log::AppendError> {
        header.base_offset = self.log.log_end();
        header.leader_epoch = sequencer.leader_epoch;
        batch::set_base_offset(&mut bytes, header.base_offset);
        batch::set_leader_epoch(&mut bytes, header.leader_epoch);
        self.log.append(bytes.freeze(), header)
    }
}

impl ReplicatedLog for Partition {
    fn append(&self, batch: ValidBatch) -> Result<Appended, AppendError> {
        let (log_append_time, claim) = (batch.log_append_time(), batch.claim());
        let (bytes, mut header) = batch.into_parts();
        let now_ms = self.clock.wall_ms();
        let mut sequencer = self.sequencer();
        if let SequenceVerdict::Duplicate {
            base_offset,
            last_offset,
            timestamp,
        } = sequencer.producers.check(&header, claim)?
        {
            let log_append_time = log_append_time.map(|_| timestamp);
            let end = last_offset
                .checked_add(1)
                .expect("offsets in the log stay below 2^63");
            let durable = Box::pin(self.log.pending(base_offset, end).durable());
            return Ok(Appended {
                base_offset,
                log_append_time,
                durable,
            });
        }
        if header.attributes.holds_delayed() {
            self.delayed.announce(&self.log)?;
            self.delayed.touch(self.key());
        }
        if sequencer.producers.begins_transaction(&header) {
            self.hold_stable(&sequencer, self.log.log_end());
        }
        let pending = self
            .append_at_end(&sequencer, bytes, &mut header)
            .inspect_err(|_| self.publish_stable(&sequencer))?;
        sequencer.producers.record(&header, now_ms);
        drop(sequencer);
        let durable = Box::pin(pending.durable());
        Ok(Appended {
            base_offset: header.base_offset,
            log_append_time,
            durable,
        })
    }

    fn append_marker(&self, end: &EndTxn) -> Result<Appended, AppendMarkerError> {
        self.end_transaction(end)
    }

    fn read(&self, request: ReadRequest) -> Result<LogRead, ReadError> {
        if self.delayed.holds() {
            return self.log.read_visible(request);
        }
        self.log.read(request)
    }

    fn leader_epoch(&self) -> LeaderEpoch {
        self.sequencer().leader_epoch
    }

    fn log_start(&self) -> Offset {
        self.log.log_start()
    }

    fn high_watermark(&self) -> Offset {
        self.log.durable_end()
    }

    fn last_stable_offset(&self) -> Offset {
        self.stable_offset()
    }
}
