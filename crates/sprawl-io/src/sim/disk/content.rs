//! The bytes of one file: as readers see them, and as they are on the platter.

use crate::sim::random::SeededRandom;

/// What a disk writes whole or not at all, in bytes.
pub(super) const SECTOR_BYTES: u64 = 512;

/// A file without its name.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) open_count: u32,
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetSize(u64),
}

impl Content {
    /// Makes a file all of which is on the platter.
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Self {
            open_count: 0,
            durable: bytes.clone(),
            seen: bytes,
            pending: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.seen.len() as u64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn read(&self, bytes: &mut [u8], position: u64) -> usize {
        let rest = self.seen.get(to_usize(position)..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        count
    }

    pub(super) fn write(&mut self, position: u64, bytes: Vec<u8>) {
        put(&mut self.seen, position, &bytes);
        self.pending.push(Change::Write { position, bytes });
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.seen.resize(to_usize(size), 0);
        self.pending.push(Change::SetSize(size));
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write { position, bytes } => put(&mut self.durable, position, &bytes),
                Change::SetSize(size) => self.durable.resize(to_usize(size), 0),
            }
        }
    }

    /// A failed sync: bytes that wait have reached the platter whole, in part or not at all, and no
    /// later sync brings the rest; readers notice nothing. A new size is the file system's own
    /// affair, which its log brings to the platter with a later sync.
    pub(super) fn fail_sync(&mut self, random: &SeededRandom) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::SetSize(_) => self.pending.push(change),
                Change::Write { position, bytes } => self.keep_some(random, position, &bytes),
            }
        }
    }

    /// Brings a write to the platter whole, in part or not at all.
    fn keep_some(&mut self, random: &SeededRandom, position: u64, bytes: &[u8]) {
        match random.below(3) {
            0 => {}
            1 => {
                for (position, sector) in sectors(position, bytes) {
                    if random.chance(1, 2) {
                        put(&mut self.durable, position, sector);
                    }
                }
            }
            _ => put(&mut self.durable, position, bytes),
        }
    }

    /// Keeps, loses or tears each change that waits, and lets readers see the result.
    pub(super) fn power_cut(&mut self, random: &SeededRandom) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { position, bytes } => self.keep_some(random, position, &bytes),
                Change::SetSize(size) => {
                    if random.below(3) > 0 {
                        self.durable.resize(to_usize(size), 0);
                    }
                }
            }
        }
        self.seen.clone_from(&self.durable);
    }

    pub(super) fn flip_bit(&mut self, position: u64, bit: u32) {
        for image in [&mut self.seen, &mut self.durable] {
            if let Some(byte) = image.get_mut(to_usize(position)) {
                *byte ^= 1 << bit;
            }
        }
    }
}

/// Cuts a write at the sector boundaries of the file.
fn sectors(position: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    let (mut position, mut rest) = (position, bytes);
    while !rest.is_empty() {
        let size = to_usize(SECTOR_BYTES - position % SECTOR_BYTES).min(rest.len());
        let (sector, after) = rest.split_at(size);
        parts.push((position, sector));
        position += size as u64;
        rest = after;
    }
    parts
}

fn put(image: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let start = to_usize(position);
    let end = start + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[start..end].copy_from_slice(bytes);
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("simulated files fit memory")
}
