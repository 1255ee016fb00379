//! Files of the operating system.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use crate::disk::{Disk, Entry, File, OpenMode, Space};

/// How many slices one `pwritev` takes (`IOV_MAX` on Linux).
const SLICE_COUNT_MAX: usize = 1024;

/// The file system of this machine.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true).create(true).truncate(false);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
            OpenMode::Direct => {
                options.write(true).create(true).truncate(false);
                options.custom_flags(OFlags::DIRECT.bits().cast_signed());
            }
        }
        let file = match options.open(path) {
            // tmpfs and some others have no direct I/O; the page cache serves them as well.
            Err(error)
                if mode == OpenMode::Direct
                    && Errno::from_io_error(&error) == Some(Errno::INVAL) =>
            {
                options.custom_flags(0);
                options.open(path)
            }
            result => result,
        };
        Ok(Arc::new(RealFile(
            file.map_err(|error| name_path(error, path))?,
        )))
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(name_path(error, path)),
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| name_path(error, path))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                let message = format!("{} in {} is not UTF-8", name.display(), path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?;
            entries.push(Entry {
                name,
                is_dir: entry.file_type()?.is_dir(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path).map_err(|error| name_path(error, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|error| name_path(error, from))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|error| name_path(error, path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path).map_err(|error| name_path(error, path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| name_path(error, path))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path).map_err(|error| name_path(error.into(), path))?;
        Ok(Space {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| name_path(error, path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| name_path(error.into(), path))?;
        Ok(Box::new(file))
    }

    fn real_path(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

/// Adds the path, which the system's messages leave out; the kind stays.
fn name_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// An open file; closing it is dropping it.
#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(bytes, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let Some(mut done) = self.write_some(slices, position)? else {
            return Ok(());
        };
        if done == total {
            return Ok(());
        }
        // A short write: go on from where it ended with a list of our own.
        let mut rest = slices.to_vec();
        let mut rest = rest.as_mut_slice();
        IoSlice::advance_slices(&mut rest, done);
        while done < total {
            let position = position.saturating_add(done as u64);
            match self.write_some(rest, position)? {
                None | Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(written) => {
                    IoSlice::advance_slices(&mut rest, written);
                    done += written;
                }
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

impl RealFile {
    /// Writes what one call takes; `None` where there is nothing to write.
    fn write_some(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<Option<usize>> {
        let first = slices.get(..SLICE_COUNT_MAX).unwrap_or(slices);
        if first.iter().all(|slice| slice.is_empty()) && first.len() == slices.len() {
            return Ok(None);
        }
        loop {
            match rustix::io::pwritev(&self.0, first, position) {
                Err(Errno::INTR) => {}
                result => return Ok(Some(result?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{AlignedBuffer, DIRECT_ALIGN_BYTES};

    /// A directory of its own under the build's, so that direct I/O meets a real file system.
    struct TestDir(PathBuf);

    impl TestDir {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("sprawl-io-{name}-{}", std::process::id()));
            RealDisk.create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for TestDir {
        fn drop(&mut self) {
            RealDisk.remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn slices_are_written_in_order_at_their_position() {
        let dir = TestDir::new("slices");
        let path = dir.0.join("f");
        let file = RealDisk.open(&path, OpenMode::CreateNew).unwrap();
        let pieces: Vec<[u8; 3]> = (0..3000_u32)
            .map(|i| [i as u8, (i >> 8) as u8, 7])
            .collect();
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        file.write_at(&slices, 5).unwrap();
        file.write_at(&[], 0).unwrap();
        file.write_at(&[IoSlice::new(&[])], 0).unwrap();
        file.sync_data().unwrap();
        assert_eq!(file.size().unwrap(), 9005);
        let bytes = RealDisk.read(&path, 9005).unwrap();
        assert_eq!(bytes[..5], [0; 5]);
        assert_eq!(bytes[5..], pieces.concat());
        let too_large = RealDisk.read(&path, 9004).unwrap_err();
        assert_eq!(too_large.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn direct_files_take_aligned_buffers() {
        let dir = TestDir::new("direct");
        let path = dir.0.join("f");
        let file = RealDisk.open(&path, OpenMode::Direct).unwrap();
        let mut buffer = AlignedBuffer::default();
        buffer.extend_from_slice(&[5; 5000]);
        buffer.pad_to_alignment();
        file.write_at(
            &[IoSlice::new(buffer.as_slice())],
            DIRECT_ALIGN_BYTES as u64,
        )
        .unwrap();
        file.sync_data().unwrap();
        let mut read = AlignedBuffer::default();
        read.resize_for_overwrite(2 * DIRECT_ALIGN_BYTES);
        file.read_exact_at(read.as_mut_slice(), DIRECT_ALIGN_BYTES as u64)
            .unwrap();
        assert_eq!(read.as_slice(), buffer.as_slice());
        assert_eq!(file.read_at(read.as_mut_slice(), 1 << 20).unwrap(), 0);
    }

    #[test]
    fn names_follow_create_rename_and_remove() {
        let dir = TestDir::new("names");
        let (a, b) = (dir.0.join("a"), dir.0.join("b"));
        RealDisk.open(&a, OpenMode::CreateNew).unwrap();
        let taken = RealDisk.open(&a, OpenMode::CreateNew).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        RealDisk.rename(&a, &b).unwrap();
        RealDisk.create_dir_all(&dir.0.join("d/e")).unwrap();
        RealDisk.sync_dir(&dir.0).unwrap();
        let entries = RealDisk.read_dir(&dir.0).unwrap();
        let names: Vec<_> = entries
            .iter()
            .map(|e| (e.name.as_str(), e.is_dir))
            .collect();
        assert_eq!(names, [("b", false), ("d", true)]);
        assert_eq!(
            (RealDisk.size(&a).unwrap(), RealDisk.size(&b).unwrap()),
            (None, Some(0))
        );
        RealDisk.remove_file(&b).unwrap();
        let gone = RealDisk.open(&b, OpenMode::Read).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        assert!(gone.to_string().contains("/b:"), "{gone}");
    }

    #[test]
    fn lock_is_exclusive_until_dropped() {
        let dir = TestDir::new("lock");
        let path = dir.0.join("lock");
        let guard = RealDisk.lock(&path).unwrap();
        assert_eq!(
            RealDisk.lock(&path).err().unwrap().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(guard);
        RealDisk.lock(&path).unwrap();
    }

    #[test]
    fn space_is_told() {
        let space = RealDisk.space(&std::env::temp_dir()).unwrap();
        assert!(space.total_bytes >= space.available_bytes);
        assert!(space.total_bytes > 0);
    }
}
