//! How does a member get records: read, wait for enough, give out.
//!
//! What is read may be given to somebody else before it is given out, since no lock is held while
//! the log is read; then the next round reads further on. A round that finds nothing waits until a
//! log grows, a record comes back, or there is room for more locks.
//!
//! Source: `DelayedShareFetch`, `ShareFetchUtils` (KIP-932).

use std::sync::Arc;
use std::time::Duration;

use sprawl_core::share::{AcquireMode, AcquireRequest, AcquiredRecords};
use sprawl_io::time;
use sprawl_log::{AtLeastOne, LogRead, ReadError, ReadRequest};
use sprawl_model::Offset;
use sprawl_protocol::ErrorCode;
use tokio::sync::Notify;

use super::acknowledge::{partition_of, state_key};
use super::lookup::{now_ms, queue_of};
use super::queue::Queue;
use super::read::{acquired_chunks, batches_of, hide_aborted};
use super::session::{PartitionRef, SessionKey};
use crate::broker::Broker;
use crate::outgoing::Chunk;
use crate::replicated_log::ReplicatedLog;
use crate::wire_error;

/// What is read of one partition at least, where there is as much and the member takes it, in
/// bytes.
const READ_BYTES_MIN: usize = 64 * 1024;

/// What is read of one partition where several share the limit of a fetch, in bytes at least.
const PARTITION_BYTES_MIN: usize = 1024 * 1024;

/// How much a member wants, and for how long it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) bytes_min: usize,
    pub(crate) bytes_max: usize,
    pub(crate) records_max: u64,
    pub(crate) batch_size: u64,
    pub(crate) mode: AcquireMode,
    pub(crate) read_committed: bool,
    pub(crate) wait_max: Duration,
}

/// What a member got of one partition.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) partition: PartitionRef,
    pub(crate) outcome: Result<(), ErrorCode>,
    pub(crate) acquired: Vec<AcquiredRecords>,
    pub(crate) chunks: Vec<Chunk>,
}

/// A partition of a round.
struct Turn {
    partition: PartitionRef,
    queue: Result<Arc<Queue>, ErrorCode>,
    /// Where the read began, and what it gave.
    read: Option<(i64, LogRead)>,
    /// The high watermark before the read.
    watermark: Offset,
}

/// Reads and gives out records of the partitions, in turn.
///
/// Cancel: what was given out stays with the member until its lock runs out.
pub(crate) async fn fetch(
    broker: &Arc<Broker>,
    key: &SessionKey,
    partitions: &[PartitionRef],
    demand: Demand,
) -> Vec<Fetched> {
    let clock = &broker.io.clock;
    let deadline = clock.monotonic().saturating_add(demand.wait_max);
    loop {
        let notify = Arc::new(Notify::new());
        let news = notify.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let mut turns = take_turns(broker, key, partitions, &notify).await;
        let size = read_turns(broker, &mut turns, demand);
        let left = deadline.saturating_sub(clock.monotonic());
        let serves_any = turns.iter().any(|turn| turn.queue.is_ok());
        let is_last = left.is_zero() || !serves_any || broker.stop.is_stopping();
        if size >= demand.bytes_min.max(1) || is_last {
            let fetched = give_out(broker, key, turns, demand).await;
            if is_last || fetched.iter().any(|one| !one.acquired.is_empty()) {
                return fetched;
            }
            continue;
        }
        if !watch_logs(&turns, &notify) {
            continue;
        }
        tokio::select! {
            biased;
            () = broker.stopping() => {}
            _woken = time::timeout(left, news) => {}
        }
    }
}

/// Looks the queues up and asks each to wake us.
async fn take_turns(
    broker: &Arc<Broker>,
    key: &SessionKey,
    partitions: &[PartitionRef],
    notify: &Arc<Notify>,
) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let queue = match partition_of(broker, *partition) {
            Ok(led) => queue_of(broker, &state_key(&key.group_id, *partition), &led).await,
            Err(error) => Err(error),
        };
        if let Ok(queue) = &queue {
            queue.wait(notify);
        }
        turns.push(Turn {
            partition: *partition,
            queue,
            read: None,
            watermark: Offset(0),
        });
    }
    turns
}

/// Reads each partition from where it has something to give; returns the bytes read. No more is
/// read than the records asked for take, about: what is read has to be looked through.
fn read_turns(broker: &Broker, turns: &mut [Turn], demand: Demand) -> usize {
    let Demand {
        bytes_max,
        bytes_min,
        ..
    } = demand;
    let share = (bytes_max / turns.len().max(1)).max(PARTITION_BYTES_MIN);
    let mut size = 0;
    for turn in turns {
        let Ok(queue) = &turn.queue else { continue };
        let log = queue.partition();
        turn.watermark = log.high_watermark();
        let end = if demand.read_committed {
            log.last_stable_offset()
        } else {
            turn.watermark
        };
        let wanted = queue.bytes_for(demand.records_max);
        let wanted = wanted.max(READ_BYTES_MIN).max(bytes_min);
        let left = bytes_max.saturating_sub(size).min(share).min(wanted);
        let at_least_one = if size == 0 {
            AtLeastOne::Yes
        } else {
            AtLeastOne::No
        };
        match read_one(broker, queue, (left, at_least_one), end) {
            Ok(read) => {
                size += read.as_ref().map_or(0, |(_, read)| read.size);
                turn.read = read;
            }
            Err(error) => turn.queue = Err(error),
        }
    }
    size
}

fn read_one(
    broker: &Broker,
    queue: &Queue,
    (bytes_max, at_least_one): (usize, AtLeastOne),
    end: Offset,
) -> Result<Option<(i64, LogRead)>, ErrorCode> {
    let partition = queue.partition();
    let from = {
        let mut state = queue.state();
        state.expire_before(partition.log_start().0);
        state.fetch_offset(now_ms(broker))
    };
    let Some(from) = from.filter(|from| Offset(*from) < end) else {
        return Ok(None);
    };
    let request = ReadRequest {
        offset: Offset(from),
        bytes_max,
        at_least_one,
        end,
    };
    match partition.read(request) {
        Ok(read) if read.size == 0 => Ok(None),
        Ok(read) => {
            queue.note_read(read.size, read.next_offset.0 - from);
            Ok(Some((from, read)))
        }
        // The log's start has moved since: the next round looks again.
        Err(ReadError::OutOfRange { .. }) => Ok(None),
        Err(error) => Err(wire_error::of_read(&error)),
    }
}

/// Asks the logs to wake us; false where one has grown since it was read.
fn watch_logs(turns: &[Turn], notify: &Arc<Notify>) -> bool {
    turns.iter().all(|turn| {
        let Ok(queue) = &turn.queue else { return true };
        let log = queue.partition().log();
        // A closed log wakes nobody; its queue is closed with it, which does.
        log.notify_beyond(turn.watermark, notify) || log.durable_end() <= turn.watermark
    })
}

async fn give_out(
    broker: &Arc<Broker>,
    key: &SessionKey,
    turns: Vec<Turn>,
    demand: Demand,
) -> Vec<Fetched> {
    let mut records_left = demand.records_max;
    let mut fetched = Vec::with_capacity(turns.len());
    for turn in turns {
        let mut one = Fetched {
            partition: turn.partition,
            outcome: Ok(()),
            acquired: Vec::new(),
            chunks: Vec::new(),
        };
        match turn.queue {
            Err(error) => one.outcome = Err(error),
            Ok(queue) if records_left > 0 && !queue.is_closed() => {
                if let Some(read) = turn.read {
                    let given = give_one(broker, key, &queue, read, (records_left, demand)).await;
                    match given {
                        Ok((acquired, chunks)) => (one.acquired, one.chunks) = (acquired, chunks),
                        Err(error) => one.outcome = Err(error),
                    }
                }
            }
            Ok(_) => {}
        }
        let count = one.acquired.iter().map(AcquiredRecords::offset_count).sum();
        records_left = records_left.saturating_sub(count);
        fetched.push(one);
    }
    fetched
}

async fn give_one(
    broker: &Arc<Broker>,
    key: &SessionKey,
    queue: &Arc<Queue>,
    (from, read): (i64, LogRead),
    (records_max, demand): (u64, Demand),
) -> Result<(Vec<AcquiredRecords>, Vec<Chunk>), ErrorCode> {
    let next_offset = read.next_offset;
    let mut batches = batches_of(broker, read).await?;
    if demand.read_committed {
        let log = queue.partition().log();
        let aborted = log.aborted_transactions(Offset(from), next_offset);
        hide_aborted(
            &mut batches,
            &aborted.map_err(|error| wire_error::of_read(&error))?,
        );
    }
    let log_batches: Vec<_> = batches.iter().map(|read| read.batch).collect();
    let request = AcquireRequest {
        member_id: &key.member_id,
        from,
        batches: &log_batches,
        records_max,
        batch_size: demand.batch_size,
        mode: demand.mode,
    };
    let now = now_ms(broker);
    let mut state = queue.state();
    let acquired = state.acquire(now, &request);
    let lock_ms = state.settings().record_lock_duration_ms;
    drop(state);
    if !acquired.is_empty() {
        broker.share.metrics.count_acquired(&acquired);
        broker.share.ring_at(now.saturating_add(lock_ms));
    }
    let (chunks, _) = acquired_chunks(batches, &acquired);
    Ok((acquired, chunks))
}
