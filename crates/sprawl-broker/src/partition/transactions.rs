//! Transactions of one partition: verification, markers, and what is stable.
//!
//! Whoever reads asks [`Partition::stable_offset`]; without a transaction in sight that is one
//! atomic load more than the high watermark.
//!
//! Source: KIP-98, KIP-890; `UnifiedLog.maybeStartTransactionVerification`, `Partition.scala`.

use std::sync::atomic::Ordering;

use sprawl_core::partition::{ActiveProducer, Asking, EndTxn, SequenceError, Verification};
use sprawl_model::batch::BatchHeader;
use sprawl_model::{Offset, ProducerId};

use super::{Partition, Sequencer, replay};
use crate::replicated_log::{AppendMarkerError, Appended};

impl Partition {
    /// Begins the verification of a transactional batch; `None` where its transaction is open here
    /// already, and the coordinator need not be asked.
    pub(crate) fn begin_verification(
        &self,
        asking: Asking,
    ) -> Result<Option<Verification>, SequenceError> {
        let now_ms = self.clock.wall_ms();
        self.sequencer()
            .producers
            .begin_verification(asking, now_ms)
    }

    /// Takes note that the transaction coordinator has agreed to what this broker will write in a
    /// producer's name.
    pub(crate) fn confirm_verification(&self, producer_id: ProducerId, verified: Verification) {
        let mut sequencer = self.sequencer();
        sequencer
            .producers
            .confirm_verification(producer_id, verified);
    }

    /// Every producer that the partition remembers, by id.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        self.sequencer().producers.active().collect()
    }

    pub(super) fn end_transaction(&self, end: &EndTxn) -> Result<Appended, AppendMarkerError> {
        let now_ms = self.clock.wall_ms();
        let bytes = end
            .marker
            .build(end.producer_id, end.producer_epoch, now_ms);
        let mut header = BatchHeader::parse(&bytes).expect("the batch was built above");
        let mut sequencer = self.sequencer();
        sequencer.producers.check_marker(end)?;
        let pending = self.append_at_end(&sequencer, bytes, &mut header)?;
        let producers = &mut sequencer.producers;
        if let Some(completed) = producers.record_marker(&header, end.marker, now_ms) {
            replay::note_if_aborted(&self.log, &completed);
        }
        drop(sequencer);
        Ok(Appended {
            base_offset: header.base_offset,
            log_append_time: None,
            durable: Box::pin(pending.durable()),
        })
    }

    /// The end of what is durable and decided, exclusive.
    pub(super) fn stable_offset(&self) -> Offset {
        // In this order: a transaction that begins in between begins at or above this end.
        let high_watermark = self.log.durable_end();
        if self.first_unstable.load(Ordering::Acquire) >= high_watermark.0 {
            return high_watermark;
        }
        let mut sequencer = self.sequencer();
        sequencer.producers.settle(high_watermark);
        self.publish_stable(&sequencer);
        let first = sequencer.producers.first_unstable();
        let first = first.map_or(high_watermark, |first| first.min(high_watermark));
        // Where records of an open transaction were deleted, what is left of it is unstable.
        first.max(self.log.log_start())
    }

    /// Tells readers what is not stable.
    pub(super) fn publish_stable(&self, sequencer: &Sequencer) {
        let first = sequencer.producers.first_unstable();
        self.first_unstable.store(encode(first), Ordering::Release);
    }

    /// Tells readers that a transaction is about to begin at `from`.
    pub(super) fn hold_stable(&self, sequencer: &Sequencer, from: Offset) {
        let first = sequencer.producers.first_unstable().unwrap_or(from);
        self.first_unstable.store(first.0, Ordering::Release);
    }
}

/// What [`Partition`] keeps of the first unstable offset.
pub(super) fn encode(first_unstable: Option<Offset>) -> i64 {
    first_unstable.map_or(i64::MAX, |first| first.0)
}
