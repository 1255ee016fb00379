//! Why bytes are not a record batch.

use crate::compression::CompressionError;

/// Why bytes are not a valid record batch, or a record in it not a valid record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does. A reader of a cut chunk stops here; elsewhere it is
    /// damage.
    #[error("batch needs {needed} bytes, found {found}")]
    Truncated {
        /// Bytes that the header, or the length in it, asks for.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// A message format other than v2.
    #[error("expected magic 2, found {found}")]
    UnsupportedMagic {
        /// The magic byte.
        found: i8,
    },
    /// The length field is below the rest of the header or above the cap.
    #[error("batch length {found} is not between {min} and {max}")]
    Length {
        /// The length field.
        found: i32,
        /// What the header alone takes.
        min: i32,
        /// What [`crate::limits::BATCH_BYTES_MAX`] leaves.
        max: i32,
    },
    /// Record count and last offset delta contradict each other or are negative.
    #[error("{record_count} records do not fit last offset delta {last_offset_delta}")]
    Count {
        /// The record count of the header.
        record_count: i32,
        /// The last offset delta of the header.
        last_offset_delta: i32,
    },
    /// The checksum does not match.
    #[error("expected CRC {expected:#010x} from the header, computed {computed:#010x}")]
    Crc {
        /// The header's checksum.
        expected: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A codec number that Kafka has not given out.
    #[error("codec {found} is unknown")]
    UnknownCodec {
        /// The three codec bits of the attributes.
        found: u8,
    },
    /// The compressed records cannot be expanded.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// A record, counted from 0, breaks the format.
    #[error("record {index}: {fault}")]
    Record {
        /// The record's place in the batch.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes follow the last record.
    #[error("{found} bytes follow the last record")]
    TrailingBytes {
        /// How many.
        found: usize,
    },
    /// A record does not fit the batch that is being built.
    #[error("record makes the batch {found} bytes, expected at most {max}")]
    TooLarge {
        /// The size with this record.
        found: usize,
        /// The cap.
        max: usize,
    },
}

/// What is wrong with a single record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes end inside the record.
    #[error("ends early")]
    EndsEarly,
    /// A variable-length number has too many bytes.
    #[error("number is too long")]
    NumberTooLong,
    /// A length that must not be negative is.
    #[error("length is negative")]
    NegativeLength,
    /// The length field and the fields inside disagree.
    #[error("length does not match its fields")]
    LengthMismatch,
    /// The offset delta is outside the batch or not above that of the record before.
    #[error("offset delta is out of order")]
    OffsetOutOfOrder,
}
