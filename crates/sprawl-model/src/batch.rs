//! Record batch v2 (magic 2): parse, check, patch, iterate, build.
//!
//! Bytes from the network and the disk come in here first. Nothing panics on them, nothing is
//! copied but compressed records on request, and no length in them is believed before it is
//! checked.
//!
//! Source: Kafka's record batch format, message format v2 (KIP-98); delete horizon KIP-534.

mod build;
mod control;
mod error;
mod header;
mod records;
mod retain;
mod split;
mod varint;

pub use build::{BatchBuilder, BatchOptions};
pub use control::{EndTxnMarker, TxnOutcome};
pub use error::{BatchError, RecordFault};
pub use header::{
    Attributes, BatchHeader, HEADER_BYTES, TimestampType, set_base_offset, set_create_time,
    set_leader_epoch, set_log_append_time, verify_crc,
};
pub use records::{HeaderRef, Headers, RecordRef, Records, payload};
pub use retain::{ControlKind, Retained, emptied};
pub use split::Batches;

#[cfg(test)]
mod tests;
