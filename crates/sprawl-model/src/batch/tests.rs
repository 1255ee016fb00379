//! Golden bytes, round trips, and every refusal.

use proptest::prelude::*;

use super::*;
use crate::compression::{Codec, CompressionError};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// Two records laid out by hand, checksum from an independent implementation (producer 7, epoch 1,
/// sequence 5): "k" -> "v" at 1000 ms with a header h=1, and a null key with a null value at 1003
/// ms.
const GOLDEN: &str = "
    0000000000000000 00000045 ffffffff 02 12d343e7 0000 00000001
    00000000000003e8 00000000000003eb 0000000000000007 0001 00000005 00000002
    18 00 00 00 02 6b 02 76 02 02 68 02 31
    0c 00 06 02 01 01 00";

fn golden() -> Vec<u8> {
    let digits: Vec<u8> = GOLDEN.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn sample(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(1),
        base_sequence: Sequence(5),
        ..BatchOptions::default()
    });
    let header = HeaderRef {
        key: b"h",
        value: Some(b"1"),
    };
    builder
        .push(1000, Some(b"k"), Some(b"v"), &[header])
        .unwrap();
    builder.push(1003, None, None, &[]).unwrap();
    builder.build().to_vec()
}

fn read(batch: &[u8]) -> Result<Vec<(i64, i64)>, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let payload = payload(batch, 1 << 20)?;
    Records::new(&header, &payload)
        .map(|record| record.map(|record| (record.offset.0, record.timestamp)))
        .collect()
}

/// Puts other bytes behind the header of the sample and makes length and CRC fit them.
fn with_records(record_count: i32, records: &[u8]) -> Vec<u8> {
    let mut batch = sample(Codec::None);
    batch.truncate(HEADER_BYTES);
    batch.extend_from_slice(records);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[57..61].copy_from_slice(&record_count.to_be_bytes());
    header::write_crc(&mut batch);
    batch
}

#[test]
fn builder_writes_the_golden_bytes() {
    assert_eq!(sample(Codec::None), golden());
    verify_crc(&golden()).unwrap();
}

#[test]
fn golden_bytes_are_read() {
    let batch = golden();
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(header.size(), batch.len());
    assert_eq!(header.producer_id, ProducerId(7));
    assert_eq!(header.producer_epoch, ProducerEpoch(1));
    assert_eq!(
        (header.base_sequence, header.last_sequence()),
        (Sequence(5), Sequence(6))
    );
    assert_eq!(
        (header.last_offset(), header.next_offset()),
        (Offset(1), Offset(2))
    );
    assert_eq!(header.encode(), batch[..HEADER_BYTES]);

    let payload = payload(&batch, 0).unwrap();
    let records: Vec<_> = Records::new(&header, &payload)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(records[0].key, Some(&b"k"[..]));
    assert_eq!(records[0].value, Some(&b"v"[..]));
    assert_eq!((records[0].offset, records[0].timestamp), (Offset(0), 1000));
    let headers: Vec<_> = records[0].headers().collect();
    assert_eq!(
        headers,
        [HeaderRef {
            key: b"h",
            value: Some(b"1")
        }]
    );
    assert_eq!((records[1].key, records[1].value), (None, None));
    assert_eq!((records[1].offset, records[1].timestamp), (Offset(1), 1003));
    assert_eq!(records[1].headers().len(), 0);
}

#[test]
fn patches_outside_the_checksum_keep_it() {
    let mut batch = golden();
    set_base_offset(&mut batch, Offset(1_000_000));
    set_leader_epoch(&mut batch, LeaderEpoch(9));
    verify_crc(&batch).unwrap();
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(
        (header.base_offset, header.leader_epoch),
        (Offset(1_000_000), LeaderEpoch(9))
    );
    assert_eq!(
        read(&batch).unwrap(),
        [(1_000_000, 1000), (1_000_001, 1003)]
    );
}

#[test]
fn log_append_time_counts_for_every_record() {
    let mut batch = golden();
    set_log_append_time(&mut batch, 5000);
    verify_crc(&batch).unwrap();
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(
        header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(read(&batch).unwrap(), [(0, 5000), (1, 5000)]);
}

#[test]
fn any_flipped_bit_under_the_checksum_is_found() {
    for at in 21..golden().len() {
        let mut batch = golden();
        batch[at] ^= 0x10;
        assert!(verify_crc(&batch).is_err(), "byte {at}");
    }
}

#[test]
fn wrong_headers_are_refused() {
    let parse = |at: usize, bytes: &[u8]| {
        let mut batch = golden();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        BatchHeader::parse(&batch).unwrap_err()
    };
    let (min, max) = (49, 104_857_588);
    assert_eq!(parse(16, &[1]), BatchError::UnsupportedMagic { found: 1 });
    assert_eq!(
        parse(8, &[0xFF; 4]),
        BatchError::Length {
            found: -1,
            min,
            max
        }
    );
    assert_eq!(
        parse(8, &[0, 0, 0, 48]),
        BatchError::Length {
            found: 48,
            min,
            max
        }
    );
    assert_eq!(
        parse(8, &[0x7F, 0, 0, 0]),
        BatchError::Length {
            found: 0x7F00_0000,
            min,
            max
        }
    );
    let count = |record_count, last_offset_delta| BatchError::Count {
        record_count,
        last_offset_delta,
    };
    assert_eq!(parse(57, &[0xFF; 4]), count(-1, 1));
    assert_eq!(parse(57, &[0, 0, 0, 3]), count(3, 1));
    assert_eq!(parse(23, &[0xFF; 4]), count(2, -1));
    assert_eq!(
        BatchHeader::parse(&golden()[..60]),
        Err(BatchError::Truncated {
            needed: 61,
            found: 60
        })
    );
    // The magic byte of an old format is seen even where a v2 header would not fit.
    let old = [&[0; 16][..], &[1]].concat();
    assert_eq!(
        BatchHeader::parse(&old),
        Err(BatchError::UnsupportedMagic { found: 1 })
    );
}

#[test]
fn wrong_records_are_refused() {
    let refused =
        |record_count, records: &[u8]| read(&with_records(record_count, records)).unwrap_err();
    let fault = |index, fault| BatchError::Record { index, fault };
    let good = [0x0c, 0x00, 0x06, 0x00, 0x01, 0x01, 0x00];
    assert!(read(&with_records(1, &good)).is_ok());
    assert_eq!(refused(1, &[]), fault(0, RecordFault::EndsEarly));
    assert_eq!(refused(2, &good), fault(1, RecordFault::EndsEarly));
    assert_eq!(refused(0, &good), BatchError::TrailingBytes { found: 7 });
    assert_eq!(
        refused(1, &[&good[..], &[9]].concat()),
        BatchError::TrailingBytes { found: 1 }
    );
    assert_eq!(
        refused(2, &[good, good].concat()),
        fault(1, RecordFault::OffsetOutOfOrder)
    );
    assert_eq!(refused(1, &[0x01]), fault(0, RecordFault::NegativeLength));
    // A key length of -2, a header count of -1, an offset delta of 2.
    assert_eq!(
        refused(1, &[0x0c, 0x00, 0x06, 0x00, 0x03, 0x01, 0x00]),
        fault(0, RecordFault::NegativeLength)
    );
    assert_eq!(
        refused(1, &[0x0c, 0x00, 0x06, 0x00, 0x01, 0x01, 0x01]),
        fault(0, RecordFault::NegativeLength)
    );
    assert_eq!(
        refused(1, &[0x0c, 0x00, 0x06, 0x04, 0x01, 0x01, 0x00]),
        fault(0, RecordFault::OffsetOutOfOrder)
    );
    // A byte between the last header and the end of the record; a header count that lies.
    assert_eq!(
        refused(1, &[0x0e, 0x00, 0x06, 0x00, 0x01, 0x01, 0x00, 0x00]),
        fault(0, RecordFault::LengthMismatch)
    );
    assert_eq!(
        refused(
            1,
            &[
                0x14, 0x00, 0x06, 0x00, 0x01, 0x01, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F
            ]
        ),
        fault(0, RecordFault::EndsEarly)
    );
}

#[test]
fn unknown_codec_is_refused_by_name() {
    let mut batch = golden();
    batch[22] = 6;
    assert_eq!(
        payload(&batch, 100),
        Err(BatchError::UnknownCodec { found: 6 })
    );
}

#[test]
fn bomb_in_a_batch_stops_at_the_cap() {
    let options = BatchOptions {
        codec: Codec::Zstd,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.push(0, None, Some(&vec![0; 8 << 20]), &[]).unwrap();
    let batch = builder.build();
    assert!(batch.len() < 10_000);
    let bytes_max = 1 << 20;
    let refused = CompressionError::TooLarge {
        codec: Codec::Zstd,
        bytes_max,
    };
    assert_eq!(
        payload(&batch, bytes_max),
        Err(BatchError::Compression(refused))
    );
}

#[test]
fn record_beyond_the_cap_is_not_added() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let huge = vec![0; crate::limits::BATCH_BYTES_MAX];
    assert!(matches!(
        builder.push(0, None, Some(&huge), &[]),
        Err(BatchError::TooLarge { .. })
    ));
    assert!(builder.is_empty());
}

#[test]
fn sequences_wrap_after_the_largest() {
    let mut header = BatchHeader::parse(&golden()).unwrap();
    header.base_sequence = Sequence(i32::MAX);
    assert_eq!(header.last_sequence(), Sequence(0));
    header.base_sequence = Sequence(-1);
    assert_eq!(header.last_sequence(), Sequence(-1));
}

#[test]
fn hostile_base_offset_does_not_overflow() {
    let mut batch = golden();
    set_base_offset(&mut batch, Offset(i64::MAX));
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(header.next_offset(), Offset(i64::MAX));
    assert_eq!(read(&batch).unwrap().len(), 2);
}

#[test]
fn batches_end_at_a_cut_one() {
    let two = [golden(), golden()].concat();
    let sizes: Vec<_> = Batches::new(&two)
        .map(|batch| batch.unwrap().1.len())
        .collect();
    assert_eq!(sizes, [golden().len(); 2]);

    let mut cut = Batches::new(&two[..two.len() - 1]);
    assert!(cut.next().unwrap().is_ok());
    let (needed, found) = (golden().len(), golden().len() - 1);
    assert_eq!(
        cut.next().unwrap().unwrap_err(),
        BatchError::Truncated { needed, found }
    );
    assert!(cut.next().is_none());
}

type Header = (Vec<u8>, Option<Vec<u8>>);
type Record = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

fn records() -> impl Strategy<Value = Vec<Record>> {
    let header = (any::<Vec<u8>>(), any::<Option<Vec<u8>>>());
    let headers = prop::collection::vec(header, 0..4);
    let record = (
        any::<i64>(),
        any::<Option<Vec<u8>>>(),
        any::<Option<Vec<u8>>>(),
        headers,
    );
    prop::collection::vec(record, 1..20)
}

proptest! {
    #[test]
    fn records_survive_a_batch(records in records(), codec in 0_u8..5, base in 0_i64..1 << 40) {
        let options = BatchOptions {
            codec: Codec::from_id(codec).unwrap(),
            base_offset: Offset(base),
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers
                .iter()
                .map(|(key, value)| HeaderRef { key, value: value.as_deref() })
                .collect();
            builder.push(*timestamp, key.as_deref(), value.as_deref(), &headers).unwrap();
        }
        let batch = builder.build();
        verify_crc(&batch).unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        let payload = payload(&batch, 1 << 20).unwrap();
        let found: Vec<Record> = Records::new(&header, &payload)
            .map(|record| {
                let record = record.unwrap();
                let headers = record
                    .headers()
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect();
                let key = record.key.map(<[u8]>::to_vec);
                (record.timestamp, key, record.value.map(<[u8]>::to_vec), headers)
            })
            .collect();
        prop_assert_eq!(found, records);
        prop_assert_eq!(header.next_offset().0 - base, i64::from(header.record_count));
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, at in 0_usize..200, byte: u8) {
        for (_, batch) in Batches::new(&bytes).flatten() {
            drop(read(batch));
        }
        for codec in [Codec::None, Codec::Snappy] {
            let mut batch = sample(codec);
            let at = at % batch.len();
            batch[at] = byte;
            drop(read(&batch));
            drop(verify_crc(&batch));
        }
    }
}
