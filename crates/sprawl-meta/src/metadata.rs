//! A node's handle on the cluster's metadata.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, Config, ServerState, SnapshotPolicy};
use sprawl_core::metadata::{MetadataCommand, MetadataImage, MetadataReply};
use sprawl_io::spawn::blocking;
use sprawl_io::{Io, Random};
use sprawl_model::{BrokerId, kafka_uuid};
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::{MetaFileError, OpenError, ProposeError};
use crate::files::MetaDir;
use crate::frame::FRAME_BYTES_MAX;
use crate::log_store::LogStore;
use crate::network::NoPeers;
use crate::quorum::{Quorum, quorum_of};
use crate::state_machine::{Published, StateMachine};
use crate::types::{Raft, RaftState};

/// The largest command, in bytes. Raft may put up to [`ENTRIES_PER_WRITE_MAX`] into one frame.
const COMMAND_BYTES_MAX: usize = 1024 * 1024;
/// How many entries Raft appends at once at most.
const ENTRIES_PER_WRITE_MAX: u64 = 32;
/// The least that must be free on the disk for a command to be taken, in bytes: several of the
/// largest.
const ROOM_BYTES_MIN: u64 = 4 * COMMAND_BYTES_MAX as u64;
/// A snapshot is due after this many commands.
const SNAPSHOT_AFTER_COUNT: u64 = 5_000;
/// How many entries stay in the log after a snapshot.
const KEPT_AFTER_SNAPSHOT_COUNT: u64 = 500;
/// How long a start may take. A voter alone needs two synced writes; this is for a disk that hangs.
const START_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(COMMAND_BYTES_MAX * (ENTRIES_PER_WRITE_MAX as usize) < FRAME_BYTES_MAX);

/// Which node opens the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number; the directory remembers it.
    pub node_id: BrokerId,
    /// The features a new cluster starts with, by name.
    pub features: BTreeMap<String, i16>,
}

/// The cluster's metadata on this node. Clones are the same handle.
#[derive(Clone)]
pub struct Metadata {
    io: Io,
    dir: Arc<Path>,
    raft: Raft,
    published: Arc<Published>,
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("image", &self.published.image())
            .finish_non_exhaustive()
    }
}

impl Metadata {
    /// Opens the metadata in a directory, or begins a new cluster there. The directory is made when
    /// it is missing; its parent is there and durable.
    ///
    /// On return the node leads and the image has every command that was ever answered. Costs two
    /// synced writes at the first start and one at later ones.
    pub async fn open(io: Io, dir: PathBuf, node: NodeConfig) -> Result<Self, OpenError> {
        let (log, machine) = open_files(&io, dir.clone()).await?;
        let published = machine.published();
        let id = raft_id(node.node_id)?;
        let raft = Raft::new(id, raft_config(), NoPeers, log, machine)
            .await
            .map_err(unavailable)?;
        let metadata = Self {
            io: io.clone(),
            dir: dir.into(),
            raft,
            published,
        };
        metadata.check_owner(node.node_id, id).await?;
        metadata.lead(id).await?;
        metadata.read_index().await.map_err(unavailable)?;
        metadata.begin_cluster(&*io.random, node.features).await?;
        Ok(metadata)
    }

    /// Returns the newest image. Lock-free.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.published.image()
    }

    /// Returns a receiver that sees every newest image; one that is slow skips some.
    pub fn watch(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.published.watch()
    }

    /// Proposes a command and waits until it is durable, committed and applied; [`Self::image`]
    /// then shows it.
    ///
    /// Cancel: the command may be carried out without the caller.
    pub async fn propose(&self, command: MetadataCommand) -> Result<MetadataReply, ProposeError> {
        check_size(&command)?;
        self.check_room()?;
        match self.raft.client_write(command).await {
            Ok(response) => response.data.map_err(ProposeError::Refused),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(ProposeError::Unavailable {
                    reason: forward.to_string(),
                })
            }
            Err(error) => Err(ProposeError::Unavailable {
                reason: error.to_string(),
            }),
        }
    }

    /// Refuses a command while the disk is full. A write that fails ends the log until the next
    /// start, whatever the reason; a refusal ends when there is room.
    fn check_room(&self) -> Result<(), ProposeError> {
        let unavailable = |reason: String| ProposeError::Unavailable { reason };
        let space = self.io.disk.space(&self.dir);
        let available = space
            .map_err(|error| unavailable(error.to_string()))?
            .available_bytes;
        if available < ROOM_BYTES_MIN {
            return Err(unavailable(format!(
                "expected {ROOM_BYTES_MIN} bytes of free disk, found {available}"
            )));
        }
        Ok(())
    }

    /// Returns what Raft knows of itself at this moment.
    pub fn quorum(&self) -> Quorum {
        quorum_of(&self.raft.metrics().borrow())
    }

    /// Waits until the image has everything that was committed when this was called.
    pub async fn read_index(&self) -> Result<(), ProposeError> {
        match self.raft.ensure_linearizable().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ProposeError::Unavailable {
                reason: error.to_string(),
            }),
        }
    }

    /// Stops. Everything answered is on disk already.
    pub async fn close(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "metadata did not stop cleanly");
        }
    }

    #[cfg(test)]
    pub(crate) fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Takes the lead of the group of one. Nobody competes, so no timer is involved.
    async fn lead(&self, id: u64) -> Result<(), OpenError> {
        if self.raft.is_initialized().await.map_err(unavailable)? {
            let state = self.raft.metrics().borrow().state;
            if state != ServerState::Leader {
                self.raft.trigger().elect().await.map_err(unavailable)?;
            }
        } else {
            let members = BTreeMap::from([(id, BasicNode::default())]);
            self.raft.initialize(members).await.map_err(unavailable)?;
        }
        let wait = self.raft.wait(Some(START_MAX));
        wait.state(ServerState::Leader, "lead the metadata")
            .await
            .map(drop)
            .map_err(unavailable)
    }

    async fn check_owner(&self, expected: BrokerId, id: u64) -> Result<(), OpenError> {
        let voter = |state: &RaftState| {
            state
                .membership_state
                .effective()
                .membership()
                .voter_ids()
                .next()
        };
        let owner = self
            .raft
            .with_raft_state(voter)
            .await
            .map_err(unavailable)?;
        match owner {
            Some(owner) if owner != id => {
                let found = BrokerId(i32::try_from(owner).unwrap_or(i32::MAX));
                Err(OpenError::WrongNode { expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Gives a new cluster its id, in the form Kafka gives.
    async fn begin_cluster(
        &self,
        random: &dyn Random,
        features: BTreeMap<String, i16>,
    ) -> Result<(), OpenError> {
        if !self.image().cluster_id().is_empty() {
            return Ok(());
        }
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let cluster_id = kafka_uuid(Uuid::from_bytes(bytes));
        let command = MetadataCommand::Initialize {
            cluster_id,
            features,
        };
        self.propose(command).await.map(drop).map_err(unavailable)
    }
}

async fn open_files(io: &Io, path: PathBuf) -> Result<(LogStore, StateMachine), OpenError> {
    let (disk, spawn) = (Arc::clone(&io.disk), Arc::clone(&io.spawn));
    let open = move || {
        let dir = MetaDir::create(disk, path)?;
        let log = LogStore::open(Arc::clone(&spawn), dir.clone())?;
        Ok((log, StateMachine::open(spawn, dir)?))
    };
    let opened = blocking(&*io.spawn, open).await;
    Ok(opened.unwrap_or(Err(MetaFileError::Offline))?)
}

/// No ticks: a group of one needs neither heartbeats nor election timeouts, and the simulator no
/// timers that draw randomness.
fn raft_config() -> Arc<Config> {
    let config = Config {
        cluster_name: "sprawl".to_owned(),
        enable_tick: false,
        enable_heartbeat: false,
        enable_elect: false,
        max_payload_entries: ENTRIES_PER_WRITE_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_AFTER_COUNT),
        max_in_snapshot_log_to_keep: KEPT_AFTER_SNAPSHOT_COUNT,
        ..Config::default()
    };
    Arc::new(
        config
            .validate()
            .expect("the constants above are consistent"),
    )
}

fn raft_id(id: BrokerId) -> Result<u64, OpenError> {
    u64::try_from(id.0)
        .map_err(|_| unavailable(format!("expected a node id of 0 or more, found {id}")))
}

fn check_size(command: &MetadataCommand) -> Result<(), ProposeError> {
    let encoded = serde_json::to_vec(command);
    let found = encoded.map_err(|error| ProposeError::Unavailable {
        reason: error.to_string(),
    })?;
    let (found, max) = (found.len(), COMMAND_BYTES_MAX);
    if found > max {
        Err(ProposeError::TooLarge { max, found })
    } else {
        Ok(())
    }
}

fn unavailable(reason: impl ToString) -> OpenError {
    OpenError::Unavailable {
        reason: reason.to_string(),
    }
}
