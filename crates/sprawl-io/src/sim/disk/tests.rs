//! Every fault does what its name says, and nothing else.

use std::collections::BTreeSet;
use std::io::IoSlice;

use super::*;
use crate::disk::{AlignedBuffer, DIRECT_ALIGN_BYTES, File, OpenMode};

fn new(seed: u64) -> (SimDisk, Arc<dyn Disk>) {
    let disk = SimDisk::new(seed, &Arc::default());
    let process = disk.restart();
    process.create_dir_all(Path::new("/d")).unwrap();
    process.sync_dir(Path::new("/")).unwrap();
    (disk, process)
}

fn create(process: &Arc<dyn Disk>, name: &str) -> Arc<dyn File> {
    let file = process
        .open(&Path::new("/d").join(name), OpenMode::ReadWrite)
        .unwrap();
    process.sync_dir(Path::new("/d")).unwrap();
    file
}

fn write(file: &Arc<dyn File>, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_at(&[IoSlice::new(bytes)], position)
}

fn read(process: &Arc<dyn Disk>, name: &str) -> Vec<u8> {
    process.read(&Path::new("/d").join(name), 1 << 20).unwrap()
}

#[test]
fn power_cut_keeps_what_was_synced_and_keeps_loses_or_tears_the_rest() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        let (disk, process) = new(seed);
        let file = create(&process, "f");
        write(&file, &[1; 1024], 0).unwrap();
        file.sync_data().unwrap();
        write(&file, &[2; 1024], 0).unwrap();
        disk.crash(CrashKind::PowerCut);
        let bytes = read(&disk.restart(), "f");
        assert_eq!(bytes.len(), 1024);
        let sectors = [bytes[0], bytes[512]];
        assert_eq!(
            bytes,
            [vec![sectors[0]; 512], vec![sectors[1]; 512]].concat()
        );
        outcomes.insert(sectors);
    }
    assert_eq!(
        outcomes.len(),
        4,
        "kept, lost and torn either way: {outcomes:?}"
    );
}

#[test]
fn kill_keeps_every_write_but_may_cut_the_one_under_way() {
    let mut sizes = BTreeSet::new();
    for seed in 0..40 {
        let (disk, process) = new(seed);
        let file = create(&process, "f");
        write(&file, &[1; 1000], 0).unwrap();
        disk.crash_at(disk.operation_count(), CrashKind::Kill);
        assert!(write(&file, &[2; 2000], 1000).is_err());
        assert!(disk.is_down());
        let bytes = read(&disk.restart(), "f");
        assert_eq!(bytes[..1000], [1; 1000]);
        assert!(bytes[1000..].iter().all(|byte| *byte == 2));
        sizes.insert(bytes.len());
    }
    assert_eq!(sizes, BTreeSet::from([1000, 1512, 2024, 2536, 3000]));
}

#[test]
fn what_a_kill_kept_is_still_lost_by_a_later_power_cut() {
    let lost = (0..20)
        .filter(|seed| {
            let (disk, process) = new(*seed);
            write(&create(&process, "f"), &[1; 512], 0).unwrap();
            disk.crash(CrashKind::Kill);
            assert_eq!(read(&disk.restart(), "f"), [1; 512]);
            disk.crash(CrashKind::PowerCut);
            read(&disk.restart(), "f").is_empty()
        })
        .count();
    assert!((1..20).contains(&lost), "{lost} of 20");
}

#[test]
fn after_a_crash_old_handles_fail_for_good() {
    let (disk, process) = new(1);
    let file = create(&process, "f");
    let guard = process.lock(Path::new("/d/lock")).unwrap();
    disk.crash_at(disk.operation_count(), CrashKind::Kill);
    assert!(file.sync_data().is_err());
    assert!(file.read_at(&mut [0; 4], 0).is_err());
    assert!(process.open(Path::new("/d/f"), OpenMode::Read).is_err());
    let next = disk.restart();
    assert!(write(&file, b"zombie", 0).is_err());
    assert!(process.remove_file(Path::new("/d/f")).is_err());
    // The lock died with its process; dropping its guard late does not free the successor's.
    let held = next.lock(Path::new("/d/lock")).unwrap();
    drop(guard);
    let refused = next.lock(Path::new("/d/lock")).err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    drop(held);
    next.lock(Path::new("/d/lock")).unwrap();
}

#[test]
fn names_wait_for_their_directory() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..60 {
        let (disk, process) = new(seed);
        let file = create(&process, "old");
        write(&file, b"x", 0).unwrap();
        file.sync_data().unwrap();
        process
            .open(Path::new("/d/new"), OpenMode::CreateNew)
            .unwrap();
        process
            .rename(Path::new("/d/old"), Path::new("/d/moved"))
            .unwrap();
        disk.crash(CrashKind::PowerCut);
        let next = disk.restart();
        let names: Vec<String> = next
            .read_dir(Path::new("/d"))
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        let moved = names.iter().find(|name| *name != "new").unwrap();
        assert_eq!(read(&next, moved), b"x", "a rename loses nothing");
        outcomes.insert(names);
    }
    assert_eq!(outcomes.len(), 4, "each name kept or not: {outcomes:?}");
}

#[test]
fn synced_names_survive_with_what_they_rest_on() {
    for seed in 0..20 {
        let (disk, process) = new(seed);
        process.create_dir_all(Path::new("/d/e")).unwrap();
        let file = process
            .open(Path::new("/d/e/tmp"), OpenMode::CreateNew)
            .unwrap();
        write(&file, b"whole", 0).unwrap();
        file.sync_data().unwrap();
        process
            .rename(Path::new("/d/e/tmp"), Path::new("/d/final"))
            .unwrap();
        process.sync_dir(Path::new("/d")).unwrap();
        disk.crash(CrashKind::PowerCut);
        assert_eq!(read(&disk.restart(), "final"), b"whole");
    }
}

/// Writes 512 bytes whose sync fails, does `then`, and returns what a power cut leaves.
fn after_failed_sync(seed: u64, then: impl Fn(&Arc<dyn File>)) -> Vec<u8> {
    let (disk, process) = new(seed);
    let file = create(&process, "f");
    write(&file, &[1; 512], 0).unwrap();
    disk.fail_nth(OpKind::Sync, 1);
    assert!(file.sync_data().is_err());
    then(&file);
    assert_eq!(read(&process, "f"), [1; 512]);
    disk.crash(CrashKind::PowerCut);
    read(&disk.restart(), "f")
}

#[test]
fn failed_sync_may_lose_what_waited_and_the_next_one_lies() {
    let lost = (0..20)
        .filter(|seed| after_failed_sync(*seed, |file| file.sync_data().unwrap()).is_empty())
        .count();
    assert!((1..20).contains(&lost), "{lost} of 20");
}

#[test]
fn bytes_written_again_after_a_failed_sync_are_covered_by_the_next() {
    for seed in 0..20 {
        let left = after_failed_sync(seed, |file| {
            write(file, &[1; 512], 0).unwrap();
            file.sync_data().unwrap();
        });
        assert_eq!(left, [1; 512]);
    }
}

#[test]
fn nth_operation_of_its_kind_fails_once() {
    let (disk, process) = new(1);
    let file = create(&process, "f");
    disk.fail_nth(OpKind::Write, 2);
    disk.fail_nth(OpKind::Read, 1);
    write(&file, b"a", 0).unwrap();
    assert!(write(&file, b"b", 1).is_err());
    write(&file, b"c", 1).unwrap();
    assert!(file.read_at(&mut [0; 2], 0).is_err());
    assert_eq!(read(&process, "f"), b"ac");
    disk.fail_nth(OpKind::Name, 1);
    assert!(
        process
            .rename(Path::new("/d/f"), Path::new("/d/g"))
            .is_err()
    );
    disk.fail_nth(OpKind::SyncDir, 1);
    assert!(process.sync_dir(Path::new("/d")).is_err());
}

#[test]
fn full_disk_takes_what_fits_and_says_so() {
    let (disk, process) = new(1);
    let file = create(&process, "f");
    write(&file, &[1; 1000], 0).unwrap();
    disk.limit_free_bytes(Some(500));
    assert_eq!(process.space(Path::new("/d")).unwrap().available_bytes, 500);
    let error = write(&file, &[2; 1000], 1000).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.size().unwrap(), 1500);
    write(&file, &[3; 1500], 0).unwrap();
    assert!(file.set_size(1501).is_err());
    process
        .open(Path::new("/d/g"), OpenMode::CreateNew)
        .unwrap();
    disk.limit_free_bytes(None);
    write(&file, &[2; 1000], 1000).unwrap();
}

#[test]
fn removed_file_frees_its_space() {
    let (disk, process) = new(1);
    let file = create(&process, "f");
    write(&file, &[1; 1000], 0).unwrap();
    disk.limit_free_bytes(Some(0));
    process.remove_file(Path::new("/d/f")).unwrap();
    assert_eq!(
        process.space(Path::new("/d")).unwrap().available_bytes,
        1000
    );
    assert_eq!(file.size().unwrap(), 1000, "an open file outlives its name");
    process.sync_dir(Path::new("/d")).unwrap();
    drop(file);
    assert!(disk.state().files.is_empty());
}

#[test]
fn flipped_bit_is_seen_and_survives_a_power_cut() {
    let (disk, process) = new(1);
    let file = create(&process, "segment");
    write(&file, &[0; 4096], 0).unwrap();
    file.sync_data().unwrap();
    assert!(disk.flip_bits("journal", 3).is_empty());
    let flips = disk.flip_bits("segment", 1);
    disk.crash(CrashKind::PowerCut);
    let bytes = read(&disk.restart(), "segment");
    let changed: Vec<u64> = (0..4096).filter(|at| bytes[*at as usize] != 0).collect();
    assert_eq!(changed, [flips[0].position]);
    assert_eq!(bytes[changed[0] as usize].count_ones(), 1);
}

#[test]
fn direct_file_refuses_what_the_kernel_refuses() {
    let (_disk, process) = new(1);
    let file = process.open(Path::new("/d/f"), OpenMode::Direct).unwrap();
    let mut buffer = AlignedBuffer::default();
    buffer.resize(DIRECT_ALIGN_BYTES);
    write(&file, buffer.as_slice(), 0).unwrap();
    file.read_exact_at(buffer.as_mut_slice(), 0).unwrap();
    assert!(write(&file, buffer.as_slice(), 512).is_err());
    assert!(write(&file, &buffer.as_slice()[..512], 0).is_err());
    assert!(file.read_at(&mut buffer.as_mut_slice()[1..], 0).is_err());
}

#[test]
fn image_brings_everything_back() {
    let (disk, process) = new(1);
    let file = create(&process, "f");
    write(&file, b"before", 0).unwrap();
    let image = disk.image();
    write(&file, b"after!", 0).unwrap();
    process.remove_file(Path::new("/d/f")).unwrap();
    disk.crash(CrashKind::PowerCut);
    disk.load(&image);
    assert_eq!(read(&disk.restart(), "f"), b"before");
    assert_eq!(disk.files(), [(PathBuf::from("/d/f"), 6)]);
    assert_eq!(disk.bytes(Path::new("/d/f")).unwrap(), b"before");
}

#[test]
fn file_made_after_an_image_is_none_of_its_files() {
    let (disk, process) = new(1);
    write(&create(&process, "f"), b"kept", 0).unwrap();
    let (other, _) = new(2);
    other.crash(CrashKind::Kill);
    other.load(&disk.image());
    let process = other.restart();
    write(&create(&process, "g"), b"other", 0).unwrap();
    assert_eq!(read(&process, "f"), b"kept");
}

#[test]
fn one_seed_has_one_trace() {
    let run = |seed| {
        let trace = Arc::new(Trace::default());
        let disk = SimDisk::new(seed, &trace);
        let process = disk.restart();
        for number in 0..10 {
            let path = PathBuf::from(format!("/f{number}"));
            let file = process.open(&path, OpenMode::ReadWrite).unwrap();
            write(&file, &[number; 2000], 0).unwrap();
        }
        disk.crash(CrashKind::PowerCut);
        let next = disk.restart();
        for entry in next.read_dir(Path::new("/")).unwrap() {
            let bytes = next
                .read(&Path::new("/").join(entry.name), 1 << 20)
                .unwrap();
            trace.record("content", &[], &bytes);
        }
        trace.hash()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
