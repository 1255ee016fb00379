//! One pass over the partitions of a fetch: fence, bound, read.
//!
//! A pass blocks on no disk: what is not in memory comes back as a file range, which the kernel
//! copies to the socket. Consumers see below the high watermark, `read_committed` ones below the
//! last stable offset.
//!
//! Source: `ReplicaManager.readFromLog` and `KafkaApis.handleFetchRequest` for the order of checks.

use std::sync::Arc;

use sprawl_log::{AbortedTxn, AtLeastOne, LogRead, Part, ReadError, ReadRequest};
use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{LeaderEpoch, Offset};
use sprawl_protocol::ErrorCode;

use super::session::{FetchKey, FetchPartition};
use crate::partition::Partition;
use crate::replicated_log::ReplicatedLog;
use crate::wire_error;

/// What a consumer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything below the high watermark.
    ReadUncommitted,
    /// Everything below the last stable offset.
    ReadCommitted,
}

/// A partition of a fetch, looked up.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What the client asks.
    pub(crate) asked: FetchPartition,
    /// The partition, or why there is none.
    pub(crate) partition: Result<Arc<Partition>, ErrorCode>,
}

/// What a partition answers.
#[derive(Debug)]
pub(crate) struct PartitionRead {
    pub(crate) key: FetchKey,
    pub(crate) error: ErrorCode,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start: Offset,
    /// Where the client's log and ours part, when the client's last epoch says so (KIP-595).
    pub(crate) diverging: Option<(LeaderEpoch, Offset)>,
    /// The transactions whose records the consumer is to skip; `None` where it sees them all.
    pub(crate) aborted: Option<Vec<AbortedTxn>>,
    pub(crate) parts: Vec<Part>,
    pub(crate) size: usize,
}

/// The end of a pass.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) partitions: Vec<PartitionRead>,
    /// Record bytes in all partitions.
    pub(crate) size: usize,
    /// Some partition has news that must not wait: an error or a divergence.
    pub(crate) urgent: bool,
}

/// Reads every partition once, sharing `bytes_max` in the order given. The first partition with
/// data may exceed both limits by one batch, so that a consumer always gets on.
pub(crate) fn read_all(resolved: &[Resolved], isolation: Isolation, bytes_max: usize) -> Pass {
    let mut pass = Pass::default();
    pass.partitions.reserve(resolved.len());
    for one in resolved {
        let left = bytes_max.saturating_sub(pass.size);
        let at_least_one = if pass.size == 0 {
            AtLeastOne::Yes
        } else {
            AtLeastOne::No
        };
        let bounds = Bounds {
            isolation,
            bytes_max: left.min(one.asked.bytes_max),
            at_least_one,
        };
        let read = match &one.partition {
            Ok(partition) => read_one(partition, &one.asked, bounds),
            Err(error) => PartitionRead::failed(one.asked.key.clone(), *error),
        };
        pass.size += read.size;
        pass.urgent |= read.error != ErrorCode::None || read.diverging.is_some();
        pass.partitions.push(read);
    }
    pass
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    isolation: Isolation,
    bytes_max: usize,
    at_least_one: AtLeastOne,
}

impl PartitionRead {
    fn failed(key: FetchKey, error: ErrorCode) -> Self {
        Self {
            key,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start: Offset::NONE,
            diverging: None,
            aborted: None,
            parts: Vec::new(),
            size: 0,
        }
    }

    fn empty(key: FetchKey, partition: &Partition) -> Self {
        Self {
            high_watermark: partition.high_watermark(),
            last_stable_offset: partition.last_stable_offset(),
            log_start: partition.log_start(),
            ..Self::failed(key, ErrorCode::None)
        }
    }
}

fn read_one(partition: &Partition, asked: &FetchPartition, bounds: Bounds) -> PartitionRead {
    let key = asked.key.clone();
    if let Err(error) = fence(asked.current_leader_epoch, partition.leader_epoch()) {
        return PartitionRead::failed(key, error);
    }
    let mut answer = PartitionRead::empty(key, partition);
    match divergence(partition, asked) {
        Ok(None) => {}
        Ok(diverging) => {
            answer.diverging = diverging;
            return answer;
        }
        Err(error) => return PartitionRead::failed(answer.key, error),
    }
    match fill(partition, asked.fetch_offset, &mut answer, bounds) {
        Ok(()) => answer,
        Err(error) => {
            let failed = PartitionRead::failed(answer.key, wire_error::of_read(&error));
            PartitionRead {
                log_start: answer.log_start,
                ..failed
            }
        }
    }
}

/// Refuses a client that lives in another leader epoch than this broker (KIP-320).
pub(crate) fn fence(asked: LeaderEpoch, current: LeaderEpoch) -> Result<(), ErrorCode> {
    if asked == LeaderEpoch::NONE || asked == current {
        Ok(())
    } else if asked < current {
        Err(ErrorCode::FencedLeaderEpoch)
    } else {
        Err(ErrorCode::UnknownLeaderEpoch)
    }
}

/// Finds where the client's log and this one part, from the epoch of its last record (KIP-595).
///
/// Errors: an epoch that this log never saw tells nothing; the client must find a new place.
fn divergence(
    partition: &Partition,
    asked: &FetchPartition,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let last = asked.last_fetched_epoch;
    if last == LeaderEpoch::NONE {
        return Ok(None);
    }
    let known = match partition.log().epoch_end(last) {
        // An empty log has seen no epoch but that of its leader.
        None if last == partition.leader_epoch() => (last, partition.log().log_end()),
        None => return Err(ErrorCode::OffsetOutOfRange),
        Some(known) => known,
    };
    let parts_ways = known.0 < last || known.1 < asked.fetch_offset;
    Ok(parts_ways.then_some(known))
}

/// Puts records into `answer` and, for who sees committed ones, what to skip of them.
///
/// What may be seen was decided before: a transaction that ended below that end is in the index.
fn fill(
    partition: &Partition,
    offset: Offset,
    answer: &mut PartitionRead,
    bounds: Bounds,
) -> Result<(), ReadError> {
    let read = read_records(partition, offset, answer, bounds)?;
    if bounds.isolation == Isolation::ReadCommitted {
        let to = read.as_ref().map_or(offset, |read| read.next_offset);
        let aborted = match &read {
            Some(read) if read.size > 0 => partition.log().aborted_transactions(offset, to)?,
            _ => Vec::new(),
        };
        answer.aborted = Some(aborted);
    }
    if let Some(read) = read {
        answer.parts = read.parts;
        answer.size = read.size;
    }
    Ok(())
}

/// Reads records, or nothing where the offset is at or past the end of what may be seen.
fn read_records(
    partition: &Partition,
    offset: Offset,
    answer: &PartitionRead,
    bounds: Bounds,
) -> Result<Option<LogRead>, ReadError> {
    let end = match bounds.isolation {
        Isolation::ReadUncommitted => answer.high_watermark,
        _ if active(Mutant::StableOffsetIgnored) => answer.high_watermark,
        Isolation::ReadCommitted => answer.last_stable_offset,
    };
    let (log_start, log_end) = (answer.log_start, partition.log().log_end());
    if offset < log_start || offset > log_end {
        return Err(ReadError::OutOfRange {
            offset,
            log_start,
            log_end,
        });
    }
    let exhausted = bounds.bytes_max == 0 && bounds.at_least_one == AtLeastOne::No;
    if offset >= end || exhausted {
        return Ok(None);
    }
    let Bounds {
        bytes_max,
        at_least_one,
        ..
    } = bounds;
    partition
        .read(ReadRequest {
            offset,
            bytes_max,
            at_least_one,
            end,
        })
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_and_a_newer_leader_epoch_are_told_apart() {
        assert_eq!(fence(LeaderEpoch::NONE, LeaderEpoch(4)), Ok(()));
        assert_eq!(fence(LeaderEpoch(4), LeaderEpoch(4)), Ok(()));
        assert_eq!(
            fence(LeaderEpoch(3), LeaderEpoch(4)),
            Err(ErrorCode::FencedLeaderEpoch)
        );
        assert_eq!(
            fence(LeaderEpoch(5), LeaderEpoch(4)),
            Err(ErrorCode::UnknownLeaderEpoch)
        );
    }
}
