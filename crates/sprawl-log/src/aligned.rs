//! Buffers whose address, position and length suit direct I/O.
//!
//! The vector is larger than asked for by one block, and the aligned part inside it is used: the
//! allocation never moves while it keeps its capacity, so that no `unsafe` is needed.

use bytes::Bytes;
use sprawl_io::disk::DIRECT_ALIGN_BYTES;

/// One block of direct I/O.
pub(crate) const BLOCK: usize = DIRECT_ALIGN_BYTES;
const BLOCK_U64: u64 = BLOCK as u64;

/// Rounds a size up to whole blocks.
pub(crate) fn blocks_up(size: usize) -> usize {
    size.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Rounds a position up to a block boundary.
pub(crate) fn block_after(position: u64) -> u64 {
    position.div_ceil(BLOCK_U64).saturating_mul(BLOCK_U64)
}

/// Rounds a position down to a block boundary.
pub(crate) fn block_before(position: u64) -> u64 {
    position.saturating_sub(position.checked_rem(BLOCK_U64).unwrap_or(0))
}

/// A growable byte buffer that starts on a block boundary.
#[derive(Debug)]
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    size: usize,
}

impl AlignedBuffer {
    /// Makes an empty buffer for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let bytes = vec![0; blocks_up(capacity).saturating_add(BLOCK)];
        let start = aligned_start(&bytes);
        Self {
            bytes,
            start,
            size: 0,
        }
    }

    /// Forgets the contents.
    pub(crate) fn clear(&mut self) {
        self.size = 0;
    }

    /// Returns how many bytes fit without a new allocation.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len().saturating_sub(BLOCK)
    }

    /// Returns the contents.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes
            .get(self.start..self.start.saturating_add(self.size))
            .unwrap_or_default()
    }

    /// Returns how many bytes are in the buffer.
    pub(crate) fn len(&self) -> usize {
        self.size
    }

    /// Appends bytes, growing when they do not fit.
    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.room(more.len()).copy_from_slice(more);
    }

    /// Appends zeros up to the next block boundary.
    pub(crate) fn pad(&mut self) {
        let missing = blocks_up(self.size).saturating_sub(self.size);
        self.room(missing).fill(0);
    }

    /// Appends `size` bytes of unspecified contents and returns them for filling.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        let end = self.size.saturating_add(size);
        if end > self.capacity() {
            let mut larger = Self::with_capacity(end.max(self.capacity().saturating_mul(2)));
            larger.size = self.size;
            let from = self.as_slice();
            let to = larger.start..larger.start.saturating_add(from.len());
            larger
                .bytes
                .get_mut(to)
                .expect("the larger buffer holds all")
                .copy_from_slice(from);
            *self = larger;
        }
        let from = self.start.saturating_add(self.size);
        self.size = end;
        let to = self.start.saturating_add(end);
        self.bytes
            .get_mut(from..to)
            .expect("the capacity was checked")
    }

    /// Shortens the contents.
    pub(crate) fn truncate(&mut self, size: usize) {
        self.size = self.size.min(size);
    }

    /// Turns the contents into shared bytes without a copy.
    pub(crate) fn freeze(self) -> Bytes {
        let (start, end) = (self.start, self.start.saturating_add(self.size));
        Bytes::from(self.bytes).slice(start..end)
    }
}

fn aligned_start(bytes: &[u8]) -> usize {
    let address = bytes.as_ptr().addr();
    address.next_multiple_of(BLOCK).saturating_sub(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_stay_aligned_and_survive_growth() {
        let mut buffer = AlignedBuffer::with_capacity(10);
        for n in 0..5000_u32 {
            buffer.extend(&n.to_be_bytes());
            assert_eq!(buffer.as_slice().as_ptr().addr() % BLOCK, 0);
        }
        buffer.pad();
        assert_eq!(buffer.len(), 20_480);
        let bytes = buffer.freeze();
        assert_eq!(bytes[4000..4004], 1000_u32.to_be_bytes());
        assert_eq!(bytes[20_000..20_480], [0; 480]);
    }
}
