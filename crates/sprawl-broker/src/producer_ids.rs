//! Which producer id comes next? Blocks of ids come from the metadata, single ids from the block.
//!
//! Invariant: an id is given out once in the life of the cluster; a crash loses the rest of a
//! block.
//!
//! Source: KIP-730.

use std::ops::Range;

use sprawl_core::metadata::{MetadataCommand, MetadataReply};
use sprawl_model::ProducerId;
use sprawl_protocol::ErrorCode;
use tokio::sync::Mutex;

use crate::broker::Broker;
use crate::wire_error;

/// Ids in a block.
const BLOCK_COUNT: u32 = 1_000;

/// The broker's current block.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    left: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// Returns an id that nobody has.
    pub(crate) async fn next(&self, broker: &Broker) -> Result<ProducerId, ErrorCode> {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            *left = allocate_block(broker).await?;
        }
        left.next()
            .map(ProducerId)
            .ok_or(ErrorCode::UnknownServerError)
    }
}

async fn allocate_block(broker: &Broker) -> Result<Range<i64>, ErrorCode> {
    let command = MetadataCommand::AllocateProducerIds {
        broker_id: broker.broker_id(),
        broker_epoch: broker.broker_epoch(),
        count: BLOCK_COUNT,
    };
    match broker.propose(command).await {
        Ok(MetadataReply::ProducerIds { first, count }) => {
            Ok(first.0..first.0.saturating_add(i64::from(count)))
        }
        Ok(_) => Err(ErrorCode::UnknownServerError),
        Err(error) => Err(wire_error::of_producer_ids(&error)),
    }
}
