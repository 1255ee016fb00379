//! What stands in the partitions: accounts that move from topic to topic, and markers.
//!
//! A record is one account in numbers: which, how often it has moved, the attempt that wrote it,
//! its place among the attempt's records, and the record that it replaces.

use sprawl_model::batch::{
    BatchBuilder, BatchError, BatchHeader, BatchOptions, Batches, EndTxnMarker, Records,
    TxnOutcome, payload, verify_crc,
};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{ProducerEpoch, ProducerId, Sequence};
use xxhash_rust::xxh3::xxh3_64;

/// The topics between which accounts move.
pub(super) const TOPICS: [&str; 2] = ["left", "right"];
/// The partitions of each topic.
pub(super) const PARTITION_COUNT: usize = 3;
/// All partitions of both topics.
pub(super) const PLACE_COUNT: usize = TOPICS.len() * PARTITION_COUNT;
/// The attempt of records outside of transactions.
pub(super) const NO_ATTEMPT: u64 = 0;

/// One partition of one of the topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) usize);

impl Place {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..PLACE_COUNT).map(Self)
    }

    pub(super) fn topic(self) -> &'static str {
        TOPICS[self.0 / PARTITION_COUNT]
    }

    pub(super) fn partition(self) -> i32 {
        i32::try_from(self.0 % PARTITION_COUNT).unwrap_or(0)
    }

    pub(super) fn find(topic: &str, partition: i32) -> Option<Self> {
        Self::all().find(|place| place.topic() == topic && place.partition() == partition)
    }

    /// Where an account goes from here with its next hop.
    pub(super) fn next(self, account: u64, hop: u64) -> Self {
        let other = 1 - self.0 / PARTITION_COUNT;
        let partition = ((account + hop) % PARTITION_COUNT as u64) as usize;
        Self(other * PARTITION_COUNT + partition)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic(), self.partition())
    }
}

/// One account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) account: u64,
    /// How often it has moved.
    pub(super) hop: u64,
    /// The attempt that wrote it, or [`NO_ATTEMPT`].
    pub(super) attempt: u64,
    /// Its number among the `count` records of the attempt.
    pub(super) index: u64,
    pub(super) count: u64,
    /// The record that it replaces; of no meaning where `hop` is 0.
    pub(super) source: (Place, i64),
}

impl Value {
    fn encode(&self) -> String {
        let (place, offset) = self.source;
        format!(
            "{} {} {} {} {} {} {offset}",
            self.account, self.hop, self.attempt, self.index, self.count, place.0
        )
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(bytes).ok()?.split(' ');
        let mut next = || numbers.next()?.parse::<u64>().ok();
        let (account, hop, attempt, index, count) = (next()?, next()?, next()?, next()?, next()?);
        let (place, offset) = (usize::try_from(next()?).ok()?, i64::try_from(next()?).ok()?);
        Some(Self {
            account,
            hop,
            attempt,
            index,
            count,
            source: (Place(place), offset),
        })
    }
}

/// A batch as it stands in a partition.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) base_offset: i64,
    /// The offset after its last record.
    pub(super) end: i64,
    /// A hash of all its bytes.
    pub(super) fingerprint: u64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    pub(super) is_transactional: bool,
    /// How it ends a transaction, if it is a control batch.
    pub(super) marker: Option<EndTxnMarker>,
    /// The accounts and their offsets.
    pub(super) values: Vec<(i64, Value)>,
}

/// Reads whole batches, their checksums checked.
pub(super) fn read_batches(bytes: &[u8]) -> Result<Vec<Batch>, BatchError> {
    Batches::new(bytes).map(|batch| one(batch?.1)).collect()
}

fn one(bytes: &[u8]) -> Result<Batch, BatchError> {
    verify_crc(bytes)?;
    let header = BatchHeader::parse(bytes)?;
    let mut values = Vec::new();
    if !header.attributes.is_control() {
        let records = payload(bytes, DECOMPRESSED_BYTES_MAX)?;
        for record in Records::new(&header, &records) {
            let record = record?;
            let value = record.value.and_then(Value::decode);
            // Nothing else was ever sent here, and the checksum is good.
            values.push((record.offset.0, value.expect("a record is an account")));
        }
    }
    Ok(Batch {
        base_offset: header.base_offset.0,
        end: header.next_offset().0,
        fingerprint: xxh3_64(bytes),
        producer_id: header.producer_id.0,
        producer_epoch: header.producer_epoch.0,
        base_sequence: header.base_sequence.0,
        is_transactional: header.attributes.is_transactional(),
        marker: EndTxnMarker::parse(bytes)?,
        values,
    })
}

/// In whose name a batch is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
}

/// Builds a batch, in a transaction where there is a stamp.
pub(super) fn build_batch(values: &[Value], stamp: Option<Stamp>, timestamp: i64) -> bytes::Bytes {
    let options = stamp.map_or_else(BatchOptions::default, |stamp| BatchOptions {
        producer_id: ProducerId(stamp.producer_id),
        producer_epoch: ProducerEpoch(stamp.producer_epoch),
        base_sequence: Sequence(stamp.base_sequence),
        transactional: true,
        ..BatchOptions::default()
    });
    let mut builder = BatchBuilder::new(options);
    for (value, timestamp) in values.iter().zip(timestamp..) {
        let key = value.account.to_string();
        let pushed = builder.push(
            timestamp,
            Some(key.as_bytes()),
            Some(value.encode().as_bytes()),
            &[],
        );
        pushed.expect("a few hundred bytes fit a batch");
    }
    builder.build().freeze()
}

/// The accounts that a read_committed consumer shows, as Kafka's own does: batches in order, those
/// of producers with an aborted transaction left out until its marker.
///
/// `aborted` is what the answer names: producer and first offset.
pub(super) fn committed(batches: &[Batch], aborted: &[(i64, i64)], from: i64) -> Vec<(i64, Value)> {
    let mut ahead = aborted.to_vec();
    ahead.sort_by_key(|(_, first_offset)| *first_offset);
    let mut ahead = ahead.into_iter().peekable();
    let mut skipped = std::collections::BTreeSet::new();
    let mut shown = Vec::new();
    for batch in batches {
        while let Some((producer_id, _)) = ahead.next_if(|(_, first)| *first < batch.end) {
            skipped.insert(producer_id);
        }
        if let Some(marker) = batch.marker {
            if marker.outcome == TxnOutcome::Abort {
                skipped.remove(&batch.producer_id);
            }
        } else if !(batch.is_transactional && skipped.contains(&batch.producer_id)) {
            let values = batch.values.iter().filter(|(offset, _)| *offset >= from);
            shown.extend(values.copied());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_its_batch() {
        let value = Value {
            account: 3,
            hop: 7,
            attempt: 12,
            index: 1,
            count: 2,
            source: (Place(4), 99),
        };
        let stamp = Stamp {
            producer_id: 5,
            producer_epoch: 2,
            base_sequence: 8,
        };
        let bytes = build_batch(&[value], Some(stamp), 1_000);
        let batches = read_batches(&bytes).unwrap();
        assert_eq!(batches[0].values, [(0, value)]);
        assert_eq!((batches[0].producer_id, batches[0].base_sequence), (5, 8));
        assert!(batches[0].is_transactional && batches[0].marker.is_none());
    }

    #[test]
    fn an_account_alternates_between_the_topics() {
        for place in Place::all() {
            assert_ne!(place.next(5, 1).topic(), place.topic());
        }
    }
}
