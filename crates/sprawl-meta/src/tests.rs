//! openraft's own suite over our files, then starts, crashes and damage over a simulated disk.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openraft::BasicNode;
use openraft::testing::{StoreBuilder, Suite};
use sprawl_core::config::ConfigMap;
use sprawl_core::metadata::{
    BrokerSpec, MetadataCommand, MetadataError, MetadataReply, NewTopic, Placement, TopicRef,
};
use sprawl_io::Io;
use sprawl_io::disk::OpenMode;
use sprawl_io::sim::{CrashKind, OpKind, SimHandles};
use sprawl_model::{BrokerEpoch, BrokerId, TenantId, TopicId};
use uuid::Uuid;

use crate::files::{LogFile, MetaDir};
use crate::frame::{FILE_HEADER_BYTES, Frame};
use crate::log_store::LogStore;
use crate::state_machine::StateMachine;
use crate::types::{StorageResult, Types, write_failed};
use crate::*;

type RaftMetrics = openraft::RaftMetrics<u64, BasicNode>;

const DIR: &str = "/data/meta";

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine> for Builder {
    async fn build(&self) -> StorageResult<((), LogStore, StateMachine)> {
        let (io, _) = Io::simulated(1);
        let open = || {
            let dir = MetaDir::create(Arc::clone(&io.disk), PathBuf::from(DIR))?;
            let log = LogStore::open(Arc::clone(&io.spawn), dir.clone())?;
            Ok(((), log, StateMachine::open(Arc::clone(&io.spawn), dir)?))
        };
        open().map_err(|error| write_failed(&error))
    }
}

#[test]
fn openrafts_own_storage_suite_passes() {
    Suite::test_all(Builder).unwrap();
}

/// Runs a test as the simulator does: one thread, a clock that stands still.
fn simulate<F: Future<Output = ()>>(test: impl FnOnce(Io, SimHandles) -> F) {
    let (io, handles) = Io::simulated(7);
    io.disk.create_dir_all(Path::new("/data")).unwrap();
    io.disk.sync_dir(Path::new("/")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test(io, handles));
}

fn node(id: i32) -> NodeConfig {
    let features = BTreeMap::from([("group.version".to_owned(), 1)]);
    NodeConfig {
        node_id: BrokerId(id),
        features,
    }
}

async fn open(io: &Io) -> Metadata {
    Metadata::open(io.clone(), PathBuf::from(DIR), node(0))
        .await
        .unwrap()
}

async fn open_error(io: &Io) -> OpenError {
    Metadata::open(io.clone(), PathBuf::from(DIR), node(0))
        .await
        .unwrap_err()
}

async fn register(metadata: &Metadata, incarnation: u128) -> BrokerEpoch {
    let spec = BrokerSpec {
        id: BrokerId(0),
        incarnation_id: Uuid::from_u128(incarnation),
        endpoints: Vec::new(),
        rack: None,
    };
    match metadata
        .propose(MetadataCommand::RegisterBroker(spec))
        .await
        .unwrap()
    {
        MetadataReply::BrokerRegistered { epoch } => epoch,
        other => panic!("{other:?}"),
    }
}

fn create(number: u128) -> MetadataCommand {
    let name = format!("topic-{number}");
    MetadataCommand::CreateTopic(NewTopic {
        topic: TopicRef {
            tenant: TenantId::DEFAULT,
            name,
        },
        topic_id: TopicId(Uuid::from_u128(number + 1)),
        placement: Placement::Spread {
            partition_count: 1,
            replication_factor: 1,
        },
        configs: ConfigMap::new(),
    })
}

fn has_topic(metadata: &Metadata, number: u128) -> bool {
    metadata
        .image()
        .topic(TenantId::DEFAULT, &format!("topic-{number}"))
        .is_some()
}

#[test]
fn new_cluster_is_named_and_led_without_waiting_for_any_timer() {
    simulate(|io, _| async move {
        let before = io.clock.monotonic();
        let metadata = open(&io).await;
        assert_eq!(io.clock.monotonic() - before, Duration::ZERO);
        assert_eq!(metadata.image().cluster_id().len(), 22);
        assert_eq!(metadata.image().features().get("group.version"), Some(&1));
    });
}

#[test]
fn answered_command_is_in_the_image_and_seen_by_watchers() {
    simulate(|io, _| async move {
        let metadata = open(&io).await;
        let mut watcher = metadata.watch();
        watcher.mark_unchanged();
        register(&metadata, 1).await;
        assert!(watcher.has_changed().unwrap());
        metadata.propose(create(1)).await.unwrap();
        assert!(has_topic(&metadata, 1));
        assert_eq!(**watcher.borrow_and_update(), *metadata.image());
    });
}

#[test]
fn refused_command_says_why_and_changes_nothing() {
    simulate(|io, _| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        metadata.propose(create(1)).await.unwrap();
        let exists = MetadataError::TopicExists {
            name: "topic-1".to_owned(),
        };
        let refused = metadata.propose(create(1)).await;
        assert_eq!(refused, Err(ProposeError::Refused(exists)));
        assert_eq!(metadata.image().topic_count(), 1);
    });
}

#[test]
fn restart_leads_at_once_with_the_same_image_and_a_larger_broker_epoch() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        let epoch = register(&metadata, 1).await;
        metadata.propose(create(1)).await.unwrap();
        let image = metadata.image();
        metadata.close().await;
        let io = handles.restart();
        let before = io.clock.monotonic();
        let reopened = open(&io).await;
        assert_eq!(io.clock.monotonic() - before, Duration::ZERO);
        assert_eq!(*reopened.image(), *image);
        assert!(register(&reopened, 2).await > epoch);
    });
}

#[test]
fn every_answered_command_survives_a_power_cut_at_any_operation() {
    for operation in 1..60 {
        simulate(|io, mut handles| async move {
            let disk = Arc::clone(&handles.disk);
            disk.crash_at(operation, CrashKind::PowerCut);
            let mut answered = Vec::new();
            if let Ok(metadata) = Metadata::open(io, PathBuf::from(DIR), node(0)).await {
                answered = run_until_crash(&metadata).await;
            }
            handles.crash(CrashKind::PowerCut);
            let reopened = open(&handles.restart()).await;
            for number in answered {
                assert!(
                    has_topic(&reopened, number),
                    "crash at {operation} lost topic {number}"
                );
            }
            register(&reopened, 99).await;
            assert!(reopened.propose(create(1_000)).await.is_ok());
        });
    }
}

/// Creates topics, with a snapshot and a purge on the way; returns those that were answered.
async fn run_until_crash(metadata: &Metadata) -> Vec<u128> {
    let spec = BrokerSpec {
        id: BrokerId(0),
        incarnation_id: Uuid::from_u128(1),
        endpoints: Vec::new(),
        rack: None,
    };
    let mut answered = Vec::new();
    if metadata
        .propose(MetadataCommand::RegisterBroker(spec))
        .await
        .is_err()
    {
        return answered;
    }
    for number in 0..20 {
        if number == 10 && snapshot_and_purge(metadata).await.is_none() {
            return answered;
        }
        match metadata.propose(create(number)).await {
            Ok(_) => answered.push(number),
            Err(_) => return answered,
        }
    }
    answered
}

async fn snapshot_and_purge(metadata: &Metadata) -> Option<()> {
    let raft = metadata.raft();
    let index = raft.metrics().borrow().last_log_index?;
    raft.trigger().snapshot().await.ok()?;
    let wait = raft.wait(Some(Duration::from_secs(5)));
    let is_taken = move |m: &RaftMetrics| m.snapshot.is_some_and(|id| id.index >= index);
    wait.metrics(is_taken, "snapshot").await.ok()?;
    raft.trigger().purge_log(index).await.ok()?;
    let wait = raft.wait(Some(Duration::from_secs(5)));
    wait.metrics(
        move |m| m.purged.is_some_and(|id| id.index >= index),
        "purge",
    )
    .await
    .ok()?;
    Some(())
}

#[test]
fn image_is_rebuilt_from_a_snapshot_and_what_follows_it() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        assert_eq!(run_until_crash(&metadata).await.len(), 20);
        let image = metadata.image();
        metadata.close().await;
        let log_bytes = handles.disk.bytes(&Path::new(DIR).join("log")).unwrap();
        assert!(
            !String::from_utf8_lossy(&log_bytes).contains("topic-5"),
            "it was purged"
        );
        let reopened = open(&handles.restart()).await;
        assert_eq!(*reopened.image(), *image);
    });
}

#[test]
fn torn_last_write_is_cut_off() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        metadata.propose(create(1)).await.unwrap();
        let image = metadata.image();
        metadata.close().await;
        let path = Path::new(DIR).join("log");
        let size = handles.disk.bytes(&path).unwrap().len() as u64;
        let io = handles.restart();
        let file = io.disk.open(&path, OpenMode::ReadWrite).unwrap();
        file.write_at(&[IoSlice::new(&[0, 0, 0, 200, 1, 2, 3, 4, 0, 0])], size)
            .unwrap();
        let reopened = open(&io).await;
        assert_eq!(*reopened.image(), *image);
        assert_eq!(file.size().unwrap(), size);
        reopened.propose(create(2)).await.unwrap();
        reopened.close().await;
        assert!(has_topic(&open(&handles.restart()).await, 2));
    });
}

/// Seed 63 of the simulator's broker world: a process died on the failed sync of its first frame,
/// the next one built on it, and a power cut took it from under a later frame.
#[test]
fn frame_whose_sync_failed_survives_what_the_next_process_builds_on_it() {
    for failing in 1..8 {
        simulate(move |io, mut handles| async move {
            register(&open(&io).await, 1).await;
            let metadata = open(&handles.restart()).await;
            handles.disk.fail_nth(OpKind::Sync, failing);
            let mut failed = 0;
            for number in 1..10 {
                if metadata.propose(create(number)).await.is_err() {
                    failed = number;
                    break;
                }
            }
            assert!(failed > 0, "no sync failed");
            // Only the process is new: the frame is read from the page cache.
            let metadata = open(&handles.restart()).await;
            let is_there = has_topic(&metadata, failed);
            register(&metadata, 1).await;
            metadata.propose(create(100)).await.unwrap();
            handles.crash(CrashKind::PowerCut);
            let metadata = open(&handles.restart()).await;
            assert!(has_topic(&metadata, 100));
            assert_eq!(has_topic(&metadata, failed), is_there);
        });
    }
}

#[test]
fn damage_before_the_last_write_is_refused_and_nothing_is_cut() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        metadata.propose(create(1)).await.unwrap();
        metadata.close().await;
        let path = Path::new(DIR).join("log");
        let whole = handles.disk.bytes(&path).unwrap();
        for position in [
            FILE_HEADER_BYTES,
            FILE_HEADER_BYTES + 9,
            FILE_HEADER_BYTES + 40,
        ] {
            let io = handles.restart();
            let file = io.disk.open(&path, OpenMode::ReadWrite).unwrap();
            let changed = whole[position] ^ 1;
            file.write_at(&[IoSlice::new(&[changed])], position as u64)
                .unwrap();
            let error = open_error(&io).await;
            let damaged = matches!(
                &error,
                OpenError::File(MetaFileError::Damaged { sequence: 0, .. })
            );
            assert!(damaged, "byte {position}: {error}");
            assert_eq!(file.size().unwrap(), whole.len() as u64);
            file.write_at(
                &[IoSlice::new(&whole[position..=position])],
                position as u64,
            )
            .unwrap();
        }
        open(&handles.restart()).await;
    });
}

#[test]
fn damaged_vote_snapshot_or_file_header_is_refused() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        run_until_crash(&metadata).await;
        metadata.close().await;
        for (name, position) in [
            ("vote", 0),
            ("vote", 30),
            ("snapshot", 11),
            ("log", 0),
            ("log", 11),
        ] {
            let path = Path::new(DIR).join(name);
            let whole = handles.disk.bytes(&path).unwrap();
            let io = handles.restart();
            let file = io.disk.open(&path, OpenMode::ReadWrite).unwrap();
            file.write_at(&[IoSlice::new(&[whole[position] ^ 1])], position as u64)
                .unwrap();
            let error = open_error(&io).await.to_string();
            assert!(
                error.contains(name) && error.contains("expected"),
                "{name} {position}: {error}"
            );
            file.write_at(
                &[IoSlice::new(&whole[position..=position])],
                position as u64,
            )
            .unwrap();
        }
        open(&handles.restart()).await;
    });
}

#[test]
fn command_on_a_full_disk_is_refused_and_taken_when_there_is_room() {
    simulate(|io, handles| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        handles.disk.limit_free_bytes(Some(0));
        let refused = metadata.propose(create(1)).await;
        assert!(
            matches!(refused, Err(ProposeError::Unavailable { .. })),
            "{refused:?}"
        );
        assert!(!has_topic(&metadata, 1));
        handles.disk.limit_free_bytes(None);
        assert!(metadata.propose(create(1)).await.is_ok());
    });
}

#[test]
fn failed_sync_ends_the_metadata_and_is_never_tried_again() {
    simulate(|io, mut handles| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        handles.disk.fail_nth(OpKind::Sync, 1);
        for number in 1..3 {
            let failed = metadata.propose(create(number)).await;
            assert!(
                matches!(failed, Err(ProposeError::Unavailable { .. })),
                "{failed:?}"
            );
        }
        assert!(!has_topic(&metadata, 1));
        let reopened = open(&handles.restart()).await;
        assert!(reopened.propose(create(3)).await.is_ok());
    });
}

#[test]
fn directory_of_another_node_is_refused() {
    simulate(|io, mut handles| async move {
        open(&io).await.close().await;
        let refused = Metadata::open(handles.restart(), PathBuf::from(DIR), node(3)).await;
        let expected = "expected the metadata of node 3, found that of node 0";
        assert_eq!(refused.unwrap_err().to_string(), expected);
    });
}

#[test]
fn command_too_large_for_the_log_is_refused_and_the_next_one_works() {
    simulate(|io, _| async move {
        let metadata = open(&io).await;
        register(&metadata, 1).await;
        let mut large = create(1);
        if let MetadataCommand::CreateTopic(new) = &mut large {
            new.configs
                .insert("x".to_owned(), "y".repeat(2 * 1024 * 1024));
        }
        let refused = metadata.propose(large).await;
        assert!(matches!(refused, Err(ProposeError::TooLarge { .. })));
        assert!(metadata.propose(create(1)).await.is_ok());
    });
}

#[test]
fn same_seed_gives_the_same_trace() {
    let run = || {
        let mut hash = 0;
        simulate(|io, handles| {
            let hash = &mut hash;
            async move {
                let metadata = open(&io).await;
                run_until_crash(&metadata).await;
                *hash = handles.trace.hash();
            }
        });
        hash
    };
    assert_eq!(run(), run());
}

/// What version 1 looks like on disk; a later release must still open it.
#[test]
fn log_fixture_of_version_1_is_read() {
    simulate(|io, _| async move {
        let dir = MetaDir::create(Arc::clone(&io.disk), PathBuf::from(DIR)).unwrap();
        for (name, bytes) in [
            ("log", include_bytes!("../fixtures/v1/log").as_slice()),
            ("vote", include_bytes!("../fixtures/v1/vote").as_slice()),
            (
                "snapshot",
                include_bytes!("../fixtures/v1/snapshot").as_slice(),
            ),
        ] {
            let file = io
                .disk
                .open(&Path::new(DIR).join(name), OpenMode::ReadWrite)
                .unwrap();
            file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
        }
        let (_, frames) = LogFile::open(dir).unwrap();
        assert!(matches!(
            frames.as_slice(),
            [Frame::Purged { .. }, Frame::Append(_), ..]
        ));
        let metadata = open(&io).await;
        let image = metadata.image();
        assert_eq!(image.cluster_id(), "u0PXIzRTZSg6KZsu01kBKw");
        assert_eq!(image.topic_count(), 20);
        assert!(has_topic(&metadata, 0) && has_topic(&metadata, 19));
        assert_eq!(image.broker(BrokerId(0)).unwrap().epoch, BrokerEpoch(3));
    });
}

#[test]
fn image_fixture_of_version_2_is_read_and_written_again() {
    use sprawl_core::metadata::{ImageSnapshot, MetadataImage, QuotaEntityType, ScramMechanism};
    let text = include_str!("../fixtures/image-v2.json").trim_end();
    let snapshot: ImageSnapshot = serde_json::from_str(text).unwrap();
    let image = MetadataImage::from_snapshot(snapshot).unwrap();
    let entity = [
        (QuotaEntityType::User, None),
        (QuotaEntityType::ClientId, Some("c".to_owned())),
    ];
    let quotas = &image.client_quotas()[&entity.into()];
    assert_eq!(quotas["producer_byte_rate"].get(), 1048576.5);
    let key = ("alice".to_owned(), ScramMechanism::Sha256);
    let credential = &image.scram_credentials()[&key];
    assert_eq!(
        (credential.iterations, credential.salt.as_slice()),
        (4096, &[1, 2][..])
    );
    assert_eq!(image.features()["metadata.version"], 30);
    assert_eq!(serde_json::to_string(&image.to_snapshot()).unwrap(), text);
}
