//! The state store on RocksDB, tuned to be small: no write-ahead log, one memtable, one flush.
//!
//! All our column families share RocksDB's default one, told apart by the first byte of the key:
//! one memtable flush is then atomic over all of them, which this version of the library cannot
//! ask for over several. Without a write-ahead log a crash leaves the state of the last flush.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Direction, ErrorKind, FlushOptions,
    IteratorMode, LogLevel, Options, ReadOptions, WriteOptions,
};
use sprawl_io::Disk;

use super::{ColumnFamily, Pairs, StateError, StateStore, WriteBatch, full_key};

const WRITE_BUFFER_BYTES: usize = 4 << 20;
const BLOCK_CACHE_BYTES: usize = 4 << 20;
const OPEN_FILES_MAX: i32 = 64;
const INFO_LOG_FILES_MAX: usize = 2;
/// Damaged stores kept for inspection; the oldest name is reused beyond it.
const ASIDE_COUNT_MAX: u32 = 100;

/// What was found when a state store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateCondition {
    /// Opened, or created empty.
    Sound,
    /// It was damaged, was put aside under this path, and starts empty.
    PutAside {
        /// Where the damaged files are.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
    },
}

/// Keeps state in a RocksDB directory.
pub struct RocksStore {
    db: RwLock<Option<DB>>,
    path: PathBuf,
    disk: std::sync::Arc<dyn Disk>,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl RocksStore {
    /// Opens or creates the store at `path`; a damaged one is moved aside.
    pub fn open(
        disk: std::sync::Arc<dyn Disk>,
        path: &Path,
    ) -> Result<(Self, StateCondition), StateError> {
        match open_db(path) {
            Ok(db) => {
                let store = Self {
                    db: RwLock::new(Some(db)),
                    path: path.to_path_buf(),
                    disk,
                };
                Ok((store, StateCondition::Sound))
            }
            Err(StateError::Corrupt(reason)) => {
                let aside = put_aside(disk.as_ref(), path)?;
                tracing::warn!(path = %aside.display(), reason, "state store is damaged and was put aside");
                let db = open_db(path)?;
                let store = Self {
                    db: RwLock::new(Some(db)),
                    path: path.to_path_buf(),
                    disk,
                };
                Ok((
                    store,
                    StateCondition::PutAside {
                        path: aside,
                        reason,
                    },
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens an existing store for reading, as a tool does; a damaged one is an error and stays.
    pub fn open_read_only(disk: std::sync::Arc<dyn Disk>, path: &Path) -> Result<Self, StateError> {
        let db = DB::open_for_read_only(&Options::default(), path, false)
            .map_err(|error| state_error(&error))?;
        Ok(Self {
            db: RwLock::new(Some(db)),
            path: path.to_path_buf(),
            disk,
        })
    }

    fn with<T>(
        &self,
        call: impl FnOnce(&DB) -> Result<T, rocksdb::Error>,
    ) -> Result<T, StateError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db
            .as_ref()
            .ok_or_else(|| StateError::Failed("store is not open".to_owned()))?;
        call(db).map_err(|error| state_error(&error))
    }
}

impl StateStore for RocksStore {
    fn get(&self, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.with(|db| db.get(full_key(family, key)))
    }

    fn scan(&self, family: ColumnFamily, prefix: &[u8]) -> Result<Pairs, StateError> {
        self.scan_from(family, prefix, prefix, usize::MAX)
    }

    fn scan_from(
        &self,
        family: ColumnFamily,
        prefix: &[u8],
        from: &[u8],
        count: usize,
    ) -> Result<Pairs, StateError> {
        let (prefix, from) = (full_key(family, prefix), full_key(family, from));
        self.with(|db| {
            let mut pairs = Pairs::new();
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            let mode = IteratorMode::From(&from, Direction::Forward);
            for pair in db.iterator_opt(mode, options).take(count) {
                let (key, value) = pair?;
                if !key.starts_with(&prefix) {
                    break;
                }
                pairs.push((key.get(1..).unwrap_or_default().to_vec(), value.into_vec()));
            }
            Ok(pairs)
        })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StateError> {
        let mut changes = rocksdb::WriteBatch::default();
        for (key, value) in batch.changes {
            match value {
                Some(value) => changes.put(key, value),
                None => changes.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.with(|db| db.write_opt(changes, &options))
    }

    fn flush(&self) -> Result<(), StateError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.with(|db| db.flush_opt(&options))
    }

    fn reset(&self) -> Result<(), StateError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        drop(db.take());
        let aside = put_aside(self.disk.as_ref(), &self.path)?;
        tracing::warn!(path = %aside.display(), "state store is damaged and was put aside");
        *db = Some(open_db(&self.path)?);
        Ok(())
    }
}

fn open_db(path: &Path) -> Result<DB, StateError> {
    let mut table = BlockBasedOptions::default();
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES).map_err(|error| state_error(&error))?;
    table.set_block_cache(&cache);
    let mut options = Options::default();
    options.create_if_missing(true);
    // The bundled build has no codec, and RocksDB's default of one that is not there is refused by
    // some versions and passed over by others. Keys and metas are small; batches are not in here.
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(INFO_LOG_FILES_MAX);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options.set_paranoid_checks(true);
    DB::open(&options, path).map_err(|error| match error.kind() {
        // A manifest that names a missing table is damage too; RocksDB calls that an I/O error.
        ErrorKind::IOError if error.to_string().contains("No such file") => {
            StateError::Corrupt(error.to_string())
        }
        _ => state_error(&error),
    })
}

fn put_aside(disk: &dyn Disk, path: &Path) -> Result<PathBuf, StateError> {
    let failed = |error: std::io::Error| StateError::Failed(error.to_string());
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new("."));
    let taken = disk.read_dir(parent).map_err(failed)?;
    let free = (1..=ASIDE_COUNT_MAX)
        .map(|n| format!("{name}.damaged-{n}"))
        .find(|name| !taken.iter().any(|entry| entry.name == *name));
    let Some(free) = free else {
        let reason = format!("{ASIDE_COUNT_MAX} damaged copies of {name} exist, remove some");
        return Err(StateError::Failed(reason));
    };
    let aside = parent.join(free);
    disk.rename(path, &aside).map_err(failed)?;
    disk.sync_dir(parent).map_err(failed)?;
    Ok(aside)
}

fn state_error(error: &rocksdb::Error) -> StateError {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Corruption => StateError::Corrupt(message),
        ErrorKind::IOError if message.contains("No space left") => StateError::NoSpace(message),
        _ => StateError::Failed(message),
    }
}
