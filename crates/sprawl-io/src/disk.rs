//! Files and directories: blocking calls, positions in bytes, durability only after a sync.
//!
//! A write is durable after [`File::sync_data`]; a created, renamed or removed name is durable
//! after [`Disk::sync_dir`] of its directory. A failed sync says nothing about earlier writes: the
//! caller stops using the file (I28 in the correctness page).

mod aligned;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use aligned::AlignedBuffer;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, reads only.
    Read,
    /// Existing or new file, reads and writes through the page cache.
    ReadWrite,
    /// New file, reads and writes through the page cache; fails when the name is taken.
    CreateNew,
    /// Existing or new file, reads and writes that bypass the page cache. Every position, length
    /// and buffer address is a multiple of [`DIRECT_ALIGN_BYTES`]. Falls back to `ReadWrite` on
    /// file systems without direct I/O.
    Direct,
}

/// The alignment direct I/O asks of positions, lengths and buffer addresses, in bytes.
pub const DIRECT_ALIGN_BYTES: usize = 4096;

/// What a directory entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name inside its directory.
    pub name: String,
    /// File or directory.
    pub is_dir: bool,
}

/// A file system, or a simulated one.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Returns the size of the file at `path` in bytes, or `None` where nothing has that name.
    fn size(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Lists a directory, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Creates a directory and its parents; existing ones are fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file over another, or a directory to a free name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names inside a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns total and available bytes of the disk that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes an exclusive lock on a file, held until the guard is dropped. Fails with
    /// `WouldBlock` when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Resolves `path` to a real path for libraries that open files themselves (RocksDB), or `None`
    /// on a simulated disk.
    fn real_path(&self, path: &Path) -> Option<PathBuf>;

    /// Reads a whole file of at most `bytes_max` bytes.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let size = file.size()?;
        if size > bytes_max {
            let message = format!(
                "{} is {size} bytes, expected at most {bytes_max}",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Total and available bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All bytes.
    pub total_bytes: u64,
    /// Bytes this process may still write.
    pub available_bytes: u64,
}

/// An open file. Reads and writes name their position, so a handle is shared freely.
pub trait File: Debug + Send + Sync + 'static {
    /// Reads up to `bytes.len()` bytes at `position`; 0 means end of file.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `slices`, in order, at `position`.
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Makes everything written so far durable (data and size, as `fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Returns the size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros) the file.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Returns the descriptor for kernel copies (`sendfile`), or `None` on a simulated disk.
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>>;

    /// Reads exactly `bytes.len()` bytes, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, position.saturating_add(done as u64))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done = done.saturating_add(read),
            }
        }
        Ok(())
    }
}
