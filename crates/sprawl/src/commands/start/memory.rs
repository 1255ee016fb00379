//! How much memory may the hot queue take? A quarter of what this process can have: the machine's,
//! or less where a control group says so.

use std::path::Path;

use sprawl_io::Disk;
use sprawl_io::disk::OpenMode;

/// Assumed where the kernel does not say.
const UNKNOWN_BYTES: u64 = 1024 * 1024 * 1024;

/// The limits of version 2 and version 1 control groups, as seen from inside one.
const CGROUP_FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Returns the hot queue's share of memory in bytes.
pub(super) fn hot_bytes_max(disk: &dyn Disk) -> u64 {
    let machine = first_kib(&read(disk, "/proc/meminfo")).unwrap_or(UNKNOWN_BYTES);
    let groups = CGROUP_FILES
        .iter()
        .filter_map(|path| read(disk, path).trim().parse().ok());
    groups.fold(machine, u64::min) / 4
}

/// Reads the start of a file that the kernel makes up and says has no size.
fn read(disk: &dyn Disk, path: &str) -> String {
    let mut bytes = [0; 256];
    let opened = disk.open(Path::new(path), OpenMode::Read);
    let size = opened
        .and_then(|file| file.read_at(&mut bytes, 0))
        .unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..size).unwrap_or_default()).into_owned()
}

/// `MemTotal:       24677104 kB` is the first line.
fn first_kib(meminfo: &str) -> Option<u64> {
    let kib: u64 = meminfo
        .lines()
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use sprawl_io::Io;

    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        assert_eq!(
            first_kib("MemTotal:  2048 kB\nMemFree: 1 kB"),
            Some(2 * 1024 * 1024)
        );
        assert_eq!(first_kib("nonsense"), None);
    }

    #[test]
    fn this_machine_has_memory_for_a_hot_queue() {
        let bytes = hot_bytes_max(Io::real().disk.as_ref());
        assert!(bytes > 16 * 1024 * 1024, "{bytes}");
    }
}
