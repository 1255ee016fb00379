//! How full the disk is, and the ballast: a file that is given up so that a full disk can still
//! finish.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use sprawl_io::disk::OpenMode;

use super::Shared;
use crate::error::DiskError;
use crate::journal::files::write_zeros;
use crate::metrics as names;

const BALLAST_FILE: &str = "ballast";
/// The ballast is only kept on disks with this many times its size free.
const BALLAST_ROOM: u64 = 10;

/// What was seen last.
#[derive(Debug)]
pub(super) struct SpaceWatch {
    used_percent: AtomicU8,
    available: AtomicU64,
    throttle_percent: u8,
    full_percent: u8,
}

impl SpaceWatch {
    pub(super) fn new(throttle_percent: u8, full_percent: u8) -> Self {
        let (used_percent, available) = (AtomicU8::new(0), AtomicU64::new(u64::MAX));
        Self {
            used_percent,
            available,
            throttle_percent,
            full_percent,
        }
    }

    pub(super) fn used_percent(&self) -> u8 {
        self.used_percent.load(Ordering::Relaxed)
    }

    pub(super) fn available_bytes(&self) -> u64 {
        self.available.load(Ordering::Relaxed)
    }

    pub(super) fn is_tight(&self) -> bool {
        self.used_percent() >= self.throttle_percent
    }

    pub(super) fn is_full(&self) -> bool {
        self.used_percent() >= self.full_percent
    }
}

impl Shared {
    /// Looks up the free space, and makes the ballast where there is room for it.
    pub(super) fn check_space(&self) -> Result<(), DiskError> {
        let space = self
            .io
            .disk
            .space(&self.dir)
            .map_err(DiskError::at("look up space of", &self.dir))?;
        let used = space.total_bytes.saturating_sub(space.available_bytes);
        let percent = used
            .saturating_mul(100)
            .checked_div(space.total_bytes.max(1))
            .unwrap_or(0);
        let percent = u8::try_from(percent).unwrap_or(100);
        let before = self.space.used_percent.swap(percent, Ordering::Relaxed);
        self.space
            .available
            .store(space.available_bytes, Ordering::Relaxed);
        metrics::gauge!(names::DISK_USED_PERCENT).set(f64::from(percent));
        let full = self.space.full_percent;
        if before < full && percent >= full {
            tracing::warn!(percent, "disk is nearly full: appends are refused");
        } else if before >= full && percent < full {
            tracing::info!(percent, "disk has room again: appends are accepted");
        }
        let room = self.settings.ballast_bytes.saturating_mul(BALLAST_ROOM);
        if self.settings.ballast_bytes > 0
            && space.available_bytes >= room
            && !self.space.is_tight()
        {
            self.make_ballast()?;
        }
        Ok(())
    }

    fn make_ballast(&self) -> Result<(), DiskError> {
        let path = self.dir.join(BALLAST_FILE);
        let size = self
            .io
            .disk
            .size(&path)
            .map_err(DiskError::at("look up", &path))?;
        if size.is_some_and(|size| size >= self.settings.ballast_bytes) {
            return Ok(());
        }
        let file = self
            .io
            .disk
            .open(&path, OpenMode::Direct)
            .map_err(DiskError::at("create", &path))?;
        write_zeros(file.as_ref(), self.settings.ballast_bytes)
            .map_err(DiskError::at("fill", &path))
    }

    /// Gives the ballast up and refuses appends until the next look shows room.
    pub(super) fn release_ballast(&self) {
        self.space.used_percent.store(100, Ordering::Relaxed);
        let path = self.dir.join(BALLAST_FILE);
        match self.io.disk.size(&path) {
            Ok(Some(_)) => match self.io.disk.remove_file(&path) {
                Ok(()) => tracing::warn!("disk is full: gave up the ballast"),
                Err(error) => tracing::warn!(%error, "cannot give up the ballast"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "cannot look up the ballast"),
        }
    }
}
