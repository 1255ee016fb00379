//! Record batch v2 (magic 2): parse, check, patch, iterate, build.
//!
//! Bytes from the network and the disk come in here first. Nothing panics on them, nothing is
//! copied but compressed records on request, and no length in them is believed before it is
//! checked.
//!
//! Source: Kafka's record batch format, message format v2 (KIP-98); delete horizon KIP-534.
//! Delayed delivery is our own ([`Delivery`]).

mod build;
mod control;
mod delay;
mod error;
mod header;
mod records;
mod retain;
mod split;
mod varint;

pub use build::{BatchBuilder, BatchOptions};
pub use control::{EndTxnMarker, TxnOutcome};
pub use delay::{
    DELAYED_DUE, DELAYED_OFFSET, DELAYED_TIMESTAMP, DELIVER_AFTER, DELIVER_AT, DELIVER_CANCEL,
    Delivery, DeliveryFault, Held, delivery_of, gap, is_delivery_header, released_offset,
    set_holds_delayed, set_release, visible_part, with_absolute_times,
};
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
