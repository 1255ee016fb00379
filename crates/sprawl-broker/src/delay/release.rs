//! The batch that makes due records visible.
//!
//! Key, value and headers are the original's, without the header that asked for the delay and with
//! three that tell where it came from. The timestamp is the time of the release: retention counts
//! from when a record could be read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use sprawl_log::{PartitionLog, ReadError, Timer};
use sprawl_model::batch::{
    BatchBuilder, BatchHeader, BatchOptions, DELAYED_DUE, DELAYED_OFFSET, DELAYED_TIMESTAMP,
    HeaderRef, RecordRef, Records, TimestampType, is_delivery_header, payload, set_release,
};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{Offset, compression::Codec};

use super::pending::Caught;

/// How many records a release has at most.
pub(crate) const RELEASE_COUNT_MAX: usize = 4096;

/// How large the records of a release grow, uncompressed, where it has more than one.
const RELEASE_BYTES_MAX: usize = 1 << 20;

/// How many bytes of expanded batches are kept while a release is built.
const EXPANDED_BYTES_MAX: usize = 8 << 20;

/// A release that is not appended yet.
#[derive(Debug)]
pub(crate) struct Release {
    /// The batch; its offsets are not assigned. `None` where nothing could be read.
    pub(crate) batch: Option<BytesMut>,
    /// What is in it, in order.
    pub(crate) released: Vec<Timer>,
    /// What is lost to damage.
    pub(crate) lost: Vec<Timer>,
}

impl Release {
    /// Says whether what was applied since makes it wrong: a record in it may be cancelled, or one
    /// that is due before its last is not in it.
    pub(crate) fn is_spoilt(&self, caught: &Caught) -> bool {
        let last = self.released.last().or(self.lost.last());
        let last_due_ms = last.map_or(i64::MAX, |last| last.due_ms);
        let earliest_due_ms = caught.earliest_due_ms;
        let is_before = earliest_due_ms <= last_due_ms && earliest_due_ms < i64::MAX;
        caught.cancelled_count > 0 || is_before
    }
}

/// How a release is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// The time of the release, ms since the Unix epoch.
    pub(crate) now_ms: i64,
    /// Whose time the topic's records carry.
    pub(crate) timestamp_type: TimestampType,
    /// The topic's limit on a batch, in bytes.
    pub(crate) message_bytes_max: usize,
}

/// Builds a release of the first of these records, as many as fit. Blocks for reads.
///
/// Each batch that holds one of them is read and expanded once, as long as they fit
/// [`EXPANDED_BYTES_MAX`].
pub(crate) fn build(log: &PartitionLog, due: &[Timer], style: Style) -> Result<Release, ReadError> {
    let mut release = Release {
        batch: None,
        released: Vec::with_capacity(due.len()),
        lost: Vec::new(),
    };
    let mut expanded = Expanded::new(log);
    let mut builder: Option<BatchBuilder> = None;
    let bytes_max = RELEASE_BYTES_MAX.min(style.message_bytes_max);
    for timer in due {
        let batch = match expanded.batch(timer.batch) {
            Ok(batch) => batch,
            Err(ReadError::Damaged { .. } | ReadError::OutOfRange { .. }) => {
                release.lost.push(*timer);
                continue;
            }
            Err(error) => return Err(error),
        };
        let builder = builder.get_or_insert_with(|| BatchBuilder::new(options(batch, style)));
        let Some(record) = batch.record(timer.offset) else {
            release.lost.push(*timer);
            continue;
        };
        let is_full = builder.size().saturating_add(bytes_of(&record)) > bytes_max;
        if is_full && !builder.is_empty() {
            break;
        }
        push(builder, &record, timer, style.now_ms);
        release.released.push(*timer);
    }
    release.batch = builder
        .filter(|builder| !builder.is_empty())
        .map(|builder| {
            let mut batch = builder.build();
            set_release(&mut batch);
            batch
        });
    Ok(release)
}

fn options(batch: &ExpandedBatch, style: Style) -> BatchOptions {
    BatchOptions {
        codec: batch.header.attributes.codec().unwrap_or(Codec::None),
        timestamp_type: style.timestamp_type,
        ..BatchOptions::default()
    }
}

/// At most how many bytes a record adds.
fn bytes_of(record: &RecordRef<'_>) -> usize {
    /// What the three headers and the fixed fields take at most.
    const OWN_BYTES: usize = 192;
    record.size().saturating_add(OWN_BYTES)
}

fn push(builder: &mut BatchBuilder, record: &RecordRef<'_>, timer: &Timer, now_ms: i64) {
    let offset = timer.offset.0.to_string();
    let due = timer.due_ms.to_string();
    let timestamp = record.timestamp.to_string();
    let mut headers: Vec<HeaderRef<'_>> = record
        .headers()
        .filter(|header| !is_delivery_header(header.key) && !is_ours(header.key))
        .collect();
    for (key, value) in [
        (DELAYED_OFFSET, &offset),
        (DELAYED_DUE, &due),
        (DELAYED_TIMESTAMP, &timestamp),
    ] {
        headers.push(HeaderRef {
            key: key.as_bytes(),
            value: Some(value.as_bytes()),
        });
    }
    builder
        .push(now_ms, record.key, record.value, &headers)
        .expect("a record that fitted one batch fits another, which its size was checked against");
}

/// Says whether a header is one that only a release may bear.
fn is_ours(key: &[u8]) -> bool {
    [DELAYED_OFFSET, DELAYED_DUE, DELAYED_TIMESTAMP]
        .iter()
        .any(|name| name.as_bytes() == key)
}

/// Batches that were read and expanded.
struct Expanded<'a> {
    log: &'a PartitionLog,
    batches: BTreeMap<Offset, ExpandedBatch>,
    bytes: usize,
}

struct ExpandedBatch {
    header: BatchHeader,
    records: Bytes,
    /// Where each record begins, by offset.
    places: Vec<(Offset, usize)>,
}

impl<'a> Expanded<'a> {
    fn new(log: &'a PartitionLog) -> Self {
        Self {
            log,
            batches: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn batch(&mut self, base_offset: Offset) -> Result<&ExpandedBatch, ReadError> {
        if !self.batches.contains_key(&base_offset) {
            let batch = expand(self.log, base_offset)?;
            self.bytes = self.bytes.saturating_add(batch.size());
            if self.bytes > EXPANDED_BYTES_MAX {
                self.batches.clear();
                self.bytes = batch.size();
            }
            self.batches.insert(base_offset, batch);
        }
        Ok(self
            .batches
            .get(&base_offset)
            .expect("it was found or inserted above"))
    }
}

fn expand(log: &PartitionLog, base_offset: Offset) -> Result<ExpandedBatch, ReadError> {
    let bytes = log.read_batch(base_offset)?;
    let damaged = |_| ReadError::Damaged {
        from: base_offset,
        to: base_offset,
    };
    let header = BatchHeader::parse(&bytes).map_err(damaged)?;
    let records = payload(&bytes, DECOMPRESSED_BYTES_MAX).map_err(damaged)?;
    let records = match records {
        Cow::Borrowed(plain) => bytes.slice_ref(plain),
        Cow::Owned(expanded) => Bytes::from(expanded),
    };
    let mut places = Vec::new();
    let mut walk = Records::new(&header, &records);
    loop {
        let at = records.len() - walk.remaining();
        let Some(record) = walk.next() else { break };
        places.push((record.map_err(damaged)?.offset, at));
    }
    Ok(ExpandedBatch {
        header,
        records,
        places,
    })
}

impl ExpandedBatch {
    /// Finds a record. O(log records of the batch).
    fn record(&self, offset: Offset) -> Option<RecordRef<'_>> {
        let found = self.places.binary_search_by_key(&offset, |place| place.0);
        let (_, at) = self.places[found.ok()?];
        Records::new(&self.header, &self.records[at..]).next()?.ok()
    }

    fn size(&self) -> usize {
        let places = self
            .places
            .len()
            .saturating_mul(size_of::<(Offset, usize)>());
        self.records.len().saturating_add(places)
    }
}
