//! How does a shard come to know what its log holds?
//!
//! Every record from the start of the log is replayed, in order. A log that cannot be read leaves
//! its groups without a coordinator; nothing is guessed.

use std::sync::Arc;

use sprawl_core::group::{GroupSettings, GroupShard, Record, RecordError, Replayed};
use sprawl_io::spawn;
use sprawl_model::batch::{BatchError, Batches, Records, payload, verify_crc};
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
    /// A record is not what `__consumer_offsets` holds.
    #[error("record at offset {offset}: {source}")]
    Record {
        /// Where.
        offset: i64,
        /// What is wrong.
        source: RecordError,
    },
}

/// Loads a shard and opens it to requests; or closes it, when its log is unreadable.
pub(super) async fn load(shard: &Arc<Shard>, settings: GroupSettings) {
    let log = shard.log().clone();
    let io = shard.io().clone();
    let started = io.clock.monotonic();
    let replayed = spawn::blocking(io.spawn.as_ref(), move || replay(log.as_ref(), settings)).await;
    let name = shard.log().name();
    match replayed {
        Some(Ok((groups, record_count))) => {
            let took_ms = io.clock.monotonic().saturating_sub(started).as_millis();
            if record_count > 0 {
                tracing::info!(partition = %name, record_count, took_ms, "groups loaded");
            }
            shard.loaded(groups);
        }
        Some(Err(error)) => {
            tracing::error!(partition = %name, %error, "groups cannot be loaded");
            shard.unload();
        }
        None => shard.unload(),
    }
}

fn replay(
    log: &dyn CoordinatorLog,
    settings: GroupSettings,
) -> Result<(GroupShard, u64), LoadError> {
    let mut shard = GroupShard::new(settings);
    let mut offset = log.start();
    let mut record_count = 0;
    loop {
        let (bytes, next_offset) = log.read(offset).map_err(LoadError::Log)?;
        if bytes.is_empty() {
            return Ok((shard, record_count));
        }
        for batch in Batches::new(&bytes) {
            let (header, batch) = batch?;
            // Control batches end transactions, which hold no offsets of this coordinator.
            if header.next_offset() <= offset || header.attributes.is_control() {
                continue;
            }
            verify_crc(batch)?;
            let records = payload(batch, DECOMPRESSED_BYTES_MAX)?;
            for record in Records::new(&header, &records) {
                let record = record?;
                record_count += 1;
                replay_record(&mut shard, record.offset.0, record.key, record.value)?;
            }
        }
        offset = next_offset;
    }
}

fn replay_record(
    shard: &mut GroupShard,
    offset: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), LoadError> {
    let key = Bytes::copy_from_slice(key.unwrap_or_default());
    let record = Record {
        key,
        value: value.map(Bytes::copy_from_slice),
    };
    match shard.replay(&record) {
        Ok(Replayed::Applied) => Ok(()),
        Ok(Replayed::UnknownKey { version }) => {
            tracing::warn!(
                offset,
                version,
                "group record of an unknown kind passed over"
            );
            Ok(())
        }
        Err(source) => Err(LoadError::Record { offset, source }),
    }
}
