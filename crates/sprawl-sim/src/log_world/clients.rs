//! Producers, readers and the one who deletes, as a broker's handlers would call the log.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sprawl_io::Random;
use sprawl_io::time::{sleep, timeout};
use sprawl_log::{
    AppendError, AtLeastOne, FlushMode, LogError, Part, PartitionLog, Pending, ReadError,
    ReadRequest,
};
use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions};
use sprawl_model::compression::Codec;
use sprawl_model::{LeaderEpoch, Offset};
use tokio::sync::Notify;

use super::pick;
use super::track::{Known, Shared, Track};
use crate::history::{Found, read_batches};
use crate::invariant::{
    Check, Violation, i3_one_offset_one_value, i4_true_base_offset, i6_never_decreases, i11_dense,
    i28_no_ack_after_failure,
};

/// A client's life.
pub(super) type Client = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Appends in flight before the producer waits for the oldest.
const IN_FLIGHT_MAX: usize = 5;
/// How long a waiting fetch waits.
const FETCH_WAIT: Duration = Duration::from_millis(50);

/// Returns the clients of one partition.
pub(super) fn all(
    shared: &Arc<Shared>,
    track: &Arc<Track>,
    log: &Arc<PartitionLog>,
) -> Vec<Client> {
    let clones = || (Arc::clone(shared), Arc::clone(track), Arc::clone(log));
    let (producer, reader, follower, deleter) = (clones(), clones(), clones(), clones());
    vec![
        Box::pin(produce(producer.0, producer.1, producer.2)),
        Box::pin(read_around(reader.0, reader.1, reader.2)),
        Box::pin(follow(follower.0, follower.1, follower.2)),
        Box::pin(delete(deleter.0, deleter.1, deleter.2)),
    ]
}

/// Appends batches, several in flight, and takes note of every acknowledgement.
async fn produce(shared: Arc<Shared>, track: Arc<Track>, log: Arc<PartitionLog>) {
    let mut in_flight = VecDeque::new();
    while !shared.is_stopping() {
        for _ in 0..=shared.random.below(4) {
            match append(&shared, &track, &log) {
                Ok((pending, end)) => in_flight.push_back((pending, end)),
                Err(AppendError::DiskFull { .. }) => break,
                Err(AppendError::Damaged { .. }) if shared.is_damaged() => return,
                Err(AppendError::Offline { .. } | AppendError::Closed) => break,
                Err(error) => return shared.report(Err(refused(&track, &error))),
            }
        }
        let keep = if shared.random.chance(1, 2) {
            IN_FLIGHT_MAX
        } else {
            0
        };
        while in_flight.len() > keep {
            let Some((pending, end)) = in_flight.pop_front() else {
                break;
            };
            acknowledge(&shared, &track, pending, end).await;
        }
        sleep(Duration::from_micros(shared.random.below(20_000))).await;
    }
    for (pending, end) in in_flight {
        acknowledge(&shared, &track, pending, end).await;
    }
}

fn refused(track: &Track, error: &AppendError) -> Violation {
    Violation {
        invariant: "L2",
        sentence: "every producer progresses",
        detail: format!("{}: {error}", track.known().history.name),
    }
}

/// A healthy store that does not close.
pub(super) fn not_closed(error: &LogError) -> Violation {
    Violation {
        invariant: "L2",
        sentence: "a store without faults closes",
        detail: error.to_string(),
    }
}

fn append(
    shared: &Shared,
    track: &Track,
    log: &Arc<PartitionLog>,
) -> Result<(Pending, i64), AppendError> {
    let mut known = track.known();
    let batch = build(shared, &mut known, log.log_end());
    let header = BatchHeader::parse(&batch).expect("built here");
    let pending = log.append(batch.clone().freeze(), &header)?;
    let attempt = known.history.append(&batch).expect("built here");
    shared.report(i4_true_base_offset(
        &known.history.name,
        attempt.base_offset,
        pending.base_offset().0,
    ));
    shared.busy();
    Ok((pending, attempt.end))
}

fn build(shared: &Shared, known: &mut Known, base_offset: Offset) -> bytes::BytesMut {
    let random = &shared.random;
    let codec = if random.chance(1, 5) {
        Codec::Lz4
    } else {
        Codec::None
    };
    let leader_epoch = LeaderEpoch(i32::try_from(known.record_count / 400).unwrap_or(0));
    let options = BatchOptions {
        codec,
        base_offset,
        leader_epoch,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    for _ in 0..=random.below(6) {
        known.record_count += 1;
        known.timestamp += pick(random, 0, 3);
        let key = known.record_count.to_be_bytes();
        let mut value = vec![0; random.below(1_500) as usize];
        random.fill(&mut value);
        let pushed = builder.push(known.timestamp, Some(&key), Some(&value), &[]);
        pushed.expect("a few kilobytes fit a batch");
    }
    builder.build()
}

async fn acknowledge(shared: &Shared, track: &Track, pending: Pending, end: i64) {
    let base_offset = pending.base_offset().0;
    // Memory mode promises nothing that a failing disk could break.
    let failed_before = match track.config.flush {
        FlushMode::Memory => None,
        FlushMode::Fsync | FlushMode::Async => track.known().offline.clone(),
    };
    let result = pending.durable().await;
    shared.answered();
    let mut known = track.known();
    let name = known.history.name.clone();
    match result {
        Ok(durable) => {
            shared
                .trace
                .record("ack", &[end.unsigned_abs()], name.as_bytes());
            shared.acknowledged();
            shared.report(i28_no_ack_after_failure(&name, &failed_before));
            shared.report(i4_true_base_offset(
                &name,
                base_offset,
                durable.into_inner().0,
            ));
            known.history.acknowledge(end);
        }
        Err(error) => {
            shared
                .trace
                .record("no ack", &[end.unsigned_abs()], name.as_bytes());
            known.offline.get_or_insert(error.to_string());
        }
    }
}

/// Reads anywhere between log start and high watermark, and looks up timestamps.
async fn read_around(shared: Arc<Shared>, track: Arc<Track>, log: Arc<PartitionLog>) {
    loop {
        sleep(Duration::from_micros(shared.random.below(30_000))).await;
        shared.report(see_marks(&track, &log));
        let (log_start, end) = (log.log_start().0, log.durable_end().0);
        if log_start == end {
            continue;
        }
        let offset = pick(&shared.random, log_start, end);
        let bytes_max = 1 + shared.random.below(20_000) as usize;
        shared.report(read_once(&shared, &track, &log, offset, bytes_max).map(drop));
        if shared.random.chance(1, 4) {
            shared.report(look_up(&shared, &track, &log));
        }
    }
}

/// Checks I6, and takes note of the high watermark: what a consumer may have read is promised like
/// what was acknowledged.
fn see_marks(track: &Track, log: &PartitionLog) -> Check {
    let (log_start, high_watermark) = (log.log_start().0, log.durable_end().0);
    let mut known = track.known();
    i6_never_decreases(&known.history.name, "log start", known.log_start, log_start)?;
    i6_never_decreases(
        &known.history.name,
        "high watermark",
        known.high_watermark,
        high_watermark,
    )?;
    known.log_start = log_start;
    known.high_watermark = high_watermark;
    known.history.acknowledge(high_watermark);
    Ok(())
}

/// Reads once and checks what came; returns where the next read goes on.
pub(super) fn read_once(
    shared: &Shared,
    track: &Track,
    log: &PartitionLog,
    offset: i64,
    bytes_max: usize,
) -> Result<i64, Violation> {
    let end = log.durable_end();
    let at_least_one = AtLeastOne::Yes;
    let read = match log.read(ReadRequest {
        offset: Offset(offset),
        bytes_max,
        at_least_one,
        end,
    }) {
        Ok(read) => read,
        Err(ReadError::Damaged { to, .. }) if shared.is_damaged() => {
            return Ok(to.0.max(offset + 1));
        }
        // The fault of the plan, or the crash.
        Err(ReadError::Disk(_)) => return Ok(offset),
        Err(error) => return Err(unreadable(track, offset, &error)),
    };
    let mut bytes = Vec::new();
    for part in read.parts {
        match part {
            Part::Memory(part) => bytes.extend_from_slice(&part),
            Part::File(range) => match range.load() {
                Ok(part) => bytes.extend_from_slice(&part),
                Err(_) => return Ok(offset),
            },
        }
    }
    let batches = match read_batches(&bytes) {
        Ok(batches) => batches,
        // A flipped bit inside a segment: the consumer's own check of the CRC finds it.
        Err(_) if shared.is_damaged() => return Ok(end.0),
        Err(error) => return Err(unreadable(track, offset, &error)),
    };
    shared
        .trace
        .record("read", &[offset.unsigned_abs(), batches.len() as u64], &[]);
    check_batches(shared, track, &batches, offset, end.0)?;
    Ok(batches.last().map_or(offset, |batch| batch.end))
}

fn unreadable(track: &Track, offset: i64, error: &dyn std::error::Error) -> Violation {
    Violation {
        invariant: "I1",
        sentence: "every acknowledged batch is read at its offset",
        detail: format!("{} at {offset}: {error}", track.known().history.name),
    }
}

/// Checks that the batches are those appended (I3), follow each other (I11), begin with the one
/// asked for and end below the bound.
fn check_batches(
    shared: &Shared,
    track: &Track,
    batches: &[Found],
    offset: i64,
    end: i64,
) -> Check {
    let known = track.known();
    let name = &known.history.name;
    let Some(first) = batches.first() else {
        // Nothing at all below the bound: only behind damage.
        return if shared.is_damaged() {
            Ok(())
        } else {
            i11_dense(name, offset, end)
        };
    };
    if !(first.base_offset..first.end).contains(&offset) && !shared.is_damaged() {
        return i11_dense(name, offset, first.base_offset);
    }
    let mut expected = first.base_offset;
    for batch in batches {
        // Lost batches leave a gap in what is read around them; recovery has reported it.
        if !shared.is_damaged() {
            i11_dense(name, expected, batch.base_offset)?;
        }
        i3_one_offset_one_value(&known.history, batch)?;
        expected = batch.end;
    }
    i6_never_decreases(name, "the bound of a read", expected, end)
}

fn look_up(shared: &Shared, track: &Track, log: &PartitionLog) -> Check {
    let (first, last) = (
        sprawl_io::sim::clock::WALL_MS_START - 1,
        track.known().timestamp + 2,
    );
    let timestamp = pick(&shared.random, first, last);
    let end = log.durable_end();
    let log_start = log.log_start().0;
    let Ok(found) = log.offset_for_timestamp(timestamp, end) else {
        return Ok(());
    };
    let found = found.map(|found| (found.offset.0, found.timestamp));
    let expected = track
        .known()
        .history
        .first_not_older(timestamp, log_start, end.0);
    if found == expected || shared.is_damaged() {
        return Ok(());
    }
    Err(Violation {
        invariant: "I27",
        sentence: "the index answers as a scan of the log would",
        detail: format!(
            "{}: first record from {timestamp} on is {expected:?}, found {found:?}",
            track.known().history.name
        ),
    })
}

/// Reads what is new, as it becomes durable.
async fn follow(shared: Arc<Shared>, track: Arc<Track>, log: Arc<PartitionLog>) {
    let mut offset = log.log_start().0;
    let notify = Arc::new(Notify::new());
    loop {
        offset = offset.max(log.log_start().0);
        if log.notify_beyond(Offset(offset), &notify) {
            timeout(FETCH_WAIT, notify.notified()).await.unwrap_or(());
        }
        if log.durable_end().0 > offset && offset >= log.log_start().0 {
            match read_once(&shared, &track, &log, offset, 8_000) {
                Ok(next) if next > offset => offset = next,
                Ok(_) => sleep(FETCH_WAIT).await,
                Err(violation) => return shared.report(Err(violation)),
            }
        } else {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Deletes old records now and then, as an operator does.
async fn delete(shared: Arc<Shared>, track: Arc<Track>, log: Arc<PartitionLog>) {
    loop {
        sleep(Duration::from_millis(100 + shared.random.below(1_000))).await;
        let (log_start, end) = (log.log_start().0, log.durable_end().0);
        let before = pick(&shared.random, log_start, log_start + (end - log_start) / 2);
        if let Ok(log_start) = log.delete_records(Offset(before)) {
            let mut known = track.known();
            known.log_start = known.log_start.max(log_start.0);
        }
    }
}
