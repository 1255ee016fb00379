//! Applies committed commands, publishes the image, and keeps snapshots of it.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use serde::{Deserialize, Serialize};
use sprawl_core::metadata::{ImageSnapshot, MetadataError, MetadataImage, MetadataReply, apply};
use sprawl_io::Spawn;
use sprawl_io::spawn::blocking;
use tokio::sync::watch;

use crate::error::MetaFileError;
use crate::files::{MetaDir, SNAPSHOT_FILE};
use crate::types::{
    Entry, LogId, Snapshot, SnapshotMeta, StorageResult, StoredMembership, Types, read_failed,
    write_failed,
};

/// Where readers find the newest image.
#[derive(Debug)]
pub(crate) struct Published {
    image: ArcSwap<MetadataImage>,
    changes: watch::Sender<Arc<MetadataImage>>,
}

impl Published {
    fn new(image: MetadataImage) -> Arc<Self> {
        let image = Arc::new(image);
        let changes = watch::Sender::new(Arc::clone(&image));
        Arc::new(Self {
            image: ArcSwap::new(image),
            changes,
        })
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.changes.subscribe()
    }

    fn publish(&self, image: MetadataImage) {
        let image = Arc::new(image);
        self.image.store(Arc::clone(&image));
        self.changes.send_replace(image);
    }
}

/// What the file `snapshot` holds, and what travels to another node.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SnapshotFile {
    meta: SnapshotMeta,
    image: ImageSnapshot,
}

/// The state machine. Clones share their state, so that a snapshot can be built while commands are
/// applied.
#[derive(Clone, Debug)]
pub(crate) struct StateMachine {
    spawn: Arc<dyn Spawn>,
    dir: MetaDir,
    state: Arc<Mutex<State>>,
    published: Arc<Published>,
}

#[derive(Clone, Debug, Default)]
struct State {
    image: MetadataImage,
    last_applied: Option<LogId>,
    membership: StoredMembership,
    snapshot_count: u64,
}

impl StateMachine {
    /// Opens the state machine at its last snapshot; Raft replays what follows. Blocks.
    pub(crate) fn open(spawn: Arc<dyn Spawn>, dir: MetaDir) -> Result<Self, MetaFileError> {
        let mut state = State::default();
        if let Some(file) = dir.read_value::<SnapshotFile>(SNAPSHOT_FILE)? {
            state.image = image_of(file.image)?;
            state.last_applied = file.meta.last_log_id;
            state.membership = file.meta.last_membership;
        }
        let published = Published::new(state.image.clone());
        Ok(Self {
            spawn,
            dir,
            state: Arc::new(Mutex::new(state)),
            published,
        })
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    fn with_state<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn save(&self, file: SnapshotFile) -> Result<(), MetaFileError> {
        let dir = self.dir.clone();
        let write = move || dir.write_value(SNAPSHOT_FILE, &file);
        blocking(&*self.spawn, write)
            .await
            .unwrap_or(Err(MetaFileError::Offline))
    }
}

impl State {
    fn apply(&mut self, entry: Entry) -> Result<MetadataReply, MetadataError> {
        self.last_applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(MetadataReply::Done),
            EntryPayload::Normal(command) => apply(&mut self.image, entry.log_id.index, &command),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Ok(MetadataReply::Done)
            }
        }
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> StorageResult<(Option<LogId>, StoredMembership)> {
        Ok(self.with_state(|state| (state.last_applied, state.membership.clone())))
    }

    async fn apply<I>(
        &mut self,
        entries: I,
    ) -> StorageResult<Vec<Result<MetadataReply, MetadataError>>>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (replies, image) = self.with_state(|state| {
            let replies = entries
                .into_iter()
                .map(|entry| state.apply(entry))
                .collect();
            (replies, state.image.clone())
        });
        // Published before Raft answers the proposer, who then finds what it did.
        self.published.publish(image);
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> StorageResult<Box<Cursor<Vec<u8>>>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> StorageResult<()> {
        let mut file = decode(snapshot.get_ref()).map_err(|error| read_failed(&error))?;
        file.meta = meta.clone();
        let image = image_of(file.image.clone()).map_err(|error| read_failed(&error))?;
        self.save(file)
            .await
            .map_err(|error| write_failed(&error))?;
        self.with_state(|state| {
            state.image = image.clone();
            state.last_applied = meta.last_log_id;
            state.membership = meta.last_membership.clone();
        });
        self.published.publish(image);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> StorageResult<Option<Snapshot>> {
        let dir = self.dir.clone();
        let read = move || dir.read_value::<SnapshotFile>(SNAPSHOT_FILE);
        let read = blocking(&*self.spawn, read)
            .await
            .unwrap_or(Err(MetaFileError::Offline));
        let Some(file) = read.map_err(|error| read_failed(&error))? else {
            return Ok(None);
        };
        transfer(file)
            .map(Some)
            .map_err(|error| read_failed(&error))
    }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    async fn build_snapshot(&mut self) -> StorageResult<Snapshot> {
        let file = self.with_state(|state| {
            state.snapshot_count = state.snapshot_count.saturating_add(1);
            let index = state.last_applied.map_or(0, |log_id| log_id.index);
            let meta = SnapshotMeta {
                last_log_id: state.last_applied,
                last_membership: state.membership.clone(),
                snapshot_id: format!("{index}-{}", state.snapshot_count),
            };
            SnapshotFile {
                meta,
                image: state.image.to_snapshot(),
            }
        });
        self.save(file.clone())
            .await
            .map_err(|error| write_failed(&error))?;
        transfer(file).map_err(|error| write_failed(&error))
    }
}

fn transfer(file: SnapshotFile) -> Result<Snapshot, MetaFileError> {
    let bytes = serde_json::to_vec(&file).map_err(encoding)?;
    Ok(Snapshot {
        meta: file.meta,
        snapshot: Box::new(Cursor::new(bytes)),
    })
}

fn decode(bytes: &[u8]) -> Result<SnapshotFile, MetaFileError> {
    serde_json::from_slice(bytes).map_err(encoding)
}

fn image_of(snapshot: ImageSnapshot) -> Result<MetadataImage, MetaFileError> {
    MetadataImage::from_snapshot(snapshot).map_err(|source| MetaFileError::Image {
        path: SNAPSHOT_FILE.name.into(),
        source,
    })
}

fn encoding(source: serde_json::Error) -> MetaFileError {
    MetaFileError::Encoding {
        path: SNAPSHOT_FILE.name.into(),
        source,
    }
}
