//! Which transactions a walk over a log is inside of, so that compaction knows what was aborted and
//! which markers still have data before them.
//!
//! Source: Kafka's `CleanedTransactionMetadata`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sprawl_model::batch::{BatchHeader, ControlKind};
use sprawl_model::{Offset, ProducerId};

use crate::partition::AbortedTxn;

/// The transactions around the place of a walk in offset order.
#[derive(Debug)]
pub(crate) struct OpenTransactions {
    /// Aborted ones that begin above the place, by first offset.
    ahead: VecDeque<AbortedTxn>,
    committed: BTreeSet<ProducerId>,
    /// Aborted ones; whether data of theirs was met.
    aborted: BTreeMap<ProducerId, bool>,
}

impl OpenTransactions {
    /// Starts a walk; `aborted` are the aborted transactions of the log.
    pub(crate) fn new(aborted: &[AbortedTxn]) -> Self {
        let mut ahead: Vec<_> = aborted.to_vec();
        ahead.sort_by_key(|one| one.first_offset);
        Self {
            ahead: ahead.into(),
            committed: BTreeSet::new(),
            aborted: BTreeMap::new(),
        }
    }

    /// Takes a batch of data; returns whether its transaction was aborted.
    pub(crate) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.advance(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some(has_data) => {
                *has_data = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes a control batch, `None` where it was emptied before; returns whether nothing of what
    /// it ends is left, so that it may go, too.
    pub(crate) fn on_control(&mut self, header: &BatchHeader, kind: Option<ControlKind>) -> bool {
        self.advance(header.last_offset());
        match kind {
            Some(ControlKind::Abort) => self.aborted.remove(&header.producer_id) != Some(true),
            Some(ControlKind::Commit) => !self.committed.remove(&header.producer_id),
            Some(ControlKind::Other) => false,
            None => true,
        }
    }

    fn advance(&mut self, offset: Offset) {
        while let Some(next) = self.ahead.front()
            && next.first_offset <= offset
        {
            self.aborted.entry(next.producer_id).or_insert(false);
            self.ahead.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use sprawl_model::batch::{BatchBuilder, BatchOptions};

    use super::*;

    fn batch(producer: i64, offset: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: Offset(offset),
            producer_id: ProducerId(producer),
            transactional: true,
            ..BatchOptions::default()
        });
        builder.push(0, Some(b"k"), None, &[]).unwrap();
        BatchHeader::parse(&builder.build()).unwrap()
    }

    #[test]
    fn a_marker_may_go_when_no_data_of_its_transaction_was_met() {
        let aborted = [AbortedTxn {
            producer_id: ProducerId(1),
            first_offset: Offset(2),
            last_offset: Offset(3),
            last_stable_offset: Offset(4),
        }];
        let mut open = OpenTransactions::new(&aborted);
        assert!(!open.on_data(&batch(1, 0)));
        assert!(!open.on_control(&batch(1, 1), Some(ControlKind::Commit)));
        assert!(open.on_data(&batch(1, 2)));
        assert!(!open.on_control(&batch(1, 3), Some(ControlKind::Abort)));
        assert!(open.on_control(&batch(1, 4), Some(ControlKind::Commit)));
        assert!(open.on_control(&batch(1, 5), None));
        assert!(!open.on_control(&batch(1, 6), Some(ControlKind::Other)));

        let mut open = OpenTransactions::new(&aborted);
        assert!(open.on_control(&batch(1, 3), Some(ControlKind::Abort)));
    }
}
