//! What is a record of an internal topic, and why might one not be readable?

use bytes::Bytes;
use thiserror::Error;

/// A key and value of an internal topic; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Option<Bytes>,
}

/// What a replayed record was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was taken into account.
    Applied,
    /// The record belongs to a protocol this code does not know; it was passed over.
    UnknownKey {
        /// The version of its key.
        version: i16,
    },
}

/// Why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record ends too early.
    #[error("expected {expected} more bytes, found {found}")]
    Short {
        /// Bytes, or elements of at least one byte, that should follow.
        expected: usize,
        /// Bytes that do follow.
        found: usize,
    },
    /// A length is negative.
    #[error("expected a length, found {0}")]
    Length(i64),
    /// A varint does not end within 32 bits.
    #[error("expected a varint of at most 32 bits, found a longer one")]
    Varint,
    /// A string is not UTF-8.
    #[error("expected a UTF-8 string, found other bytes")]
    Utf8,
    /// Null where a value is needed.
    #[error("expected a value, found null")]
    Null,
    /// A number that stands for nothing.
    #[error("expected a number with a meaning, found {0}")]
    Number(i64),
    /// A value of a version this code does not know.
    #[error("expected a value version from 0 to {known_max}, found {found}")]
    ValueVersion {
        /// The newest version that is read.
        known_max: i16,
        /// The version found.
        found: i16,
    },
}
