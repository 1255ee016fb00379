//! A buffer whose address suits direct I/O.

use std::fmt;

use super::DIRECT_ALIGN_BYTES;

/// Growable bytes that start at a multiple of [`DIRECT_ALIGN_BYTES`]; made once and used again.
///
/// The bytes lie inside a larger `Vec`, from its first aligned address on. The `Vec` is never
/// resized in place, so that address stays.
pub struct AlignedBuffer {
    backing: Vec<u8>,
    start: usize,
    size: usize,
}

impl AlignedBuffer {
    /// Makes an empty buffer with room for `capacity` bytes, rounded up to the alignment.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(DIRECT_ALIGN_BYTES);
        let backing = vec![0; capacity + DIRECT_ALIGN_BYTES - 1];
        let start = backing.as_ptr().align_offset(DIRECT_ALIGN_BYTES);
        assert!(
            start < DIRECT_ALIGN_BYTES,
            "the first aligned address is within the slack"
        );
        Self {
            backing,
            start,
            size: 0,
        }
    }

    /// Returns how many bytes fit without growing; a multiple of the alignment.
    pub fn capacity(&self) -> usize {
        self.backing.len() - (DIRECT_ALIGN_BYTES - 1)
    }

    /// Returns how many bytes are in use.
    pub fn len(&self) -> usize {
        self.size
    }

    /// Says whether no byte is in use.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Returns the bytes in use.
    pub fn as_slice(&self) -> &[u8] {
        &self.backing[self.start..self.start + self.size]
    }

    /// Returns the bytes in use, to change them in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.backing[self.start..self.start + self.size]
    }

    /// Appends bytes, growing where they do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.size + bytes.len();
        self.reserve_total(end);
        self.backing[self.start + self.size..self.start + end].copy_from_slice(bytes);
        self.size = end;
    }

    /// Makes exactly `size` bytes be in use; new ones are zero.
    pub fn resize(&mut self, size: usize) {
        self.reserve_total(size);
        if size > self.size {
            self.backing[self.start + self.size..self.start + size].fill(0);
        }
        self.size = size;
    }

    /// Makes exactly `size` bytes be in use; new ones hold anything. For a read that fills them.
    pub fn resize_for_overwrite(&mut self, size: usize) {
        self.reserve_total(size);
        self.size = size;
    }

    /// Appends zeros up to the next multiple of the alignment and returns how many.
    pub fn pad_to_alignment(&mut self) -> usize {
        let padded = self.size.next_multiple_of(DIRECT_ALIGN_BYTES);
        let padding = padded - self.size;
        self.resize(padded);
        padding
    }

    /// Uses no byte and keeps the memory.
    pub fn clear(&mut self) {
        self.size = 0;
    }

    /// Keeps the bytes from `position` on, moved to the start. `position` is at most [`Self::len`].
    pub fn drop_front(&mut self, position: usize) {
        let size = self.size - position;
        self.backing
            .copy_within(self.start + position..self.start + self.size, self.start);
        self.size = size;
    }

    /// Grows to hold `total` bytes in all, at least doubling so that appends cost constant time.
    fn reserve_total(&mut self, total: usize) {
        if total <= self.capacity() {
            return;
        }
        let mut larger = Self::with_capacity(total.max(self.capacity().saturating_mul(2)));
        larger.size = self.size;
        larger.as_mut_slice().copy_from_slice(self.as_slice());
        *self = larger;
    }
}

impl Default for AlignedBuffer {
    fn default() -> Self {
        Self::with_capacity(DIRECT_ALIGN_BYTES)
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer")
            .field("size", &self.size)
            .field("capacity", &self.capacity())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn content_survives_growth_at_an_aligned_address(
            pieces: Vec<Vec<u8>>,
            repeat in 1_usize..40,
        ) {
            let mut buffer = AlignedBuffer::with_capacity(1);
            let mut expected = Vec::new();
            for piece in pieces {
                let piece = piece.repeat(repeat);
                buffer.extend_from_slice(&piece);
                expected.extend_from_slice(&piece);
            }
            prop_assert_eq!(buffer.as_slice(), &expected);
            prop_assert_eq!(buffer.as_slice().as_ptr().align_offset(DIRECT_ALIGN_BYTES), 0);
            let padding = buffer.pad_to_alignment();
            prop_assert_eq!(buffer.len(), expected.len() + padding);
            prop_assert_eq!(buffer.len() % DIRECT_ALIGN_BYTES, 0);
            prop_assert!(buffer.as_slice()[expected.len()..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn old_bytes_do_not_show_after_a_resize() {
        let mut buffer = AlignedBuffer::default();
        buffer.extend_from_slice(&[7; 100]);
        buffer.clear();
        buffer.resize(50);
        assert_eq!(buffer.as_slice(), [0; 50]);
    }

    #[test]
    fn front_is_dropped_in_place() {
        let mut buffer = AlignedBuffer::default();
        buffer.extend_from_slice(b"abcdef");
        buffer.drop_front(4);
        assert_eq!(buffer.as_slice(), b"ef");
        buffer.drop_front(2);
        assert!(buffer.is_empty());
    }
}
