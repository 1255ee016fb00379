//! Delayed delivery: records that wait in the log until they are due, told by headers and
//! attributes.
//!
//! A record asks for it by a header: [`DELIVER_AT`] (ms since the Unix epoch), [`DELIVER_AFTER`]
//! (ms from when the broker took it) or, to take back what waits under its key,
//! [`DELIVER_CANCEL`]. A batch with such records *holds* them: attribute bit 7 says so, bit 8 that
//! it has records for everybody as well. Readers get what [`visible_part`] leaves. When records are
//! due the broker appends them again in a batch with attribute bit 9, each with the offset of its
//! original in [`DELAYED_OFFSET`]; so the log alone tells what still waits. Kafka leaves these bits
//! unused, and its clients pass over them.
//!
//! Source: `docs/adr/0008-delayed-delivery.md`; no Kafka broker has this.

use bytes::BytesMut;

use super::build::{BatchBuilder, BatchOptions, put_nullable};
use super::error::BatchError;
use super::header::{
    ATTRIBUTES_AT, Attributes, BatchHeader, HEADER_BYTES, LENGTH_OVERHEAD_BYTES, MAGIC, write_crc,
};
use super::records::{HeaderRef, RecordRef, Records, payload};
use super::retain::Retained;
use super::varint::{put_varint, put_varlong};
use crate::compression::Codec;
use crate::limits::DECOMPRESSED_BYTES_MAX;
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// When a record becomes visible: ms since the Unix epoch, as decimal text.
pub const DELIVER_AT: &str = "sprawl.deliver-at";
/// How long a record stays hidden: ms from when the broker takes it, as decimal text.
pub const DELIVER_AFTER: &str = "sprawl.deliver-after";
/// On a record with a key and without a value: takes back what waits under this key.
pub const DELIVER_CANCEL: &str = "sprawl.deliver-cancel";
/// On a released record: the offset under which it was produced.
pub const DELAYED_OFFSET: &str = "sprawl.delayed-offset";
/// On a released record: when it was due, ms since the Unix epoch.
pub const DELAYED_DUE: &str = "sprawl.delayed-due";
/// On a released record: the timestamp with which it was produced.
pub const DELAYED_TIMESTAMP: &str = "sprawl.delayed-timestamp";

/// What a record asks of its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing: it is visible at once.
    Now,
    /// To be hidden until then, ms since the Unix epoch.
    At(i64),
    /// To be hidden for so long, in ms.
    After(i64),
    /// To take back what waits under its key.
    Cancel,
}

impl Delivery {
    /// Says whether readers never see the record itself.
    pub fn is_held(self) -> bool {
        self != Self::Now
    }
}

/// Why a record's delivery headers mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFault {
    /// More than one of the headers.
    Several,
    /// The time is no decimal number of ms, or negative.
    NotANumber,
    /// A record that cancels has no key.
    CancelWithoutKey,
    /// A record that cancels has a value.
    CancelWithValue,
}

impl DeliveryFault {
    /// What to tell the producer.
    pub fn message(self) -> &'static str {
        match self {
            Self::Several => {
                "a record may have one of sprawl.deliver-at, -after and -cancel, and that once"
            }
            Self::NotANumber => {
                "the value of sprawl.deliver-at or -after is no decimal number of ms at or above 0"
            }
            Self::CancelWithoutKey => "a record with sprawl.deliver-cancel needs a key",
            Self::CancelWithValue => "a record with sprawl.deliver-cancel must have no value",
        }
    }
}

/// Reads what a record asks of its delivery.
pub fn delivery_of(record: &RecordRef<'_>) -> Result<Delivery, DeliveryFault> {
    let mut found = Delivery::Now;
    for header in record.headers() {
        let delivery = if header.key == DELIVER_AT.as_bytes() {
            Delivery::At(number(header.value).ok_or(DeliveryFault::NotANumber)?)
        } else if header.key == DELIVER_AFTER.as_bytes() {
            Delivery::After(number(header.value).ok_or(DeliveryFault::NotANumber)?)
        } else if header.key == DELIVER_CANCEL.as_bytes() {
            Delivery::Cancel
        } else {
            continue;
        };
        if found != Delivery::Now {
            return Err(DeliveryFault::Several);
        }
        found = delivery;
    }
    if found == Delivery::Cancel {
        match (record.key, record.value) {
            (None, _) => return Err(DeliveryFault::CancelWithoutKey),
            (Some(_), Some(_)) => return Err(DeliveryFault::CancelWithValue),
            (Some(_), None) => {}
        }
    }
    Ok(found)
}

/// Returns the offset of the original of a released record.
pub fn released_offset(record: &RecordRef<'_>) -> Option<Offset> {
    let mut headers = record.headers();
    let header = headers.find(|header| header.key == DELAYED_OFFSET.as_bytes())?;
    number(header.value).map(Offset)
}

/// Says whether a header's key is one of those that ask for a delivery.
pub fn is_delivery_header(key: &[u8]) -> bool {
    [DELIVER_AT, DELIVER_AFTER, DELIVER_CANCEL]
        .iter()
        .any(|name| name.as_bytes() == key)
}

/// Reads decimal digits, at most as many as an `i64` has.
fn number(value: Option<&[u8]>) -> Option<i64> {
    let value = value.filter(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl Attributes {
    const HOLDS_DELAYED: i16 = 1 << 7;
    const IS_MIXED: i16 = 1 << 8;
    const IS_RELEASE: i16 = 1 << 9;
    /// The bits that Kafka gives a meaning to.
    const KAFKA_MASK: i16 = (1 << 7) - 1;

    /// Says whether the batch holds records that readers do not see.
    pub fn holds_delayed(self) -> bool {
        self.0 & Self::HOLDS_DELAYED != 0
    }

    /// Says whether a batch that holds delayed records has others as well.
    pub fn is_mixed(self) -> bool {
        self.0 & Self::IS_MIXED != 0
    }

    /// Says whether the batch holds records that were due, appended again by the broker.
    pub fn is_release(self) -> bool {
        self.0 & Self::IS_RELEASE != 0
    }

    /// Says whether a batch changes what waits in the partition.
    pub fn changes_timers(self) -> bool {
        self.0 & (Self::HOLDS_DELAYED | Self::IS_RELEASE) != 0
    }

    /// Says whether bits are set that no client may set.
    pub fn has_foreign_bits(self) -> bool {
        self.0 & !Self::KAFKA_MASK != 0
    }

    /// Returns these attributes without the bits of delayed delivery.
    #[must_use]
    pub fn plain(self) -> Self {
        Self(self.0 & Self::KAFKA_MASK)
    }
}

/// What a batch with delayed records holds beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    All,
    /// Records for everybody.
    Some,
}

/// Marks a batch as one that holds delayed records, and recomputes the CRC.
///
/// Panics where `batch` is shorter than a header: the caller has parsed it.
pub fn set_holds_delayed(batch: &mut [u8], held: Held) {
    let bits = match held {
        Held::All => Attributes::HOLDS_DELAYED,
        Held::Some => Attributes::HOLDS_DELAYED | Attributes::IS_MIXED,
    };
    set_bits(batch, bits);
}

/// Marks a batch as one of released records, and recomputes the CRC.
///
/// Panics where `batch` is shorter than a header: the caller has built it.
pub fn set_release(batch: &mut [u8]) {
    set_bits(batch, Attributes::IS_RELEASE);
}

fn set_bits(batch: &mut [u8], bits: i16) {
    let attributes = BatchHeader::parse(batch)
        .expect("the caller parsed this batch")
        .attributes
        .0
        | bits;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    write_crc(batch);
}

/// Builds a batch again, under this codec, with absolute times in the place of relative ones;
/// `now_ms` is when the broker took it. Offsets, producer and sequences stay.
pub fn with_absolute_times(
    header: &BatchHeader,
    records: &[u8],
    (codec, now_ms): (Codec, i64),
) -> Result<BytesMut, BatchError> {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        timestamp_type: header.attributes.timestamp_type(),
        transactional: header.attributes.is_transactional(),
        ..BatchOptions::default()
    });
    for record in Records::new(header, records) {
        let record = record?;
        let due = match delivery_of(&record) {
            Ok(Delivery::After(delay_ms)) => Some(now_ms.saturating_add(delay_ms).to_string()),
            _ => None,
        };
        let headers: Vec<_> = record
            .headers()
            .map(|header| match &due {
                Some(due) if header.key == DELIVER_AFTER.as_bytes() => HeaderRef {
                    key: DELIVER_AT.as_bytes(),
                    value: Some(due.as_bytes()),
                },
                _ => header,
            })
            .collect();
        builder.push(record.timestamp, record.key, record.value, &headers)?;
    }
    Ok(builder.build())
}

/// Returns what readers see of a batch that holds delayed records: the others, at their offsets, as
/// if compaction had taken the delayed ones. `None` where nothing is left.
pub fn visible_part(batch: &[u8]) -> Result<Option<BytesMut>, BatchError> {
    let mut header = BatchHeader::parse(batch)?;
    let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
    let mut retained = Retained::default();
    let mut walk = Records::new(&header, &records);
    loop {
        let before = walk.remaining();
        let Some(record) = walk.next() else { break };
        let record = record?;
        if delivery_of(&record) == Ok(Delivery::Now) {
            let raw = records
                .get(records.len() - before..records.len() - walk.remaining())
                .unwrap_or_default();
            retained.push(raw, record.timestamp);
        }
    }
    if retained.record_count() == 0 {
        return Ok(None);
    }
    header.attributes = header.attributes.plain();
    retained.rebuild(&header, None)
}

/// Builds what leads a reader over the offsets `from..to`, of which it sees nothing: a control
/// batch, which every client passes over without a word.
///
/// An end of a transaction that belongs to no producer is the one control record that no client
/// takes for anything. Panics where the range is empty; one of more than 2^31 offsets is cut.
pub fn gap(from: Offset, to: Offset, leader_epoch: LeaderEpoch) -> BytesMut {
    assert!(from < to, "a gap spans at least one offset");
    let last_offset_delta = i32::try_from(to.0 - from.0 - 1).unwrap_or(i32::MAX);
    let mut body = vec![0];
    put_varlong(&mut body, 0);
    put_varint(&mut body, last_offset_delta);
    put_nullable(&mut body, Some(&[0, 0, 0, 1]));
    put_nullable(&mut body, Some(&[0; 6]));
    put_varint(&mut body, 0);
    let mut record = Vec::with_capacity(body.len() + 1);
    put_varint(&mut record, i32::try_from(body.len()).expect("a few bytes"));
    record.extend_from_slice(&body);
    let size = HEADER_BYTES + record.len();
    let header = BatchHeader {
        base_offset: from,
        batch_length: i32::try_from(size - LENGTH_OVERHEAD_BYTES).expect("a few bytes"),
        leader_epoch,
        magic: MAGIC,
        crc: 0,
        attributes: Attributes::default().control(),
        last_offset_delta,
        base_timestamp: -1,
        max_timestamp: -1,
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: Sequence(-1),
        record_count: 1,
    };
    let mut batch = BytesMut::with_capacity(size);
    batch.extend_from_slice(&header.encode());
    batch.extend_from_slice(&record);
    write_crc(&mut batch);
    batch
}

#[cfg(test)]
mod tests {
    use super::super::verify_crc;
    use super::*;

    type Given<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a str, &'a str)]);

    fn batch(codec: Codec, records: &[Given<'_>]) -> BytesMut {
        let mut builder = BatchBuilder::new(BatchOptions {
            codec,
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(1),
            base_sequence: Sequence(40),
            ..BatchOptions::default()
        });
        for (time, (key, value, headers)) in (1_000..).zip(records) {
            let headers: Vec<_> = headers
                .iter()
                .map(|(key, value)| HeaderRef {
                    key: key.as_bytes(),
                    value: Some(value.as_bytes()),
                })
                .collect();
            builder.push(time, *key, *value, &headers).unwrap();
        }
        builder.build()
    }

    fn delivery(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Result<Delivery, DeliveryFault> {
        let batch = batch(Codec::None, &[(key, value, headers)]);
        let header = BatchHeader::parse(&batch).unwrap();
        let record = Records::new(&header, &batch[HEADER_BYTES..]).next();
        delivery_of(&record.unwrap().unwrap())
    }

    #[test]
    fn headers_say_when_and_wrong_ones_are_told_apart() {
        let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
        let of = |headers: &[(&str, &str)]| delivery(key, value, headers);
        assert_eq!(of(&[("other", "1")]), Ok(Delivery::Now));
        assert_eq!(of(&[("x", ""), (DELIVER_AT, "17")]), Ok(Delivery::At(17)));
        assert_eq!(of(&[(DELIVER_AFTER, "0")]), Ok(Delivery::After(0)));
        for wrong in [
            "",
            "-1",
            "+1",
            "1.5",
            " 1",
            "1e3",
            "9223372036854775808",
            "zwei",
        ] {
            assert_eq!(of(&[(DELIVER_AT, wrong)]), Err(DeliveryFault::NotANumber));
            assert_eq!(
                of(&[(DELIVER_AFTER, wrong)]),
                Err(DeliveryFault::NotANumber)
            );
        }
        let both = [(DELIVER_AT, "1"), (DELIVER_AFTER, "1")];
        assert_eq!(of(&both), Err(DeliveryFault::Several));
        let twice = [(DELIVER_AT, "1"), (DELIVER_AT, "1")];
        assert_eq!(of(&twice), Err(DeliveryFault::Several));
        let cancel = [(DELIVER_CANCEL, "")];
        assert_eq!(delivery(key, None, &cancel), Ok(Delivery::Cancel));
        assert_eq!(of(&cancel), Err(DeliveryFault::CancelWithValue));
        let without_key = delivery(None, None, &cancel);
        assert_eq!(without_key, Err(DeliveryFault::CancelWithoutKey));
        let mixed_up = [(DELIVER_CANCEL, ""), (DELIVER_AT, "1")];
        assert_eq!(delivery(key, None, &mixed_up), Err(DeliveryFault::Several));
    }

    #[test]
    fn readers_see_the_other_records_at_their_offsets() {
        for codec in Codec::ALL {
            let mut bytes = batch(
                codec,
                &[
                    (None, Some(b"a"), &[]),
                    (None, Some(b"b"), &[(DELIVER_AT, "5000")]),
                    (None, Some(b"c"), &[("h", "x")]),
                    (Some(b"k"), None, &[(DELIVER_CANCEL, "")]),
                ],
            );
            set_holds_delayed(&mut bytes, Held::Some);
            super::super::set_base_offset(&mut bytes, Offset(100));
            verify_crc(&bytes).unwrap();
            let seen = visible_part(&bytes).unwrap().unwrap();
            verify_crc(&seen).unwrap();
            let header = BatchHeader::parse(&seen).unwrap();
            assert!(!header.attributes.has_foreign_bits());
            assert_eq!(header.last_offset(), Offset(103));
            assert_eq!(header.base_sequence, Sequence(40));
            let records = payload(&seen, 1 << 20).unwrap();
            let found: Vec<_> = Records::new(&header, &records)
                .map(|record| record.unwrap())
                .map(|record| (record.offset.0, record.value.unwrap().to_vec()))
                .collect();
            assert_eq!(found, [(100, b"a".to_vec()), (102, b"c".to_vec())]);
        }
    }

    #[test]
    fn nothing_is_seen_of_a_batch_that_waits_whole() {
        let mut bytes = batch(Codec::Zstd, &[(None, None, &[(DELIVER_AT, "5000")])]);
        set_holds_delayed(&mut bytes, Held::All);
        let attributes = BatchHeader::parse(&bytes).unwrap().attributes;
        assert!(attributes.holds_delayed() && !attributes.is_mixed());
        assert!(attributes.has_foreign_bits() && !attributes.plain().has_foreign_bits());
        assert_eq!(visible_part(&bytes), Ok(None));
    }

    #[test]
    fn relative_times_become_absolute_and_the_rest_stays() {
        let bytes = batch(
            Codec::Lz4,
            &[
                (
                    Some(b"k"),
                    Some(b"a"),
                    &[("x", "1"), (DELIVER_AFTER, "250")],
                ),
                (Some(b"k"), Some(b"b"), &[(DELIVER_AT, "77")]),
            ],
        );
        let old = BatchHeader::parse(&bytes).unwrap();
        let records = payload(&bytes, 1 << 20).unwrap();
        let new = with_absolute_times(&old, &records, (Codec::Lz4, 10_000)).unwrap();
        verify_crc(&new).unwrap();
        let header = BatchHeader::parse(&new).unwrap();
        assert_eq!(header.base_sequence, old.base_sequence);
        assert_eq!(header.producer_id, old.producer_id);
        assert_eq!(header.max_timestamp, old.max_timestamp);
        let records = payload(&new, 1 << 20).unwrap();
        let times: Vec<_> = Records::new(&header, &records)
            .map(|record| delivery_of(&record.unwrap()).unwrap())
            .collect();
        assert_eq!(times, [Delivery::At(10_250), Delivery::At(77)]);
    }

    #[test]
    fn a_gap_is_one_control_record_that_reaches_to_its_end() {
        let bytes = gap(Offset(40), Offset(1_000_040), LeaderEpoch(3));
        verify_crc(&bytes).unwrap();
        let header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(header.size(), bytes.len());
        assert!(header.attributes.is_control() && !header.attributes.is_transactional());
        assert_eq!(
            (header.base_offset, header.next_offset()),
            (Offset(40), Offset(1_000_040))
        );
        let records: Vec<_> = Records::new(&header, &bytes[HEADER_BYTES..]).collect();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].as_ref().unwrap().offset, Offset(1_000_039));
    }
}
