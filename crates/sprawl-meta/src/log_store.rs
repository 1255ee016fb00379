//! The Raft log: all entries since the last purge in memory, every change on disk before it counts.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use sprawl_io::Spawn;
use sprawl_io::spawn::blocking;

use crate::error::MetaFileError;
use crate::files::{LogFile, MetaDir, VOTE_FILE};
use crate::frame::Frame;
use crate::types::{Entry, LogId, StorageResult, Types, Vote, read_failed, write_failed};

/// The log of one node. Clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    spawn: Arc<dyn Spawn>,
    /// Held while a file is written: Raft's writes must not overlap.
    file: Arc<Mutex<LogFile>>,
    /// Held for a moment at a time, never while a file is written.
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    purged: Option<LogId>,
    by_index: BTreeMap<u64, Entry>,
}

impl Entries {
    fn replay(&mut self, frame: Frame) {
        match frame {
            Frame::Append(entries) => {
                self.by_index
                    .extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
            }
            Frame::Truncate { since } => drop(self.by_index.split_off(&since)),
            Frame::Purged { upto } => {
                self.by_index = self.by_index.split_off(&upto.index.saturating_add(1));
                self.purged = Some(upto);
            }
        }
    }
}

impl LogStore {
    /// Opens the log in a directory. Blocks.
    pub(crate) fn open(spawn: Arc<dyn Spawn>, dir: MetaDir) -> Result<Self, MetaFileError> {
        let (file, frames) = LogFile::open(dir)?;
        let mut entries = Entries::default();
        for frame in frames {
            entries.replay(frame);
        }
        let (file, entries) = (Arc::new(Mutex::new(file)), Arc::new(Mutex::new(entries)));
        Ok(Self {
            spawn,
            file,
            entries,
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a blocking call on the file, off the async threads.
    async fn with_file<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut LogFile) -> Result<T, MetaFileError> + Send + 'static,
    ) -> Result<T, MetaFileError> {
        let file = Arc::clone(&self.file);
        let call = move || call(&mut file.lock().unwrap_or_else(PoisonError::into_inner));
        blocking(&*self.spawn, call)
            .await
            .unwrap_or(Err(MetaFileError::Offline))
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> StorageResult<Vec<Entry>> {
        Ok(self
            .entries()
            .by_index
            .range(range)
            .map(|(_, entry)| entry.clone())
            .collect())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> StorageResult<LogState<Types>> {
        let entries = self.entries();
        let last = entries
            .by_index
            .last_key_value()
            .map(|(_, entry)| entry.log_id);
        let last_purged_log_id = entries.purged;
        Ok(LogState {
            last_purged_log_id,
            last_log_id: last.or(last_purged_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> StorageResult<()> {
        let vote = *vote;
        let saved = self
            .with_file(move |log| log.dir().write_value(VOTE_FILE, &vote))
            .await;
        saved.map_err(|error| write_failed(&error))
    }

    async fn read_vote(&mut self) -> StorageResult<Option<Vote>> {
        let read = self.with_file(|log| log.dir().read_value(VOTE_FILE)).await;
        read.map_err(|error| read_failed(&error))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> StorageResult<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let frame = Frame::Append(entries.clone());
        let written = self.with_file(move |log| log.write(&frame)).await;
        written.map_err(|error| write_failed(&error))?;
        self.entries().replay(Frame::Append(entries));
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> StorageResult<()> {
        let frame = Frame::Truncate {
            since: log_id.index,
        };
        let written = self.with_file(move |log| log.write(&frame)).await;
        written.map_err(|error| write_failed(&error))?;
        self.entries().replay(Frame::Truncate {
            since: log_id.index,
        });
        Ok(())
    }

    /// Rewrites the file with what is left. Snapshots are rare and what is kept after one is
    /// bounded ([`crate::metadata`]), so this costs less than managing many files.
    async fn purge(&mut self, log_id: LogId) -> StorageResult<()> {
        let kept: Vec<Entry> = {
            let entries = self.entries();
            entries
                .by_index
                .range(log_id.index.saturating_add(1)..)
                .map(|(_, e)| e.clone())
                .collect()
        };
        let mut frames = vec![Frame::Purged { upto: log_id }];
        if !kept.is_empty() {
            frames.push(Frame::Append(kept));
        }
        let written = self.with_file(move |log| log.rewrite(&frames)).await;
        written.map_err(|error| write_failed(&error))?;
        self.entries().replay(Frame::Purged { upto: log_id });
        Ok(())
    }
}
