//! Is this record batch fit to be appended? `RawBatch` in, `ValidBatch` out.
//!
//! Invariant: a `ValidBatch` is one v2 batch whose checksum, lengths, record count and every record
//! were checked, and whose compression, timestamps and keys follow the topic's settings. Only
//! [`validate`] and [`ValidBatch::from_broker`] make one, so an unchecked batch cannot reach the
//! log.
//!
//! Source: Kafka record batch format v2; `LogValidator` and `UnifiedLog.analyzeAndValidateRecords`.

mod delivery;

use std::borrow::Cow;

use bytes::BytesMut;
use sprawl_core::config::{CompressionSetting, MessageTime, TopicConfig};
use sprawl_core::partition::{Claim, Verification};
use sprawl_model::batch::{
    self, BatchBuilder, BatchError, BatchHeader, BatchOptions, RecordRef, Records, TimestampType,
};
use sprawl_model::compression::Codec;
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{Offset, ProducerId};

use delivery::Deliveries;

/// "No timestamp" in a record.
const NO_TIMESTAMP: i64 = -1;

/// The records field of a produce request, as it came from the socket.
#[derive(Debug)]
pub(crate) struct RawBatch(pub(crate) BytesMut);

/// One checked record batch, ready to be given offsets.
#[derive(Debug)]
pub(crate) struct ValidBatch {
    bytes: BytesMut,
    header: BatchHeader,
    log_append_time: Option<i64>,
    claim: Claim,
}

/// Why one record makes its batch unacceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// The record's 0-based index in its batch.
    pub(crate) index: i32,
    /// What is wrong with it.
    pub(crate) message: &'static str,
}

/// Why a batch is refused. The producer must not retry any of these unchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidBatch {
    /// A bad checksum or a length that does not fit.
    #[error("corrupt record batch: {0}")]
    Corrupt(#[source] BatchError),
    /// Well-formed bytes that break a rule of the format.
    #[error("invalid record batch: {0}")]
    Malformed(Cow<'static, str>),
    /// Larger than `max.message.bytes`.
    #[error("record batch of {size} bytes exceeds max.message.bytes of {size_max}")]
    TooLarge {
        /// The batch's size in bytes.
        size: usize,
        /// The topic's limit in bytes.
        size_max: usize,
    },
    /// Magic 0 or 1.
    #[error("record batch has magic {0}, expected 2")]
    Magic(i8),
    /// zstd in a produce request older than v7.
    #[error("zstd needs produce version 7 or later")]
    CodecTooNew,
    /// Records that break a rule of the topic (missing keys).
    #[error("records refused: {}", first_message(.0))]
    Records(Vec<RecordError>),
    /// Records whose timestamps are too far from the broker's clock.
    #[error("record timestamps refused: {}", first_message(.0))]
    Timestamps(Vec<RecordError>),
}

fn first_message(errors: &[RecordError]) -> &'static str {
    errors.first().map_or("none", |error| error.message)
}

/// What a batch is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// The topic's settings.
    pub(crate) topic: &'a TopicConfig,
    /// The broker's wall clock in ms since the Unix epoch.
    pub(crate) now_ms: i64,
    /// The version of the produce request.
    pub(crate) produce_version: i16,
}

impl ValidBatch {
    /// Wraps a batch that this broker built itself: coordinator records and control batches.
    pub(crate) fn from_broker(bytes: BytesMut) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        Ok(Self {
            bytes,
            header,
            log_append_time: None,
            claim: Claim::COORDINATOR,
        })
    }

    /// Says that the transaction coordinator knows this batch's transaction to be open.
    #[must_use]
    pub(crate) fn verified(mut self, verified: Option<Verification>) -> Self {
        self.claim.verified = verified;
        self
    }

    /// Who made the batch, and who vouches for it.
    pub(crate) fn claim(&self) -> Claim {
        self.claim
    }

    /// The parsed header; its base offset and leader epoch are not yet assigned.
    pub(crate) fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The broker's timestamp, where the topic asks for `LogAppendTime`.
    pub(crate) fn log_append_time(&self) -> Option<i64> {
        self.log_append_time
    }

    /// The bytes and the header, for the partition to stamp.
    pub(crate) fn into_parts(self) -> (BytesMut, BatchHeader) {
        (self.bytes, self.header)
    }
}

/// Checks a batch against the format and the topic's rules, converting compression and timestamps
/// where the topic asks for it.
///
/// Shape: exactly one batch of magic 2. O(records), one pass; compressed payloads are decompressed
/// once, capped at [`DECOMPRESSED_BYTES_MAX`].
pub(crate) fn validate(raw: RawBatch, rules: &Rules<'_>) -> Result<ValidBatch, InvalidBatch> {
    let header = check_header(&raw.0, rules)?;
    batch::verify_crc(&raw.0).map_err(InvalidBatch::Corrupt)?;
    let codec = codec_of(&header, rules)?;
    let payload = batch::payload(&raw.0, DECOMPRESSED_BYTES_MAX).map_err(malformed)?;
    let (max_timestamp, deliveries) = check_records(&header, &payload, rules)?;
    let target = Target::of(rules.topic.compression, codec);
    if deliveries.are_plain() && target.codec == codec {
        drop(payload);
        return stamp(raw.0, header, max_timestamp, rules);
    }
    let bytes = if deliveries.are_plain() {
        recompress(&header, &payload, target)?
    } else {
        deliveries.hold(&header, &payload, (target.codec, rules.now_ms))?
    };
    if target.codec != codec {
        check_size(bytes.len(), rules)?;
    }
    let header = BatchHeader::parse(&bytes).map_err(InvalidBatch::Corrupt)?;
    stamp(bytes, header, max_timestamp, rules)
}

fn malformed(error: BatchError) -> InvalidBatch {
    InvalidBatch::Malformed(Cow::Owned(error.to_string()))
}

fn rule(condition: bool, broken: &'static str) -> Result<(), InvalidBatch> {
    if condition {
        Ok(())
    } else {
        Err(InvalidBatch::Malformed(Cow::Borrowed(broken)))
    }
}

fn check_size(size: usize, rules: &Rules<'_>) -> Result<(), InvalidBatch> {
    let size_max = rules.topic.message_bytes_max as usize;
    if size > size_max {
        return Err(InvalidBatch::TooLarge { size, size_max });
    }
    Ok(())
}

fn check_header(bytes: &[u8], rules: &Rules<'_>) -> Result<BatchHeader, InvalidBatch> {
    rule(!bytes.is_empty(), "the request holds no record batch")?;
    // The magic byte stands at the same place in every format version.
    match bytes.get(16).map(|magic| i8::from_be_bytes([*magic])) {
        Some(2) | None => {}
        Some(magic) => return Err(InvalidBatch::Magic(magic)),
    }
    let header = BatchHeader::parse(bytes).map_err(InvalidBatch::Corrupt)?;
    rule(
        header.size() <= bytes.len(),
        "the record batch is cut short",
    )?;
    rule(
        header.size() == bytes.len(),
        "more than one record batch for one partition",
    )?;
    rule(
        header.base_offset == Offset(0),
        "the base offset of a produced batch is not 0",
    )?;
    check_size(header.size(), rules)?;
    rule(header.record_count > 0, "the record count is not positive")?;
    rule(
        header.last_offset_delta.checked_add(1) == Some(header.record_count),
        "the last offset delta does not fit the record count",
    )?;
    rule(
        !header.attributes.is_control(),
        "clients may not write control records",
    )?;
    rule(
        !header.attributes.has_foreign_bits(),
        "the attributes have bits that mean nothing",
    )?;
    rule(
        header.producer_id == ProducerId::NONE || header.base_sequence.0 >= 0,
        "a batch with a producer id has no sequence",
    )?;
    Ok(header)
}

fn codec_of(header: &BatchHeader, rules: &Rules<'_>) -> Result<Codec, InvalidBatch> {
    let codec = header.attributes.codec().map_err(malformed)?;
    if codec == Codec::Zstd && rules.produce_version < 7 {
        return Err(InvalidBatch::CodecTooNew);
    }
    Ok(codec)
}

/// How a batch is to be stored.
#[derive(Clone, Copy, Debug)]
struct Target {
    codec: Codec,
    level: Option<i32>,
}

impl Target {
    fn of(setting: CompressionSetting, source: Codec) -> Self {
        let (codec, level) = match setting {
            CompressionSetting::Producer => (source, None),
            CompressionSetting::Uncompressed => (Codec::None, None),
            CompressionSetting::Gzip(level) => (Codec::Gzip, Some(level)),
            CompressionSetting::Snappy => (Codec::Snappy, None),
            CompressionSetting::Lz4(level) => (Codec::Lz4, Some(level)),
            CompressionSetting::Zstd(level) => (Codec::Zstd, Some(level)),
        };
        Self { codec, level }
    }
}

/// Checks every record and returns the largest timestamp and what deliveries were asked for.
fn check_records(
    header: &BatchHeader,
    payload: &[u8],
    rules: &Rules<'_>,
) -> Result<(i64, Deliveries), InvalidBatch> {
    let mut max_timestamp = NO_TIMESTAMP;
    let mut deliveries = Deliveries::default();
    let mut missing_keys = Vec::new();
    let mut bad_timestamps = Vec::new();
    let mut index = 0;
    for record in Records::new(header, payload) {
        let record = record.map_err(malformed)?;
        rule(
            record.offset == Offset(i64::from(index)),
            "record offsets are not consecutive",
        )?;
        if rules.topic.cleanup_policy.compacts() && record.key.is_none() {
            missing_keys.push(RecordError {
                index,
                message: "a compacted topic takes no record without a key",
            });
        }
        if let Some(delay_ms_max) = rules.topic.delivery_delay_ms_max {
            deliveries.take(header, &record, (rules.now_ms, delay_ms_max));
        }
        if !timestamp_is_near(&record, rules) {
            bad_timestamps.push(RecordError {
                index,
                message: "the timestamp is too far from the broker's clock",
            });
        }
        max_timestamp = max_timestamp.max(record.timestamp);
        index += 1;
    }
    rule(
        index == header.record_count,
        "fewer records than the record count says",
    )?;
    if !missing_keys.is_empty() {
        return Err(InvalidBatch::Records(missing_keys));
    }
    if !bad_timestamps.is_empty() {
        return Err(InvalidBatch::Timestamps(bad_timestamps));
    }
    deliveries.check()?;
    Ok((max_timestamp, deliveries))
}

fn timestamp_is_near(record: &RecordRef<'_>, rules: &Rules<'_>) -> bool {
    let topic = rules.topic;
    if topic.timestamp_type == MessageTime::LogAppendTime || record.timestamp == NO_TIMESTAMP {
        return true;
    }
    let age_ms = rules.now_ms.saturating_sub(record.timestamp);
    age_ms <= topic.timestamp_before_ms_max
        && age_ms.saturating_neg() <= topic.timestamp_after_ms_max
}

/// Brings the batch's timestamps in line with the topic's `message.timestamp.type`.
fn stamp(
    mut bytes: BytesMut,
    header: BatchHeader,
    max_timestamp: i64,
    rules: &Rules<'_>,
) -> Result<ValidBatch, InvalidBatch> {
    let log_append_time = match rules.topic.timestamp_type {
        MessageTime::LogAppendTime => {
            batch::set_log_append_time(&mut bytes, rules.now_ms);
            Some(rules.now_ms)
        }
        MessageTime::CreateTime => {
            let claimed = header.attributes.timestamp_type();
            if claimed == TimestampType::CreateTime && header.max_timestamp == max_timestamp {
                return Ok(ValidBatch {
                    bytes,
                    header,
                    log_append_time: None,
                    claim: Claim::CLIENT,
                });
            }
            batch::set_create_time(&mut bytes, max_timestamp);
            None
        }
    };
    let header = BatchHeader::parse(&bytes).map_err(InvalidBatch::Corrupt)?;
    Ok(ValidBatch {
        bytes,
        header,
        log_append_time,
        claim: Claim::CLIENT,
    })
}

fn recompress(
    header: &BatchHeader,
    payload: &[u8],
    target: Target,
) -> Result<BytesMut, InvalidBatch> {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: target.codec,
        compression_level: target.level,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.attributes.is_transactional(),
        ..BatchOptions::default()
    });
    let mut headers = Vec::new();
    for record in Records::new(header, payload) {
        let record = record.map_err(malformed)?;
        headers.clear();
        headers.extend(record.headers());
        builder
            .push(record.timestamp, record.key, record.value, &headers)
            .map_err(malformed)?;
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests;
