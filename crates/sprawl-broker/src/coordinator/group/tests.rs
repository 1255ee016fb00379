//! The coordinator over a log in memory, on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprawl_core::coordinator::{AppendRefusal, Token};
use sprawl_core::group::{
    CommitOffset, GroupError, GroupSettings, GroupState, Input, JoinProtocol, JoinRequest,
    MemberIdRule, MissingGroup, OffsetCommitRequest, Response, SkipAssignment,
};
use sprawl_core::partition::EndTxn;
use sprawl_io::Io;
use sprawl_model::batch::{BatchHeader, set_base_offset};
use sprawl_model::{LeaderEpoch, Offset, TopicId, TopicPartition};
use tokio::sync::watch;

use super::GroupCoordinator;
use crate::coordinator::CoordinatorError;
use crate::coordinator::log::{AppendRefused, CoordinatorLog, DurableOffset};

/// A log whose disk does as a test says.
#[derive(Debug)]
struct MemoryLog {
    batches: Mutex<Vec<Bytes>>,
    disk: watch::Sender<Disk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Works,
    Holds,
    Full,
    Fails,
}

impl MemoryLog {
    fn new() -> Arc<Self> {
        let (disk, _) = watch::channel(Disk::Works);
        Arc::new(Self {
            batches: Mutex::default(),
            disk,
        })
    }

    fn end(batches: &[Bytes]) -> Offset {
        let last = batches
            .last()
            .map(|batch| BatchHeader::parse(batch).unwrap());
        last.map_or(Offset(0), |header| header.next_offset())
    }
}

impl CoordinatorLog for MemoryLog {
    fn append(&self, mut batch: BytesMut) -> Result<DurableOffset, AppendRefused> {
        if *self.disk.borrow() == Disk::Full {
            return Err(AppendRefused::Refused(AppendRefusal::DiskFull));
        }
        let mut batches = self.batches.lock().unwrap();
        let base_offset = Self::end(&batches);
        set_base_offset(&mut batch, base_offset);
        batches.push(batch.freeze());
        let mut disk = self.disk.subscribe();
        Ok(Box::pin(async move {
            let settled = *disk.wait_for(|disk| *disk != Disk::Holds).await.unwrap();
            if settled == Disk::Fails {
                Err("it broke".to_owned())
            } else {
                Ok(base_offset)
            }
        }))
    }

    fn append_marker(&self, end: &EndTxn) -> Result<DurableOffset, AppendRefused> {
        let now_ms = 0;
        self.append(
            end.marker
                .build(end.producer_id, end.producer_epoch, now_ms),
        )
    }

    fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(0)
    }

    fn start(&self) -> Offset {
        Offset(0)
    }

    fn read(&self, offset: Offset) -> Result<(Bytes, Offset), String> {
        if *self.disk.borrow() == Disk::Fails {
            return Err("it broke".to_owned());
        }
        let batches = self.batches.lock().unwrap();
        // One batch a read, so that loading has to go on.
        let next = batches
            .iter()
            .find(|batch| BatchHeader::parse(batch).unwrap().next_offset() > offset);
        match next {
            Some(batch) => Ok((
                batch.clone(),
                BatchHeader::parse(batch).unwrap().next_offset(),
            )),
            None => Ok((Bytes::new(), offset)),
        }
    }

    fn prune(&self, _: Offset) -> Result<(), String> {
        Ok(())
    }

    fn name(&self) -> String {
        "memory-0".to_owned()
    }
}

fn open(log: &Arc<MemoryLog>) -> Arc<GroupCoordinator> {
    let (io, _) = Io::simulated(1);
    let coordinator = GroupCoordinator::with_settings(io.clone(), GroupSettings::default());
    let coordinator = Arc::new(coordinator);
    coordinator.open(
        TopicId::NONE,
        vec![Some(Arc::clone(log) as Arc<dyn CoordinatorLog>)],
    );
    let driven = Arc::clone(&coordinator);
    io.spawn
        .task(Box::pin(async move { driven.drive_timers().await }));
    coordinator
}

/// Lets background tasks run until they wait.
async fn settle() {
    sprawl_io::time::sleep(Duration::from_millis(1)).await;
}

fn commit(offset: i64) -> impl FnOnce(Token) -> Input {
    let request = OffsetCommitRequest {
        group_id: "g".to_owned(),
        member_id: String::new(),
        group_instance_id: None,
        generation: -1,
        retention_ms: None,
        transaction: None,
        missing_group: MissingGroup::GroupIdNotFound,
        offsets: vec![CommitOffset {
            topic: "t".to_owned(),
            partition: 0,
            offset,
            leader_epoch: -1,
            metadata: "note".to_owned(),
        }],
    };
    move |token| Input::OffsetCommit(token, request)
}

fn join() -> impl FnOnce(Token) -> Input {
    let request = JoinRequest {
        group_id: "g".to_owned(),
        member_id: String::new(),
        new_member_id: "m".to_owned(),
        group_instance_id: None,
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinProtocol {
            name: "range".to_owned(),
            metadata: Bytes::new(),
        }],
        member_id_rule: MemberIdRule::Optional,
        skip_assignment: SkipAssignment::Supported,
    };
    move |token| Input::Join(token, request)
}

fn committed(coordinator: &GroupCoordinator) -> Result<Option<i64>, CoordinatorError> {
    coordinator.read("g", |groups| {
        groups.committed("g", "t", 0).map(|held| held.offset)
    })
}

#[tokio::test(start_paused = true)]
async fn groups_are_loading_until_their_log_is_read() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    assert_eq!(
        coordinator.submit("g", commit(1)).await,
        Err(CoordinatorError::Loading)
    );
    assert_eq!(coordinator.read_all(|_| ()), Err(CoordinatorError::Loading));
    settle().await;
    assert_eq!(
        coordinator.submit("g", commit(1)).await,
        Ok(Response::OffsetCommit(Ok(vec![Ok(())])))
    );
}

#[tokio::test(start_paused = true)]
async fn commit_waits_for_the_disk_and_survives_a_restart() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    log.disk.send_replace(Disk::Holds);
    let waiting = coordinator.submit("g", commit(7));
    let early = sprawl_io::time::timeout(Duration::from_secs(60), waiting).await;
    assert_eq!(early, None, "nothing is confirmed before it is durable");
    assert_eq!(
        committed(&coordinator),
        Ok(None),
        "nothing is readable before it is durable"
    );

    log.disk.send_replace(Disk::Works);
    settle().await;
    assert_eq!(
        committed(&coordinator),
        Ok(Some(7)),
        "a request whose client left is carried out"
    );
    coordinator.submit("g", commit(8)).await.unwrap();

    let restarted = open(&log);
    settle().await;
    assert_eq!(committed(&restarted), Ok(Some(8)));
}

#[tokio::test(start_paused = true)]
async fn wait_that_runs_out_is_told_and_the_commit_is_carried_out_all_the_same() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    log.disk.send_replace(Disk::Holds);
    let started = coordinator.io.clock.monotonic();
    let wait_max = Duration::from_secs(5);
    let late = coordinator.submit_within(wait_max, "g", commit(7)).await;
    assert_eq!(late, Err(CoordinatorError::TimedOut));
    let waited = coordinator.io.clock.monotonic().saturating_sub(started);
    assert!(waited >= wait_max && waited < wait_max * 2, "{waited:?}");
    log.disk.send_replace(Disk::Works);
    settle().await;
    assert_eq!(committed(&coordinator), Ok(Some(7)));
}

#[tokio::test(start_paused = true)]
async fn join_is_answered_by_its_timer_at_the_end_of_the_initial_delay() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    let started = coordinator.io.clock.monotonic();
    let reply = coordinator.submit("g", join()).await.unwrap();
    let waited = coordinator.io.clock.monotonic().saturating_sub(started);
    let Response::Join(Ok(joined)) = reply else {
        panic!("refused: {reply:?}")
    };
    assert_eq!(joined.member_id, "m");
    assert!(
        waited >= Duration::from_secs(3) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
    // Nobody syncs or heartbeats: the session ends by its own timer.
    sprawl_io::time::sleep(Duration::from_secs(11)).await;
    let counts = coordinator
        .read("g", |groups| groups.count_by_state())
        .unwrap();
    assert_eq!(counts[&GroupState::Empty], 1);
}

#[tokio::test(start_paused = true)]
async fn full_disk_is_told_and_passes() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    log.disk.send_replace(Disk::Full);
    assert_eq!(
        coordinator.submit("g", commit(1)).await,
        Ok(Response::OffsetCommit(Err(
            GroupError::CoordinatorNotAvailable
        )))
    );
    log.disk.send_replace(Disk::Works);
    assert_eq!(
        coordinator.submit("g", commit(2)).await,
        Ok(Response::OffsetCommit(Ok(vec![Ok(())])))
    );
}

#[tokio::test(start_paused = true)]
async fn failed_disk_gives_the_groups_up() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    log.disk.send_replace(Disk::Holds);
    let waiting = {
        let coordinator = Arc::clone(&coordinator);
        async move { coordinator.submit("g", commit(1)).await }
    };
    let failing = async {
        settle().await;
        log.disk.send_replace(Disk::Fails);
    };
    let (reply, ()) = tokio::join!(waiting, failing);
    assert_eq!(
        reply,
        Ok(Response::OffsetCommit(Err(GroupError::NotCoordinator)))
    );
    assert_eq!(
        coordinator.submit("g", commit(2)).await,
        Err(CoordinatorError::NotCoordinator)
    );
    assert_eq!(coordinator.read_all(|_| ()), Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn unreadable_log_leaves_its_groups_without_coordinator() {
    let log = MemoryLog::new();
    log.disk.send_replace(Disk::Fails);
    let coordinator = open(&log);
    settle().await;
    assert_eq!(
        committed(&coordinator),
        Err(CoordinatorError::NotCoordinator)
    );
}

#[tokio::test(start_paused = true)]
async fn damaged_record_leaves_its_groups_without_coordinator() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    coordinator.submit("g", commit(1)).await.unwrap();
    let mut damaged = log.batches.lock().unwrap()[0].to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    log.batches.lock().unwrap()[0] = damaged.into();
    let restarted = open(&log);
    settle().await;
    assert_eq!(committed(&restarted), Err(CoordinatorError::NotCoordinator));
}

#[tokio::test(start_paused = true)]
async fn stop_answers_whoever_waits() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    let waiting = {
        let coordinator = Arc::clone(&coordinator);
        async move { coordinator.submit("g", join()).await }
    };
    let stopping = async {
        settle().await;
        coordinator.unload();
    };
    let (reply, ()) = tokio::join!(waiting, stopping);
    let Ok(Response::Join(Err(refusal))) = reply else {
        panic!("unexpected: {reply:?}")
    };
    assert_eq!(refusal.error, GroupError::NotCoordinator);
}

#[tokio::test(start_paused = true)]
async fn offsets_of_topics_deleted_while_loading_are_dropped() {
    let log = MemoryLog::new();
    let coordinator = open(&log);
    settle().await;
    coordinator.submit("g", commit(1)).await.unwrap();
    let restarted = open(&log);
    let deleted = TopicPartition {
        topic: "t".to_owned(),
        partition: sprawl_model::PartitionId(0),
    };
    restarted.all_shards()[0].forget_partitions(vec![deleted]);
    settle().await;
    assert_eq!(committed(&restarted), Ok(None));
}
