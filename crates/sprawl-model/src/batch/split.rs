//! Where one batch ends and the next begins in a produce payload or a piece of a segment.

use super::error::BatchError;
use super::header::BatchHeader;

/// Iterates over batches that stand one after the other. Checksums are not verified.
///
/// A batch that is cut off at the end yields [`BatchError::Truncated`]; after an error it ends.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes that were not yielded yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self) -> Result<(BatchHeader, &'a [u8]), BatchError> {
        let header = BatchHeader::parse(self.rest)?;
        let Some((batch, rest)) = self.rest.split_at_checked(header.size()) else {
            return Err(BatchError::Truncated {
                needed: header.size(),
                found: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok((header, batch))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}
