//! How does a shard come to know what its log holds?
//!
//! Every record from the start of the log is replayed, in order. A log that cannot be read leaves
//! its ids without a coordinator; nothing is guessed.

use std::sync::Arc;

use sprawl_core::coordinator::{BatchKind, Machine, Record, RecordError, Replayed};
use sprawl_io::spawn;
use sprawl_model::ProducerIdAndEpoch;
use sprawl_model::batch::{BatchError, BatchHeader, Batches, Records, payload, verify_crc};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;

use super::log::CoordinatorLog;
use super::shard::Shard;
use bytes::Bytes;

/// Why a log did not load.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// The log could not be read.
    #[error("{0}")]
    Log(String),
    /// A batch is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A record is not what the topic holds.
    #[error("record at offset {offset}: {source}")]
    Record {
        /// Where.
        offset: i64,
        /// What is wrong.
        source: RecordError,
    },
}

/// Loads a shard and opens it to requests; or closes it, when its log is unreadable.
pub(super) async fn load<M: Machine>(shard: &Arc<Shard<M>>, settings: M::Settings) {
    let log = shard.log().clone();
    let io = shard.io().clone();
    let started = io.clock.monotonic();
    let replayed = spawn::blocking(io.spawn.as_ref(), move || {
        replay::<M>(log.as_ref(), settings)
    })
    .await;
    let name = shard.log().name();
    match replayed {
        Some(Ok((machine, record_count))) => {
            let took_ms = io.clock.monotonic().saturating_sub(started).as_millis();
            if record_count > 0 {
                tracing::info!(partition = %name, record_count, took_ms, "coordinator loaded");
            }
            shard.loaded(machine);
        }
        Some(Err(error)) => {
            tracing::error!(partition = %name, %error, "coordinator cannot be loaded");
            shard.unload();
        }
        None => shard.unload(),
    }
}

fn replay<M: Machine>(
    log: &dyn CoordinatorLog,
    settings: M::Settings,
) -> Result<(M, u64), LoadError> {
    let mut machine = M::new(settings);
    let mut offset = log.start();
    let mut record_count = 0;
    loop {
        let (bytes, next_offset) = log.read(offset).map_err(LoadError::Log)?;
        if bytes.is_empty() {
            return Ok((machine, record_count));
        }
        for batch in Batches::new(&bytes) {
            let (header, batch) = batch?;
            if header.next_offset() <= offset {
                continue;
            }
            verify_crc(batch)?;
            let kind = kind(&header);
            let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
            for record in Records::new(&header, &records) {
                let read = record?;
                record_count += 1;
                let record = Record {
                    key: Bytes::copy_from_slice(read.key.unwrap_or_default()),
                    value: read.value.map(Bytes::copy_from_slice),
                };
                replay_record(&mut machine, read.offset.0, kind, &record)?;
            }
        }
        offset = next_offset;
    }
}

fn kind(header: &BatchHeader) -> BatchKind {
    let producer = ProducerIdAndEpoch {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
    };
    if header.attributes.is_control() {
        BatchKind::Control(producer)
    } else if header.attributes.is_transactional() {
        BatchKind::Transactional(producer)
    } else {
        BatchKind::Plain
    }
}

fn replay_record<M: Machine>(
    machine: &mut M,
    offset: i64,
    kind: BatchKind,
    record: &Record,
) -> Result<(), LoadError> {
    match machine.replay(kind, record) {
        Ok(Replayed::Applied) => Ok(()),
        Ok(Replayed::UnknownKey { version }) => {
            tracing::warn!(offset, version, "record of an unknown kind passed over");
            Ok(())
        }
        Err(source) => Err(LoadError::Record { offset, source }),
    }
}
