//! What does the disk do by itself? Sequential writes of 1 MiB, each followed by fdatasync.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::plan::Case;
use crate::samples::{Metric, Sample, Samples};

const BLOCK_BYTES: usize = 1024 * 1024;
const BLOCK_COUNT: usize = 512;
/// Alignment that direct I/O needs on every disk sold.
const ALIGN_BYTES: usize = 4096;
#[cfg(target_arch = "x86_64")]
const O_DIRECT: i32 = 0o40_000;
#[cfg(not(target_arch = "x86_64"))]
const O_DIRECT: i32 = 0o200_000;

/// Measures the disk under `folder` through the page cache and past it.
pub(crate) fn probe(folder: &Path, round: u32, samples: &mut Samples) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("probe");
    for (metric, flags) in [
        (Metric::BufferedMibPerSecond, 0),
        (Metric::DirectMibPerSecond, O_DIRECT),
    ] {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(flags);
        let file = options
            .open(&path)
            .with_context(|| format!("{}", path.display()))?;
        let value = write_synced(file)?;
        std::fs::remove_file(&path)?;
        samples.push(Sample {
            case: Case::Disk,
            variant: None,
            round,
            metric,
            value,
        });
    }
    Ok(())
}

fn write_synced(mut file: File) -> Result<f64> {
    let buffer = vec![0x5a_u8; BLOCK_BYTES + ALIGN_BYTES];
    let start = buffer.as_ptr().align_offset(ALIGN_BYTES);
    let block = buffer
        .get(start..start + BLOCK_BYTES)
        .context("no aligned block")?;
    let began = Instant::now();
    for _ in 0..BLOCK_COUNT {
        file.write_all(block)?;
        file.sync_data()?;
    }
    let mib = (BLOCK_BYTES * BLOCK_COUNT / (1024 * 1024)) as f64;
    Ok(mib / began.elapsed().as_secs_f64())
}
